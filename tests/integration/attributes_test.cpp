// Custom attributes of people: their current values and their history, and who may see them.
#include "projected_log.hpp"
#include "support/cluster.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include <algorithm>
#include <map>
#include <random>

namespace gateway {
namespace {

using namespace test;
using testing::IsEmpty;
using rows = std::vector<std::vector<std::string>>;

event attribute(const std::string& at, const std::string& who, const std::string& name,
                const std::string& attribute_value, const std::string& more = {})
{
    return {.at = at,
            .action = "attribute_set",
            .subscriber = who,
            .channel = "profile",
            .more_columns = ", attribute_name, attribute_value, identifiers",
            .more_values = ", '" + name + "', '" + attribute_value +
                           "', '{\"phone\": [\"+1206555010" + who + "\"]" + more + "}'"};
}

// A person has each value from when it was set until another one was: a slowly changing dimension
// of type 2, as dbt's snapshots make it (docs.getdbt.com, "Add snapshots to your DAG").
TEST(AttributesTest, AreWhatWasSetLastWhateverCameFirst)
{
    const std::string url = fresh_database();
    std::mt19937 random{7};
    struct setting {
        int minute;
        std::string who, name, value;
    };
    std::vector<setting> settings;
    for (int minute = 0; minute < 150; ++minute)
        settings.push_back({minute, std::to_string(random() % 4),
                            random() % 3 != 0 ? "tier" : "Tier", std::string{"abc"[random() % 3]}});
    // By person; 0 and 1 are one, since they share an e-mail address.
    std::map<std::pair<std::string, std::string>, std::vector<std::pair<int, std::string>>> history;
    for (const auto& s : settings) {
        auto& values = history[{s.who == "1" ? "0" : s.who, s.name}];
        if (values.empty() || values.back().second != s.value)
            values.emplace_back(s.minute, s.value);
    }
    rows expected;
    for (const auto& [key, values] : history)
        for (std::size_t i = 0; i < values.size(); ++i)
            expected.push_back({key.first, key.second, values[i].second,
                                std::to_string(values[i].first),
                                i + 1 < values.size() ? std::to_string(values[i + 1].first) : "-"});
    std::sort(expected.begin(), expected.end());

    std::shuffle(settings.begin(), settings.end(), random);
    for (const auto& s : settings)
        append_event(url, attribute("2026-03-01 " + std::to_string(s.minute / 60) + ":" +
                                        std::to_string(s.minute % 60),
                                    s.who, s.name, s.value,
                                    s.who < "2" ? R"(, "email": ["a@mail.org"])" : ""));
    project_step_by_step(url);
    auto told = query(
        url, "SELECT h.who, attribute_name, attribute_value,"
             " (extract(epoch FROM valid_from - '2026-03-01Z') / 60)::integer::text,"
             " coalesce((extract(epoch FROM valid_to - '2026-03-01Z') / 60)::integer::text, '-')"
             " FROM report_pii.subscriber_attribute_history a, LATERAL (SELECT"
             " CASE right(a.profile_id::text, 1) WHEN '1' THEN '0'"
             " ELSE right(a.profile_id::text, 1) END) h (who)");
    std::sort(told.begin(), told.end());

    EXPECT_EQ(told, expected);
    EXPECT_EQ(count(url, "report_pii.subscriber_attribute"), std::to_string(history.size()));
    EXPECT_EQ(count(url, "report_pii.subscriber_attribute c JOIN"
                         " report_pii.subscriber_attribute_history h USING (event_id)"
                         " WHERE h.valid_to IS NOT NULL"),
              "0");
}

TEST(AttributesTest, OfAClockAheadCountsFromItsReceipt)
{
    const std::string url = fresh_database();
    append_event(url, attribute("2099-03-01", "1", "tier", "ahead"));
    append_event(url, attribute("2026-03-01", "1", "tier", "old"));
    query(url, "UPDATE gateway.source_event SET received_at = '2026-02-01Z'"
               " WHERE attribute_value = 'ahead'");

    EXPECT_EQ(value(url, "SELECT attribute_value FROM report_pii.subscriber_attribute"), "old");
}

TEST(AttributesTest, AreSeenByAnalystsWhereTheOwnerSaysSo)
{
    const std::string url = fresh_database();
    append_event(url, attribute("2026-03-01", "1", "tier", "gold"));
    append_event(url, attribute("2026-03-01", "1", "first name", "Ann"));
    project_step_by_step(url);
    query(url, "DO $$ BEGIN CREATE ROLE reader_of_attributes LOGIN IN ROLE gateway_reader;"
               " EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    const std::string reader = as_user(url, "reader_of_attributes");

    const auto before = query(reader, "SELECT * FROM report.subscriber_attribute");
    query(url, "INSERT INTO gateway.shown_attribute VALUES ('C', 'tier'), ('D', 'first name')");
    const auto after =
        query(reader, "SELECT attribute_name, attribute_value FROM report.subscriber_attribute");

    EXPECT_THAT(before, IsEmpty());
    EXPECT_EQ(after, (rows{{"tier", "gold"}}));
    EXPECT_THROW(query(reader, "SELECT * FROM report_pii.subscriber_attribute"),
                 pqxx::insufficient_privilege);
    EXPECT_THROW(query(reader, "INSERT INTO gateway.shown_attribute VALUES ('C', 'first name')"),
                 pqxx::insufficient_privilege);
    query(url, "SELECT gateway.grant_company('reader_of_attributes', 'D')");
    EXPECT_THAT(query(reader, "SELECT * FROM report.subscriber_attribute"), IsEmpty());
    query(url, "DELETE FROM gateway.company_access");
}

TEST(AttributesTest, OfTheErasedHaveNoValue)
{
    const std::string url = fresh_database();
    append_event(url, attribute("2026-03-01", "1", "tier", "gold"));
    append_event(url, attribute("2026-03-01", "2", "tier", "silver"));
    project_step_by_step(url);

    query(url, "SELECT * FROM gateway.erase('C', 'phone', '+12065550101')");

    EXPECT_EQ(query(url, "SELECT coalesce(attribute_value, '-')"
                         " FROM report_pii.subscriber_attribute ORDER BY 1"),
              (rows{{"-"}, {"silver"}}));
}

} // namespace
} // namespace gateway
