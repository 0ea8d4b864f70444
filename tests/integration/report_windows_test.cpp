// Windows of reports: hours, both ends in, whatever the time zone of the session that asks, on the
// days of 2026 when clocks change too.
#include "projected_log.hpp"
#include "support/cluster.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace gateway {
namespace {

using namespace test;

// The one value that `select` has for sessions in three time zones.
std::string everywhere(const std::string& url, const std::string& select)
{
    const std::string answer = value(url, "SET timezone = 'UTC'; " + select);
    for (const std::string zone : {"America/New_York", "Australia/Lord_Howe"})
        EXPECT_EQ(value(url, "SET timezone = '" + zone + "'; " + select), answer) << zone;
    return answer;
}

// A person who clicked, and whose order came so long after it.
std::string touch_of(const std::string& clicked, const std::string& ordered)
{
    const std::string url = fresh_database();
    append_event(url, {.at = clicked, .action = "link_clicked"});
    append_event(url, {.at = ordered,
                       .action = "completed",
                       .channel = "order",
                       .more_columns = ", order_id",
                       .more_values = ", 'A-1'"});
    project_step_by_step(url);
    return everywhere(url, "SELECT coalesce(touch, 'none') FROM report.attributed_orders");
}

// Attentive's five days: 120 hours, over an hour that clocks repeat or leave out.
TEST(ReportWindowsTest, AClickHasTheCreditForAHundredAndTwentyHours)
{
    EXPECT_EQ(touch_of("2026-10-29 12:00", "2026-11-03 12:00"), "click");
    EXPECT_EQ(touch_of("2026-10-29 12:00", "2026-11-03 12:00:00.001"), "none");
    EXPECT_EQ(touch_of("2026-03-04 12:00", "2026-03-09 12:00"), "click");
    EXPECT_EQ(touch_of("2026-03-04 12:00", "2026-03-09 12:00:00.001"), "none");
}

TEST(ReportWindowsTest, AnOptOutIsChargedToTheLastSendForAHundredAndSixtyEightHours)
{
    for (const auto& [zone, sent, left] :
         {std::array{"America/New_York", "2026-10-29 12:00", "2026-11-05 12:00"},
          std::array{"Australia/Lord_Howe", "2026-10-01 12:00", "2026-10-08 12:00"}}) {
        const std::string url = fresh_database();
        set_for_database(url, "timezone", zone);
        append_event(url, {.at = sent, .action = "sent"});
        append_event(url, {.at = left, .action = "unsubscribed"});
        append_event(url, {.at = sent, .action = "sent", .subscriber = "2"});
        append_event(
            url,
            {.at = std::string{left} + ":00.001", .action = "unsubscribed", .subscriber = "2"});
        project_step_by_step(url);

        EXPECT_EQ(value(url, "SELECT unsubscribed_7d FROM report.message_performance"), "1")
            << zone;
    }
}

// A view by day without a filter walks the calendar of each company: what a tool's preview asks.
TEST(ReportWindowsTest, TheCalendarOfACompanyBeginsWithItsFirstEvent)
{
    const std::string url = fresh_database();
    append_event(url, {.at = "2026-03-01 02:00", .action = "link_clicked"});
    project_step_by_step(url);
    const std::string first = "SELECT min(day) || ' ' || (SELECT min(day) FROM gateway.local_day)"
                              " FROM report.link_clicks_daily";

    EXPECT_EQ(everywhere(url, first), "2026-03-01 2026-03-01");
    query(url, "SELECT gateway.set_timezone('C', 'America/New_York')");
    EXPECT_EQ(everywhere(url, first), "2026-02-28 2026-02-28");
    EXPECT_EQ(query(url, "SET ROLE gateway_reader; SELECT r.timezone, f.behind_s >= 0,"
                         " (SELECT max(window_hours) FROM report.rules)"
                         " FROM report.company r JOIN report.freshness f USING (company_id)"),
              (std::vector<std::vector<std::string>>{{"America/New_York", "t", "120"}}));
}

TEST(ReportWindowsTest, AReplyAnswersWhatWasSentWithinFortyEightHours)
{
    const std::string url = fresh_database();
    append_event(url, {.at = "2026-10-31 12:00", .action = "sent"});
    append_event(url, {.at = "2026-11-02 12:00", .action = "inbound_received"});
    append_event(url, {.at = "2026-11-02 12:00:00.001", .action = "inbound_received"});

    EXPECT_EQ(everywhere(url, "SELECT string_agg(coalesce(reply_after::text, 'none'), ' '"
                              " ORDER BY occurred_at) FROM report.inbound_messages"),
              "2 days none");
}

// Fourteen days after a wish to stop, five minutes before it; half an hour from a click to the
// page.
TEST(ReportWindowsTest, BothEndsOfAWindowAreInIt)
{
    const std::string url = fresh_database();
    const auto tell = [&url](const std::string& who, const std::string& at,
                             const std::string& action, const std::string& channel = "sms") {
        const bool says_stop = action == "inbound_received";
        append_event(url, {.at = at,
                           .action = action,
                           .subscriber = who,
                           .channel = channel,
                           .more_columns = says_stop ? ", keyword_class" : "",
                           .more_values = says_stop ? ", 'stop'" : ""});
    };
    const std::vector<std::string> opt_outs = {"2026-11-14 12:00", "2026-11-14 12:00:00.001",
                                               "2026-10-31 11:55", "2026-10-31 11:54:59.999"};
    for (std::size_t i = 0; i < opt_outs.size(); ++i) {
        const std::string who = std::to_string(i + 1);
        tell(who, "2026-10-31 12:00", "inbound_received");
        tell(who, opt_outs[i], "unsubscribed");
        tell(who, "2026-10-31 13:00", "link_clicked");
        tell(who, i % 2 == 0 ? "2026-10-31 13:30" : "2026-10-31 13:30:00.001", "viewed", "page");
    }
    project_step_by_step(url);

    EXPECT_EQ(everywhere(url, "SELECT string_agg(coalesce(opted_out_after_s::text, 'none'), ' '"
                              " ORDER BY subscriber_id) FROM report.inbound_messages"),
              "1209600 none -300 none");
    EXPECT_EQ(everywhere(url, "SELECT string_agg(coalesce(lag_s::text, 'none'), ' '"
                              " ORDER BY subscriber_id) FROM report.click_to_site"),
              "1800 none 1800 none");
}

// IANA, tz database, northamerica: on 1 November 2026 New York's day has 25 hours, on 8 March 23.
TEST(ReportWindowsTest, ADayIsAsLongAsItsClockMakesIt)
{
    const std::string url = fresh_database();
    for (const auto* at :
         {"2026-03-09 03:59", "2026-03-09 04:00", "2026-11-02 04:59", "2026-11-02 05:00"})
        append_event(url, {.at = at, .action = "link_clicked"});
    project_step_by_step(url);
    query(url, "SELECT gateway.set_timezone('C', 'America/New_York')");

    EXPECT_EQ(everywhere(url, "SELECT string_agg(day || '=' || clicks, ' ' ORDER BY day)"
                              " FROM report.link_clicks_daily"),
              "2026-03-08=1 2026-03-09=1 2026-11-01=1 2026-11-02=1");
}

// A company at the other end of the world from who reads: its day has begun a date ahead.
TEST(ReportWindowsTest, TheCalendarOfACompanyEndsWithItsNewestEvent)
{
    const std::string url = fresh_database();
    append_event(url, {.at = "2027-03-01 10:30", .action = "link_clicked"});
    project_step_by_step(url);
    query(url, "SELECT gateway.set_timezone('C', 'Pacific/Kiritimati')");

    EXPECT_EQ(value(url, "SET timezone = 'Pacific/Pago_Pago';"
                         " SELECT sum(clicks) FROM report.link_clicks_daily"),
              "1");
}

// Klaviyo, "Understanding bot clicks": a machine that follows links before anybody reads is no
// engagement; nor is an order its merit.
TEST(ReportWindowsTest, WhatAMachineOpensAndClicksIsToldApartAndGetsNoCredit)
{
    const std::string url = fresh_database();
    const std::string of_message = ", message_key";
    const std::string message = ", 'Message:1'";
    const auto told = [&](const std::string& at, const std::string& action,
                          const std::string& channel = "sms") {
        append_event(url, {.at = at,
                           .action = action,
                           .channel = channel,
                           .more_columns = of_message,
                           .more_values = message});
    };
    told("2026-03-01 10:00:00", "sent", "email");
    told("2026-03-01 10:00:05", "opened", "email");     // a machine
    told("2026-03-01 10:00:05.001", "opened", "email"); // may be a person
    told("2026-03-01 12:00:00", "sent");
    told("2026-03-01 12:00:01", "link_clicked"); // a machine
    for (const char* at : {"12:30:00.0", "12:30:00.3", "12:30:00.6", "12:30:01.0"})
        told("2026-03-01 " + std::string{at}, "link_clicked"); // four links within a second
    for (const char* at : {"13:00:00", "13:00:00.5", "13:00:01"})
        told("2026-03-01 " + std::string{at}, "link_clicked"); // three
    project_step_by_step(url);
    const auto clicks = [&url] {
        return value(url, "SELECT sum(clicks) || ' ' || sum(suspect_clicks) || ' ' ||"
                          " sum(unsuspected_clickers) FROM report.link_clicks_daily");
    };
    const std::string rates =
        "SELECT clicks || ' ' || suspect_clicks || ' ' || click_rate || ' ' ||"
        " unsuspected_click_rate || ' ' || ctr || ' ' || unsuspected_ctr"
        " FROM report.message_performance WHERE channel = 'sms'";
    const auto credit = [&url](const std::string& at) {
        return value(url, "SELECT touch || ' ' || to_char(occurred_at AT TIME ZONE 'UTC',"
                          " 'HH24:MI:SS.MS') FROM gateway.touch_before('C', '" +
                              subscriber_id("1") + "', '" + at + "+00')");
    };

    EXPECT_EQ(clicks(), "8 5 1");
    EXPECT_EQ(credit("2026-03-01 11:00"), "view 10:00:05.001");
    EXPECT_EQ(credit("2026-03-01 12:45"), "view 12:00:00.000");
    EXPECT_EQ(credit("2026-03-02 12:00"), "click 13:00:01.000");

    EXPECT_EQ(value(url, rates), "8 5 1.0000 1.0000 8.0000 3.0000");

    query(url, "INSERT INTO gateway.suspect_rule VALUES ('C', 0, 100)");
    ASSERT_TRUE(rebuild({.database_url = url, .models = {"message"}}));
    EXPECT_EQ(clicks(), "8 0 1");
    EXPECT_EQ(value(url, rates), "8 0 1.0000 1.0000 8.0000 8.0000");
}

// Klaviyo, as above: rates with and without what machines did, side by side. In any order of
// arrival: whoever opened before the send is known, or one of four clicks before the others, was
// taken for a person.
TEST(ReportWindowsTest, RatesAreThereWithAndWithoutMachines)
{
    std::vector<event> events;
    const auto told = [&](const std::string& time, const std::string& action,
                          const std::string& who, const std::string& channel = "email") {
        const bool sends_email = action == "sent" && channel == "email";
        events.push_back({.at = "2026-03-01 " + time,
                          .action = action,
                          .subscriber = who,
                          .channel = channel,
                          .more_columns = sends_email ? ", message_subject" : ", message_key",
                          .more_values = sends_email ? ", 'Spring'" : ", 'Message:7'"});
    };
    for (const auto* who : {"1", "2", "3", "4"}) {
        told("10:00", "sent", who);
        told("10:00", "sent", who, "sms");
    }
    told("10:00:02", "opened", "1"); // a machine, and then a person
    told("11:00", "opened", "1");
    told("10:00:02", "opened", "2"); // a machine alone
    told("11:00", "opened", "3");
    told("10:00:03", "link_clicked", "2", "sms");
    for (const auto* at : {"12:00:00.0", "12:00:00.2", "12:00:00.4", "12:00:00.6"})
        told(at, "link_clicked", "3", "sms");
    told("13:00", "link_clicked", "3", "sms");
    told("13:00", "link_clicked", "4", "sms");
    std::mt19937 random{5};
    for (int n = 0; n < 4; ++n) {
        const std::string url = fresh_database();
        for (const auto& e : events) {
            append_event(url, e);
            if (random() % 2 == 0)
                query(url, "SELECT gateway.project(1)");
        }
        project_step_by_step(url, 3);

        EXPECT_EQ(
            query(url, "SELECT channel, opens, suspect_opens, open_rate,"
                       " unsuspected_open_rate, clicks, suspect_clicks, ctr,"
                       " unsuspected_ctr, click_rate, unsuspected_click_rate"
                       " FROM report.message_performance ORDER BY 1"),
            (std::vector<std::vector<std::string>>{{"email", "4", "2", "0.7500", "0.5000", "0", "0",
                                                    "0.0000", "0.0000", "0.0000", "0.0000"},
                                                   {"sms", "0", "0", "NULL", "NULL", "7", "5",
                                                    "1.7500", "0.5000", "0.7500", "0.5000"}}));
        std::shuffle(events.begin(), events.end(), random);
    }
}

// README: who clicks is active; a scanner is nobody.
TEST(ReportWindowsTest, AMachineMakesNobodyActive)
{
    const std::string url = fresh_database();
    const auto ago = [&url](const std::string& interval) {
        return value(url, "SELECT now() AT TIME ZONE 'UTC' - interval '" + interval + "'");
    };
    for (const std::string who : {"1", "2"}) {
        append_event(url, decided(ago("60 days"), "subscribed", "MARKETING", who));
        append_event(url, {.at = ago("1 day"), .action = "sent", .subscriber = who});
    }
    append_event(url, {.at = ago("50 days"), .action = "link_clicked", .subscriber = "1"});
    for (const auto* at : {"23:59:59", "23:59:58", "23:59:57"})
        append_event(url, {.at = ago(at), .action = "link_clicked", .subscriber = "1"});
    append_event(url, {.at = ago("23:59:59"), .action = "link_clicked", .subscriber = "2"});
    project_step_by_step(url);

    EXPECT_EQ(query(url, "SELECT segment, recency_days, clicks_90d, suspect_clicks_90d"
                         " FROM report.audience_quality ORDER BY 1"),
              (std::vector<std::vector<std::string>>{{"cooling", "50", "4", "3"},
                                                     {"never_engaged", "NULL", "1", "1"}}));
}

} // namespace
} // namespace gateway
