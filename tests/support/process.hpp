// A child process for tests: the real binary or a real tool, with its output captured, ended by
// its own pid at the latest when the object goes.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace gateway::test {

struct process_options {
    std::string input;                    // given on standard input
    std::vector<std::string> environment; // "NAME=value", added to ours
};

// Not thread-safe.
class process {
public:
    using options = process_options;

    // Starts `arguments[0]`, looked up in PATH. Aborts the test when it cannot be started.
    explicit process(const std::vector<std::string>& arguments, const options& o = {});
    ~process(); // SIGKILL if it still runs
    process(const process&) = delete;
    process& operator=(const process&) = delete;

    // The exit code, or 128 + signal; nullopt when it still runs after `timeout`.
    std::optional<int> wait(std::chrono::milliseconds timeout);
    // Until `text` stands in the output, or false after `timeout` or at its end.
    bool wait_for_output(const std::string& text, std::chrono::milliseconds timeout);
    void signal(int number) const;
    int pid() const { return pid_; }
    // Standard output and standard error so far, each in its own order.
    std::string output() const;
    std::string errors() const;

private:
    int pid_ = -1;
    std::optional<int> exit_code_;
    std::filesystem::path directory_;
};

struct run_result {
    int exit_code;
    std::string output;
    std::string errors;
};

// Runs to the end; exit code -1 when it had to be killed after `timeout`.
run_result run(const std::vector<std::string>& arguments, const process_options& o = {},
               std::chrono::milliseconds timeout = std::chrono::seconds{60});

// Processes whose parent is `parent`.
std::vector<int> children_of(int parent);
// SIGKILL to it and to its children at once, frozen or not.
void kill_with_children(int pid);

// A new directory of mode 0700, in memory where that is possible (every test waits for dozens of
// fsyncs otherwise) or below $GATEWAY_TEST_DIRECTORY. The caller removes it.
std::filesystem::path make_temporary_directory();

// A new directory, removed with the object. World-searchable, so that a server that dropped root
// can reach what lies in it.
class temporary_directory {
public:
    temporary_directory();
    ~temporary_directory();
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;

    const std::filesystem::path& path() const { return path_; }
    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

// One test on this machine at a time has it; waits for the others. For what there is one of, such
// as the demonstration's port.
class machine_lock {
public:
    explicit machine_lock(const std::string& name);
    ~machine_lock();
    machine_lock(const machine_lock&) = delete;
    machine_lock& operator=(const machine_lock&) = delete;

private:
    int file_;
};

void write_file(const std::filesystem::path& file, const std::string& text);
std::string read_file(const std::filesystem::path& file);

} // namespace gateway::test
