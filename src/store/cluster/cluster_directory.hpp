// Where a private cluster lives, by which program and as which user it runs.
// Inside the directory: `data` (the cluster), the socket, `lock` (held while a gateway runs it),
// `initdb.log` and `postgres.log`. Connections are trusted, because nobody but root and the
// server's own user can reach the socket: the directory's mode 0700 is the guard.
#pragma once

#include "gateway/base/result.hpp"
#include "store/cluster/child_process.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

namespace gateway {

// Closed with its object.
class file_descriptor {
public:
    explicit file_descriptor(int fd) : fd_(fd) {}
    ~file_descriptor();
    file_descriptor(file_descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    file_descriptor& operator=(file_descriptor&&) = delete;
    int get() const { return fd_; }

private:
    int fd_;
};

// `directory` as a path that fits into a socket address and into PostgreSQL's list of socket
// directories. Fails with io_failed, saying what to choose.
result<std::filesystem::path> usable_path(const std::filesystem::path& directory);

// The folder with `initdb` and `postgres`: of the version of the cluster in `data` when there is
// one, else from PATH, else the highest that Debian's packages installed. Fails with
// process_failed, saying what to install.
result<std::filesystem::path> find_binaries(const std::filesystem::path& data);

// User postgres when we are root, who may not run a server; nobody else otherwise. Fails with
// process_failed when there is no such user.
result<std::optional<identity>> server_identity();

// Makes the directory ours: 0700, owned by the server's user. A directory with other things in it
// is left alone: a mistyped path must not change the owner of /var/lib. Fails with io_failed.
result<void> prepare_directory(const std::filesystem::path& directory,
                               const std::optional<identity>& who);

// Two gateways on one cluster would stop each other's server. Fails with process_failed when
// another holds it.
result<file_descriptor> lock_directory(const std::filesystem::path& directory);

// Of a file; empty when there is none.
std::string first_word(const std::filesystem::path& file);

} // namespace gateway
