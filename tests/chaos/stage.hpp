// What a run stands on: one directory, in it a real PostgreSQL, a spool for each daemon, both on
// small disks of their own where this machine lets us mount them, and a proxy before the database
// for each daemon. Each piece can be harmed and healed; who does that when is the nemesis's part.
#pragma once

#include "chaos/checker.hpp"
#include "gateway/store/embedded_cluster.hpp"
#include "support/tcp_proxy.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace gateway::chaos {

// Whether loop devices can be mounted, in a mount namespace of our own: it goes with the process,
// and so do the mounts. To be called before any thread exists.
bool can_mount();

// A file system in a sparse file, or a plain directory where mounting is not possible.
class small_disk {
public:
    // Throws std::runtime_error when `mounted` and it cannot be.
    small_disk(const std::filesystem::path& directory, bool mounted, std::uint64_t bytes);
    ~small_disk();
    small_disk(const small_disk&) = delete;
    small_disk& operator=(const small_disk&) = delete;

    const std::filesystem::path& path() const { return directory_; }
    // Takes every free block, then gives them back.
    void fill() const;
    void free() const;

private:
    std::filesystem::path directory_;
    bool mounted_;
};

// The gateway's schema, and a rule that refuses poison. Throws std::runtime_error with the reason.
void make_schema(const std::string& url);
// A company that no sender tells of, and somebody there who can be erased.
constexpr const char* stranger = "stranger";
// Every row of both tables but the stranger's, with the digest of its body.
std::vector<stored_row> stored_rows(const std::string& url);

// Who the daemons are to the database.
constexpr const char* daemon_user = "daemon_user";

// PostgreSQL, as the product starts its own, with that schema. One thread at a time.
class server {
public:
    // Throws std::runtime_error with the reason, as all below.
    explicit server(const std::filesystem::path& directory);

    const std::string& url() const { return url_; }
    std::filesystem::path socket() const;
    void start();     // once it is down; waits until it takes connections
    void make_sure(); // starts it if it died
    void stop();      // fast
    void signal(int number) const;
    void freeze() const; // every process of it, with SIGSTOP
    void kill() const;   // every process of it at once, frozen or not
    // Kills all processes of the server, the WAL writer having slept for `before`: what no
    // backend flushed itself is gone, as if the power had failed.
    void lose_power(std::chrono::milliseconds before);
    // The log is nobody else's for so long.
    void lock_log(std::chrono::milliseconds lasts) const;
    // New sessions may run statements for 20 ms and wait for locks for 1 ms, for so long; the
    // daemons get new ones at its begin and end.
    void limit_role(std::chrono::milliseconds lasts) const;
    // Three sessions are all that the daemons may have, for so long.
    void limit_connections(std::chrono::milliseconds lasts) const;
    // The rows of this month are in DEFAULT, as if it had begun just now, and a long reader keeps
    // them there for so long.
    void begin_month(std::chrono::milliseconds lasts) const;
    // One event of 256 is refused by a trigger, for so long.
    void refuse_some(std::chrono::milliseconds lasts) const;
    // Whether every row of the log is in the partition of its time, in the end.
    bool all_in_place() const;
    // What is not as it has to be in the end: positions of the log from 1 without gaps, each given
    // once, nothing under way out of quarantine, and read models that a rebuild leaves as they
    // are. Empty when all is.
    std::string disorder() const;
    // Process ids of the daemons' sessions.
    std::vector<pid_t> sessions() const;

private:
    std::filesystem::path directory_;
    std::optional<embedded_cluster> cluster_;
    std::string url_;
};

} // namespace gateway::chaos
