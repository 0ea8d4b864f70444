// The spool on a disk that fails: at call N, for every N of a scripted run, each kind of harm once.
// The promise: what append() acknowledged and remove() did not take is read back, byte for byte,
// after the next open, and nothing that was never appended is.
#include "gateway/store/spool.hpp"
#include "support/faulty_vfs.hpp"
#include "support/process.hpp"
#include "support/spool_events.hpp"
#include "support/waiting.hpp"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace gateway::test {
namespace {

namespace fs = std::filesystem;

// What a run was told, as the caller of the spool knows it. The child of a crash test writes it
// down line by line, as it can tell nobody afterwards.
struct account {
    std::set<int> attempted;
    std::set<int> acknowledged;
    std::set<int> removed;
    fs::path journal; // empty: none

    void note(char what, int first, int count) const
    {
        if (!journal.empty())
            std::ofstream{journal, std::ios::app} << what << ' ' << first << ' ' << count << '\n';
    }
};

account read_journal(const fs::path& file)
{
    account a;
    std::ifstream in{file};
    char what = 0;
    int first = 0;
    int count = 0;
    while (in >> what >> first >> count) {
        auto& into = what == '?' ? a.attempted : what == '+' ? a.acknowledged : a.removed;
        into.merge(range(first, first + count));
    }
    return a;
}

void append_some(spool& s, account& a, int first, int count, std::size_t body_bytes)
{
    a.note('?', first, count);
    a.attempted.merge(range(first, first + count));
    if (!append_numbers(s, first, count, body_bytes))
        return;
    a.note('+', first, count);
    a.acknowledged.merge(range(first, first + count));
}

void remove_some(spool& s, account& a, std::size_t events)
{
    const auto batch = s.read(events, 1U << 20U);
    if (!batch)
        return;
    for (const auto& d : batch.value().deliveries) {
        const int number = number_of(d);
        a.note('-', number, 1);
        a.removed.insert(number);
    }
    (void)s.remove(batch.value());
}

// Small files, so that a short run appends, rotates, checkpoints, removes, deletes and reopens.
spool_settings script_settings(const fs::path& directory)
{
    spool_settings s;
    s.directory = directory;
    s.file_bytes_max = 50'000;
    s.any_file_system = true;
    s.vfs = faulty_vfs();
    return s;
}

void run_script(const fs::path& directory, account& a)
{
    for (int round = 0; round < 2; ++round) {
        auto opened = spool::open(script_settings(directory));
        if (!opened)
            continue;
        auto& s = opened.value();
        const int first = round * 1'000;
        append_some(s, a, first, 20, 500);
        append_some(s, a, first + 20, 3, 9'000); // rows longer than a page
        remove_some(s, a, 10);
        append_some(s, a, first + 23, 20, 500); // into a second file
        remove_some(s, a, 13);
        remove_some(s, a, 7);
        append_some(s, a, first + 43, 5, 500);
    }
}

class SpoolFaultTest : public testing::TestWithParam<harm> {
protected:
    SpoolFaultTest() { spdlog::set_level(spdlog::level::off); }
    ~SpoolFaultTest() override
    {
        set_fault_plan({});
        spdlog::set_level(spdlog::level::info);
    }
};

// Only a power cut can tear a file: what a failed call or a killed process left behind is to be
// understood, not taken for damage.
enum class tearing { none, possible };

// Opens with a healthy disk and reads everything.
void expect_promise_kept(const fs::path& directory, const account& a, const std::string& where,
                         tearing torn = tearing::none)
{
    set_fault_plan({});
    auto opened = spool::open(script_settings(directory));
    ASSERT_TRUE(opened) << where << opened.error().detail;
    const auto drained = drain_numbers(opened.value());
    const std::set<int> found(drained.begin(), drained.end());

    for (const int number : a.acknowledged)
        EXPECT_TRUE(found.count(number) || a.removed.count(number)) << where << "lost " << number;
    for (const int number : found)
        EXPECT_TRUE(a.attempted.count(number)) << where << "phantom " << number;
    EXPECT_EQ(opened.value().status().events, 0U) << where << "not drained";
    if (torn == tearing::none) {
        EXPECT_TRUE(opened.value().status().damaged.empty()) << where << "false alarm";
    }
    EXPECT_TRUE(append_numbers(opened.value(), 9'000, 1)) << where << "takes no more";
}

int calls_of_a_whole_run()
{
    const memory_directory home;
    account a;
    set_fault_plan({});
    run_script(home / "spool", a);
    EXPECT_EQ(a.acknowledged.size(), 96U);
    return calls_counted();
}

TEST_P(SpoolFaultTest, LosesNothingWhicheverCallFails)
{
    const int calls = calls_of_a_whole_run();
    ASSERT_GT(calls, 60);
    std::size_t acknowledged = 0;
    for (int at = 1; at <= calls; ++at) {
        const memory_directory home;
        account a;
        set_fault_plan({GetParam(), at});
        run_script(home / "spool", a);
        acknowledged += a.acknowledged.size();
        const bool cut = GetParam() == harm::power || at % 2 == 0;
        if (cut)
            power_cut(at % 4 == 0, static_cast<unsigned>(at));

        expect_promise_kept(home / "spool", a, "at call " + std::to_string(at) + ": ",
                            cut ? tearing::possible : tearing::none);
    }
    EXPECT_GT(acknowledged, static_cast<std::size_t>(calls)) << "the script came nowhere";
}

INSTANTIATE_TEST_SUITE_P(Harm, SpoolFaultTest,
                         testing::Values(harm::fail_once, harm::fail_forever, harm::short_write,
                                         harm::full_once, harm::full_forever, harm::power));

TEST_F(SpoolFaultTest, LosesNothingWhicheverCallTheProcessDiesAt)
{
    const int calls = calls_of_a_whole_run();
    for (int at = 1; at <= calls; ++at) {
        const memory_directory home;
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            account a;
            a.journal = home / "journal";
            set_fault_plan({harm::kill, at});
            run_script(home / "spool", a);
            ::_exit(0);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFEXITED(status)) << at;

        expect_promise_kept(home / "spool", read_journal(home / "journal"),
                            "killed at call " + std::to_string(at) + ": ");
    }
}

// One failed fsync must cost the sender nothing: the batch goes to a fresh file.
TEST_F(SpoolFaultTest, OneFailureIsCuredByAFreshFile)
{
    const int calls = calls_of_a_whole_run();
    for (int at = 1; at <= calls; ++at) {
        const memory_directory home;
        account a;
        auto opened = spool::open(script_settings(home / "spool"));
        ASSERT_TRUE(opened);
        set_fault_plan({harm::fail_once, at});
        for (int batch = 0; batch < 4; ++batch)
            append_some(opened.value(), a, batch * 10, 10, 500);

        EXPECT_EQ(a.acknowledged, range(0, 40)) << "at call " << at;
        if (calls_counted() < at)
            break;
    }
}

TEST_F(SpoolFaultTest, ASealedFileIsDrainedInTheSameProcess)
{
    for (int at = 1; at < 60; ++at) {
        const memory_directory home;
        account a;
        auto opened = spool::open(script_settings(home / "spool"));
        ASSERT_TRUE(opened);
        append_some(opened.value(), a, 0, 10, 500);
        set_fault_plan({harm::fail_forever, at});
        for (int batch = 1; batch < 4; ++batch)
            append_some(opened.value(), a, batch * 10, 10, 500);
        EXPECT_EQ(opened.value().has_room(), a.acknowledged.size() == 40) << at;
        set_fault_plan({});

        const auto drained = drain_numbers(opened.value());
        const std::set<int> found(drained.begin(), drained.end());
        for (const int number : a.acknowledged)
            EXPECT_TRUE(found.count(number)) << "at call " << at << " lost " << number;
        EXPECT_TRUE(opened.value().status().damaged.empty()) << at;
        EXPECT_EQ(opened.value().status().events, 0U) << at;
    }
}

// A disk without inodes, or above a quota, says that it has room.
TEST_F(SpoolFaultTest, ADiskThatTakesNothingHasNoRoomUntilItDoesAgain)
{
    const memory_directory home;
    auto opened = spool::open(script_settings(home / "spool"));
    ASSERT_TRUE(opened);
    auto& s = opened.value();
    for (const harm what : {harm::full_forever, harm::fail_forever}) {
        account a;
        set_fault_plan({what, 1});
        append_some(s, a, 0, 1, 500);
        std::this_thread::sleep_for(std::chrono::milliseconds{1'100});

        EXPECT_TRUE(a.acknowledged.empty());
        EXPECT_FALSE(s.has_room());
        set_fault_plan({});
        EXPECT_TRUE(becomes([&] { return s.has_room(); }));
        set_fault_plan({what, 1});
        EXPECT_TRUE(s.try_disk().has_error());
        EXPECT_FALSE(s.has_room());
        set_fault_plan({});
        EXPECT_TRUE(s.try_disk().has_value());
        EXPECT_TRUE(s.has_room());
    }
}

TEST_F(SpoolFaultTest, ADiskThatIsFullForAWhileHarmsNothing)
{
    for (int at = 1; at < 60; ++at) {
        const memory_directory home;
        account a;
        auto opened = spool::open(script_settings(home / "spool"));
        ASSERT_TRUE(opened);
        set_fault_plan({harm::full_forever, at});
        for (int batch = 0; batch < 4; ++batch)
            append_some(opened.value(), a, batch * 10, 10, 500);
        remove_some(opened.value(), a, 5);
        set_fault_plan({});

        append_some(opened.value(), a, 100, 10, 500);
        const auto drained = drain_numbers(opened.value());

        EXPECT_TRUE(a.acknowledged.count(105)) << at;
        EXPECT_EQ(drained.size(), a.acknowledged.size() - a.removed.size()) << at;
        EXPECT_TRUE(opened.value().status().damaged.empty()) << at;
    }
}

} // namespace
} // namespace gateway::test
