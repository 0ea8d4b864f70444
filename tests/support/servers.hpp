// Servers that the product does not run itself: a PostgreSQL with settings of a test's choice, a
// hot standby, a pgbouncer. On unix sockets only, as user postgres where root runs the tests, and
// ended with the object or, by a signal from the kernel, with the test.
#pragma once

#include "support/process.hpp"

#include <memory>
#include <string>

namespace gateway::test {

// A directory that the servers' user owns, removed with the object.
class server_directory {
public:
    server_directory();

    const std::filesystem::path& path() const { return path_; }

private:
    temporary_directory parent_;
    std::filesystem::path path_;
};

// Not thread-safe. Aborts the test with the reason when the server does not come up.
class postgres_server {
public:
    // A new cluster, with no database but postgres. Settings are changed by ALTER SYSTEM.
    postgres_server();
    // A streaming standby of the server whose socket stands in `primary`.
    explicit postgres_server(const std::filesystem::path& primary);
    ~postgres_server(); // immediate shutdown

    const std::filesystem::path& directory() const { return directory_.path(); }
    std::string url(const std::string& database) const;
    void stop();  // immediately
    void start(); // again
    void kill();  // every process of it at once

private:
    server_directory directory_;
    std::unique_ptr<process> server_;
};

// Debian's pgbouncer in transaction mode, two connections for all, before the server whose socket
// stands in `server`.
class pgbouncer {
public:
    explicit pgbouncer(std::filesystem::path server);

    // `url` of the server behind, as clients of the pooler have it.
    std::string before(const std::string& url) const;
    void stop();
    void start();

private:
    std::filesystem::path server_;
    server_directory directory_;
    std::unique_ptr<process> pooler_;
};

// The directory of the socket that `url` names.
std::filesystem::path socket_directory(const std::string& url);

} // namespace gateway::test
