// The judge of the fault tests: each kind of broken promise is seen, each kept one is not accused.
#include "chaos/checker.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gateway::chaos {
namespace {

using std::chrono::milliseconds;

// Body `n` has digest n in its first digit.
std::string digest(char n)
{
    return n + std::string(63, '0');
}

std::string line(const std::string& phase, char n, const std::string& status,
                 const std::string& at = "10:00:00.000", const std::string& event_id = "0a0")
{
    return R"({"n":0,"phase":")" + phase + R"(","event_id":")" + event_id + R"(","sha256":")" +
           digest(n) + R"(","status":)" + status + R"(,"disposition":null,"at":"2026-11-21T)" + at +
           "Z\"}";
}

class CheckerTest : public testing::Test {
protected:
    void sent(char n, const std::string& status, const std::string& event_id = "0a0")
    {
        EXPECT_TRUE(all_.add_line(line("attempt", n, "null", "10:00:00.000", event_id)));
        if (!status.empty()) {
            EXPECT_TRUE(all_.add_line(line("answer", n, status, "10:00:00.000", event_id)));
        }
    }
    void stored(char n, table in = table::source_event)
    {
        rows_.push_back({in, key_from_hex(digest(n))});
    }
    verdict judged() const { return check(all_, rows_); }

    history all_;
    std::vector<stored_row> rows_;
};

TEST_F(CheckerTest, AcceptsWhatWasAckedAndStoredOnce)
{
    sent('1', "200");
    sent('2', "202", "f00");
    stored('1');
    stored('2', table::quarantine);

    const auto v = judged();

    EXPECT_TRUE(v.clean());
    EXPECT_EQ(v.acked, 2U);
    EXPECT_EQ(v.rows, 1U);
    EXPECT_EQ(v.quarantined, 1U);
}

TEST_F(CheckerTest, CallsAckedAndNowhereFoundLost)
{
    sent('1', "200");
    sent('2', "200");
    stored('2');

    const auto v = judged();

    EXPECT_EQ(v.lost, 1U);
    EXPECT_FALSE(v.clean());
    EXPECT_EQ(v.violations, std::vector<std::string>{"lost 1" + std::string(31, '0')});
}

TEST_F(CheckerTest, HoldsAnAckOfAnyAttemptAgainstTheGateway)
{
    sent('1', "200");
    sent('1', "503");
    sent('1', "");

    EXPECT_EQ(judged().lost, 1U);
}

TEST_F(CheckerTest, CallsEachFurtherRowOfABodyADuplicate)
{
    sent('1', "200");
    stored('1');
    stored('1');
    stored('1');

    const auto v = judged();

    EXPECT_EQ(v.duplicates, 2U);
    EXPECT_FALSE(v.clean());
}

TEST_F(CheckerTest, CallsARowInBothTablesADuplicate)
{
    sent('1', "200");
    stored('1');
    stored('1', table::quarantine);

    EXPECT_EQ(judged().duplicates, 1U);
}

TEST_F(CheckerTest, CallsARowOfAnUnsentBodyAPhantom)
{
    sent('1', "200");
    stored('1');
    stored('2');

    const auto v = judged();

    EXPECT_EQ(v.phantom, 1U);
    EXPECT_FALSE(v.clean());
}

TEST_F(CheckerTest, CallsAnEventWithoutItsBytesAPhantom)
{
    rows_.push_back({table::source_event, std::nullopt});

    EXPECT_EQ(judged().phantom, 1U);
}

TEST_F(CheckerTest, LetsARefusedOrUnansweredEventBeThereOrNot)
{
    sent('1', "503");
    sent('2', "503");
    sent('3', "");
    sent('4', "null");
    stored('2');
    stored('4');

    const auto v = judged();

    EXPECT_TRUE(v.clean());
    EXPECT_EQ(v.attempted, 4U);
    EXPECT_EQ(v.refused, 2U);
    EXPECT_EQ(v.unknown, 2U);
    EXPECT_EQ(v.unknown_stored, 2U);
}

TEST_F(CheckerTest, CallsAnInnocentEventInQuarantineAndAPoisonInTheLogMisplaced)
{
    sent('1', "202");
    sent('2', "200", "f00");
    stored('1', table::quarantine);
    stored('2');

    const auto v = judged();

    EXPECT_EQ(v.misplaced, 2U);
    EXPECT_FALSE(v.clean());
}

