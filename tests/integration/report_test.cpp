// What every report has: comments, seconds, plans that read no more than is asked for, and events
// that no read model has seen yet.
#include "projected_log.hpp"
#include "support/cluster.hpp"
#include "support/story_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway {
namespace {

using namespace test;

TEST(ReportTest, ShowEventsThatAreNotProjectedYet)
{
    const std::string url = fresh_database();
    story_settings s;
    s.people = 10;
    s.until = now();
    const auto story = tell_story(s);
    store_story(url, story);

    EXPECT_EQ(value(url, "SELECT count(*) FROM report.source_event"
                         " WHERE profile_id = subscriber_id"),
              std::to_string(story.size()));
    EXPECT_EQ(value(url, "SELECT count(*) FROM report.subscriber_timeline"
                         " WHERE profile_id = subscriber_id"),
              std::to_string(story.size()));
    EXPECT_EQ(value(url, "SELECT (SELECT count(*) FROM report.link_clicks)"
                         " - (SELECT count(*) FROM report.click_to_site)"),
              "0");
    EXPECT_NE(value(url, "SELECT count(*) FROM report.inbound_messages"), "0");
    project_all(url); // orders are a read model
    EXPECT_NE(value(url, "SELECT count(*) FROM report.attributed_orders"), "0");
}

// TCPA, 47 CFR 64.1200(a)(10): who is out is out, whatever the opt-out named.
TEST(ReportTest, NobodyWhoIsOutHasToBeLookedInto)
{
    const std::string url = fresh_database();
    append_event(url, decided("2026-01-01 10:00", "unsubscribed", "", "1"));
    append_event(url, decided("2026-01-01 10:00", "unsubscribed", "MARKETING", "2"));
    append_event(url, decided("2026-01-01 10:00", "subscribed", "MARKETING", "3"));
    for (const std::string who : {"1", "2", "3"})
        append_event(url, {.at = "2026-03-01 10:00",
                           .action = "inbound_received",
                           .subscriber = who,
                           .more_columns = ", keyword_class",
                           .more_values = ", 'stop'"});
    project_all(url);

    EXPECT_EQ(value(url, "SELECT string_agg(stop_without_optout::text, ' ' ORDER BY subscriber_id)"
                         " FROM report.inbound_messages"),
              "false false true");
}

// As the column's comment says, and as Attentive counts "last 30 days": today and 29 before it.
TEST(ReportTest, TheLastThirtyDaysAreTodayAndTwentyNineBeforeIt)
{
    const std::string url = fresh_database();
    for (const int days : {0, 29, 30})
        append_event(url,
                     decided(value(url, "SELECT ((now() AT TIME ZONE 'UTC')::date - interval '" +
                                            std::to_string(days) + " days')::text"),
                             "subscribed", "MARKETING", std::to_string(days)));
    project_all(url);

    EXPECT_EQ(value(url, "SELECT subscribed || ' ' || subscribed_last_30d"
                         " FROM report.current_subscribers"),
              "3 2");
}

// Shopify counts a customer's orders by when they were placed, which an edit may tell anew.
TEST(ReportTest, AnOrderThatIsToldAnewAsALaterOneIsNotTheFirst)
{
    const std::string url = fresh_database();
    const auto order = [&url](const std::string& number, const std::string& at) {
        query(url, "SELECT gateway.record_event('shop', 'order.completed', 'C', '2026-03-01 " + at +
                       "+00', '{\"email\":\"ann@lindenpost.net\"}', p_order_id => '" + number +
                       "', p_order_value => 5, p_currency => 'USD')");
        apply_all(url);
    };

    order("A", "10:00");
    order("B", "10:20");
    order("A", "10:40");
    project_all(url);

    EXPECT_EQ(query(url, "SELECT order_id, customer_order_number, is_first_order"
                         " FROM report.attributed_orders ORDER BY 1"),
              (std::vector<std::vector<std::string>>{{"A", "2", "f"}, {"B", "1", "t"}}));
}

TEST(ReportTest, ExplainThemselves)
{
    const auto silent =
        query(fresh_database(),
              "SELECT c.oid::regclass, a.attname FROM pg_class c JOIN pg_attribute a"
              " ON a.attrelid = c.oid AND a.attnum > 0"
              " WHERE c.relnamespace::regnamespace::text IN ('report', 'report_pii')"
              " AND (obj_description(c.oid, 'pg_class') IS NULL"
              "      OR col_description(c.oid, a.attnum) IS NULL"
              "      OR NOT coalesce(c.reloptions, '{}') @> '{security_invoker=true}')");

    EXPECT_THAT(silent, testing::IsEmpty());
}

// Tools average numbers; an interval is for people.
TEST(ReportTest, HaveEveryIntervalInSecondsToo)
{
    EXPECT_THAT(query(fresh_database(),
                      "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a"
                      " ON a.attrelid = c.oid AND a.atttypid = 'interval'::regtype"
                      " WHERE c.relnamespace = 'report'::regnamespace AND NOT EXISTS (SELECT FROM"
                      "  pg_attribute s WHERE s.attrelid = c.oid AND s.attname = a.attname || '_s'"
                      "  AND s.atttypid = 'float8'::regtype)"),
                testing::IsEmpty());
}

TEST(ReportTest, ReadOnlyTheMonthsAskedFor)
{
    const std::string url = fresh_database();
    query(url, "SELECT gateway.ensure_partitions('source_event', array_agg(t)) FROM"
               " generate_series(timestamptz '2025-01-01', '2026-12-01', '1 month') t");
    const auto months = [&](const std::string& from) {
        std::string plan;
        for (const auto& row : query(url, "EXPLAIN ANALYZE SELECT * FROM " + from))
            plan += row[0].find("never executed") == std::string::npos ? row[0] + "\n" : "";
        std::size_t n = 0;
        for (auto at = plan.find("on source_event_20"); at != std::string::npos;
             at = plan.find("on source_event_20", at + 1))
            ++n;
        return n;
    };

    const std::string june = " WHERE company_id = 'C' AND occurred_at >= '2026-06-01'"
                             " AND occurred_at < '2026-07-01'";
    EXPECT_EQ(months("report.source_event" + june), 1U);
    EXPECT_EQ(months("report.link_clicks" + june), 1U);
}

TEST(ReportTest, FindAPersonWithoutReadingTheOthersOfTheCompany)
{
    const std::string url = fresh_database();
    query(url, "INSERT INTO gateway.identity SELECT 'C', md5(i::text)::uuid, md5(i::text)::uuid,"
               " now(), '{}' FROM generate_series(1, 2000) i; ANALYZE gateway.identity");

    std::string conditions;
    for (const auto& row : query(url, "EXPLAIN SELECT * FROM report.subscriber_timeline"
                                      " WHERE company_id = 'C' AND profile_id = md5('7')::uuid"))
        conditions += row[0] + "\n";

    EXPECT_THAT(conditions, testing::HasSubstr("using identity_profile"));
}

} // namespace
} // namespace gateway
