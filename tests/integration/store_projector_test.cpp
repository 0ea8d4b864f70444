// The read models are a function of the log: whatever the order, the batches and the moment of
// projection, the same events give the same rows, a rebuild finds nothing to correct, and the rows
// are those that plain definitions over the log give.
#include "gateway/store/projector.hpp"
#include "gateway/store/read_models.hpp"
#include "support/cluster.hpp"
#include "support/gateway_process.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <thread>

namespace gateway {
namespace {

using namespace test;
using test::query; // not the product's
using testing::HasSubstr;
using rows = std::vector<std::vector<std::string>>;

const std::vector<std::string> tables = {
    "company",       "identifier",     "identity",   "consent_decision", "consent",
    "consent_daily", "consent_latest", "message",    "message_member",   "message_stats",
    "last_send",     "subject_vote",   "engagement", "feed_day"};

// Several hundred events of two companies, with ties, shared and blocked identifiers, repeated
// decisions, and sends of e-mails without a message id. They wait in a table of the test.
void make_story(const std::string& url, int seed)
{
    query(url,
          "SELECT setseed(" + std::to_string(seed) +
              " / 100.0);"
              "CREATE TABLE story AS TABLE gateway.source_event WITH NO DATA;"
              "INSERT INTO story (company_id, occurred_at, event_id, event_name, channel, action,"
              " source, source_event_type, company_name, subscriber_id, identifiers,"
              " subscription_type, creative_name, message_key, message_type, message_name,"
              " message_subject, business_address, received_at, batch_id, mapping_version,"
              " quality_flags)"
              "SELECT company, at, md5(i::text)::uuid, channel || '.' || action, channel, action,"
              " 'attentive', channel || '.' || action, 'Name ' || i % 3,"
              " CASE WHEN s < 34 THEN md5(company || s)::uuid END,"
              " CASE WHEN s < 34 THEN jsonb_build_object("
              "  'attentive_external_id', jsonb_build_array(s::text),"
              "  'phone', jsonb_build_array(CASE WHEN s < 2 THEN '+15550000000'"
              "    WHEN s < 10 THEN '+4917000' || i % 2 ELSE '+4930000' || s / 2 END),"
              "  'email', jsonb_build_array('p' || (s * 7 + i % 2) % 29 || '@mail.org')) END,"
              " CASE WHEN r < 0.3 THEN 'MARKETING' WHEN r < 0.4 THEN 'TRANSACTIONAL' END,"
              " CASE WHEN action = 'subscribed' THEN 'Creative ' || i % 4 END,"
              " CASE WHEN action IN ('opened', 'link_clicked') OR channel = 'sms' AND i % 9 > 0"
              "  THEN 'Message:' || m + CASE channel WHEN 'sms' THEN 0 ELSE 100 END END,"
              " 'ONE_TIME', 'Campaign ' || m || '.' || i % 2,"
              " CASE WHEN channel = 'email' AND action = 'sent' THEN 'Subject ' || m END,"
              " 'from ' || i % 2, at, 0, 1, '{}' "
              "FROM (SELECT i, 'C' || i % 2 AS company, (random() * 35)::integer AS s,"
              "  (random() * 3)::integer AS m, random() AS r,"
              "  timestamptz '2026-01-25' + (random() * 400)::integer * interval '2 hours' AS at,"
              "  (ARRAY['sms', 'email'])[1 + (random() * 0.999 * 2)::integer % 2] AS channel,"
              "  (ARRAY['subscribed', 'unsubscribed', 'sent', 'sent', 'opened', 'link_clicked',"
              "   'inbound_received'])[1 + floor(random() * 7)::integer] AS action"
              "  FROM generate_series(1, 700) i) e");
}

// Puts the story into the log in batches of random sizes, in random order and all together, or
// batch by batch with steps between; some of it twice.
void deliver(const std::string& url, int seed, bool step_by_step)
{
    std::mt19937 random{static_cast<unsigned>(seed)};
    auto keys = query(url, "SELECT event_id FROM story ORDER BY event_id");
    std::shuffle(keys.begin(), keys.end(), random);
    for (std::size_t at = 0, batch = 1; at < keys.size(); ++batch) {
        const std::size_t size = std::min<std::size_t>(1 + random() % 60, keys.size() - at);
        const std::size_t from = at > 5 ? at - 5 : 0; // the last five came before
        std::string ids;
        for (std::size_t i = from; i < at + size; ++i)
            ids += (ids.empty() ? "'" : ", '") + keys[i][0] + "'";
        at += size;
        const std::string number = std::to_string(batch);
        query(url, "UPDATE story SET batch_id = " + number + " WHERE event_id IN (" + ids +
                       ");"
                       "INSERT INTO gateway.source_event SELECT * FROM story WHERE event_id IN (" +
                       ids +
                       ") ON CONFLICT DO NOTHING;"
                       "INSERT INTO gateway.batch (batch_id, writer, events, duplicates,"
                       " quarantined) SELECT " +
                       number +
                       ", 'test', count(*), 0, 0"
                       " FROM gateway.source_event WHERE batch_id = " +
                       number);
        if (step_by_step && random() % 3 == 0)
            query(url, "SELECT gateway.project(" + std::to_string(1 + random() % 90) + ")");
    }
}

void project_all(const std::string& url, int events_max = 100)
{
    while (value(url, "SELECT batches FROM gateway.project(" + std::to_string(events_max) + ")") !=
           "0") {
    }
}

rows contents(const std::string& url, const std::string& table)
{
    return query(url, "SELECT t::text FROM gateway." + table + " t ORDER BY 1");
}

std::string count(const std::string& url, const std::string& what)
{
    return value(url, "SELECT count(*) FROM " + what);
}

std::string story_database(int seed, int order, bool step_by_step)
{
    const std::string url = fresh_database();
    make_story(url, seed);
    deliver(url, order, step_by_step);
    project_all(url);
    return url;
}

// Rows that two queries do not have in common, from both sides.
rows difference(const std::string& url, const std::string& a, const std::string& b)
{
    return query(url, "((" + a + ") EXCEPT ALL (" + b + ")) UNION ALL ((" + b + ") EXCEPT ALL (" +
                          a + "))");
}

// One event of the log, in a batch of its own.
struct event {
    std::string at;
    std::string action;
    std::string subscriber = "1"; // last digits of a uuid; empty: nobody
    std::string channel = "sms";
    std::string more_columns = {};
    std::string more_values = {};
};

std::string subscriber_id(const std::string& digits)
{
    return std::string(32 - digits.size(), '0') + digits;
}

void store(const std::string& url, const event& e)
{
    static int number = 0;
    ++number;
    const std::string id = std::string(24, '0') + std::to_string(10'000'000 + number);
    query(url, "WITH b AS (INSERT INTO gateway.batch (batch_id, writer, events, duplicates,"
               " quarantined) VALUES (nextval('gateway.batch_id'), 'test', 1, 0, 0)"
               " RETURNING batch_id)"
               "INSERT INTO gateway.source_event (company_id, occurred_at, event_id, event_name,"
               " channel, action, source, source_event_type, subscriber_id, received_at, batch_id,"
               " mapping_version, quality_flags" +
                   e.more_columns + ") SELECT 'C', '" + e.at + "+00', '" + id + "', '" + e.channel +
                   "." + e.action + "', '" + e.channel + "', '" + e.action +
                   "', 'attentive', 'x', " +
                   (e.subscriber.empty() ? "NULL" : "'" + subscriber_id(e.subscriber) + "'") +
                   ", now(), batch_id, 1, '{}'" + e.more_values + " FROM b");
}

event identified(const std::string& at, const std::string& subscriber, const std::string& json)
{
    return {.at = at,
            .action = "inbound_received",
            .subscriber = subscriber,
            .more_columns = ", identifiers",
            .more_values = ", '" + json + "'"};
}

// subscriber=profile of each subscriber, by their last digits.
std::string profiles(const std::string& url)
{
    return value(url,
                 "SELECT string_agg(ltrim(replace(subscriber_id::text, '-', ''), '0') || '=' ||"
                 " ltrim(replace(profile_id::text, '-', ''), '0'), ' ' ORDER BY subscriber_id)"
                 " FROM gateway.identity");
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
        EXPECT_EQ(value(other, "SELECT batches || ' ' || failed FROM gateway.projection_lag()"),
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
               "DELETE FROM gateway.identity");

    const auto done = rebuild({.database_url = url, .models = {"identity"}}).value();

    ASSERT_EQ(done.rows.size(), 2U);
    EXPECT_EQ(done.rows[1][0], "identity");
    EXPECT_EQ(done.rows[1][1], done.rows[1][3]);
    EXPECT_EQ(count(url, "gateway.message WHERE message_name <> 'mine'"), "0");
}

TEST(ProjectorTest, ConsentAgreesWithItsPlainDefinition)
{
    const std::string url = story_database(9, 9, true);
    query(url, "SELECT gateway.set_timezone('C1', 'America/New_York')");
    query(url,
          "CREATE VIEW d AS SELECT q.*, first_value(creative_name) OVER (PARTITION BY company_id,"
          " subscriber_id, channel, st, grp ORDER BY occurred_at, opted_out, event_id) AS g_name"
          " FROM (SELECT *, lag(opted_out) OVER k AS prev,"
          "  count(*) FILTER (WHERE NOT opted_out) OVER k AS grp"
          "  FROM (SELECT *, action = 'unsubscribed' AS opted_out,"
          "   coalesce(subscription_type, 'UNSPECIFIED') AS st FROM gateway.source_event"
          "   WHERE action IN ('subscribed', 'unsubscribed') AND subscriber_id IS NOT NULL) e"
          "  WINDOW k AS (PARTITION BY company_id, subscriber_id, channel, st"
          "   ORDER BY occurred_at, opted_out, event_id)) q");

    const auto movement = difference(
        url,
        "SELECT company_id, day, channel, subscription_type, creative_name, opt_ins, opt_outs,"
        " effective_opt_ins, effective_opt_outs FROM report.consent_movement_daily",
        "SELECT company_id, (occurred_at AT TIME ZONE CASE company_id WHEN 'C1' THEN"
        " 'America/New_York' ELSE 'UTC' END)::date, channel, st,"
        " CASE WHEN grp > 0 THEN g_name END, count(*) FILTER (WHERE NOT opted_out),"
        " count(*) FILTER (WHERE opted_out),"
        " count(*) FILTER (WHERE NOT opted_out AND prev IS DISTINCT FROM false),"
        " count(*) FILTER (WHERE opted_out AND NOT prev) FROM d GROUP BY 1, 2, 3, 4, 5");
    const auto now = difference(
        url,
        "SELECT company_id, subscriber_id, channel, subscription_type, is_subscribed, decided_at,"
        " evidence_event_id FROM report.subscriber_consent",
        "SELECT DISTINCT ON (1, 2, 3, 4) company_id, subscriber_id, channel, st, NOT opted_out,"
        " occurred_at, event_id FROM d"
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
        "SELECT company_id, channel, subscription_type, count(*) FILTER (WHERE is_subscribed),"
        " count(*) FILTER (WHERE NOT is_subscribed), max(decided_at)"
        " FROM report.subscriber_consent GROUP BY 1, 2, 3");

    EXPECT_EQ(counted, rows{});
    EXPECT_EQ(movement, rows{});
    EXPECT_EQ(now, rows{});
    EXPECT_EQ(audience, rows{});
    EXPECT_NE(count(url, "report.consent_movement_daily WHERE effective_opt_outs > 0"), "0");
}

TEST(ProjectorTest, MessagesAgreeWithTheirPlainDefinition)
{
    const std::string url = story_database(10, 10, true);
    query(url,
          "CREATE VIEW e AS SELECT *, CASE WHEN message_key IS NOT NULL THEN message_key"
          " WHEN message_subject IS NOT NULL THEN 'subject:' || message_subject ELSE 'unknown' END"
          " AS key FROM gateway.source_event;"
          "CREATE VIEW before AS SELECT l.*, s.key AS sent_key, l.occurred_at - s.occurred_at AS"
          " after FROM e l LEFT JOIN LATERAL (SELECT * FROM e s WHERE s.company_id = l.company_id"
          "  AND s.subscriber_id = l.subscriber_id AND s.channel = l.channel AND s.action = 'sent'"
          "  AND s.occurred_at <= l.occurred_at"
          "  AND s.occurred_at > l.occurred_at - interval '7 days'"
          "  ORDER BY s.occurred_at DESC, s.event_id DESC LIMIT 1) s ON true"
          " WHERE l.subscriber_id IS NOT NULL;"
          "CREATE VIEW joined AS SELECT e.*, coalesce(b.message_key, e.key) AS message FROM e"
          " LEFT JOIN gateway.subject_bridge b ON e.key = 'subject:' || b.message_subject"
          "  AND b.company_id = e.company_id AND e.channel = 'email'");

    const auto votes = difference(
        url, "SELECT company_id, message_subject, message_key, votes FROM gateway.subject_vote",
        "SELECT company_id, substr(sent_key, 9), message_key, count(*) FROM before"
        " WHERE channel = 'email' AND action IN ('opened', 'link_clicked')"
        "  AND sent_key LIKE 'subject:%' AND after < interval '3 days' GROUP BY 1, 2, 3");
    const auto charged = difference(
        url,
        "SELECT company_id, channel, stat_key, unsubscribed_1d, unsubscribed_3d, unsubscribed_7d"
        " FROM gateway.message_stats WHERE unsubscribed_7d > 0",
        "SELECT company_id, channel, sent_key, count(*) FILTER (WHERE after <= interval '1 day'),"
        " count(*) FILTER (WHERE after <= interval '3 days'), count(*) FROM before"
        " WHERE action = 'unsubscribed' AND sent_key IS NOT NULL GROUP BY 1, 2, 3");
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
          " creative_name, received_at, batch_id, mapping_version, quality_flags)"
          " SELECT 'C', at, (k || lpad(n::text, 31, '0'))::uuid, 'sms.' || action, 'sms', action,"
          " 'attentive', 'x', lpad(n::text, 32, '0')::uuid, 'MARKETING', creative, at, position, 1,"
          " '{}' FROM orders, unnest(ks) WITH ORDINALITY u (which, position) JOIN six"
          " ON k = which;"
          "INSERT INTO gateway.batch (batch_id, writer, events, duplicates, quarantined)"
          " SELECT b, 'test', 720, 0, 0 FROM generate_series(1, 6) b");

