// The spool on files that were damaged while it was away: it opens, gives back what is whole, keeps
// the evidence under another name, and never gives back a byte that was not appended.
#include "gateway/store/spool.hpp"
#include "store/spool/spool_carving.hpp"
#include "unit/store/spool/spooled_files.hpp"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sqlite3.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <random>

namespace gateway::test {
namespace {

namespace fs = std::filesystem;

struct outcome {
    std::set<int> found;
    spool_status status;
    file_set left;
};

class SpoolDamageTest : public testing::Test {
protected:
    SpoolDamageTest() { spdlog::set_level(spdlog::level::off); }
    ~SpoolDamageTest() override { spdlog::set_level(spdlog::level::info); }

    // Opens a spool of these files and drains it.
    static outcome open_and_drain(const file_set& files)
    {
        const memory_directory home;
        put_files(home / "spool", files);
        outcome out;
        auto opened = spool::open(damage_settings(home / "spool"));
        EXPECT_TRUE(opened);
        if (!opened)
            return out;
        const auto drained = drain_numbers(opened.value());
        out.found.insert(drained.begin(), drained.end());
        out.status = opened.value().status();
        EXPECT_FALSE(out.found.count(-1)) << "gave back what was never appended";
        EXPECT_EQ(out.status.events, 0U);
        EXPECT_TRUE(append_numbers(opened.value(), 5'000, 1));
        EXPECT_EQ(drain_numbers(opened.value()), std::vector<int>{5'000});
        out.left = files_of(home / "spool");
        return out;
    }

    static void expect_set_aside(const outcome& o, const std::string& bytes)
    {
        EXPECT_EQ(o.status.damaged, std::vector<std::string>{first_file + ".damaged"});
        ASSERT_TRUE(o.left.count(first_file + ".damaged"));
        EXPECT_EQ(o.left.at(first_file + ".damaged"), bytes) << "the evidence was changed";
    }

    static constexpr std::size_t all = events + long_events;
};

TEST_F(SpoolDamageTest, UndamagedFilesOfAKilledProcessAreJustRead)
{
    const auto o = open_and_drain(crashed_files());

    EXPECT_EQ(o.found.size(), all);
    EXPECT_TRUE(o.status.damaged.empty());
    EXPECT_TRUE(o.left.empty());
}

TEST_F(SpoolDamageTest, TruncatedAnywhereGivesBackWhatLiesBeforeTheCut)
{
    const std::string whole = closed_files().at(first_file);
    for (std::size_t size = 0; size < whole.size(); size += 7'919) {
        const std::string cut = whole.substr(0, size);

        const auto o = open_and_drain({{first_file, cut}});

        expect_set_aside(o, cut);
        // Seven rows of 500 bytes stand on a page; the first page is the schema's, and so on.
        const auto pages = static_cast<int>(size / spool_page_bytes);
        const int before_the_cut = std::min(events, std::max(0, pages - 4) * 6);
        for (const int number : range(0, before_the_cut))
            ASSERT_TRUE(o.found.count(number)) << size << " lost " << number;
    }
}

TEST_F(SpoolDamageTest, AWalCutAnywhereGivesBackTheTransactionsBeforeTheCut)
{
    const file_set& crashed = crashed_files();
    const std::string wal = crashed.at(first_file + "-wal");
    for (std::size_t size = 0; size < wal.size(); size += 9'973) {
        file_set files = crashed;
        files[first_file + "-wal"] = wal.substr(0, size);
        const spool_image image{files[first_file], files[first_file + "-wal"]};
        const std::size_t committed = carve(image).rows.size();

        const auto o = open_and_drain(files);

        // Some of it may be found beyond the last commit; nothing before it may be missing.
        EXPECT_LE(o.found.size(), committed);
        EXPECT_EQ(o.found.size() % 50, 0U) << size;
        EXPECT_EQ(o.found, range(0, static_cast<int>(o.found.size()))) << size;
    }
}

TEST_F(SpoolDamageTest, OneFlippedBitCostsAPageAtMost)
{
    std::mt19937 random{7};
    std::string whole = closed_files().at(first_file);
    for (int round = 0; round < 150; ++round) {
        std::string flipped = whole;
        const std::size_t at = random() % flipped.size();
        flipped[at] = static_cast<char>(flipped[at] ^ (1 << (random() % 8)));

        const auto o = open_and_drain({{first_file, flipped}});

        EXPECT_GE(o.found.size(), all - 10) << "bit flipped in byte " << at;
        if (o.found.size() < all)
            expect_set_aside(o, flipped);
    }
}

TEST_F(SpoolDamageTest, OneFlippedBitInTheWalCostsAPageAtMost)
{
    std::mt19937 random{11};
    const file_set& crashed = crashed_files();
    for (int round = 0; round < 150; ++round) {
        file_set files = crashed;
        std::string& wal = files[first_file + "-wal"];
        const std::size_t at = random() % wal.size();
        wal[at] = static_cast<char>(wal[at] ^ (1 << (random() % 8)));

        const auto o = open_and_drain(files);

        EXPECT_GE(o.found.size(), all - 10) << "bit flipped in byte " << at;
        EXPECT_EQ(o.status.damaged.size(), 1U) << "bit flipped in byte " << at;
    }
}

TEST_F(SpoolDamageTest, AnyZeroedPageCostsItsOwnRowsOnly)
{
    const std::string whole = closed_files().at(first_file);
    for (std::size_t at = 0; at < whole.size(); at += spool_page_bytes) {
        std::string zeroed = whole;
        std::fill_n(zeroed.begin() + static_cast<std::ptrdiff_t>(at), spool_page_bytes, '\0');

        const auto o = open_and_drain({{first_file, zeroed}});

        EXPECT_GE(o.found.size(), all - 10) << "page at " << at;
        expect_set_aside(o, zeroed);
    }
}

TEST_F(SpoolDamageTest, FilesThatAreNoSpoolFilesAreSetAside)
{
    std::mt19937 random{13};
    std::string noise(100'000, '\0');
    std::generate(noise.begin(), noise.end(), [&] { return static_cast<char>(random()); });
    const std::string whole = closed_files().at(first_file);
    for (const std::string& bytes : {std::string{}, std::string(1, 'x'), std::string(50'000, '\0'),
                                     noise, whole.substr(0, 100), whole.substr(0, 64) + noise}) {
        const auto o = open_and_drain({{first_file, bytes}, {first_file + "-wal", noise}});

        expect_set_aside(o, bytes);
        EXPECT_TRUE(o.found.empty());
        EXPECT_EQ(o.left.at(first_file + ".damaged-wal"), noise);
    }
}

TEST_F(SpoolDamageTest, AForeignDatabaseIsSetAside)
{
    const memory_directory home;
    const std::string path = home / "foreign.db";
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    sqlite3_exec(db,
                 "PRAGMA journal_mode = WAL; PRAGMA application_id = 1095197520;"
                 "PRAGMA user_version = 1; CREATE TABLE delivery (x); INSERT INTO delivery"
                 " VALUES (1); PRAGMA wal_checkpoint(TRUNCATE)",
                 nullptr, nullptr, nullptr);
    sqlite3_close(db);
    const std::string bytes = read_file(path);

    const auto o = open_and_drain({{first_file, bytes}});

    expect_set_aside(o, bytes);
    EXPECT_TRUE(o.found.empty());
}

TEST_F(SpoolDamageTest, AWalWithoutItsDatabaseStillGivesItsRows)
{
    const std::string wal = crashed_files().at(first_file + "-wal");

    const auto o = open_and_drain({{first_file + "-wal", wal}});

    EXPECT_EQ(o.found.size(), all);
    EXPECT_EQ(o.left.at(first_file + ".damaged-wal"), wal);
}

TEST_F(SpoolDamageTest, ADatabaseWithoutItsWalOpens)
{
    const auto o = open_and_drain({{first_file, crashed_files().at(first_file)}});

    EXPECT_TRUE(o.found.empty());
}

TEST_F(SpoolDamageTest, LeftoversOfAnInterruptedDeletionAreNoDamage)
{
    const file_set& crashed = crashed_files();

    const auto o = open_and_drain({{first_file + ".drained", crashed.at(first_file)},
                                   {first_file + "-wal", crashed.at(first_file + "-wal")},
                                   {"spool-000000000002.db.new", "half"}});

    EXPECT_TRUE(o.found.empty());
    EXPECT_TRUE(o.status.damaged.empty());
    EXPECT_TRUE(o.left.empty());
}

TEST_F(SpoolDamageTest, ADirectoryOrLinkInAFilesPlaceIsSetAside)
{
    const memory_directory home;
    fs::create_directories(home / "spool" / first_file);
    fs::create_symlink("/dev/zero", home / "spool" / "spool-000000000002.db");

    auto s = spool::open(damage_settings(home / "spool")).value();

    EXPECT_EQ(s.status().damaged.size(), 2U);
    EXPECT_TRUE(append_numbers(s, 0, 1));
}

TEST_F(SpoolDamageTest, EvidenceIsNeverReplacedAndNumbersNeverReused)
{
    const memory_directory home;
    put_files(home / "spool", {{first_file, "bad"}, {first_file + ".damaged", "older evidence"}});

    auto s = spool::open(damage_settings(home / "spool")).value();
    ASSERT_TRUE(append_numbers(s, 0, 1));

    const auto left = files_of(home / "spool");
    EXPECT_EQ(left.at(first_file + ".damaged"), "older evidence");
    EXPECT_EQ(left.at(first_file + ".damaged2"), "bad");
    EXPECT_TRUE(left.count("spool-000000000002.db"));
}

TEST_F(SpoolDamageTest, DamageIsReportedAgainAfterARestartButSalvagedOnce)
{
    const memory_directory home;
    put_files(home / "spool", {{first_file, closed_files().at(first_file).substr(0, 100'000)}});
    const auto first = spool::open(damage_settings(home / "spool")).value().status();

    const auto second = spool::open(damage_settings(home / "spool")).value().status();

    EXPECT_GT(first.events, 100U);
    EXPECT_EQ(second.events, first.events);
    EXPECT_EQ(second.damaged, first.damaged);
}

TEST_F(SpoolDamageTest, RemovedEventsStayRemovedInASalvage)
{
    const memory_directory home;
    {
        auto s = spool::open(damage_settings(home / "spool")).value();
        append_all(s);
        ASSERT_TRUE(s.remove(s.read(100, 1U << 20U).value()));
    }
    std::string bytes = read_file(home / "spool" / first_file);
    bytes.resize(bytes.size() - 5'000);
    write_file(home / "spool" / first_file, bytes);

    auto s = spool::open(damage_settings(home / "spool")).value();

    const auto drained = drain_numbers(s);
    EXPECT_EQ(*std::min_element(drained.begin(), drained.end()), 100);
}

TEST_F(SpoolDamageTest, RunningOutOfDescriptorsIsNotTakenForDamage)
{
    const memory_directory home;
    put_files(home / "spool", {{first_file, closed_files().at(first_file)},
                               {"spool-000000000002.db", std::string(9'000, 'x')}});
    auto s = spool::open(damage_settings(home / "spool")).value();
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    rlimit none = before;
    none.rlim_cur = 0;

    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    std::vector<bool> failed;
    for (int i = 0; i < 5; ++i)
        failed.push_back(s.read(10, 1U << 20U).has_error());
    const auto append_failed = append_numbers(s, 0, 1).has_error();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);

    EXPECT_EQ(failed, std::vector<bool>(5, true));
    EXPECT_TRUE(append_failed);
    EXPECT_EQ(s.status().damaged, std::vector<std::string>{"spool-000000000002.db.damaged"});
    EXPECT_EQ(drain_numbers(s).size(), all);
}

TEST_F(SpoolDamageTest, VerifySaysWhatIsDamaged)
{
    const memory_directory home;
    std::string bytes = closed_files().at(first_file);
    bytes[20 * spool_page_bytes + 3'000] ^= 1;
    put_files(home / "spool", {{first_file, bytes}, {"spool-000000000002.db.damaged", "old"}});

    const auto reports = verify_spool(home / "spool").value();

    ASSERT_EQ(reports.size(), 2U);
    EXPECT_FALSE(reports[0].whole);
    EXPECT_EQ(reports[0].events, all - 1);
    EXPECT_NE(reports[0].detail.find("1 broken rows; 1 rows are missing"), std::string::npos)
        << reports[0].detail;
    EXPECT_FALSE(reports[1].whole);
    EXPECT_EQ(verify_spool(home / "nowhere").error().code, errc::io_failed);
}

} // namespace
} // namespace gateway::test
