// Every view against plain code over the same story: the story goes in through the
// real normalizer, writer and record_event, and each report must say exactly what happened.
#include "gateway/store/read_models.hpp"
#include "support/cluster.hpp"
#include "support/reference.hpp"
#include "support/story_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include <algorithm>
#include <array>
#include <random>

namespace gateway {
namespace {

using namespace test;

// Sorted rows of `select`, all in one transaction, so that now() is one moment, of a session in
// the time zone.
class snapshot {
public:
    snapshot(const std::string& url, const std::string& zone) : connection_(url), work_(connection_)
    {
        work_.exec("SET LOCAL timezone = '" + zone + "'");
        now_micros = work_.exec("SELECT (extract(epoch FROM now()) * 1000000)::bigint")[0][0]
                         .as<std::int64_t>();
    }

    text_rows rows(const std::string& select)
    {
        text_rows out;
        for (const auto& row : work_.exec("SELECT " + select)) {
            out.emplace_back();
            for (const auto& field : row)
                out.back().emplace_back(field.is_null() ? "NULL" : field.c_str());
        }
        std::sort(out.begin(), out.end());
        return out;
    }

    std::int64_t now_micros = 0;

private:
    pqxx::connection connection_;
    pqxx::read_transaction work_;
};

text_rows sorted(text_rows rows)
{
    std::sort(rows.begin(), rows.end());
    return rows;
}

std::string millis(const std::string& time)
{
    return "(extract(epoch FROM " + time + ") * 1000)::bigint";
}

struct view {
    std::string select;
    text_rows (reference::*told)() const;
};

std::vector<view> views_of_events()
{
    return {{"company_id, day, event_name, profile_id, count(*)"
             " FROM report.source_event GROUP BY 1, 2, 3, 4",
             &reference::source_event},
            {"company_id, " + millis("occurred_at") +
                 ", day, channel, message_key, message_type, link_host, link_path,"
                 " utm_source, utm_medium, utm_campaign, profile_id, subscriber_id,"
                 " is_suspect FROM report.link_clicks",
             &reference::link_clicks},
            {"company_id, day, channel, utm_source, utm_medium, utm_campaign, link_host,"
             " link_path, clicks, unique_clickers, suspect_clicks, unsuspected_clickers"
             " FROM report.link_clicks_daily",
             &reference::link_clicks_daily},
            {"company_id, " + millis("occurred_at") +
                 ", day, profile_id, subscriber_id, keyword_class, reply_to_message_key, " +
                 millis("reply_after") + ", " + millis("opted_out_at") + ", " +
                 millis("opted_out_after") + ", stop_without_optout FROM report.inbound_messages",
             &reference::inbound_messages},
            {"company_id, profile_id, " + millis("occurred_at") +
                 ", summary FROM report.subscriber_timeline",
             &reference::subscriber_timeline},
            {"company_id, " + millis("occurred_at") +
                 ", day, order_id, round(order_value, 2), currency, profile_id, touch,"
                 " touch_channel, message_key, message_type, utm_campaign, " +
                 millis("touched_at") +
                 ", round(refunds, 2), round(net_value, 2), is_cancelled,"
                 " customer_order_number, is_first_order FROM report.attributed_orders",
             &reference::attributed_orders},
            {"company_id, day, touch_channel, touch, message_key, utm_campaign,"
             " currency, orders, round(revenue, 2), buyers, round(gross_revenue, 2),"
             " round(refunds, 2), cancelled_orders"
             " FROM report.revenue_by_message",
             &reference::revenue_by_message},
            {"company_id, " + millis("clicked_at") + ", channel, message_key, profile_id, " +
                 millis("site_at") + ", " + millis("lag") + " FROM report.click_to_site",
             &reference::click_to_site}};
}

std::vector<view> views_of_the_site()
{
    return {{"company_id, " + millis("started_at") + ", profile_id, " + millis("ended_at") +
                 ", page_views, orders, link_path FROM report.sessions",
             &reference::sessions},
            {"company_id, day, channel, message_key, utm_campaign, clickers, page_visitors,"
             " cart_visitors, checkout_visitors, buyers, page_rate, cart_rate, checkout_rate,"
             " order_rate, conversion_rate FROM report.funnel",
             &reference::funnel}};
}

std::vector<view> views_of_people()
{
    return {{"company_id, profile_id, channel, subscription_type, is_subscribed,"
             " recency_days, clicks_90d, opens_90d, replies_90d, sent_90d, segment,"
             " suspect_clicks_90d, suspect_opens_90d FROM report.audience_quality",
             &reference::audience_quality},
            {"company_id, channel, subscription_type, segment, subscribers, clicks_90d,"
             " sent_90d FROM report.audience_quality_summary",
             &reference::audience_quality_summary},
            {"company_id, event_name, (extract(epoch FROM hour) / 3600)::bigint, events, " +
                 millis("newest_event") +
                 ", round(median_delay_s::numeric, 6), round(p95_delay_s::numeric, 6),"
                 " (extract(epoch FROM silence) * 1000000)::bigint,"
                 " (extract(epoch FROM usual_silence) * 1000000)::bigint, is_silent"
                 " FROM report.feed_health"
                 " WHERE event_name !~ '^(page|order)[.]'",
             &reference::feed_health},
            {"company_id, day, channel, subscription_type, creative_name, opt_ins,"
             " opt_outs, effective_opt_ins, effective_opt_outs, net_change"
             " FROM report.consent_movement_daily",
             &reference::consent_movement_daily},
            {"company_id, day, channel, subscription_type, net_change,"
             " subscribers_at_day_end FROM report.audience_size_daily",
             &reference::audience_size_daily},
            {"company_id, channel, subscription_type, subscribed, unsubscribed,"
             " subscribed_last_30d, " +
                 millis("last_change_at") + " FROM report.current_subscribers",
             &reference::current_subscribers},
            {"company_id, profile_id, subscriber_id, channel, subscription_type,"
             " is_subscribed, " +
                 millis("decided_at") + ", " + millis("first_granted_at") + ", " +
                 millis("last_granted_at") + ", " + millis("last_revoked_at") +
                 ", creative_name FROM report.subscriber_consent",
             &reference::subscriber_consent},
            {"company_id, channel, message_key, message_type, message_name,"
             " message_subject, " +
                 millis("first_sent_at") + ", " + millis("last_sent_at") +
                 ", sent, recipients, opens, unique_openers, clicks, unique_clickers, ctr,"
                 " open_rate, click_rate, unsubscribed_1d, unsubscribed_3d, unsubscribed_7d,"
                 " unsubscribe_rate_7d, is_inferred, suspect_opens, suspect_clicks,"
                 " unsuspected_ctr, unsuspected_open_rate, unsuspected_click_rate FROM "
                 "report.message_performance",
             &reference::message_performance}};
}

constexpr std::array<const char*, 3> zones = {"UTC", "America/New_York", "Australia/Lord_Howe"};

class ReportViewsTest : public testing::TestWithParam<std::uint64_t> {
protected:
    static std::vector<story_event> story()
    {
        story_settings s;
        s.seed = GetParam();
        s.companies = 3;
        s.people = 120;
        s.days = 120;
        s.until = now();
        s.shares_phones = true;
        return tell_story(s);
    }

