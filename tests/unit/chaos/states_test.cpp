// The judge of the daemons' words: a lie is seen, and nobody is accused before there was time to
// find out.
#include "chaos/states.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gateway::chaos {
namespace {

using std::chrono::seconds;

moment at(int second)
{
    return moment{seconds{second}};
}

observation all_well(int second)
{
    return {.during = {at(second), at(second)},
            .daemon = 0,
            .age = seconds{60},
            .healthy = true,
            .ready = true,
            .database_up = true,
            .database_taking_events = true,
            .says_ready = true};
}

truth out_of_reach(int from, int to)
{
    return {.during = {at(from), at(to)},
            .daemon = 0,
            .database = false,
            .room = true,
            .because = "connections_cut"};
}

TEST(StatesTest, SeesADaemonThatSaysAllIsWellWhileItIsNot)
{
    const auto v = judge_states({out_of_reach(10, 20)}, {all_well(16)});

    EXPECT_EQ(v.judged, 1U);
    EXPECT_EQ(v.wrong, 1U);
    EXPECT_EQ(v.violations,
              (std::vector<std::string>{"connections_cut: daemon 0 says database_up 1 "
                                        "database_taking_events 1, 6000 ms after it began"}));
}

TEST(StatesTest, SeesADaemonThatIsReadyWhileNothingCanBeStored)
{
    auto t = out_of_reach(10, 20);
    t.room = false;
    auto said = all_well(16);
    said.database_up = said.database_taking_events = false;

    EXPECT_EQ(judge_states({t}, {said}).wrong, 1U);
    said.healthy = said.ready = said.says_ready = false;
    EXPECT_EQ(judge_states({t}, {said}).wrong, 0U);
}

TEST(StatesTest, GivesADaemonFiveSecondsToFindOut)
{
    EXPECT_EQ(judge_states({out_of_reach(10, 20)}, {all_well(14), all_well(21)}).judged, 0U);
}

TEST(StatesTest, JudgesNoWordThatWasSaidWhileTheFaultEnded)
{
    auto said = all_well(19);
    said.during.to = at(21);

    EXPECT_EQ(judge_states({out_of_reach(10, 20)}, {said}).judged, 0U);
}

TEST(StatesTest, GivesADaemonThatHasJustBegunAsLong)
{
    auto said = all_well(16);
    said.age = seconds{4};

    EXPECT_EQ(judge_states({out_of_reach(10, 20)}, {said}).judged, 0U);
}

TEST(StatesTest, BlamesNoDaemonForAnothersFault)
{
    auto said = all_well(16);
    said.daemon = 1;

    EXPECT_EQ(judge_states({out_of_reach(10, 20)}, {said}).judged, 0U);
}

} // namespace
} // namespace gateway::chaos
