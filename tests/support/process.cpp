#include "support/process.hpp"

#include <algorithm>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdexcept>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

extern char** environ; // NOLINT(readability-redundant-declaration): POSIX has no header for it

namespace gateway::test {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds poll_interval{10};

std::vector<char*> pointers(std::vector<std::string>& texts)
{
    std::vector<char*> out;
    for (auto& text : texts)
        out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

} // namespace

process::process(const std::vector<std::string>& arguments, const options& o)
    : directory_{make_temporary_directory()}
{
    write_file(directory_ / "in", o.input);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    const std::string in = directory_ / "in";
    const std::string out = directory_ / "out";
    const std::string err = directory_ / "err";
    ::posix_spawn_file_actions_addopen(&actions, 0, in.c_str(), O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT, 0600);
    ::posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT, 0600);

    std::vector<std::string> words = arguments;
    std::vector<std::string> environment = o.environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view inherited{*entry};
        const auto name = inherited.substr(0, inherited.find('=') + 1);
        if (std::none_of(o.environment.begin(), o.environment.end(),
                         [&](const auto& given) { return given.starts_with(name); }))
            environment.emplace_back(inherited);
    }
    const int failed = ::posix_spawnp(&pid_, words.front().c_str(), &actions, nullptr,
                                      pointers(words).data(), pointers(environment).data());
    ::posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
        std::fprintf(stderr, "cannot start %s: error %d\n", words.front().c_str(), failed);
        std::abort();
    }
}

process::~process()
{
    if (!exit_code_) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    std::filesystem::remove_all(directory_);
}

std::optional<int> process::wait(std::chrono::milliseconds timeout)
{
    const auto deadline = steady_clock::now() + timeout;
    while (!exit_code_) {
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) == pid_) {
            exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        } else if (steady_clock::now() >= deadline) {
            return std::nullopt;
        } else {
            std::this_thread::sleep_for(poll_interval);
        }
    }
    return exit_code_;
}

bool process::wait_for_output(const std::string& text, std::chrono::milliseconds timeout)
{
    const auto deadline = steady_clock::now() + timeout;
    for (;;) {
        const bool ended = wait(std::chrono::milliseconds{0}).has_value();
        if (output().find(text) != std::string::npos || errors().find(text) != std::string::npos)
            return true;
        if (ended || steady_clock::now() >= deadline)
            return false;
        std::this_thread::sleep_for(poll_interval);
    }
}

void process::signal(int number) const
{
    if (!exit_code_)
        ::kill(pid_, number);
}

std::string process::output() const
{
    return read_file(directory_ / "out");
}

std::string process::errors() const
{
    return read_file(directory_ / "err");
}

run_result run(const std::vector<std::string>& arguments, const process_options& o,
               std::chrono::milliseconds timeout)
{
    process child{arguments, o};
    const auto exit_code = child.wait(timeout);
    return run_result{exit_code.value_or(-1), child.output(), child.errors()};
}

std::vector<int> children_of(int parent)
{
    std::vector<int> out;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
        const int pid = std::atoi(entry.path().filename().c_str());
        std::string line;
        if (pid <= 0 || !std::getline(std::ifstream{entry.path() / "stat"}, line))
            continue;
        const auto after_name = line.rfind(')');
        if (after_name != std::string::npos && line.size() > after_name + 4 &&
            std::atoi(line.c_str() + after_name + 4) == parent)
            out.push_back(pid);
    }
    return out;
}

void kill_with_children(int pid)
{
    const auto children = children_of(pid);
    ::kill(pid, SIGKILL);
    for (const int child : children)
        ::kill(child, SIGKILL);
}

std::filesystem::path make_temporary_directory()
{
    const char* chosen = std::getenv("GATEWAY_TEST_DIRECTORY");
    std::error_code fault;
    const auto memory = std::filesystem::space("/dev/shm", fault);
    const bool roomy = !fault && memory.available > (2ULL << 30U);
    const std::string parent = chosen != nullptr ? chosen : roomy ? "/dev/shm" : "/tmp";
    std::string name = parent + "/gateway-test-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) {
        std::perror("mkdtemp");
        std::abort();
    }
    return name;
}

temporary_directory::temporary_directory() : path_{make_temporary_directory()}
{
    ::chmod(path_.c_str(), 0711);
}

temporary_directory::~temporary_directory()
{
    std::error_code ignored; // a leftover in /tmp fails no test
    std::filesystem::remove_all(path_, ignored);
}

machine_lock::machine_lock(const std::string& name)
    : file_{::open(("/tmp/gateway-test-" + name + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC,
                   0666)}
{
    if (file_ < 0 || ::flock(file_, LOCK_EX) != 0)
        throw std::runtime_error{"no lock named " + name};
}

machine_lock::~machine_lock()
{
    ::close(file_);
}

void write_file(const std::filesystem::path& file, const std::string& text)
{
    std::ofstream{file, std::ios::binary} << text;
}

std::string read_file(const std::filesystem::path& file)
{
    std::ostringstream text;
    text << std::ifstream{file, std::ios::binary}.rdbuf();
    return text.str();
}

} // namespace gateway::test