    // To the row, for who reads in that time zone.
    void expect_what_the_story_tells(const std::string& zone) const
    {
        snapshot db{url_, zone};
        const reference truth{story_, {0, -5, 9}, db.now_micros};
        for (const auto& views : {views_of_events(), views_of_the_site(), views_of_people()}) {
            for (const auto& v : views)
                EXPECT_EQ(db.rows(v.select), sorted((truth.*v.told)())) << zone << ": " << v.select;
        }
    }

    std::string url_ = fresh_database();
    std::vector<story_event> story_ = story();
};

// The shop's own order of telling is what counts for an order; that of Attentive's events is none.
TEST_P(ReportViewsTest, SayWhatTheStoryTellsInWhateverOrderItCame)
{
    set_for_database(url_, "timezone", zones.at(GetParam() - 1)); // whoever writes and projects
    auto arrived = story_;
    const auto shops = std::stable_partition(arrived.begin(), arrived.end(), is_attentives);
    std::mt19937_64 random{GetParam()};
    std::shuffle(arrived.begin(), shops, random);
    const auto half = arrived.begin() + (shops - arrived.begin()) / 2;

    store_story(url_, {arrived.begin(), half});
    project_all(url_);
    store_story(url_, {half, arrived.end()});
    project_all(url_);
    for (const auto& [company, zone] :
         {std::pair{std::size_t{1}, "Etc/GMT+5"}, std::pair{std::size_t{2}, "Asia/Tokyo"}})
        query(url_,
              "SELECT gateway.set_timezone('" + story_company_id(company) + "', '" + zone + "')");
    for (const auto* zone : zones)
        expect_what_the_story_tells(zone);

    ASSERT_TRUE(rebuild({.database_url = url_}));
    expect_what_the_story_tells(zones.at(GetParam() - 1));
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReportViewsTest, testing::Values(1, 2, 3));

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
    EXPECT_NE(value(url, "SELECT count(*) FROM report.attributed_orders"), "0");
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
