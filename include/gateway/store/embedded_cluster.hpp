// A private PostgreSQL cluster of the gateway's own: the real server, from Debian's package, in a
// directory we own, on a unix socket, without TCP. For one host, for the demo and for the tests.
#pragma once

#include "gateway/base/result.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace gateway {

// The server runs as a child process and stops with this object (fast shutdown) or with the
// process (parent-death signal). Not thread-safe; outlive every connection.
class embedded_cluster {
public:
    // Creates the cluster in `directory` on first use (initdb: UTF-8, C locale, checksums), starts
    // it, and makes sure that database `gateway` exists. As root it drops to user `postgres`,
    // which then owns the directory. A cluster that a crash left running is taken over by
    // stopping it first. Fails with process_failed or io_failed, saying what to install or fix.
    static result<embedded_cluster> start(const std::filesystem::path& directory);

    // The URL of the cluster in `directory` when a server runs there, whoever started it; nullopt
    // when none answers.
    static std::optional<std::string> url_if_running(const std::filesystem::path& directory);

    embedded_cluster(embedded_cluster&&) noexcept;
    embedded_cluster& operator=(embedded_cluster&&) noexcept;
    ~embedded_cluster();

    // libpq URI of database `gateway` over the cluster's socket, as its superuser.
    const std::string& url() const;
    // The server's process id, for tests that freeze or kill it.
    int pid() const;
    // Fast shutdown, then wait; the destructor does the same.
    void stop();

private:
    struct implementation;
    explicit embedded_cluster(std::unique_ptr<implementation> i);
    std::unique_ptr<implementation> implementation_;
};

} // namespace gateway
