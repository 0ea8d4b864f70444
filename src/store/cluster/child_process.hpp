// Programs of PostgreSQL as child processes: started as another user when root starts them, tied
// to this process's life, their output in a file.
#pragma once

#include "gateway/base/result.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace gateway {

// Whom a child runs as; the groups are looked up before the fork, where that is still allowed.
struct identity {
    uid_t user;
    gid_t group;
    std::vector<gid_t> groups;
    std::string name;
};

struct child_command {
    std::filesystem::path program;
    std::vector<std::string> arguments;
    std::filesystem::path log;    // stdout and stderr are appended to it
    std::optional<identity> drop; // become this user first
};

// A running child. It gets SIGINT when this process ends in any way. The kernel ties that signal
// to the thread that forked, so a thread of the child's own forks it and waits for its end.
class child_process {
public:
    // Fails with process_failed when it cannot fork; a program that cannot run exits with 127.
    static result<std::unique_ptr<child_process>> start(child_command command);

    // Kills the child if it still runs.
    ~child_process();
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;

    pid_t pid() const;
    // The exit status (128 + signal for a killed one) when the child has ended within `limit`.
    std::optional<int> wait(std::chrono::milliseconds limit);
    // Sends `signal` unless the child has ended.
    void kill(int signal);

private:
    struct state;
    explicit child_process(std::unique_ptr<state> s);
    std::unique_ptr<state> state_;
};

// The first of `path` and its parent folders that `who` may not enter; empty when it may enter all.
std::filesystem::path closed_to(const identity& who, const std::filesystem::path& path);

} // namespace gateway