    for (int i = 0; i < 6; ++i)
        query(url, "SELECT gateway.project(1)");
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
    EXPECT_EQ(states[0][7], "same moment");
    EXPECT_EQ(states[0][8], "720");
    EXPECT_EQ(ledger, (rows{{"1", "t", "first", "720"},
                            {"2", "f", "again", "720"},
                            {"3", "t", "again", "720"},
                            {"4", "t", "back", "720"},
                            {"5", "t", "same moment", "720"},
                            {"6", "f", "same moment", "720"}}));
}

TEST(ProjectorTest, ABatchWithARefusedValueIsSetAsideAndBlocksNothing)
{
    const std::string url = fresh_database();
    query(url, "ALTER TABLE gateway.message ADD CONSTRAINT no_poison"
               " CHECK (message_name <> 'poison')");
    for (int i = 0; i < 9; ++i)
        store(url, {.at = "2026-03-01 10:00:0" + std::to_string(i),
                    .action = "link_clicked",
                    .more_columns = ", message_key, message_name",
                    .more_values = ", 'Message:" + std::to_string(i) + "', '" +
                                   (i == 4 ? "poison" : "good") + "'"});

    const auto step = query(url, "SELECT is_active, batches, events, set_aside"
                                 " FROM gateway.project()");
    const auto aside = value(url, "SELECT set_aside_error FROM gateway.batch"
                                  " WHERE set_aside_at IS NOT NULL AND projected_at IS NULL");
    const auto lag = query(url, "SELECT batches, events, failed FROM gateway.projection_lag()");
    const auto messages = count(url, "gateway.message");
    query(url, "ALTER TABLE gateway.message DROP CONSTRAINT no_poison");
    const bool rebuilt = rebuild({.database_url = url}).has_value();
    project_all(url);

    EXPECT_EQ(step, (rows{{"t", "9", "9", "1"}}));
    EXPECT_EQ(aside, "23514 no_poison");
    EXPECT_EQ(lag, (rows{{"0", "0", "1"}}));
    EXPECT_EQ(messages, "8");
    EXPECT_TRUE(rebuilt);
    EXPECT_EQ(count(url, "gateway.message"), "9");
    EXPECT_EQ(value(url, "SELECT failed FROM gateway.projection_lag()"), "0");
}

TEST(ProjectorTest, WhatIsNoFaultOfABatchSetsNothingAside)
{
    const std::string url = fresh_database();
    store(url, {.at = "2026-03-01 10:00", .action = "subscribed"});
    query(url, "ALTER TABLE gateway.consent RENAME TO elsewhere");

    EXPECT_ANY_THROW(query(url, "SELECT gateway.project()"));
    query(url, "ALTER TABLE gateway.elsewhere RENAME TO consent");
    const auto waiting = value(url, "SELECT batches FROM gateway.projection_lag()");
    project_all(url);

    EXPECT_EQ(waiting, "1");
    EXPECT_EQ(count(url, "gateway.consent"), "1");
}

TEST(ProjectorTest, OneSessionProjectsAtATime)
{
    const std::string url = fresh_database();
    store(url, {.at = "2026-03-01 10:00", .action = "subscribed"});
    std::thread holder{[&url] {
        query(url, "BEGIN; SELECT pg_advisory_xact_lock(gateway.projection_lock());"
                   " SELECT pg_sleep(1.5); COMMIT");
    }};
    while (value(url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0")
        std::this_thread::sleep_for(std::chrono::milliseconds{5});

    const auto beside = query(url, "SELECT is_active, batches FROM gateway.project()");
    holder.join();

    EXPECT_EQ(beside, (rows{{"f", "0"}}));
    EXPECT_EQ(value(url, "SELECT batches FROM gateway.project()"), "1");
}

TEST(ProjectorTest, TheThreadKeepsUpSurvivesALostConnectionAndStopsAtOnce)
{
    const std::string url = fresh_database();
    const auto projected = [&url](const std::string& batches) {
        for (int i = 0; i < 200; ++i) {
            if (count(url, "gateway.batch WHERE projected_at IS NOT NULL") == batches)
                return true;
            std::this_thread::sleep_for(std::chrono::milliseconds{50});
        }
        return false;
    };
    auto running = std::make_unique<projector>(projector_settings{.database_url = url});
    auto standing_by = std::make_unique<projector>(projector_settings{.database_url = url});

    store(url, {.at = "2026-03-01 10:00", .action = "subscribed"});
    EXPECT_TRUE(projected("1"));
    query(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
               " current_database() AND application_name = 'attentive-gateway projector'");
    store(url, {.at = "2026-03-02 10:00", .action = "unsubscribed"});
    EXPECT_TRUE(projected("2"));
    const auto start = std::chrono::steady_clock::now();
    running.reset();
    standing_by.reset();

    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds{1'000});
    EXPECT_EQ(value(url, "SELECT decision FROM gateway.consent"), "revoked");
}

TEST(ProjectorTest, TheWritersRoleSufficesAndTheReadersSeesTheReports)
{
    const std::string url = fresh_database();
    make_story(url, 12);
    deliver(url, 12, false);

    query(url, "SET ROLE gateway_writer; SELECT gateway.project(100000)");
    query(url, "SET ROLE gateway_writer; SELECT gateway.set_timezone('C1', 'Europe/Berlin')");

    EXPECT_EQ(value(url, "SELECT batches FROM gateway.projection_lag()"), "0");
    for (const std::string view :
         {"consent_movement_daily", "audience_size_daily", "current_subscribers",
          "subscriber_consent", "message_performance"}) {
        EXPECT_NE(value(url, "SET ROLE gateway_reader; SELECT count(*) FROM report." + view), "0");
        EXPECT_EQ(count(url, "pg_attribute WHERE attrelid = 'report." + view +
                                 "'::regclass AND attnum > 0 AND col_description(attrelid, attnum)"
                                 " IS NULL"),
                  "0")
            << view;
    }
    EXPECT_ANY_THROW(query(url, "SET ROLE gateway_reader; SELECT * FROM gateway.identifier"));
}

TEST(ProjectorTest, TheDaemonProjectsAndTheCommandsWorkBesideIt)
{
    const gateway_process daemon;
    const std::string& url = daemon.database_url();
    const auto command = [&daemon](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), GATEWAY_BINARY);
        arguments.insert(arguments.end(), {"--config", daemon.config_file()});
        return run(arguments);
    };
    const std::vector<std::string> who = {"--company", "C", "--subscriber",
                                          "00000000-0000-0000-0000-000000000002"};
    store(url, identified("2026-03-01", "1", R"({"email": ["anna@mail.org"]})"));
    store(url, identified("2026-03-02", "2", R"({"email": ["anna@mail.org"]})"));
    for (int i = 0; i < 200 && profiles(url) != "1=1 2=1"; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds{50});

    const auto explained = command({"explain-identity", who[0], who[1], who[2], who[3]});
    const auto split = command({"identity", "split", who[0], who[1], who[2], who[3]});
    const auto rebuilt = command({"rebuild", "--model", "identity"});
    const auto wrong = command({"rebuild", "--model", "everything"});

    EXPECT_THAT(explained.output, HasSubstr("a***@mail.org")) << explained.errors;
    EXPECT_EQ(split.exit_code, 0) << split.errors;
    EXPECT_EQ(rebuilt.exit_code, 0) << rebuilt.errors;
    EXPECT_THAT(rebuilt.output, HasSubstr("identifier"));
    EXPECT_EQ(wrong.exit_code, 2);
    EXPECT_EQ(profiles(url), "1=1 2=2");
}

TEST(IdentityTest, AHubJoinsNobodyAndUndoesWhatItJoined)
{
    const std::string url = fresh_database();
    const std::string phone = R"({"phone": ["+49301234567"]})";
    for (int i = 1; i <= 5; ++i)
        store(url, identified("2026-03-0" + std::to_string(i), std::to_string(i), phone));
    store(url, identified("2026-03-06", "7", R"({"phone": ["+15555555555"], "email": ["-"]})"));
    store(url, identified("2026-03-06", "8", R"({"phone": ["+15555555555"], "email": ["-"]})"));
    store(url, identified("2026-03-06", "9", R"({"custom:shoe": ["44"]})"));
    store(url, identified("2026-03-06", "a", R"({"custom:shoe": ["44"]})"));

    project_all(url);
    const auto five = profiles(url);
    store(url, identified("2026-03-07", "6", phone));
    project_all(url);

    EXPECT_EQ(five, "1=1 2=1 3=1 4=1 5=1 7=7 8=8 9=9 a=a");
    EXPECT_EQ(profiles(url), "1=1 2=2 3=3 4=4 5=5 6=6 7=7 8=8 9=9 a=a");
}

TEST(IdentityTest, TheFirstSeenSurvivesAlsoWhenThatIsLearntLate)
{
    const std::string url = fresh_database();
    store(url, identified("2026-03-02", "1", R"({"email": ["a@mail.org"]})"));
    store(url, identified("2026-03-03", "2", R"({"email": ["a@mail.org"], "phone": ["+4930"]})"));
    store(url, identified("2026-03-03", "3", R"({"phone": ["+4930"]})"));
    project_all(url);
    const auto early = profiles(url);

    store(url, {.at = "2026-03-01", .action = "subscribed", .subscriber = "3"});
    project_all(url);

    EXPECT_EQ(early, "1=1 2=1 3=1");
    EXPECT_EQ(profiles(url), "1=3 2=3 3=3");
}

TEST(IdentityTest, ASplitTakesASubscriberOutForGoodAndCanBeTakenBack)
{
    const std::string url = fresh_database();
    store(url, identified("2026-03-01", "1", R"({"email": ["a@mail.org"]})"));
    store(url, identified("2026-03-02", "2", R"({"email": ["a@mail.org"], "phone": ["+4930"]})"));
    store(url, identified("2026-03-03", "3", R"({"phone": ["+4930"]})"));
    project_all(url);
    identity_split split{.company = "C",
                         .subscriber = *uuid_from_text("00000000-0000-0000-0000-000000000002"),
                         .kind = "email"};

    const auto concerned = split_identity(url, split).value();
    const auto apart = profiles(url);
    store(url, identified("2026-03-04", "2", R"({"email": ["a@mail.org"], "klaviyo_id": ["k"]})"));
    project_all(url);
    const auto rebuilt = rebuild({.database_url = url}).value();
    const auto still_apart = profiles(url);
    split.undo = true;
    const bool undone = split_identity(url, split).has_value();
    split.subscriber = uuid{};

    EXPECT_EQ(concerned.rows.size(), 3U);
    EXPECT_EQ(apart, "1=1 2=2 3=2");
    EXPECT_EQ(still_apart, apart);
    EXPECT_EQ(rebuilt.rows[2][2], "0");
    EXPECT_TRUE(undone);
    EXPECT_EQ(profiles(url), "1=1 2=1 3=1");
    EXPECT_EQ(split_identity(url, split).error().code, errc::database_failed);
}

TEST(IdentityTest, ExplainsTheChainWithoutValuesInClear)
{
    const std::string url = fresh_database();
    store(url, identified("2026-03-01", "1", R"({"email": ["anna@mail.org"]})"));
    store(url, identified("2026-03-02", "2",
                          R"({"email": ["anna@mail.org"], "phone": ["+49301234567"]})"));
    store(url, identified("2026-03-03", "3", R"({"phone": ["+49301234567"]})"));
    project_all(url);

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

TEST(MessageTest, EmailSendsAreJoinedBySubjectOnlyOnStrongEvidence)
{
    const std::string url = fresh_database();
    const auto send = [&url](const std::string& who, const std::string& at,
                             const std::string& subject) {
        store(url, {.at = at,
                    .action = "sent",
                    .subscriber = who,
                    .channel = "email",
                    .more_columns = ", message_subject",
                    .more_values = ", '" + subject + "'"});
    };
    const auto open = [&url](const std::string& who, const std::string& at,
                             const std::string& message) {
        store(url, {.at = at,
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
    project_all(url);
    const auto weak = query(url, report);

    open("3", "2026-03-01 12:00", "Message:7");
    project_all(url);

    EXPECT_EQ(weak, (rows{{"Message:7", "NULL", "0", "0", "2", "NULL", "f"},
                          {"Message:9", "NULL", "0", "0", "1", "NULL", "f"},
                          {"subject:Spring", "Spring", "4", "4", "0", "0.0000", "f"},
                          {"subject:Weekly", "Weekly", "1", "1", "0", "0.0000", "f"}}));
    EXPECT_EQ(query(url, report),
              (rows{{"Message:7", "Spring", "4", "4", "3", "0.7500", "t"},
                    {"Message:9", "NULL", "0", "0", "1", "NULL", "f"},
                    {"subject:Weekly", "Weekly", "1", "1", "0", "0.0000", "f"}}));
}

TEST(MessageTest, RecipientsOfSeveralSubjectLinesOfOneMessageAreCountedOnce)
{
    const std::string url = fresh_database();
    const auto send_and_open = [&url](const std::string& who, const std::string& day,
                                      const std::string& subject) {
        store(url, {.at = day + " 10:00",
                    .action = "sent",
                    .subscriber = who,
                    .channel = "email",
                    .more_columns = ", message_subject",
                    .more_values = ", '" + subject + "'"});
        store(url, {.at = day + " 11:00",
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
    project_all(url);

    EXPECT_EQ(query(url, "SET ROLE gateway_reader; SELECT message_key, sent, recipients, opens,"
                         " unique_openers, open_rate FROM report.message_performance"),
              (rows{{"Message:7", "6", "5", "6", "5", "1.0000"}}));
}

TEST(MessageTest, AnOptOutIsChargedToTheLastMessageBeforeItAlsoWhenThatComesLate)
{
    const std::string url = fresh_database();
    const auto send = [&url](const std::string& at, const std::string& message) {
        store(url, {.at = at,
                    .action = "sent",
                    .more_columns = ", message_key",
                    .more_values = ", '" + message + "'"});
    };
    const std::string report = "SELECT message_key, unsubscribed_1d, unsubscribed_3d,"
                               " unsubscribed_7d FROM report.message_performance ORDER BY 1";
    send("2026-03-01 10:00", "Message:1");
    store(url, {.at = "2026-03-06 10:00", .action = "unsubscribed"});
    project_all(url);
    const auto first = query(url, report);

    send("2026-03-04 10:00", "Message:2");
    project_all(url);

    EXPECT_EQ(first, (rows{{"Message:1", "0", "0", "1"}}));
    EXPECT_EQ(query(url, report),
              (rows{{"Message:1", "0", "0", "0"}, {"Message:2", "0", "1", "1"}}));
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
    store(url, {.at = "2026-03-01 10:00", .action = "sent"});
    store(url, {.at = "2099-01-01 10:00", .action = "sent"});

    project_all(url);

    EXPECT_EQ(value(url, "SELECT sent_at = '{2026-03-01 10:00+00}' FROM gateway.engagement"), "t");
}

TEST(TimezoneTest, MovesTheDaysOfOneCompany)
{
    const std::string url = fresh_database();
    store(url, {.at = "2026-03-01 02:00", .action = "subscribed"});
    project_all(url);
    const std::string day = "SELECT day FROM report.consent_movement_daily";
    const auto utc = value(url, day);

    query(url, "SELECT gateway.set_timezone('C', 'America/New_York')");
    const auto local = value(url, day);
    store(url, {.at = "2026-03-02 02:00", .action = "unsubscribed"});
    project_all(url);

    EXPECT_EQ(utc, "2026-03-01");
    EXPECT_EQ(local, "2026-02-28");
    EXPECT_EQ(query(url, day + " ORDER BY 1"), (rows{{"2026-02-28"}, {"2026-03-01"}}));
    EXPECT_ANY_THROW(query(url, "SELECT gateway.set_timezone('C', 'Mars/Olympus')"));
    EXPECT_ANY_THROW(query(url, "SELECT gateway.set_timezone('nobody', 'UTC')"));
}

} // namespace
} // namespace gateway
