// The private cluster: kept over restarts, stopped with its owner, taken over after a crash, closed
// to others, and clear about what keeps it from starting.
#include "gateway/store/embedded_cluster.hpp"
#include "support/cluster.hpp"
#include "support/process.hpp"
#include "support/waiting.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gateway {
namespace {

using namespace test;
using namespace std::chrono_literals;
using testing::HasSubstr;

const std::string own_program = std::filesystem::read_symlink("/proc/self/exe").string();

// Not a test: the crashing process of ClusterTest::leave_an_orphan.
TEST(OrphanTest, DISABLED_LeavesItsServerBehind)
{
    const char* directory = std::getenv("GATEWAY_ORPHAN_DIRECTORY");
    ASSERT_NE(directory, nullptr);
    const auto cluster = embedded_cluster::start(directory);
    ASSERT_TRUE(cluster.has_value()) << cluster.error().detail;
    ::kill(cluster.value().pid(), SIGSTOP);
    ::kill(::getpid(), SIGKILL);
}

class ClusterTest : public testing::Test {
protected:
    void TearDown() override { std::filesystem::remove_all(directory_); }

    // Starts the cluster in a process of its own, which then dies by SIGKILL like a crashed
    // gateway. Returns the server's pid; it is stopped, so that the signal which the kernel sends
    // at the death of its parent has no effect until it goes on.
    pid_t leave_an_orphan()
    {
        const std::string variable = "GATEWAY_ORPHAN_DIRECTORY=" + directory_.string();
        const pid_t child = ::fork();
        if (child == 0) {
            ::execl("/usr/bin/env", "env", "-u", "GTEST_TOTAL_SHARDS", "-u", "GTEST_SHARD_INDEX",
                    variable.c_str(), own_program.c_str(), "--gtest_also_run_disabled_tests",
                    "--gtest_filter=OrphanTest.DISABLED_LeavesItsServerBehind", nullptr);
            ::_exit(127);
        }
        ::waitpid(child, nullptr, 0);
        std::ifstream in{directory_ / "data/postmaster.pid"};
        pid_t pid = 0;
        in >> pid;
        EXPECT_GT(pid, 1);
        return pid;
    }

