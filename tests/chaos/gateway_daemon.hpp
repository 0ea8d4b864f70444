// One daemon of a run: the real binary with a configuration of its own, on a port that stays the
// same however often it dies, and started again like a service manager would.
#pragma once

#include "support/process.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace gateway::chaos {

struct daemon_settings {
    std::filesystem::path binary;
    std::filesystem::path directory; // certificate, key, configuration and log go here
    std::filesystem::path spool;     // empty for none
    std::string database_url;
    std::string sabotage; // for the sabotaged binary; empty for none
    bool any_file_system = false;
};

// Any thread.
class gateway_daemon {
public:
    explicit gateway_daemon(const daemon_settings& settings);
    ~gateway_daemon();

    std::string url() const;
    std::uint16_t port() const { return port_; }
    std::uint16_t admin_port() const { return admin_port_; }
    // Of the process that runs, or ran last.
    std::chrono::milliseconds age() const;
    std::filesystem::path certificate() const { return settings_.directory / "certificate.pem"; }
    std::filesystem::path key_file() const { return settings_.directory / "signing-key"; }
    std::filesystem::path config_file() const { return settings_.directory / "gateway.toml"; }
    const std::filesystem::path& spool() const { return settings_.spool; }

    // Starts it until it listens, however often it gives up, unless it runs. Throws
    // std::runtime_error after a minute and a half.
    void start();
    // SIGKILL. Nothing when it does not run.
    void kill();
    // SIGKILL, and of the spool only what was synced is there, names and bytes, when it starts
    // again, which it does at once.
    void lose_power();
    // SIGKILL at the `number`-th `call` that one of its threads makes from now on. When none has
    // made so many in a few seconds it is killed all the same, and this is false. Needs strace.
    bool kill_at(const std::string& call, unsigned number);
    // SIGTERM; the exit code.
    int stop();
    // SIGHUP.
    void reload();
    // Starts it again when it ended though nobody killed it, and counts that.
    void keep_up();

    // How often it ended by itself.
    int crashes() const { return crashes_; }

private:
    std::string configuration() const;
    std::filesystem::path disk_memory() const { return settings_.directory / "disk"; }
    void start_locked();
    void kill_locked();
    void save_log();

    const daemon_settings settings_;
    std::uint16_t port_;
    std::uint16_t admin_port_;
    std::atomic<std::chrono::steady_clock::time_point> started_{};
    std::mutex mutex_;
    std::unique_ptr<test::process> child_;
    std::atomic<int> crashes_{0};
};

// Waits until no spool of theirs holds anything, and the intake of the database at `url` is
// applied; false when that takes minutes.
bool drain(const std::vector<std::unique_ptr<gateway_daemon>>& daemons, const std::string& url);

// Whether strace may look into a child of ours.
bool can_trace();

} // namespace gateway::chaos
