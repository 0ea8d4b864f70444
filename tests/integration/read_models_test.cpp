// Single read models, event by event: consent in any order, messages and their subject lines,
// opt-outs charged to a send, engagement, and the days of a company.
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
using testing::HasSubstr;

TEST(ConsentTest, AllOrdersOfSixDecisionsGiveTheSameState)
{
    const std::string url = fresh_database();
    query(url,
          "CREATE TABLE six (k integer, at timestamptz, action text, creative text);"
          "INSERT INTO six VALUES (1, '2026-03-01 10:00Z', 'subscribed', 'first'),"
          " (2, '2026-03-02 10:00Z', 'subscribed', 'again'),"
          " (3, '2026-03-03 10:00Z', 'unsubscribed', NULL),"
          " (4, '2026-03-04 10:00Z', 'subscribed', 'back'),"
          " (5, '2026-03-05 10:00Z', 'unsubscribed', NULL),"
          " (6, '2026-03-05 10:00Z', 'subscribed', 'same moment');"
          "CREATE TABLE orders AS WITH RECURSIVE p AS (SELECT ARRAY[k] AS ks FROM six UNION ALL"
          " SELECT ks || k FROM p, six WHERE k <> ALL (ks)) SELECT ks, row_number() OVER () AS n"
          " FROM p WHERE cardinality(ks) = 6;"
          "INSERT INTO gateway.source_event (company_id, occurred_at, event_id, event_name,"
          " channel, action, source, source_event_type, subscriber_id, subscription_type,"
          " creative_name, received_at, position, mapping_version, quality_flags)"
          " SELECT 'C', at, (k || lpad(n::text, 31, '0'))::uuid, 'sms.' || action, 'sms', action,"
          " 'attentive', 'x', lpad(n::text, 32, '0')::uuid, 'MARKETING', creative, at,"
          " row_number() OVER (ORDER BY position, n), 1, '{}' FROM orders, unnest(ks) WITH "
          "ORDINALITY u (which, position) JOIN six"
          " ON k = which;"
          "UPDATE gateway.log_state SET position = 4320;"
          "INSERT INTO gateway.step SELECT n, n * 720, 720, 0, 0 FROM generate_series(1, 6) n");

    for (int i = 0; i < 6; ++i)
        query(url, "SELECT gateway.project(720)");
    const auto states =
        query(url, "SELECT decision, decided_at, left(decided_by::text, 1), first_granted_at,"
                   " last_granted_at, left(last_granted_by::text, 1), last_revoked_at,"
                   " creative_name, count(*) FROM gateway.consent GROUP BY 1, 2, 3, 4, 5, 6, 7, 8");
    const auto ledger =
        query(url, "SELECT left(event_id::text, 1), is_effective, creative_name, count(*) FROM"
                   " gateway.consent_decision GROUP BY 1, 2, 3 ORDER BY 1");

    ASSERT_EQ(count(url, "orders"), "720");
    ASSERT_EQ(states.size(), 1U);
    EXPECT_EQ(states[0][0], "revoked"); // an opt-out wins the tie
    EXPECT_EQ(states[0][2], "5");
    EXPECT_EQ(states[0][5], "6");
    EXPECT_EQ(states[0][7], "back"); // which subscribed; "same moment" repeated it
    EXPECT_EQ(states[0][8], "720");
    EXPECT_EQ(ledger, (rows{{"1", "t", "first", "720"},
                            {"2", "f", "again", "720"},
                            {"3", "t", "first", "720"},
                            {"4", "t", "back", "720"},
                            {"5", "t", "back", "720"},
                            {"6", "f", "same moment", "720"}}));
}

// The state of each type of the SMS consent of subscriber 1, from decisions in any order.
std::string consent_after(const std::vector<event>& decisions)
{
    const std::string state = "SELECT string_agg(subscription_type || ' ' || is_subscribed, ', '"
                              " ORDER BY subscription_type) FROM report.subscriber_consent";
    std::string told;
    std::vector<std::size_t> order(decisions.size());
    std::iota(order.begin(), order.end(), 0U);
    do {
        const std::string url = fresh_database();
        for (const auto i : order) {
            append_event(url, decisions[i]);
            project_step_by_step(url);
        }
        const std::string answer = value(url, state);
        EXPECT_TRUE(told.empty() || told == answer) << answer;
        told = answer;
    } while (std::next_permutation(order.begin(), order.end()));
    return told;
}

event decided(const std::string& at, const std::string& action, const std::string& type,
              const std::string& who = "1")
{
    return {.at = at,
            .action = action,
            .subscriber = who,
            .more_columns = ", subscription_type",
            .more_values = type.empty() ? ", NULL" : ", '" + type + "'"};
}

