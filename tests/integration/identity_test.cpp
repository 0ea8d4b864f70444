// Who is whom: hubs join nobody, splits hold, and an explanation shows no value in clear.
#include "gateway/store/read_models.hpp"
#include "integration/projected_log.hpp"
#include "support/cluster.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

namespace gateway {
namespace {

using namespace test;
using rows = std::vector<std::vector<std::string>>;

TEST(IdentityTest, AHubJoinsNobodyAndUndoesWhatItJoined)
{
    const std::string url = fresh_database();
    const std::string phone = R"({"phone": ["+49301234567"]})";
    for (int i = 1; i <= 5; ++i)
        append_event(url, identified("2026-03-0" + std::to_string(i), std::to_string(i), phone));
    append_event(url,
                 identified("2026-03-06", "7", R"({"phone": ["+15555555555"], "email": ["-"]})"));
    append_event(url,
                 identified("2026-03-06", "8", R"({"phone": ["+15555555555"], "email": ["-"]})"));
    append_event(url, identified("2026-03-06", "9", R"({"custom:shoe": ["44"]})"));
    append_event(url, identified("2026-03-06", "a", R"({"custom:shoe": ["44"]})"));

    project_step_by_step(url);
    const auto five = profiles(url);
    append_event(url, identified("2026-03-07", "6", phone));
    project_step_by_step(url);

    EXPECT_EQ(five, "1=1 2=1 3=1 4=1 5=1 7=7 8=8 9=9 a=a");
    EXPECT_EQ(profiles(url), "1=1 2=2 3=3 4=4 5=5 6=6 7=7 8=8 9=9 a=a");
}

TEST(IdentityTest, TheFirstSeenSurvivesAlsoWhenThatIsLearntLate)
{
    const std::string url = fresh_database();
    append_event(url, identified("2026-03-02", "1", R"({"email": ["a@mail.org"]})"));
    append_event(url,
                 identified("2026-03-03", "2", R"({"email": ["a@mail.org"], "phone": ["+4930"]})"));
    append_event(url, identified("2026-03-03", "3", R"({"phone": ["+4930"]})"));
    project_step_by_step(url);
    const auto early = profiles(url);

    append_event(url, {.at = "2026-03-01", .action = "subscribed", .subscriber = "3"});
    project_step_by_step(url);

    EXPECT_EQ(early, "1=1 2=1 3=1");
    EXPECT_EQ(profiles(url), "1=3 2=3 3=3");
}

// The newest is the one of the latest event, by occurred_at: as Klaviyo, whose profile holds the
// last value given.
TEST(IdentityTest, TheNewestPhoneAndEmailAreTheLastSeenAlsoWithinADay)
{
    const std::string url = fresh_database();
    const auto seen = [&url](const std::string& at, const std::string& phone,
                             const std::string& email) {
        append_event(
            url, identified(at, "1",
                            R"({"phone": [")" + phone + R"("], "email": [")" + email + R"("]})"));
    };
    seen("2026-03-01 08:00", "+4930", "a@mail.org");
    seen("2026-03-02 08:00", "+4932", "c@mail.org");
    seen("2026-03-02 09:00", "+4931", "b@mail.org");
    seen("2026-03-02 10:00", "+4932", "a@mail.org");
    project_step_by_step(url);

    EXPECT_EQ(query(url, "SELECT phone, email, last_seen_at AT TIME ZONE 'UTC'"
                         " FROM report_pii.subscriber"),
              (rows{{"+4932", "a@mail.org", "2026-03-02 10:00:00"}}));
}

TEST(IdentityTest, ASplitTakesASubscriberOutForGoodAndCanBeTakenBack)
{
    const std::string url = fresh_database();
    append_event(url, identified("2026-03-01", "1", R"({"email": ["a@mail.org"]})"));
    append_event(url,
                 identified("2026-03-02", "2", R"({"email": ["a@mail.org"], "phone": ["+4930"]})"));
    append_event(url, identified("2026-03-03", "3", R"({"phone": ["+4930"]})"));
    project_step_by_step(url);
    identity_split split{.company = "C",
                         .subscriber = *uuid_from_text("00000000-0000-0000-0000-000000000002"),
                         .kind = "email"};

    const auto concerned = split_identity(url, split).value();
    const auto apart = profiles(url);
    append_event(
        url, identified("2026-03-04", "2", R"({"email": ["a@mail.org"], "klaviyo_id": ["k"]})"));
    project_step_by_step(url);
    const auto rebuilt = rebuild({.database_url = url}).value();
    const auto still_apart = profiles(url);
    split.undo = true;
    const bool undone = split_identity(url, split).has_value();
    split.subscriber = uuid{};

    EXPECT_EQ(concerned.rows.size(), 3U);
    EXPECT_EQ(apart, "1=1 2=2 3=2");
    EXPECT_EQ(still_apart, apart);
    EXPECT_EQ(rebuilt.rows[1][2], "0");
    EXPECT_TRUE(undone);
    EXPECT_EQ(profiles(url), "1=1 2=1 3=1");
    EXPECT_EQ(split_identity(url, split).error().code, errc::database_failed);
}

TEST(IdentityTest, ExplainsTheChainWithoutValuesInClear)
{
    const std::string url = fresh_database();
    append_event(url, identified("2026-03-01", "1", R"({"email": ["anna@mail.org"]})"));
    append_event(url, identified("2026-03-02", "2",
                                 R"({"email": ["anna@mail.org"], "phone": ["+49301234567"]})"));
    append_event(url, identified("2026-03-03", "3", R"({"phone": ["+49301234567"]})"));
    project_step_by_step(url);

    const auto chain =
        explain_identity(url, "C", *uuid_from_text("00000000-0000-0000-0000-000000000003")).value();
    const auto unknown = explain_identity(url, "C", uuid{}).value();

    ASSERT_EQ(chain.rows.size(), 3U);
    EXPECT_EQ(chain.rows[0][4], "");
    EXPECT_EQ(chain.rows[1][2] + " " + chain.rows[1][3], "email a***@mail.org");
    EXPECT_EQ(chain.rows[1][4].back(), '1');
    EXPECT_EQ(chain.rows[2][2] + " " + chain.rows[2][3], "phone +4***67");
    EXPECT_EQ(chain.rows[2][4].back(), '2');
    EXPECT_TRUE(unknown.rows.empty());
}

// FCC, 47 CFR 52.15(f)(1)(ii): a number lies idle 45 days at least before it is given again.
// Carriers tell senders of numbers that were given up, and Attentive opts those out.
class RecycledNumberTest : public testing::Test {
protected:
    static constexpr const char* phone = "+12062010001";

