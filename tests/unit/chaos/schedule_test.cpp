// A run can be repeated from its seed, and a long one leaves no kind of fault out.
#include "chaos/schedule.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace gateway::chaos {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

std::string text_of(const std::vector<strike>& schedule)
{
    std::string out;
    for (const auto& s : schedule)
        out += to_string(s) + "\n";
    return out;
}

TEST(ScheduleTest, FollowsFromTheSeed)
{
    const auto once = text_of(make_schedule(7, minutes{5}, 2, all_faults()));
    const auto again = text_of(make_schedule(7, minutes{5}, 2, all_faults()));
    const auto other = text_of(make_schedule(8, minutes{5}, 2, all_faults()));

    EXPECT_EQ(once, again);
    EXPECT_NE(once, other);
}

TEST(ScheduleTest, DrawsEachLaneFromTheSeed)
{
    for (const auto& lane :
         {std::vector<fault>{fault::daemon_killed}, std::vector<fault>{fault::connections_cut}}) {
        EXPECT_NE(text_of(make_schedule(7, minutes{1}, 2, lane)),
                  text_of(make_schedule(8, minutes{1}, 2, lane)));
    }
}

TEST(ScheduleTest, HoldsEveryKindOfFaultWithinTwoMinutes)
{
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        std::set<fault> kinds;
        for (const auto& s : make_schedule(seed, minutes{2}, 2, all_faults()))
            kinds.insert(s.what);

        EXPECT_EQ(kinds.size(), all_faults().size()) << seed;
    }
}

// The run that is part of the test command: `chaos --minutes 2 --seed 2`.
TEST(ScheduleTest, HoldsEveryKindOfFaultInTheRunThatIsPartOfTheTests)
{
    std::set<fault> kinds;
    for (const auto& s : make_schedule(2, minutes{2}, 2, all_faults()))
        kinds.insert(s.what);

    EXPECT_EQ(kinds.size(), all_faults().size());
}

TEST(ScheduleTest, StaysWithinItsTimeInOrder)
{
    const auto schedule = make_schedule(3, minutes{1}, 2, all_faults());

    ASSERT_FALSE(schedule.empty());
    EXPECT_GE(schedule.front().at, milliseconds{2'000});
    EXPECT_LT(schedule.back().at, milliseconds{55'000});
    EXPECT_TRUE(std::is_sorted(schedule.begin(), schedule.end(),
                               [](const strike& a, const strike& b) { return a.at < b.at; }));
}

TEST(ScheduleTest, UsesOnlyWhatIsPossible)
{
    const std::vector<fault> possible = {fault::daemon_killed, fault::postgres_fast_stop,
                                         fault::power_lost};

    const auto schedule = make_schedule(5, minutes{2}, 1, possible);

    for (const auto& s : schedule) {
        EXPECT_NE(std::find(possible.begin(), possible.end(), s.what), possible.end());
        EXPECT_EQ(s.daemon, 0U);
    }
}

TEST(ScheduleTest, NamesTheCallThatADaemonDiesAt)
{
    const auto schedule = make_schedule(1, minutes{1}, 2, {fault::daemon_killed_at_call});

    for (const auto& s : schedule) {
        EXPECT_FALSE(s.call.empty());
        EXPECT_GT(s.number, 0U);
    }
}

} // namespace
} // namespace gateway::chaos
