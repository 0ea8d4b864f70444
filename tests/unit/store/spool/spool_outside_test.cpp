// The spool from outside: looked through and exported beside whoever uses it, tried before anybody
// does, and told from other directories.
#include "gateway/base/digest.hpp"
#include "gateway/store/spool.hpp"
#include "gateway/store/stored_delivery.hpp"
#include "support/faulty_vfs.hpp"
#include "support/spool_events.hpp"
#include "unit/store/spool/spool_home.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

namespace gateway::test {
namespace {

namespace fs = std::filesystem;

class SpoolOutsideTest : public spool_home {};

TEST_F(SpoolOutsideTest, VerifyFindsAHealthySpoolWholeAndChangesNothing)
{
    auto s = spool::open(settings(100'000)).value();
    for (int batch = 0; batch < 4; ++batch)
        ASSERT_TRUE(append_numbers(s, batch * 100, 100));
    ASSERT_TRUE(s.remove(s.read(30, 1U << 20U).value()));
    const auto before = names();

    const auto reports = verify_spool(home / "spool").value();

    std::uint64_t events = 0;
    for (const auto& report : reports) {
        EXPECT_TRUE(report.whole) << report.file << ": " << report.detail;
        events += report.events;
    }
    EXPECT_EQ(reports.size(), s.status().files);
    EXPECT_EQ(events, 370U);
    EXPECT_EQ(reports.front().oldest, numbered_delivery(30).received_at());
    EXPECT_EQ(names(), before);
    EXPECT_TRUE(append_numbers(s, 400, 1)) << "nobody took the lock away";
}

TEST_F(SpoolOutsideTest, ExportWritesALineForEachDeliveryAndNeverOverwrites)
{
    auto s = spool::open(settings()).value();
    ASSERT_TRUE(append_numbers(s, 0, 3, 0));
    const std::string body = numbered_delivery(1, 0).body();

    const auto written = export_spool(home / "spool", home / "out");

    EXPECT_EQ(written.value(), 3U);
    const std::string lines = read_file(home / "out" / "deliveries.jsonl");
    EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 3);
    const auto second = lines.substr(lines.find('\n') + 1);
    EXPECT_EQ(second.substr(0, second.find(",\"body\"")),
              "{\"n\":2,\"endpoint\":\"attentive\",\"key_id\":\"key-1\","
              "\"received_at\":\"1970-01-01T00:00:01.001Z\",\"sha256\":\"" +
                  to_hex(sha256(body)) + "\"");
    EXPECT_EQ(fs::status(home / "out").permissions(), fs::perms::owner_all);
    EXPECT_EQ(fs::status(home / "out" / "deliveries.jsonl").permissions(),
              fs::perms::owner_read | fs::perms::owner_write);
    EXPECT_EQ(export_spool(home / "spool", home / "out").error().code, errc::io_failed);
    EXPECT_EQ(s.status().events, 3U);
}

// RFC 4648, section 10: the three lengths that padding tells apart.
TEST_F(SpoolOutsideTest, ExportWritesBodiesInBase64)
{
    const std::vector<std::pair<std::string, std::string>> pairs = {
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {std::string{"\xff\xfe\0", 3}, "//4A"}};
    {
        auto s = spool::open(settings()).value();
        for (const auto& [body, text] : pairs) {
            const auto d = stored_delivery::rebuild(
                {.endpoint = "a", .body = body, .signatures = {}, .received_at = {}}, "k");
            ASSERT_TRUE(s.append({&d}));
        }
    }

    ASSERT_EQ(export_spool(home / "spool", home / "out").value(), pairs.size());

    const std::string lines = read_file(home / "out" / "deliveries.jsonl");
    for (const auto& [body, text] : pairs)
        EXPECT_NE(lines.find("\"body\":\"" + text + "\"}\n"), std::string::npos) << lines;
}

TEST_F(SpoolOutsideTest, SaysWhetherAProcessHoldsIt)
{
    EXPECT_EQ(spool_in_use(home / "spool").error().code, errc::io_failed);
    {
        const auto s = spool::open(settings()).value();
        EXPECT_TRUE(spool_in_use(home / "spool").value());
    }

    EXPECT_FALSE(spool_in_use(home / "spool").value());
    EXPECT_TRUE(spool::open(settings()).has_value());
}

// As systemd's DynamicUser= makes the state directory of a service.
TEST_F(SpoolOutsideTest, WorksBelowASymlink)
{
    fs::create_directories(home / "private" / "gateway");
    fs::create_directory_symlink("private/gateway", home / "gateway");
    auto below = settings();
    below.directory = home / "gateway" / "spool";
    {
        auto s = spool::open(below).value();
        ASSERT_TRUE(append_numbers(s, 0, 10));
    }

    EXPECT_TRUE(try_spool_directory(below));
    EXPECT_TRUE(is_spool(below.directory).value());
    EXPECT_FALSE(spool_in_use(below.directory).value());
    EXPECT_EQ(verify_spool(below.directory).value().front().events, 10);
    EXPECT_EQ(export_spool(below.directory, home / "exported").value(), 10);
    auto again = spool::open(below).value();
    EXPECT_EQ(drain_numbers(again), sequence(0, 10));
}

TEST_F(SpoolOutsideTest, MayItselfBeASymlink)
{
    fs::create_directories(home / "elsewhere");
    fs::create_directory_symlink("elsewhere", home / "spool");

    auto s = spool::open(settings()).value();

    ASSERT_TRUE(append_numbers(s, 0, 10));
    EXPECT_EQ(drain_numbers(s), sequence(0, 10));
}

TEST_F(SpoolOutsideTest, ATrialLeavesNothingBehindAlsoBesideItsUser)
{
    auto s = spool::open(settings()).value();
    ASSERT_TRUE(append_numbers(s, 0, 10));
    const auto before = names();

    EXPECT_TRUE(try_spool_directory(settings()));

    EXPECT_EQ(names(), before);
    EXPECT_EQ(drain_numbers(s), sequence(0, 10));
}

TEST_F(SpoolOutsideTest, WhatATrialLeftInACrashIsSweptAwayAtTheStart)
{
    {
        auto s = spool::open(settings()).value();
    }
    const auto before = names();
    write_file(home / "spool" / "spool-000000000000.db.new4711", "half");
    write_file(home / "spool" / "spool-000000000000.db.new4711-wal", "half");

    auto s = spool::open(settings()).value();

    EXPECT_EQ(names(), before);
}

TEST_F(SpoolOutsideTest, ATrialSaysWhatIsWrongWithTheDirectory)
{
    const auto missing = try_spool_directory(settings());
    write_file(home / "spool", "a file");
    const auto file = try_spool_directory(settings());

    ASSERT_TRUE(missing.has_error());
    EXPECT_EQ(missing.error().code, errc::spool_failed);
    EXPECT_NE(missing.error().detail.find("No such file"), std::string::npos)
        << missing.error().detail;
    ASSERT_TRUE(file.has_error());
    EXPECT_NE(file.error().detail.find("Not a directory"), std::string::npos)
        << file.error().detail;
}

TEST_F(SpoolOutsideTest, ATrialFindsADiskThatTakesNothing)
{
    {
        auto s = spool::open(settings()).value();
    }
    auto faulty = settings();
    faulty.vfs = faulty_vfs();
    set_fault_plan({harm::full_forever, 1});
    const auto full = try_spool_directory(faulty);
    set_fault_plan({harm::fail_forever, 2});
    const auto failed = try_spool_directory(faulty);
    set_fault_plan({});

    ASSERT_TRUE(full.has_error());
    EXPECT_EQ(full.error().code, errc::spool_full) << full.error().detail;
    ASSERT_TRUE(failed.has_error());
    EXPECT_EQ(failed.error().code, errc::spool_failed) << failed.error().detail;
}

TEST_F(SpoolOutsideTest, KnowsADirectoryThatIsNoSpool)
{
    EXPECT_FALSE(is_spool(home / "nowhere").value());
    EXPECT_FALSE(is_spool(home.path()).value());
    write_file(home / "file", "");
    EXPECT_TRUE(is_spool(home / "file").has_error());
    {
        auto s = spool::open(settings()).value();
    }
    EXPECT_TRUE(is_spool(home / "spool").value());
    EXPECT_FALSE(is_spool(home.path()).value());

    fs::create_directory(home / "copy"); // somebody saved a file from a host that is gone
    write_file(home / "copy" / "spool-000000000001.db", "");
    EXPECT_TRUE(is_spool(home / "copy").value());
}

} // namespace
} // namespace gateway::test