    // By `who`, of that external_id or (empty) of the number alone.
    static event decides(const std::string& at, const std::string& action, const std::string& who,
                         const std::string& external_id, const std::string& type = "MARKETING")
    {
        event e = decided(at, action, type, who);
        e.more_columns += ", identifiers";
        e.more_values +=
            R"(, '{"phone": [")" + std::string{phone} + R"("])" +
            (external_id.empty() ? ""
                                 : R"(, "attentive_external_id": [")" + external_id + R"("])") +
            "}'";
        return e;
    }

    // Profiles of the events in this order, one step each, and once more all together; both alike.
    static std::string profiles_of(std::vector<event> events)
    {
        const std::string url = fresh_database();
        for (const event& e : events) {
            append_event(url, e);
            project_step_by_step(url);
        }
        const auto rebuilt = rebuild({.database_url = url});
        EXPECT_TRUE(rebuilt);
        for (const auto& row : rebuilt.value().rows)
            EXPECT_EQ(row[2] + row[3], "00") << row[0];
        return profiles(url);
    }

    // Ann has the number and gives it up; Bob gets it. 2 is whoever is known by it alone.
    const event ann_joins_ = decides("2026-01-01", "subscribed", "1", "A");
    const event ann_leaves_ = decides("2026-02-01", "unsubscribed", "1", "A");
    const event text_ = identified("2026-01-15", "2", R"({"phone": ["+12062010001"]})");
    const event bob_joins_ = decides("2026-03-18", "subscribed", "3", "B"); // 45 days later
};

TEST_F(RecycledNumberTest, JoinsTheOldOwnerToNobodyWhateverTheOrderOfArrival)
{
    std::vector<std::size_t> order = {0, 1, 2};
    do {
        std::vector<event> arriving = {text_};
        for (const auto n : order)
            arriving.push_back(std::array{ann_joins_, ann_leaves_, bob_joins_}.at(n));
        EXPECT_EQ(profiles_of(arriving), "1=1 2=2 3=2") << testing::PrintToString(order);
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(RecycledNumberTest, IsOnePersonsWhereNobodyCanTellThatItPassed)
{
    const auto same = "1=1 2=1 3=1";
    const auto early = decides("2026-03-17", "subscribed", "3", "B");
    EXPECT_EQ(profiles_of({ann_joins_, ann_leaves_, text_, early}), same);
    // Nobody left; a number alone left; one of two types was left; both had it at a time.
    EXPECT_EQ(profiles_of({ann_joins_, text_, bob_joins_}), same);
    EXPECT_EQ(profiles_of(
                  {ann_joins_, decides("2026-02-01", "unsubscribed", "2", ""), text_, bob_joins_}),
              same);
    EXPECT_EQ(profiles_of({ann_joins_, decides("2026-01-02", "subscribed", "1", "A", "OTHER"),
                           ann_leaves_, text_, bob_joins_}),
              same);
    EXPECT_EQ(profiles_of({ann_joins_, ann_leaves_, text_, bob_joins_,
                           decides("2026-01-20", "subscribed", "3", "B")}),
              same);
    // Ann says STOP with it once more: it is hers still, and nobody is written to there.
    EXPECT_EQ(profiles_of({ann_joins_, ann_leaves_, text_, bob_joins_,
                           decides("2026-05-01", "unsubscribed", "1", "A")}),
              same);
}

TEST_F(RecycledNumberTest, PassesOnAgainAndIsExplained)
{
    const std::string url = fresh_database();
    for (const event& e : {ann_joins_, ann_leaves_, text_, bob_joins_,
                           decides("2026-04-01", "unsubscribed", "3", "B"),
                           decides("2026-07-01", "subscribed", "4", "C")})
        append_event(url, e);
    project_step_by_step(url);

    EXPECT_EQ(profiles(url), "1=1 2=2 3=3 4=2");
    EXPECT_EQ(query(url, "SELECT right(subscriber_id::text, 1), decision FROM gateway.consent"
                         " ORDER BY 1"),
              (rows{{"1", "revoked"}, {"3", "revoked"}, {"4", "granted"}}));
    const auto chain =
        explain_identity(url, "C", *uuid_from_text("00000000-0000-0000-0000-000000000001")).value();
    ASSERT_EQ(chain.rows.size(), 4U);
    EXPECT_EQ(chain.rows[0][5], "");
    EXPECT_EQ(chain.rows[1][2] + " " + chain.rows[1][3], "phone +1***01");
    EXPECT_EQ(chain.rows[1][5].substr(0, 10), "2026-03-18");
}

TEST(IdentityTest, AKnownSubscriberWithKnownIdentifiersIsNotWrittenAgain)
{
    const std::string url = fresh_database();
    const std::string both = R"({"email": ["a@mail.org"], "phone": ["+49301234567"]})";
    append_event(url, identified("2026-03-01", "1", both));
    project_step_by_step(url);
    const std::string rows_written =
        "SELECT (SELECT string_agg(xmin::text, ' ') FROM gateway.identity) || ' ' ||"
        " (SELECT string_agg(xmin::text, ' ') FROM gateway.identity_value)";
    const auto before = value(url, rows_written);

    append_event(url, identified("2026-03-02", "1", both));
    append_event(url, identified("2026-03-03", "1", R"({"phone": ["+49301234567"]})"));
    project_step_by_step(url);

    EXPECT_EQ(value(url, rows_written), before);
}

TEST(IdentityTest, AnIdentifierInAnySpellingLeadsToAllOfThePerson)
{
    const std::string url = fresh_database();
    append_event(url, identified("2026-03-01", "1", R"({"phone": ["+49309999999"]})"));
    append_event(url, identified("2026-03-02", "1", R"({"email": ["a@mail.org"]})"));
    append_event(url, identified("2026-03-03", "2", R"({"email": ["a@mail.org"]})"));
    append_event(url, identified("2026-03-03", "3", R"({"email": ["b@mail.org"]})"));
    project_step_by_step(url);

    const auto found = query(url, "SELECT DISTINCT right(profile_id::text, 1),"
                                  " right(subscriber_id::text, 1), count(*) OVER ()"
                                  " FROM report_pii.timeline_of('C', 'phone',"
                                  "  '+49 (30) 999-9999') ORDER BY 2");

    EXPECT_EQ(found, (rows{{"1", "1", "3"}, {"1", "2", "3"}}));
}

// Its identifiers are in `extra`, as they were given.
TEST(IdentityTest, AnOptOutOfNobodyIsErasedWithWhomItNames)
{
    const std::string url = fresh_database();
    append_event(url, identified("2026-03-01", "1", R"({"phone": ["+12065550144"]})"));
    for (const std::string number : {"12065550144", "12065550155"})
        append_event(url, {.at = "2026-03-02",
                           .action = "unsubscribed",
                           .subscriber = "",
                           .more_columns = ", extra",
                           .more_values = R"(, '{"subscriber": {"phone": ")" + number + R"("}}')"});
    project_step_by_step(url);

    query(url, "SELECT gateway.erase('C', 'phone', '+12065550144')");

    EXPECT_EQ(query(url, "SELECT extra #>> '{subscriber,phone}' FROM gateway.source_event"
                         " WHERE extra IS NOT NULL"),
              (rows{{"12065550155"}}));
}

} // namespace
} // namespace gateway
