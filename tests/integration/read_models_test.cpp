// Single read models, event by event: messages and their subject lines, opt-outs charged to a
// send, engagement, and the days of a company.
#include "gateway/store/read_models.hpp"
#include "integration/projected_log.hpp"
#include "support/cluster.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>

namespace gateway {
namespace {

using namespace test;
using rows = std::vector<std::vector<std::string>>;

event of_email(const std::string& at, const std::string& who, const std::string& subject)
{
    return {.at = at,
            .action = "sent",
            .subscriber = who,
            .channel = "email",
            .more_columns = ", message_subject",
            .more_values = ", '" + subject + "'"};
}

event of_reader(const std::string& at, const std::string& who, const std::string& message)
{
    return {.at = at,
            .action = "opened",
            .subscriber = who,
            .channel = "email",
            .more_columns = ", message_key, message_name",
            .more_values = ", '" + message + "', 'Cart reminder'"};
}

// Attentive, "Personalize messages with macros": {{first_name}} in a subject line makes as many
// lines as recipients of one message. Those who opened tell their message, the others do not: by
// the former alone the message would have been opened by all.
TEST(MessageTest, SubjectLinesOfOnePersonEachAreOneTemplateAndBringNoNames)
{
    const std::string url = fresh_database();
    const std::vector<std::string> names = {"Ann", "Bob", "Cleo", "Dan"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        append_event(
            url, of_email("2026-03-01 10:00", std::to_string(i), names[i] + ", your cart waits"));
        if (i < 3)
            append_event(url, of_reader("2026-03-01 11:00", std::to_string(i), "Message:75"));
    }
    for (const auto* at : {"12:00", "13:00", "14:00"}) // who reads often
        append_event(url, of_reader("2026-03-01 " + std::string{at}, "0", "Message:75"));
    for (const std::string who : {"0", "1", "2"})
        append_event(url, of_email("2026-03-02 10:00", who, "Spring"));
    append_event(url, of_email("2026-03-02 10:00", "0", std::string(200, 'x') + " and more"));
    project_step_by_step(url);

    EXPECT_EQ(query(url, "SELECT message_key, coalesce(message_subject, message_name), sent,"
                         " unique_openers, open_rate FROM report.message_performance ORDER BY 1"),
              (rows{{"Message:75", "Cart reminder", "5", "3", "0.7500"},
                    {"subject:Spring", "Spring", "3", "0", "0.0000"}}));
    EXPECT_EQ(value(url, "SELECT string_agg(DISTINCT message_subject, ',')"
                         " FROM report.source_event"),
              "Spring");
    EXPECT_EQ(query(url, "SELECT DISTINCT summary FROM report.subscriber_timeline ORDER BY 1"),
              (rows{{"Opened an e-mail \"Cart reminder\""},
                    {"Was sent an e-mail"},
                    {"Was sent an e-mail \"Spring\""}}));
    for (const auto& view : query(url, "SELECT c.oid::regclass FROM pg_class c WHERE relkind = 'v'"
                                       " AND relnamespace = 'report'::regnamespace"))
        EXPECT_EQ(value(url, "SET ROLE gateway_reader; SELECT count(*) FROM " + view[0] +
                                 " v WHERE v::text ~ 'Ann|Bob|Cleo|Dan|xxx'"),
                  "0")
            << view[0];
}

// Klaviyo and Attentive tell a message's opens by its own recipients: neither has this week's
// letter the readers of last week's, nor is it read by nobody.
TEST(MessageTest, ASubjectLineThatComesEachWeekIsOfNoOneMessage)
{
    const std::string url = fresh_database();
    const std::vector<std::string> days = {"02", "09", "16", "23"};
    for (std::size_t week = 0; week < days.size(); ++week) {
        for (int who = 1; who <= 6; ++who) {
            const std::string at = "2026-03-" + days[week];
            append_event(url, of_email(at + " 10:00", std::to_string(who), "This week"));
            if (who <= 4 - static_cast<int>(week)) // 4, 3, 2 and 1 of 6
                append_event(url, of_reader(at + " 11:00", std::to_string(who),
                                            "Message:" + std::to_string(week + 1)));
        }
    }
    append_event(url, of_reader("2026-03-26 11:00", "6", "Message:1")); // of the first, at last
    project_step_by_step(url);

    EXPECT_EQ(query(url, "SELECT message_key, sent, recipients, opens, recipients_opened, open_rate"
                         " FROM report.message_performance ORDER BY 1"),
              (rows{{"Message:1", "0", "0", "5", "0", "NULL"},
                    {"Message:2", "0", "0", "3", "0", "NULL"},
                    {"Message:3", "0", "0", "2", "0", "NULL"},
                    {"Message:4", "0", "0", "1", "0", "NULL"},
                    {"subject:This week", "24", "6", "0", "5", "0.8333"}}));
    EXPECT_EQ(
        query(url, "SELECT occurred_at::date, count(*) FROM gateway.last_send"
                   " WHERE occurred_at - sent_at <= interval '1 hour' GROUP BY 1 ORDER BY 1"),
        (rows{{"2026-03-02", "4"}, {"2026-03-09", "3"}, {"2026-03-16", "2"}, {"2026-03-23", "1"}}));
}

TEST(MessageTest, EmailSendsAreJoinedBySubjectOnlyOnStrongEvidence)
{
    const std::string url = fresh_database();
    const auto send = [&url](const std::string& who, const std::string& at,
                             const std::string& subject) {
        append_event(url, {.at = at,
                           .action = "sent",
                           .subscriber = who,
                           .channel = "email",
                           .more_columns = ", message_subject",
                           .more_values = ", '" + subject + "'"});
    };
    const auto open = [&url](const std::string& who, const std::string& at,
                             const std::string& message) {
        append_event(url, {.at = at,
                           .action = "opened",
                           .subscriber = who,
                           .channel = "email",
                           .more_columns = ", message_key",
                           .more_values = ", '" + message + "'"});
    };
    const std::string report =
        "SELECT message_key, message_subject, sent, recipients, unique_openers, open_rate,"
        " is_inferred FROM report.message_performance ORDER BY 1";
    for (const std::string who : {"1", "2", "3", "4"})
        send(who, "2026-03-01 10:00", "Spring");
    send("5", "2026-03-01 10:00", "Weekly");
    open("5", "2026-03-01 11:00", "Message:9");
    open("1", "2026-03-01 11:00", "Message:7");
    open("2", "2026-03-01 11:00", "Message:7");
    project_step_by_step(url);
    const auto weak = query(url, report);

    open("3", "2026-03-01 12:00", "Message:7");
    project_step_by_step(url);

    EXPECT_EQ(weak, (rows{{"Message:7", "NULL", "0", "0", "2", "NULL", "f"},
                          {"Message:9", "NULL", "0", "0", "1", "NULL", "f"},
                          {"subject:*", "NULL", "1", "1", "0", "1.0000", "f"},
                          {"subject:Spring", "Spring", "4", "4", "0", "0.5000", "f"}}));
    EXPECT_EQ(query(url, report), (rows{{"Message:7", "Spring", "4", "4", "3", "0.7500", "t"},
                                        {"Message:9", "NULL", "0", "0", "1", "NULL", "f"},
                                        {"subject:*", "NULL", "1", "1", "0", "1.0000", "f"}}));
}

TEST(MessageTest, RecipientsOfSeveralSubjectLinesOfOneMessageAreCountedOnce)
{
    const std::string url = fresh_database();
    const auto send_and_open = [&url](const std::string& who, const std::string& day,
                                      const std::string& subject) {
        append_event(url, {.at = day + " 10:00",
                           .action = "sent",
                           .subscriber = who,
                           .channel = "email",
                           .more_columns = ", message_subject",
                           .more_values = ", '" + subject + "'"});
        append_event(url, {.at = day + " 11:00",
                           .action = "opened",
                           .subscriber = who,
                           .channel = "email",
                           .more_columns = ", message_key",
                           .more_values = ", 'Message:7'"});
    };

    for (const std::string who : {"1", "2", "3"})
        send_and_open(who, "2026-03-01", "Spring");
    for (const std::string who : {"1", "4", "5"})
        send_and_open(who, "2026-03-05", "Spring again");
    project_step_by_step(url);

    EXPECT_EQ(query(url, "SET ROLE gateway_reader; SELECT message_key, sent, recipients, opens,"
                         " unique_openers, open_rate FROM report.message_performance"),
              (rows{{"Message:7", "6", "5", "6", "5", "1.0000"}}));
}

TEST(MessageTest, AnOptOutIsChargedToTheLastMessageBeforeItAlsoWhenThatComesLate)
{
    const std::string url = fresh_database();
    const auto send = [&url](const std::string& at, const std::string& message) {
        append_event(url, {.at = at,
                           .action = "sent",
                           .more_columns = ", message_key",
                           .more_values = ", '" + message + "'"});
    };
    const std::string report = "SELECT message_key, unsubscribed_1d, unsubscribed_3d,"
                               " unsubscribed_7d FROM report.message_performance ORDER BY 1";
    send("2026-03-01 10:00", "Message:1");
    append_event(url, {.at = "2026-03-06 10:00", .action = "unsubscribed"});
    project_step_by_step(url);
    const auto first = query(url, report);

    send("2026-03-04 10:00", "Message:2");
    project_step_by_step(url);

    EXPECT_EQ(first, (rows{{"Message:1", "0", "0", "1"}}));
    EXPECT_EQ(query(url, report),
              (rows{{"Message:1", "0", "0", "0"}, {"Message:2", "0", "1", "1"}}));
}

event of_message(const std::string& at, const std::string& action, const std::string& who,
                 const std::string& message = "1")
{
    return {.at = at,
            .action = action,
            .subscriber = who,
            .more_columns = ", message_key",
            .more_values = ", 'Message:" + message + "'"};
}

// Attentive, "Campaign performance and metrics": clicks "are not unique; one subscriber clicking
// multiple times increases clicks and CTR", which is total clicks by recipients. "View and manage
// email campaigns": click rate is the "percentage of unique recipients who clicked".
TEST(MessageTest, RatesAreOfRecipientsAndNullWithoutAny)
{
    const std::string url = fresh_database();
    append_event(url, of_message("2026-03-01 10:00", "link_clicked", "2")); // before it was sent
    append_event(url, of_message("2026-03-01 10:00", "sent", "1"));
    append_event(url, of_message("2026-03-01 10:00", "sent", "2"));
    append_event(url, of_message("2026-03-01 11:00", "link_clicked", "2"));
    append_event(url, of_message("2026-03-01 11:00", "link_clicked", "3")); // whose send is unknown
    append_event(url, {.at = "2026-03-01 11:00",
                       .action = "link_clicked",
                       .more_columns = ", message_key",
                       .more_values = ", 'Message:2'"});
    project_step_by_step(url);

    EXPECT_EQ(query(url, "SELECT message_key, clicks, unique_clickers, recipient_clicks,"
                         " recipients_clicked, ctr, click_rate, open_rate, unsubscribe_rate_7d"
                         " FROM report.message_performance ORDER BY 1"),
              (rows{{"Message:1", "3", "2", "2", "1", "1.0000", "0.5000", "NULL", "0.0000"},
                    {"Message:2", "1", "1", "0", "0", "NULL", "NULL", "NULL", "NULL"}}));
}

// Attentive, as above: "the number of subscribers who unsubscribed after receiving the message".
TEST(MessageTest, AnUnsubscribeRateCountsPeopleOnceAndNobodyWhoHadLeft)
{
    const std::string url = fresh_database();
    for (const std::string who : {"1", "2", "3"})
        append_event(url, of_message("2026-03-01 10:00", "sent", who));
    const auto leave = [&url](const std::string& at, const std::string& who,
                              const std::string& type) {
        append_event(url, decided(at, "unsubscribed", type, who));
    };
    leave("2026-03-01 11:00", "1", "MARKETING");
    leave("2026-03-01 11:00", "1", "TRANSACTIONAL");
    leave("2026-03-01 12:00", "1", "MARKETING");
    leave("2026-03-01 12:00", "2", "MARKETING"); // again, as the first one shows, which comes late
    project_step_by_step(url);
    const std::string report =
        "SELECT recipients, unsubscribed_1d, unsubscribe_rate_7d FROM report.message_performance";
    const auto before = query(url, report);

    leave("2026-02-01 12:00", "2", "MARKETING");
    project_step_by_step(url);

    EXPECT_EQ(before, (rows{{"3", "2", "0.6667"}}));
    EXPECT_EQ(query(url, report), (rows{{"3", "1", "0.3333"}}));
}

// As above: what ends is what they are subscribed to, whatever the opt-out names of it.
TEST(MessageTest, WhoCameBackAndOptsOutWithoutATypeLeavesAgain)
{
    const std::string url = fresh_database();
    append_event(url, decided("2026-02-01 10:00", "subscribed", "MARKETING", "1"));
    append_event(url, decided("2026-02-02 10:00", "unsubscribed", "MARKETING", "1"));
    append_event(url, decided("2026-02-03 10:00", "subscribed", "MARKETING", "1"));
    append_event(url, of_message("2026-03-01 10:00", "sent", "1"));
    append_event(url, decided("2026-03-01 11:00", "unsubscribed", "", "1"));
    append_event(url, of_message("2026-03-01 12:00", "sent", "1", "2"));
    append_event(url, decided("2026-03-01 13:00", "unsubscribed", "MARKETING", "1")); // is out
    project_step_by_step(url);

    EXPECT_EQ(query(url, "SELECT message_key, unsubscribed_7d FROM report.message_performance"
                         " ORDER BY 1"),
              (rows{{"Message:1", "1"}, {"Message:2", "0"}}));
}

// Whatever is called a rate is a share of people, or null where nobody is known to share; and what
// is a part is no more than its whole. Attentive's ctr alone may pass 1: it counts clicks. Those of
// holdouts and the funnel are HoldoutTest's and SiteViewsTest's.
TEST(MessageTest, RatesAreSharesOrUnknown)
{
    const std::string url = fresh_database();
    make_story(url, 13);
    deliver(url, 13, true);
    project_step_by_step(url);
    std::string shares;
    for (const auto& row :
         query(url, "SELECT c.oid::regclass, a.attname FROM pg_class c JOIN pg_attribute a"
                    " ON a.attrelid = c.oid AND a.attname ~ '(rate|share)(_|$)'"
                    " WHERE c.relnamespace = 'report'::regnamespace"
                    " AND c.relname NOT IN ('holdout_lift', 'funnel') ORDER BY 2")) {
        shares += row[1] + " ";
        EXPECT_EQ(count(url, row[0] + " WHERE " + row[1] + " NOT BETWEEN 0 AND 1"), "0") << row[1];
        EXPECT_EQ(count(url, row[0] + " WHERE (" + row[1] +
                                 " IS NULL) <> (recipients = 0 OR channel = 'sms' AND '" + row[1] +
                                 "' ~ 'open_rate')"),
                  "0")
            << row[1];
        EXPECT_NE(count(url, row[0] + " WHERE " + row[1] + " > 0"), "0") << row[1];
    }
    EXPECT_EQ(shares, "click_rate open_rate unsubscribe_rate_7d unsuspected_click_rate"
                      " unsuspected_open_rate ");
    for (const auto& [view, whole] :
         {std::pair{"message_performance",
                    "recipients <= sent AND unique_openers <= opens AND unique_clickers <= clicks"
                    " AND greatest(recipients_opened, recipients_clicked, unsubscribed_7d) <="
                    " recipients AND unsubscribed_1d <= unsubscribed_3d AND unsubscribed_3d <="
                    " unsubscribed_7d AND suspect_opens <= opens AND suspect_clicks <= clicks"
                    " AND recipients_clicked <= recipient_clicks"
                    " AND unsuspected_recipients_opened <= recipients_opened"
                    " AND unsuspected_recipients_clicked <= recipients_clicked"
                    " AND (ctr IS NULL) = (recipients = 0) AND unsuspected_ctr <= ctr"
                    " AND least(sent, recipients, opens, clicks, recipients_opened, suspect_opens,"
                    " suspect_clicks, unsuspected_recipients_opened, unsuspected_ctr) >= 0"},
          std::pair{"consent_movement_daily",
                    "effective_opt_ins <= opt_ins AND effective_opt_outs <= opt_outs"
                    " AND net_change = effective_opt_ins - effective_opt_outs"},
          std::pair{"audience_size_daily", "subscribers_at_day_end >= 0"},
          std::pair{"audience_quality", "suspect_clicks_90d <= clicks_90d"
                                        " AND suspect_opens_90d <= opens_90d"},
          std::pair{"link_clicks_daily", "unique_clickers <= clicks AND suspect_clicks <= clicks"
                                         " AND unsuspected_clickers <= unique_clickers"}})
        EXPECT_EQ(count(url, std::string{"report."} + view + " WHERE (" + whole + ") IS FALSE"),
                  "0")
            << view;
}

// Three thousand times: more than are kept of 92 days. One thousand: days decide.
TEST(EngagementTest, KeepsTheNewestTimesWhateverTheirOrder)
{
    const std::string url = fresh_database();
    query(url, "CREATE FUNCTION kept(times integer, seed float) RETURNS boolean LANGUAGE plpgsql"
               " AS $$ DECLARE few timestamptz[]; kept timestamptz[] := '{}'; BEGIN"
               "  PERFORM setseed(seed);"
               "  CREATE TEMP TABLE t AS SELECT (random() * 300)::integer AS part,"
               "   timestamptz '2026-01-01' + random() * interval '200 days' AS at"
               "   FROM generate_series(1, times);"
               "  FOR few IN SELECT array_agg(at) FROM t GROUP BY part ORDER BY random() LOOP"
               "   kept := gateway.add_times(kept, few);"
               "  END LOOP;"
               "  RETURN kept = (SELECT array_agg(at ORDER BY at) FROM (SELECT at FROM t"
               "   WHERE at > (SELECT max(at) FROM t) - interval '92 days'"
               "   ORDER BY at DESC LIMIT 1000) newest);"
               " END $$");

    EXPECT_EQ(value(url, "SELECT kept(1000, 0.1)"), "t");
    EXPECT_EQ(value(url, "SELECT kept(1000, 0.2)"), "t");
    EXPECT_EQ(value(url, "SELECT kept(3000, 0.3)"), "t");
    EXPECT_EQ(value(url, "SELECT kept(3000, 0.4)"), "t");
}

TEST(EngagementTest, DisbelievesClocksThatRunADayAhead)
{
    const std::string url = fresh_database();
    append_event(url, {.at = "2026-03-01 10:00", .action = "sent"});
    append_event(url, {.at = "2099-01-01 10:00", .action = "sent"});

    project_step_by_step(url);

    EXPECT_EQ(value(url, "SELECT sent_at = '{2026-03-01 10:00+00}' FROM gateway.engagement"), "t");
}

TEST(TimezoneTest, MovesTheDaysOfOneCompany)
{
    const std::string url = fresh_database();
    append_event(url, {.at = "2026-03-01 02:00", .action = "subscribed"});
    project_step_by_step(url);
    const std::string day = "SELECT day FROM report.consent_movement_daily";
    const auto utc = value(url, day);

    query(url, "SELECT gateway.set_timezone('C', 'America/New_York')");
    const auto local = value(url, day);
    append_event(url, {.at = "2026-03-02 02:00", .action = "unsubscribed"});
    project_step_by_step(url);

    EXPECT_EQ(utc, "2026-03-01");
    EXPECT_EQ(local, "2026-02-28");
    EXPECT_EQ(query(url, day + " ORDER BY 1"), (rows{{"2026-02-28"}, {"2026-03-01"}}));
    EXPECT_ANY_THROW(query(url, "SELECT gateway.set_timezone('C', 'Mars/Olympus')"));
    EXPECT_ANY_THROW(query(url, "SELECT gateway.set_timezone('nobody', 'UTC')"));
}

} // namespace
} // namespace gateway
