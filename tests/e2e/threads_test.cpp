// Who takes a signal: the main thread alone. One that another thread took would interrupt it in the
// middle of a commit or of a checkpoint. Read from the kernel, of a daemon with all its threads.
#include "support/gateway_process.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <map>
#include <string>

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
    const test::temporary_directory spool;
    test::gateway_process gateway{
        {.configuration =
             "[spool]\ndirectory = '" + (spool / "spool").string() + "'\nany_file_system = true\n",
         .listener = "threads = 3\n"}};
    const auto main_thread = std::to_string(gateway.child().pid());
    const fs::path tasks = "/proc/" + main_thread + "/task";
    const auto main_name = status_of(tasks / main_thread).at("Name");
    const auto blocked = everything_blocked();

    std::map<std::string, int> names;
    for (const auto& task : fs::directory_iterator{tasks}) {
        if (task.path().filename() == main_thread)
            continue;
        const auto status = status_of(task.path());
        ++names[status.at("Name")];
        EXPECT_NE(status.at("Name"), main_name) << task.path();
        EXPECT_EQ(status.at("SigBlk"), blocked) << status.at("Name");
    }

    EXPECT_EQ(names["listener"], 2); // the main thread serves too
    EXPECT_EQ(names["writer"], 2);
    for (const char* name :
         {"spooler", "spool keeper", "drainer", "projector", "retention", "observer", "page"})
        EXPECT_EQ(names[name], 1) << name;
}

} // namespace
} // namespace gateway
