// The read models are a function of the log: whatever the order, the batches and the moment of
// projection, the same events give the same rows, a rebuild finds nothing to correct, and the rows
// are those that plain definitions over the log give.
#include "gateway/store/applier.hpp"
#include "gateway/store/read_models.hpp"
#include "integration/projected_log.hpp"
#include "support/cluster.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>

namespace gateway {
namespace {

using namespace test;
using rows = std::vector<std::vector<std::string>>;
using testing::HasSubstr;

const std::vector<std::string> tables = {
    "company",       "identity",       "identity_value", "consent_decision", "consent",
    "consent_daily", "consent_latest", "message",        "message_member",   "message_stats",
    "last_send",     "subject_vote",   "current_order",  "engagement",       "feed_day"};

rows contents(const std::string& url, const std::string& table)
{
    return query(url, "SELECT t::text FROM gateway." + table + " t ORDER BY 1");
}

std::string story_database(int seed, int order, bool step_by_step)
{
    const std::string url = fresh_database();
    make_story(url, seed);
    deliver(url, order, step_by_step);
    project_step_by_step(url);
    return url;
}

// Rows that two queries do not have in common, from both sides.
rows difference(const std::string& url, const std::string& a, const std::string& b)
{
    return query(url, "((" + a + ") EXCEPT ALL (" + b + ")) UNION ALL ((" + b + ") EXCEPT ALL (" +
                          a + "))");
}

TEST(ProjectorTest, TheSameEventsGiveTheSameRowsInAnyOrder)
{
    for (int seed = 1; seed <= 4; ++seed) {
        const std::string url = story_database(seed, 10 + seed, false);
        const std::string other = story_database(seed, 20 + seed, true);

        for (const auto& table : tables) {
            EXPECT_EQ(contents(url, table), contents(other, table)) << table << " of " << seed;
            EXPECT_NE(count(url, "gateway." + table), "0") << table << " of " << seed;
        }
        EXPECT_EQ(value(other, "SELECT events || ' ' || failed FROM gateway.projection_lag()"),
                  "0 0");
    }
}

TEST(ProjectorTest, ARebuildFindsNothingToCorrectAndCorrectsWhatIsWrong)
{
    for (int seed = 5; seed <= 7; ++seed) {
        const std::string url = story_database(seed, seed, true);
        std::map<std::string, rows> before;
        for (const auto& table : tables)
            before[table] = contents(url, table);

        const auto same = rebuild({.database_url = url, .step_events_max = 150}).value();
        query(url, "UPDATE gateway.consent SET decided_at = now() WHERE channel = 'sms';"
                   "DELETE FROM gateway.message_member WHERE was_sent;"
                   "UPDATE gateway.identity SET profile_id = subscriber_id");
        const auto mended = rebuild({.database_url = url, .step_events_max = 150}).value();

        for (const auto& row : same.rows)
            EXPECT_TRUE(row[2] == "0" && row[3] == "0") << row[0] << " of " << seed;
        EXPECT_EQ(same.rows.size(), tables.size());
        EXPECT_NE(mended.rows[4][2], "0"); // consent
        for (const auto& table : tables)
            EXPECT_EQ(contents(url, table), before[table]) << table << " of " << seed;
    }
}

TEST(ProjectorTest, ARebuildOfOneModelLeavesTheOthersAlone)
{
    const std::string url = story_database(8, 8, false);
    query(url, "UPDATE gateway.message SET message_name = 'mine';"
               "DELETE FROM gateway.engagement");

    const auto done = rebuild({.database_url = url, .models = {"engagement"}}).value();

    ASSERT_EQ(done.rows.size(), 1U);
    EXPECT_EQ(done.rows[0][0], "engagement");
    EXPECT_EQ(done.rows[0][1], done.rows[0][3]);
    EXPECT_EQ(count(url, "gateway.message WHERE message_name <> 'mine'"), "0");
}

// What asks who shares an address is made with who does.
TEST(ProjectorTest, IdentityConsentAndMessagesAreRebuiltTogether)
{
    const std::string url = story_database(8, 8, false);
    std::map<std::string, rows> before;
    for (const auto& table : tables)
        before[table] = contents(url, table);

    for (const std::string model : {"identity", "consent", "message"}) {
        query(url, "UPDATE gateway.identity SET profile_id = subscriber_id, sms_to = NULL;"
                   "DELETE FROM gateway.consent; DELETE FROM gateway.last_send");
        ASSERT_TRUE(rebuild({.database_url = url, .models = {model}}));
        for (const auto& table : tables)
            EXPECT_EQ(contents(url, table), before[table]) << table << " with " << model;
    }
}

// Who is one recipient: subscribers of a profile who share a phone or an e-mail, from one to the
// next. Attentive, "SMS and email consent": an opt-out is the phone number's or the address's.
void define_recipients(const std::string& url)
{
    query(url,
          "CREATE TABLE holds AS SELECT DISTINCT company_id, i.profile_id, e.subscriber_id,"
          " k.channel, value FROM gateway.source_event e"
          " JOIN gateway.identity i USING (company_id, subscriber_id),"
          " (VALUES ('sms', 'phone'), ('email', 'email')) k (channel, kind),"
          " jsonb_array_elements_text(e.identifiers -> kind) v (value);"
          "CREATE TABLE recipient AS WITH RECURSIVE j AS ("
          " SELECT company_id, profile_id, channel, subscriber_id AS one, subscriber_id AS other"
          " FROM holds UNION SELECT j.company_id, j.profile_id, j.channel, one, o.subscriber_id"
          " FROM j JOIN holds h USING (company_id, profile_id, channel)"
          " JOIN holds o USING (company_id, profile_id, channel)"
          " WHERE h.subscriber_id = other AND o.value = h.value)"
          "SELECT company_id, channel, one AS subscriber_id, min(other::text)::uuid AS recipient"
          " FROM j GROUP BY 1, 2, 3");
}

// A view of all decisions, in order, with what they ended.
void define_decisions(const std::string& url)
{
    query(url,
          "CREATE VIEW said AS SELECT e.*, recipient, action = 'unsubscribed' AS opted_out,"
          " coalesce(subscription_type, 'UNSPECIFIED') AS named FROM gateway.source_event e"
          " JOIN recipient USING (company_id, subscriber_id, channel)"
          " WHERE action IN ('subscribed', 'unsubscribed');"
          "CREATE VIEW d AS SELECT q.*, first_value(creative_name) OVER (PARTITION BY company_id,"
          " recipient, channel, st, span ORDER BY occurred_at, opted_out, event_id) AS ended"
          " FROM (SELECT *, count(*) FILTER (WHERE NOT opted_out AND prev IS DISTINCT FROM false)"
          "  OVER k AS span, lead(opted_out) OVER k IS NULL AS stands"
          "  FROM (SELECT *, lag(opted_out) OVER k AS prev FROM (SELECT s.*, t.named AS st"
          "   FROM said s JOIN (SELECT DISTINCT company_id, recipient, channel, named"
          "    FROM said) t USING (company_id, recipient, channel)"
          "   WHERE s.named = t.named OR s.opted_out AND (s.named = 'UNSPECIFIED'"
          "    OR s.named = 'MARKETING' AND t.named = 'UNSPECIFIED')) e"
          "  WINDOW k AS (PARTITION BY company_id, recipient, channel, st"
          "   ORDER BY occurred_at, opted_out, event_id)) p"
          "  WINDOW k AS (PARTITION BY company_id, recipient, channel, st"
          "   ORDER BY occurred_at, opted_out, event_id)) q");
}

TEST(ProjectorTest, ConsentAgreesWithItsPlainDefinition)
{
    const std::string url = story_database(9, 9, true);
    define_recipients(url);
    define_decisions(url);
    query(url, "SELECT gateway.set_timezone('C1', 'America/New_York')");

    const auto movement = difference(
        url,
        "SELECT company_id, day, channel, subscription_type, creative_name, opt_ins, opt_outs,"
        " effective_opt_ins, effective_opt_outs FROM report.consent_movement_daily",
        "SELECT company_id, (occurred_at AT TIME ZONE CASE company_id WHEN 'C1' THEN"
        " 'America/New_York' ELSE 'UTC' END)::date, channel, st,"
        " CASE WHEN NOT opted_out THEN creative_name WHEN span > 0 THEN ended END,"
        " count(*) FILTER (WHERE NOT opted_out),"
        " count(*) FILTER (WHERE opted_out),"
        " count(*) FILTER (WHERE NOT opted_out AND prev IS DISTINCT FROM false),"
        " count(*) FILTER (WHERE opted_out AND NOT prev) FROM d GROUP BY 1, 2, 3, 4, 5");
    const auto now = difference(
        url,
        "SELECT company_id, subscriber_id, channel, subscription_type, is_subscribed, decided_at,"
        " evidence_event_id FROM report.subscriber_consent",
        "SELECT DISTINCT ON (1, 2, 3, 4) r.company_id, r.subscriber_id, r.channel, st,"
        " NOT opted_out, occurred_at, event_id FROM recipient r"
        " JOIN d USING (company_id, recipient, channel)"
        " WHERE opted_out OR d.subscriber_id = r.subscriber_id"
        " ORDER BY 1, 2, 3, 4, occurred_at DESC, opted_out DESC, event_id DESC");
    const auto audience = difference(
        url,
        "SELECT company_id, channel, subscription_type, subscribers_at_day_end FROM"
        " (SELECT *, row_number() OVER (PARTITION BY company_id, channel, subscription_type"
        "  ORDER BY day DESC) AS n FROM report.audience_size_daily) a WHERE n = 1",
        "SELECT company_id, channel, subscription_type, subscribed"
        " FROM report.current_subscribers WHERE subscribed > 0 OR unsubscribed > 0");
    const auto counted = difference(
        url,
        "SELECT company_id, channel, subscription_type, subscribed, unsubscribed, last_change_at"
        " FROM report.current_subscribers",
        "SELECT company_id, channel, st, count(*) FILTER (WHERE NOT opted_out),"
        " count(*) FILTER (WHERE opted_out), max(occurred_at) FROM d WHERE stands"
        " GROUP BY 1, 2, 3");
    const auto quality = difference(
        url,
        "SELECT company_id, channel, subscription_type, count(*) FILTER (WHERE is_subscribed),"
        " count(*) FILTER (WHERE segment = 'opted_out') FROM report.audience_quality"
        " GROUP BY 1, 2, 3",
        "SELECT company_id, channel, subscription_type, subscribed, unsubscribed"
        " FROM report.current_subscribers");

    EXPECT_EQ(counted, rows{});
    EXPECT_EQ(quality, rows{});
    EXPECT_EQ(movement, rows{});
    EXPECT_EQ(now, rows{});
    EXPECT_EQ(audience, rows{});
    EXPECT_NE(count(url, "report.consent_movement_daily WHERE effective_opt_outs > 0"), "0");
}

// Views that say plainly what messages and reactions are.
void define_messages(const std::string& url)
{
    query(
        url,
        "CREATE VIEW e AS SELECT *, CASE WHEN message_key IS NOT NULL THEN message_key"
        " WHEN message_subject IS NOT NULL THEN 'subject:' || message_subject ELSE 'unknown' END"
        " AS key FROM gateway.source_event;"
        "CREATE VIEW l AS SELECT e.company_id, r.subscriber_id, e.channel, occurred_at, event_id,"
        " action, message_key, subscription_type, key FROM e"
        " JOIN recipient o USING (company_id, subscriber_id, channel)"
        " JOIN recipient r USING (company_id, recipient, channel)"
        " WHERE action = 'unsubscribed' OR r.subscriber_id = e.subscriber_id;"
        "CREATE VIEW before AS SELECT l.*, s.key AS sent_key, l.occurred_at - s.occurred_at AS"
        " after FROM l LEFT JOIN LATERAL (SELECT * FROM e s WHERE s.company_id = l.company_id"
        "  AND s.subscriber_id = l.subscriber_id AND s.channel = l.channel AND s.action = 'sent'"
        "  AND s.occurred_at <= l.occurred_at"
        "  AND s.occurred_at >= l.occurred_at - interval '7 days'"
        "  ORDER BY s.occurred_at DESC, s.event_id DESC LIMIT 1) s ON true"
        " WHERE l.subscriber_id IS NOT NULL;"
        "CREATE VIEW left_by AS SELECT b.* FROM before b CROSS JOIN LATERAL ("
        "  SELECT bool_and(s.action = 'unsubscribed') AS was_out FROM ("
        "   SELECT DISTINCT ON (t.type) x.action"
        "   FROM (SELECT subscription_type FROM l UNION SELECT NULL) t (type)"
        "   JOIN l x ON x.company_id = b.company_id AND x.subscriber_id = b.subscriber_id"
        "    AND x.channel = b.channel AND x.action IN ('subscribed', 'unsubscribed')"
        "    AND (x.occurred_at, x.action, x.event_id) < (b.occurred_at, b.action, b.event_id)"
        "   WHERE (b.subscription_type IS NULL OR b.subscription_type = t.type"
        "     OR b.subscription_type = 'MARKETING' AND t.type IS NULL)"
        "    AND (x.subscription_type IS NOT DISTINCT FROM t.type"
        "     OR x.action = 'unsubscribed' AND (x.subscription_type IS NULL"
        "      OR x.subscription_type = 'MARKETING' AND t.type IS NULL))"
        "   ORDER BY t.type, x.occurred_at DESC, x.action DESC, x.event_id DESC) s) r"
        " WHERE b.action = 'unsubscribed' AND r.was_out IS NOT TRUE;"
        "CREATE VIEW reaction AS SELECT company_id, channel, sent_key AS key, subscriber_id, action"
        " FROM before WHERE channel = 'email' AND action IN ('opened', 'link_clicked')"
        "  AND (message_key = sent_key OR sent_key NOT LIKE 'Message:%')"
        " UNION ALL SELECT company_id, channel, key, subscriber_id, action FROM e"
        " WHERE channel = 'sms' AND action = 'link_clicked' AND EXISTS (SELECT FROM e s"
        "  WHERE s.company_id = e.company_id AND s.channel = 'sms' AND s.key = e.key"
        "   AND s.subscriber_id = e.subscriber_id AND s.action = 'sent');"
        "CREATE VIEW joined AS SELECT e.*, coalesce(b.message_key, e.key) AS message FROM e"
        " LEFT JOIN gateway.subject_line l ON l.company_id = e.company_id"
        "  AND l.channel = e.channel AND l.stat_key = e.key"
        " LEFT JOIN gateway.subject_bridge b ON 'subject:' || b.message_subject"
        "  = CASE WHEN e.key LIKE 'subject:%' AND l.stat_key IS NULL THEN 'subject:*' ELSE e.key "
        "END"
        "  AND b.company_id = e.company_id AND e.channel = 'email'");
}

TEST(ProjectorTest, MessagesAgreeWithTheirPlainDefinition)
{
    const std::string url = story_database(10, 10, true);
    define_recipients(url);
    define_messages(url);

    const auto votes = difference(
        url, "SELECT company_id, message_subject, message_key, votes FROM gateway.subject_vote",
        "SELECT company_id, substr(sent_key, 9), message_key, count(*) FROM before"
        " WHERE channel = 'email' AND action IN ('opened', 'link_clicked')"
        "  AND sent_key LIKE 'subject:%' AND after <= interval '3 days' GROUP BY 1, 2, 3");
    const auto charged = difference(
        url,
        "SELECT company_id, channel, stat_key, unsubscribed_1d, unsubscribed_3d, unsubscribed_7d"
        " FROM gateway.message_stats WHERE unsubscribed_7d > 0",
        "SELECT company_id, channel, sent_key,"
        " count(DISTINCT subscriber_id) FILTER (WHERE after <= interval '1 day'),"
        " count(DISTINCT subscriber_id) FILTER (WHERE after <= interval '3 days'),"
        " count(DISTINCT subscriber_id) FROM left_by WHERE sent_key IS NOT NULL GROUP BY 1, 2, 3");
    const auto reactions = difference(
        url,
        "SELECT company_id, channel, stat_key, recipients_opened, recipients_clicked,"
        " recipient_clicks FROM gateway.message_stats"
        " WHERE recipients_opened > 0 OR recipient_clicks > 0",
        "SELECT company_id, channel, key,"
        " count(DISTINCT subscriber_id) FILTER (WHERE action = 'opened'),"
        " count(DISTINCT subscriber_id) FILTER (WHERE action = 'link_clicked'),"
        " count(*) FILTER (WHERE action = 'link_clicked') FROM reaction GROUP BY 1, 2, 3");
    const auto performance = difference(
        url,
        "SELECT company_id, channel, message_key, sent, recipients, opens, unique_openers, clicks,"
        " unique_clickers, first_sent_at, last_sent_at FROM report.message_performance",
        "SELECT company_id, channel, message, count(*) FILTER (WHERE action = 'sent'),"
        " count(DISTINCT subscriber_id) FILTER (WHERE action = 'sent'),"
        " count(*) FILTER (WHERE action = 'opened'),"
        " count(DISTINCT subscriber_id) FILTER (WHERE action = 'opened'),"
        " count(*) FILTER (WHERE action = 'link_clicked'),"
        " count(DISTINCT subscriber_id) FILTER (WHERE action = 'link_clicked'),"
        " min(occurred_at) FILTER (WHERE action = 'sent'),"
        " max(occurred_at) FILTER (WHERE action = 'sent') FROM joined"
        " WHERE action IN ('sent', 'opened', 'link_clicked') GROUP BY 1, 2, 3");
    const auto names = difference(
        url, "SELECT company_id, message_key, message_name, first_seen_at FROM gateway.message",
        "SELECT DISTINCT ON (1, 2) company_id, message_key, message_name, min(occurred_at)"
        " OVER (PARTITION BY company_id, message_key) FROM e WHERE message_key IS NOT NULL"
        " ORDER BY 1, 2, occurred_at DESC, message_name DESC");

    EXPECT_EQ(votes, rows{});
    EXPECT_EQ(charged, rows{});
    EXPECT_EQ(reactions, rows{});
    EXPECT_EQ(performance, rows{});
    EXPECT_EQ(names, rows{});
    EXPECT_NE(count(url, "gateway.subject_vote"), "0");
}

TEST(ProjectorTest, IdentityIsTheConnectedComponentsOfSharedIdentifiers)
{
    const std::string url = story_database(11, 11, true);
    const auto seen = query(url, "SELECT company_id || subscriber_id, first_seen_at::text FROM"
                                 " gateway.identity ORDER BY first_seen_at, subscriber_id");
    const auto values =
        query(url, "SELECT company_id || subscriber_id, company_id || kind || value FROM"
                   " (SELECT DISTINCT company_id, subscriber_id, k.key AS kind, v AS value"
                   "  FROM gateway.source_event, jsonb_each(identifiers) k,"
                   "   jsonb_array_elements_text(k.value) v WHERE subscriber_id IS NOT NULL) i"
                   " WHERE value NOT LIKE '+1555%'");
    std::map<std::string, std::set<std::string>> sharing;
    for (const auto& row : values)
        sharing[row[1]].insert(row[0]);

    // Whoever was seen first is its own; the rest takes the least rank of a neighbour, repeatedly.
    std::map<std::string, std::size_t> rank;
    for (const auto& row : seen)
        rank.emplace(row[0], rank.size());
    for (bool changed = true; changed;) {
        changed = false;
        for (const auto& [value, who] : sharing) {
            if (who.size() < 2 || who.size() > 5)
                continue;
            std::size_t least = rank.size();
            for (const auto& id : who)
                least = std::min(least, rank[id]);
            for (const auto& id : who)
                changed = std::exchange(rank[id], least) != least || changed;
        }
    }
    std::size_t merged = 0;
    for (const auto& row : query(url, "SELECT company_id || subscriber_id,"
                                      " company_id || profile_id FROM gateway.identity")) {
        EXPECT_EQ(row[1], seen[rank[row[0]]][0]) << row[0];
        merged += row[0] != row[1] ? 1 : 0;
    }

    EXPECT_GT(merged, 5U);
    EXPECT_LT(merged + 5, seen.size());
}

} // namespace
} // namespace gateway
