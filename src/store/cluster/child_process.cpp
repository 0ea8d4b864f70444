// fork and exec with care: between the two only what is safe in a process with threads, and a
// child that neither outlives this process nor turns into a zombie.
#include "store/cluster/child_process.hpp"
#include "gateway/base/worker.hpp"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <mutex>
#include <utility>

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gateway {

namespace {

constexpr int exit_not_started = 127;

// Everything the child needs, made before the fork: after it only async-signal-safe calls are
// allowed, because this process has other threads.
struct prepared {
    explicit prepared(const child_command& c) : command(c), log(c.log.string())
    {
        program = c.program.string();
        arguments.push_back(program.data());
        for (auto& argument : command.arguments)
            arguments.push_back(argument.data());
        arguments.push_back(nullptr);
    }

    child_command command;
    std::string program;
    std::string log;
    std::vector<char*> arguments;
};

bool become(const identity& who)
{
    return ::setgroups(who.groups.size(), who.groups.data()) == 0 && ::setgid(who.group) == 0 &&
           ::setuid(who.user) == 0;
}

[[noreturn]] void run_child(prepared& p, pid_t parent)
{
    const int out = ::open(p.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const int in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (out < 0 || in < 0 || ::dup2(in, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(out, 2) < 0)
        ::_exit(exit_not_started);
    ::setsid(); // Ctrl-C is for the daemon, which then stops the child in its own order
    if (p.command.drop && !become(*p.command.drop))
        ::_exit(exit_not_started);
    // Changing the user clears the parent-death signal, so it is set behind that; a parent that
    // ended before it was set is noticed by the new parent.
    if (::prctl(PR_SET_PDEATHSIG, SIGINT) != 0 || ::getppid() != parent)
        ::_exit(exit_not_started);
    ::signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execv(p.program.c_str(), p.arguments.data());
    ::_exit(exit_not_started);
}

} // namespace

struct child_process::state {
    explicit state(child_command c) : command(std::move(c)) {}

    const child_command command;
    std::mutex mutex;
    std::condition_variable changed;
    pid_t pid = 0; // -1: the fork failed
    bool ended = false;
    int status = 0;
    worker keeper{"child keeper", [this](worker&) { keep(); }};

    void keep();
};

// The system takes the end of the thread that forked for the end of the parent, so this one stays.
void child_process::state::keep()
{
    prepared p{command};
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child == 0)
        run_child(p, parent);
    {
        const std::lock_guard lock{mutex};
        pid = child;
    }
    changed.notify_all();
    if (child < 0)
        return;

    // First see that it ended, then reap it under the lock: until then kill() cannot hit a
    // stranger that got the same number.
    siginfo_t info;
    while (::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) != 0 &&
           errno == EINTR) {
    }
    const std::lock_guard lock{mutex};
    int wait_status = 0;
    ::waitpid(child, &wait_status, 0);
    status = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    ended = true;
    changed.notify_all();
}

child_process::child_process(std::unique_ptr<state> s) : state_(std::move(s)) {}

result<std::unique_ptr<child_process>> child_process::start(child_command command)
{
    auto s = std::make_unique<state>(std::move(command));
    {
        std::unique_lock lock{s->mutex};
        s->changed.wait(lock, [&s] { return s->pid != 0; });
    }
    if (s->pid < 0)
        return fail(errc::process_failed, "cannot start another process: the system refuses fork");
    return std::unique_ptr<child_process>{new child_process{std::move(s)}};
}

child_process::~child_process()
{
    kill(SIGKILL); // and then the keeper ends
}

pid_t child_process::pid() const
{
    const std::lock_guard lock{state_->mutex};
    return state_->pid;
}

std::optional<int> child_process::wait(std::chrono::milliseconds limit)
{
    std::unique_lock lock{state_->mutex};
    if (!state_->changed.wait_for(lock, limit, [this] { return state_->ended; }))
        return std::nullopt;
    return state_->status;
}

void child_process::kill(int signal)
{
    const std::lock_guard lock{state_->mutex};
    if (!state_->ended)
        ::kill(state_->pid, signal);
}

std::filesystem::path closed_to(const identity& who, const std::filesystem::path& path)
{
    std::vector<std::string> folders;
    for (auto p = path; p != p.parent_path(); p = p.parent_path())
        folders.push_back(p.string());
    std::reverse(folders.begin(), folders.end());

    const pid_t child = ::fork();
    if (child == 0) {
        if (!become(who))
            ::_exit(0);
        int number = 1;
        for (const auto& folder : folders) {
            if (::access(folder.c_str(), X_OK) != 0)
                ::_exit(number);
            number = std::min(number + 1, exit_not_started);
        }
        ::_exit(0);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    const auto number = static_cast<std::size_t>(WIFEXITED(status) ? WEXITSTATUS(status) : 0);
    return number == 0 || number > folders.size() ? std::string{} : folders[number - 1];
}

} // namespace gateway
