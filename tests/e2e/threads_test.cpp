// Who takes a signal: the main thread alone. One that another thread took would interrupt it in the
// middle of a commit or of a checkpoint. Read from the kernel, of a daemon with all its threads.
#include "support/gateway_process.hpp"
#include "support/waiting.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <string>
#include <thread>

namespace gateway {
namespace {

namespace fs = std::filesystem;

// "Name", "SigBlk" and so on of a thread, as /proc has it.
std::map<std::string, std::string> status_of(const fs::path& task)
{
    std::map<std::string, std::string> status;
    std::ifstream in{task / "status"};
    for (std::string line; std::getline(in, line);) {
        const auto colon = line.find(":\t");
        if (colon != std::string::npos)
            status.emplace(line.substr(0, colon), line.substr(colon + 2));
    }
    return status;
}

// SigBlk of a thread that blocks all that can be blocked.
std::string everything_blocked()
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const auto mask = status_of("/proc/thread-self").at("SigBlk");
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return mask;
}

TEST(ThreadsTest, AllButTheMainOneHaveANameAndTakeNoSignal)
{
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
    GTEST_SKIP() << "ThreadSanitizer has a thread of its own in the daemon";
#endif
#endif
    const test::temporary_directory spool;
    test::gateway_process gateway{
        {.configuration =
             "[spool]\ndirectory = '" + (spool / "spool").string() + "'\nany_file_system = true\n",
         .listener = "threads = 3\n"}};
    const auto main_thread = std::to_string(gateway.child().pid());
    const fs::path tasks = "/proc/" + main_thread + "/task";
    const auto main_name = status_of(tasks / main_thread).at("Name");
    const auto blocked = everything_blocked();

    // A thread that has just begun has neither yet.
    const std::map<std::string, int> expected = {
        {"listener", 2}, // the main thread serves too
        {"writer", 2},   {"inbox watch", 1}, {"spooler", 1},  {"spool keeper", 1}, {"drainer", 1},
        {"applier", 1},  {"keeper", 1},      {"observer", 1}, {"page", 1}};
    std::map<std::string, int> names;
    std::string wrong;
    const auto look = [&] {
        names.clear();
        wrong.clear();
        for (const auto& task : fs::directory_iterator{tasks}) {
            const auto status = status_of(task.path());
            if (task.path().filename() == main_thread || status.empty())
                continue;
            const auto& name = status.at("Name");
            ++names[name];
            if (name == main_name || status.at("SigBlk") != blocked)
                wrong += name + " blocks " + status.at("SigBlk") + "\n";
        }
        return wrong.empty() &&
               std::includes(names.begin(), names.end(), expected.begin(), expected.end());
    };

    EXPECT_TRUE(test::becomes(look)) << wrong;
    for (const auto& [name, threads] : expected)
        EXPECT_EQ(names[name], threads) << name;
}

} // namespace
} // namespace gateway