TEST(HistoryTest, RefusesTornAndForeignLines)
{
    history all;
    const auto whole = line("attempt", '1', "null");

    for (std::size_t size = 0; size + 2 < whole.size(); ++size)
        EXPECT_FALSE(all.add_line(whole.substr(0, size))) << size;

    EXPECT_FALSE(all.add_line(line("answer", '1', "200"))) << "an answer without an attempt";
    EXPECT_FALSE(all.add_line(line("guess", '1', "200")));
    EXPECT_TRUE(all.add_line(whole));
    EXPECT_FALSE(all.add_line(line("answer", '1', "2x0")));
    EXPECT_EQ(all.fates().size(), 1U);
}

TEST(HistoryTest, CountsAStatusForEachAnswer)
{
    history all;
    for (const char* status : {"200", "200", "503", "null"}) {
        all.add_line(line("attempt", '1', "null"));
        all.add_line(line("answer", '1', status));
    }

    EXPECT_EQ(all.statuses(), (std::map<int, std::uint64_t>{{0, 1}, {200, 2}, {503, 1}}));
    EXPECT_EQ(all.sends(), 4U);
}

TEST(HistoryTest, MeasuresTheLongestTimeFromARefusalToTheNextAck)
{
    history all;
    const auto answer = [&](const std::string& status, const std::string& at) {
        all.add_line(line("attempt", '1', "null", at));
        all.add_line(line("answer", '1', status, at));
    };

    answer("200", "10:00:00.000");
    answer("503", "10:00:05.000");
    answer("null", "10:00:06.000");
    answer("200", "10:00:07.250");
    answer("200", "10:01:00.000");
    answer("503", "10:02:00.000");
    answer("200", "10:02:00.500");

    EXPECT_EQ(all.longest_window_outside({}), milliseconds{2'250});
}

TEST(HistoryTest, CountsAWindowOfRefusalsThatNeverEnded)
{
    history all;
    all.add_line(line("attempt", '1', "null"));
    all.add_line(line("answer", '1', "503", "10:00:00.000"));
    all.add_line(line("answer", '1', "503", "10:00:01.500"));

    EXPECT_EQ(all.longest_window_outside({}), milliseconds{1'500});
}

TEST(HistoryTest, CountsTheWindowOfEachDaemonByItself)
{
    history all;
    for (const std::size_t daemon : {0U, 1U})
        all.add_line(line("attempt", '1', "null"), daemon);
    all.add_line(line("answer", '1', "503", "10:00:00.000"), 0);
    all.add_line(line("answer", '1', "200", "10:00:01.000"), 1);
    all.add_line(line("answer", '1', "200", "10:00:03.000"), 0);

    EXPECT_EQ(all.longest_window_outside({}), milliseconds{3'000});
}

TEST(HistoryTest, KnowsHowLongAllButOneOfAHundredWaited)
{
    history all;
    for (int i = 0; i < 200; ++i) {
        all.add_line(line("attempt", '1', "null", "10:00:00.000"));
        all.add_line(line("answer", '1', "200", i < 3 ? "10:00:01.000" : "10:00:00.050"));
    }

    EXPECT_EQ(all.p99(), milliseconds{1'000});
}

TEST(HistoryTest, CountsRefusalsForWhichThereWasNoExcuse)
{
    history all;
    const auto answer = [&](const std::string& status, const std::string& at) {
        all.add_line(line("attempt", '1', "null", at));
        all.add_line(line("answer", '1', status, at));
    };
    const moment ten{std::chrono::sys_days{std::chrono::year{2026} / 11 / 21} +
                     std::chrono::hours{10}};

    answer("503", "10:00:01.000");
    answer("503", "10:00:02.000");
    answer("503", "10:00:04.000");
    answer("null", "10:00:05.000");
    answer("200", "10:00:05.000");

    EXPECT_EQ(all.refusals_outside({}), 3U);
    EXPECT_EQ(all.refusals_outside({{ten + milliseconds{1'500}, ten + milliseconds{4'500}}}), 1U);
}

TEST(ContentKeyTest, ReadsOnlyWholeDigests)
{
    EXPECT_TRUE(key_from_hex(digest('f')));
    EXPECT_FALSE(key_from_hex(digest('g')));
    EXPECT_FALSE(key_from_hex(digest('1').substr(1)));
    EXPECT_EQ(to_string(*key_from_hex(digest('f'))), "f" + std::string(31, '0'));
}

} // namespace
} // namespace gateway::chaos