    std::filesystem::path directory_ = make_temporary_directory();
};

// A zombie that nobody has waited for yet does not run: it has no program.
bool runs(pid_t pid)
{
    std::error_code gone;
    const auto program =
        std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe", gone);
    return !gone && !program.empty();
}

bool ends(pid_t pid, std::chrono::seconds limit)
{
    return becomes([pid] { return !runs(pid); }, limit);
}

TEST(SharedClusterTest, IsDurableUtf8AndWithoutTcp)
{
    const std::string url = shared_cluster().url();

    EXPECT_EQ(query(url, "SELECT current_setting('server_encoding'), current_setting('fsync'),"
                         " current_setting('data_checksums'), current_setting('listen_addresses'),"
                         " current_setting('synchronous_commit'), current_database()")
                  .at(0),
              (std::vector<std::string>{"UTF8", "on", "on", "", "on", "gateway"}));
}

TEST(SharedClusterTest, IsClosedToOtherUsers)
{
    const std::string url = shared_cluster().url();
    const std::filesystem::path directory = url.substr(url.find("host=") + 5);
    struct stat status {};

    ASSERT_EQ(::stat(directory.c_str(), &status), 0);

    EXPECT_EQ(status.st_mode & 0777U, 0700U);
}

TEST_F(ClusterTest, KeepsItsDataOverARestartAndLeavesNoProcess)
{
    pid_t pid = 0;
    {
        auto cluster = embedded_cluster::start(directory_).value();
        pid = cluster.pid();
        query(cluster.url(), "CREATE TABLE kept AS SELECT 42 AS n");
    }
    EXPECT_FALSE(runs(pid));

    const auto cluster = embedded_cluster::start(directory_).value();

    EXPECT_EQ(value(cluster.url(), "SELECT n FROM kept"), "42");
}

TEST_F(ClusterTest, StopsWithItsProcessEvenWhenThatIsKilled)
{
    const pid_t server = leave_an_orphan();

    ::kill(server, SIGCONT);

    EXPECT_TRUE(ends(server, 20s));
}

TEST_F(ClusterTest, TakesOverAServerThatACrashLeftRunning)
{
    const pid_t orphan = leave_an_orphan();
    ASSERT_TRUE(runs(orphan));
    std::thread later{[orphan] {
        std::this_thread::sleep_for(300ms);
        ::kill(orphan, SIGCONT);
    }};

    const auto cluster = embedded_cluster::start(directory_);
    later.join();

    ASSERT_TRUE(cluster.has_value()) << cluster.error().detail;
    EXPECT_FALSE(runs(orphan));
    EXPECT_EQ(value(cluster.value().url(), "SELECT 1"), "1");
}

TEST_F(ClusterTest, IsNotFooledByAStrangerWithTheOldServersProcessId)
{
    {
        const auto cluster = embedded_cluster::start(directory_).value();
        ::kill(cluster.pid(), SIGKILL);
    }
    const std::string file = (directory_ / "data/postmaster.pid").string();
    const pid_t stranger = ::fork();
    if (stranger == 0) {
        ::pause();
        ::_exit(0);
    }
    std::string rest;
    {
        std::ifstream in{file};
        std::getline(in, rest);
        std::getline(in, rest, '\0');
    }
    std::ofstream{file} << stranger << "\n" << rest;

    const auto cluster = embedded_cluster::start(directory_);

    EXPECT_TRUE(runs(stranger));
    EXPECT_TRUE(cluster.has_value()) << cluster.error().detail;
    ::kill(stranger, SIGKILL);
    ::waitpid(stranger, nullptr, 0);
}

TEST_F(ClusterTest, StartsAgainAfterAnInterruptedCreation)
{
    std::filesystem::create_directories(directory_ / "data.new");
    std::ofstream{directory_ / "data.new/PG_VERSION"} << "15\n";
    std::ofstream{directory_ / "lock"};

    const auto cluster = embedded_cluster::start(directory_);

    EXPECT_TRUE(cluster.has_value()) << cluster.error().detail;
}

TEST_F(ClusterTest, RefusesASecondOwner)
{
    const auto first = embedded_cluster::start(directory_).value();

    const auto second = embedded_cluster::start(directory_);

    ASSERT_TRUE(second.has_error());
    EXPECT_EQ(second.error().code, errc::process_failed);
    EXPECT_THAT(second.error().detail, HasSubstr("another process"));
    EXPECT_EQ(value(first.url(), "SELECT 1"), "1");
}

TEST_F(ClusterTest, RefusesADirectoryWithOtherThings)
{
    std::ofstream{directory_ / "letters.txt"} << "dear";

    const auto cluster = embedded_cluster::start(directory_);

    ASSERT_TRUE(cluster.has_error());
    EXPECT_EQ(cluster.error().code, errc::io_failed);
    EXPECT_THAT(cluster.error().detail, HasSubstr("other files"));
}

TEST_F(ClusterTest, RefusesAPathTooLongForASocket)
{
    const auto cluster = embedded_cluster::start(directory_ / std::string(100, 'x'));

    ASSERT_TRUE(cluster.has_error());
    EXPECT_THAT(cluster.error().detail, HasSubstr("too long"));
}

TEST_F(ClusterTest, SaysWhichFolderTheServersUserMayNotEnter)
{
    if (::geteuid() != 0)
        GTEST_SKIP() << "only root drops to another user";
    const auto cluster = embedded_cluster::start(directory_ / "pg"); // below 0700 of root

    ASSERT_TRUE(cluster.has_error());
    EXPECT_EQ(cluster.error().code, errc::io_failed);
    EXPECT_THAT(cluster.error().detail, HasSubstr("may not enter " + directory_.string()));
}

} // namespace
} // namespace gateway