// TCPA, 47 CFR 64.1200(a)(10): a revocation is honoured by any reasonable means; in doubt nobody is
// written to.
TEST(ConsentTest, AnOptOutWithoutTypeEndsWhatWasGrantedBeforeWhateverItsType)
{
    EXPECT_EQ(consent_after({decided("2026-01-01", "subscribed", "MARKETING"),
                             decided("2026-01-02", "subscribed", "TRANSACTIONAL"),
                             decided("2026-01-03", "unsubscribed", ""),
                             decided("2026-01-04", "subscribed", "TRANSACTIONAL")}),
              "MARKETING false, TRANSACTIONAL true, UNSPECIFIED false");
    EXPECT_EQ(consent_after({decided("2026-01-01", "subscribed", ""),
                             decided("2026-01-02", "subscribed", "TRANSACTIONAL"),
                             decided("2026-01-03", "unsubscribed", "MARKETING")}),
              "MARKETING false, TRANSACTIONAL true, UNSPECIFIED false");
}

// Which of the two came last is not known when the opt-in's clock is not believed: TCPA, as above.
TEST(ConsentTest, AnOptInOfTheFutureLosesToAnOptOutWithinADayOfItsReceipt)
{
    const auto state_after_opt_out = [](const std::string& at) {
        const std::string url = fresh_database();
        append_event(url, decided("2098-01-01", "subscribed", "MARKETING"));
        query(url, "UPDATE gateway.source_event SET received_at = '2026-01-02 12:00+00'");
        append_event(url, decided(at, "unsubscribed", "MARKETING"));
        project_step_by_step(url);
        return query(url, "SELECT is_subscribed, first_granted_at AT TIME ZONE 'UTC'"
                          " FROM report.subscriber_consent");
    };

    EXPECT_EQ(state_after_opt_out("2026-01-02 12:01"), (rows{{"f", "2026-01-01 12:00:00"}}));
    EXPECT_EQ(state_after_opt_out("2026-01-01 12:00"), (rows{{"f", "2026-01-01 12:00:00"}}));
    EXPECT_EQ(state_after_opt_out("2026-01-01 11:59"), (rows{{"t", "2026-01-01 12:00:00"}}));
}

// Envoke, "Subscriber analytics": new and churned subscribers are those whose consent status
// changed; so what a source brought, less those who left, is who is left of it.
TEST(ConsentTest, TheNetGrowthOfASourceIsItsSubscribersWhoAreLeft)
{
    const std::string url = fresh_database();
    const auto opt_in = [&url](const std::string& at, const std::string& who,
                               const std::string& source) {
        append_event(url, {.at = at,
                           .action = "subscribed",
                           .subscriber = who,
                           .more_columns = ", subscription_type, creative_name",
                           .more_values = ", 'MARKETING', '" + source + "'"});
    };
    for (int n = 1; n <= 10; ++n) {
        const std::string who = std::to_string(n);
        opt_in("2026-01-01", who, "Pop-up");
        opt_in("2026-01-02", who, "Checkout");
        if (n <= 8)
            append_event(url, decided("2026-01-03", "unsubscribed", "MARKETING", who));
    }
    opt_in("2026-01-04", "1", "Checkout"); // comes back
    project_step_by_step(url);

    EXPECT_EQ(query(url, "SELECT creative_name, sum(opt_ins), sum(opt_outs), sum(net_change)"
                         " FROM report.consent_movement_daily GROUP BY 1 ORDER BY 1"),
              (rows{{"Checkout", "11", "0", "1"}, {"Pop-up", "10", "8", "2"}}));
    EXPECT_EQ(query(url, "SELECT creative_name, count(*) FROM report.subscriber_consent"
                         " WHERE is_subscribed GROUP BY 1 ORDER BY 1"),
              (rows{{"Checkout", "1"}, {"Pop-up", "2"}}));
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
                          {"subject:Spring", "Spring", "4", "4", "0", "0.5000", "f"},
                          {"subject:Weekly", "Weekly", "1", "1", "0", "1.0000", "f"}}));
    EXPECT_EQ(query(url, report),
              (rows{{"Message:7", "Spring", "4", "4", "3", "0.7500", "t"},
                    {"Message:9", "NULL", "0", "0", "1", "NULL", "f"},
                    {"subject:Weekly", "Weekly", "1", "1", "0", "1.0000", "f"}}));
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

event of_message(const std::string& at, const std::string& action, const std::string& who)
{
    return {.at = at,
            .action = action,
            .subscriber = who,
            .more_columns = ", message_key",
            .more_values = ", 'Message:1'"};
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
