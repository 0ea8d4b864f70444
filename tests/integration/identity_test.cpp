// Who is whom: hubs join nobody, splits hold, and an explanation shows no value in clear.
#include "gateway/store/read_models.hpp"
#include "integration/projected_log.hpp"
#include "support/cluster.hpp"

#include <gtest/gtest.h>

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
