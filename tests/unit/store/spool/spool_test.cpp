// The spool on a healthy disk: what goes in comes out once, in order, after whatever restart;
// space returns; nobody shares it. SQLite on a temporary directory is the real thing.
#include "gateway/base/digest.hpp"
#include "gateway/store/spool.hpp"
#include "gateway/store/stored_delivery.hpp"
#include "support/faulty_vfs.hpp"
#include "support/spool_events.hpp"
#include "support/waiting.hpp"
#include "unit/store/spool/spool_home.hpp"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

namespace gateway::test {
namespace {

namespace fs = std::filesystem;

class SpoolTest : public spool_home {};

TEST_F(SpoolTest, GivesBackWhatWasAppendedInOrderAndOnlyOnce)
{
    auto s = spool::open(settings()).value();
    ASSERT_TRUE(append_numbers(s, 0, 64));
    ASSERT_TRUE(append_numbers(s, 64, 36));

    const auto numbers = drain_numbers(s, 30);

    EXPECT_EQ(numbers, sequence(0, 100));
    EXPECT_TRUE(drain_numbers(s).empty());
}

TEST_F(SpoolTest, KeepsEveryByteOfEveryField)
{
    auto s = spool::open(settings()).value();
    std::string bytes(300'000, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<char>(i * 7 + i / 256);
    const timestamp before_the_epoch{std::chrono::milliseconds{-5}};
    const auto odd =
        stored_delivery::rebuild({std::string{"a\0b\xFF", 4}, bytes, {}, before_the_epoch}, "");
    const auto empty = stored_delivery::rebuild({"", "", {}, timestamp{}}, "key");
    ASSERT_TRUE(s.append({&odd, &empty}));

    const auto batch = s.read(10, 1U << 20U).value();

    ASSERT_EQ(batch.deliveries.size(), 2U);
    EXPECT_EQ(batch.deliveries[0].body(), bytes);
    EXPECT_EQ(batch.deliveries[0].endpoint(), odd.endpoint());
    EXPECT_EQ(batch.deliveries[0].key_id(), "");
    EXPECT_EQ(batch.deliveries[0].received_at(), before_the_epoch);
    EXPECT_EQ(batch.deliveries[1].body(), "");
    EXPECT_EQ(batch.deliveries[1].key_id(), "key");
}

TEST_F(SpoolTest, ReadingRemovesNothing)
{
    auto s = spool::open(settings()).value();
    ASSERT_TRUE(append_numbers(s, 0, 10));

    const auto first = s.read(4, 1U << 20U).value();
    const auto second = s.read(4, 1U << 20U).value();

    EXPECT_EQ(first.deliveries.size(), 4U);
    EXPECT_EQ(second.first, first.first);
    EXPECT_EQ(second.last, first.last);
    EXPECT_EQ(s.status().events, 10U);
}

TEST_F(SpoolTest, ReadKeepsToItsLimitsButGivesOneAtLeast)
{
    auto s = spool::open(settings()).value();
    ASSERT_TRUE(append_numbers(s, 0, 10, 1'000));

    EXPECT_EQ(s.read(3, 1U << 20U).value().deliveries.size(), 3U);
    EXPECT_EQ(s.read(10, 2'500).value().deliveries.size(), 3U);
    EXPECT_EQ(s.read(10, 0).value().deliveries.size(), 1U);
    EXPECT_EQ(s.read(0, 100).value().deliveries.size(), 0U);
}

TEST_F(SpoolTest, SurvivesACleanRestartInMidDrain)
{
    {
        auto s = spool::open(settings()).value();
        ASSERT_TRUE(append_numbers(s, 0, 50));
        ASSERT_TRUE(s.remove(s.read(20, 1U << 20U).value()));
    }

    auto again = spool::open(settings()).value();

    EXPECT_EQ(again.status().events, 30U);
    EXPECT_EQ(again.status().oldest, numbered_delivery(20).received_at());
    EXPECT_EQ(drain_numbers(again), sequence(20, 50));
}

TEST_F(SpoolTest, DrainsOldestFirstOverFilesAndRestarts)
{
    for (int round = 0; round < 3; ++round) {
        auto s = spool::open(settings(100'000)).value();
        for (int batch = 0; batch < 10; ++batch)
            ASSERT_TRUE(append_numbers(s, round * 500 + batch * 50, 50));
    }

    auto s = spool::open(settings()).value();

    EXPECT_GT(s.status().files, 5U);
    EXPECT_EQ(s.status().events, 1'500U);
    EXPECT_EQ(drain_numbers(s, 70), sequence(0, 1'500));
}

TEST_F(SpoolTest, GivesTheDiskBackWhenDrained)
{
    auto s = spool::open(settings(200'000)).value();
    for (int batch = 0; batch < 20; ++batch)
        ASSERT_TRUE(append_numbers(s, batch * 50, 50));
    EXPECT_GT(s.status().bytes, 500'000U);

    EXPECT_EQ(drain_numbers(s).size(), 1'000U);

    EXPECT_EQ(s.status().bytes, 0U);
    EXPECT_EQ(s.status().files, 0U);
    EXPECT_EQ(names(), std::set<std::string>{"spool.lock"});
}

TEST_F(SpoolTest, TakesNewEventsAfterItWasDrained)
{
    auto s = spool::open(settings()).value();
    for (int round = 0; round < 5; ++round) {
        ASSERT_TRUE(append_numbers(s, round * 10, 10));
        EXPECT_EQ(drain_numbers(s), sequence(round * 10, round * 10 + 10));
    }
}

TEST_F(SpoolTest, SaysWhatStandsInIt)
{
    auto s = spool::open(settings()).value();
    EXPECT_EQ(s.status().events, 0U);
    EXPECT_FALSE(s.status().oldest);

    ASSERT_TRUE(append_numbers(s, 7, 10));

    EXPECT_EQ(s.status().events, 10U);
    EXPECT_EQ(s.status().files, 1U);
    EXPECT_EQ(s.status().oldest, numbered_delivery(7).received_at());
    EXPECT_TRUE(s.status().damaged.empty());
    std::uint64_t bytes = 0;
    for (const auto& entry : fs::directory_iterator{home / "spool"})
        bytes += entry.file_size();
    EXPECT_EQ(s.status().bytes, bytes);
}

TEST_F(SpoolTest, IsFullAtBytesMaxAndTakesEventsAgainWhenDrained)
{
    auto limited = settings(100'000);
    limited.bytes_max = 1'000'000;
    limited.event_bytes_max = 50'000;
    auto s = spool::open(limited).value();
    int appended = 0;
    auto last = append_numbers(s, appended, 20);
    while (last) {
        appended += 20;
        ASSERT_LT(appended, 5'000);
        ASSERT_LE(s.status().bytes, limited.bytes_max);
        last = append_numbers(s, appended, 20); // its keeper may make room for a few more
    }

    EXPECT_EQ(last.error().code, errc::spool_full);
    EXPECT_GT(appended, 400);
    EXPECT_EQ(drain_numbers(s), sequence(0, appended));
    EXPECT_TRUE(s.has_room());
    EXPECT_TRUE(append_numbers(s, 0, 20));
}

TEST_F(SpoolTest, IsOneDaemonsAlone)
{
    const auto s = spool::open(settings());
    ASSERT_TRUE(s);

    const auto second = spool::open(settings());

    ASSERT_TRUE(second.has_error());
    EXPECT_EQ(second.error().code, errc::spool_failed);
    EXPECT_NE(second.error().detail.find("in use by another process"), std::string::npos);
}

TEST_F(SpoolTest, LetsNobodyElseRead)
{
    fs::create_directories(home / "spool");
    fs::permissions(home / "spool", fs::perms::all);
    auto s = spool::open(settings()).value();
    ASSERT_TRUE(append_numbers(s, 0, 1));

    EXPECT_EQ(fs::status(home / "spool").permissions(), fs::perms::owner_all);
    for (const auto& entry : fs::directory_iterator{home / "spool"})
        EXPECT_EQ(entry.status().permissions(), fs::perms::owner_read | fs::perms::owner_write)
            << entry.path();
}

TEST_F(SpoolTest, RefusesAFileSystemThatForgets)
{
    auto shared_memory = settings();
    shared_memory.any_file_system = false;
    shared_memory.directory = "/dev/shm/gateway-spool-test";
    if (!fs::exists("/dev/shm"))
        GTEST_SKIP() << "no /dev/shm here to try a tmpfs with";

    const auto s = spool::open(shared_memory);
    fs::remove_all(shared_memory.directory);

    ASSERT_TRUE(s.has_error());
    EXPECT_EQ(s.error().code, errc::spool_failed);
    EXPECT_NE(s.error().detail.find("tmpfs"), std::string::npos);
}

TEST_F(SpoolTest, SaysWhatIsWrongWithTheDirectory)
{
    write_file(home / "file", "not a directory");
    auto wrong = settings();
    wrong.directory = home / "file";

    const auto s = spool::open(wrong);

    ASSERT_TRUE(s.has_error());
    EXPECT_EQ(s.error().code, errc::spool_failed);
    EXPECT_NE(s.error().detail.find("file"), std::string::npos);
}

TEST_F(SpoolTest, LeavesFilesThatAreNotItsOwnAlone)
{
    auto s = spool::open(settings()).value();
    write_file(home / "spool" / "notes.txt", "mine");
    write_file(home / "spool" / "spool-1.db", "mine");

    ASSERT_TRUE(append_numbers(s, 0, 5));
    EXPECT_EQ(drain_numbers(s), sequence(0, 5));

    EXPECT_EQ(names(), (std::set<std::string>{"spool.lock", "notes.txt", "spool-1.db"}));
}

TEST_F(SpoolTest, ManyThreadsAppendWhileOneDrains)
{
    constexpr int threads = 4;
    constexpr int batches = 40;
    auto s = spool::open(settings(300'000)).value();
    std::atomic<int> running{threads};
    std::atomic<int> failures{0};
    std::vector<std::thread> appenders;
    for (int t = 0; t < threads; ++t) {
        appenders.emplace_back([&, t] {
            for (int b = 0; b < batches; ++b)
                failures += append_numbers(s, (t * batches + b) * 10, 10) ? 0 : 1;
            --running;
        });
    }

    std::vector<int> drained;
    while (running > 0) {
        const auto some = drain_numbers(s, 25);
        drained.insert(drained.end(), some.begin(), some.end());
        (void)s.status();
        (void)s.has_room();
    }
    for (auto& appender : appenders)
        appender.join();
    const auto rest = drain_numbers(s);
    drained.insert(drained.end(), rest.begin(), rest.end());

    EXPECT_EQ(failures, 0);
    EXPECT_EQ(drained.size(), static_cast<std::size_t>(threads * batches * 10));
    EXPECT_EQ(std::set<int>(drained.begin(), drained.end()), range(0, threads * batches * 10));
}

TEST_F(SpoolTest, ClosedFilesLeaveTheirWalByThemselves)
{
    auto s = spool::open(settings(100'000)).value();
    for (int batch = 0; batch < 4; ++batch)
        ASSERT_TRUE(append_numbers(s, batch * 100, 100));

    const auto wal = home / "spool" / "spool-000000000001.db-wal";

    EXPECT_TRUE(test::becomes([&] { return fs::file_size(wal) == 0; }));
    EXPECT_EQ(drain_numbers(s), sequence(0, 400));
}

TEST_F(SpoolTest, FilesTakenAwayUnderItLoseNothingNew)
{
    auto s = spool::open(settings()).value();
    ASSERT_TRUE(append_numbers(s, 0, 10));
    for (const auto& name : names()) {
        if (name != "spool.lock")
            fs::remove(home / "spool" / name);
    }

    ASSERT_TRUE(append_numbers(s, 10, 10));

    const auto drained = drain_numbers(s);
    const std::set<int> numbers(drained.begin(), drained.end());
    for (const int number : range(10, 20))
        EXPECT_TRUE(numbers.count(number)) << number;
}

TEST_F(SpoolTest, AFullDiskIsSpoolFullUntilSpaceReturns)
{
    const auto mount_point = home / "small";
    fs::create_directories(mount_point);
    if (::geteuid() != 0 ||
        ::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=2m,mode=0700") != 0)
        GTEST_SKIP() << "mounting a small tmpfs takes root";
    struct unmount {
        fs::path path;
        ~unmount() { ::umount2(path.c_str(), MNT_DETACH); }
    } const unmounted{mount_point};
    auto full = settings(300'000);
    full.directory = mount_point / "spool";
    full.event_bytes_max = 100'000;
    auto s = spool::open(full).value();
    int appended = 0;
    auto outcome = append_numbers(s, 0, 20);
    for (; outcome && appended < 10'000; outcome = append_numbers(s, appended, 20))
        appended += 20;

    ASSERT_TRUE(outcome.has_error());
    EXPECT_EQ(outcome.error().code, errc::spool_full) << outcome.error().detail;
    EXPECT_FALSE(s.has_room());
    EXPECT_EQ(drain_numbers(s), sequence(0, appended));
    EXPECT_TRUE(becomes([&] { return s.has_room(); }));
    EXPECT_TRUE(append_numbers(s, 0, 20));
    EXPECT_EQ(drain_numbers(s), sequence(0, 20));
    EXPECT_TRUE(s.status().damaged.empty());
}

} // namespace
} // namespace gateway::test
