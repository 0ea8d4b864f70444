// Single events of a log, and a projection of all of it.
#pragma once

#include "gateway/store/read_models.hpp"
#include "support/cluster.hpp"

#include <random>
#include <string>

namespace gateway::test {

// Several hundred events of two companies, with ties, shared and blocked identifiers, repeated
// decisions, and sends of e-mails without a message id. They wait in a table of the test.
inline void make_story(const std::string& url, int seed)
{
    query(url,
          "SELECT setseed(" + std::to_string(seed) +
              " / 100.0);"
              "CREATE TABLE story AS TABLE gateway.source_event WITH NO DATA;"
              "INSERT INTO story (company_id, occurred_at, event_id, event_name, channel, action,"
              " source, source_event_type, company_name, subscriber_id, identifiers,"
              " subscription_type, creative_name, message_key, message_type, message_name,"
              " message_subject, business_address, received_at, position, mapping_version,"
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
              "  FROM generate_series(1, 700) i) e;"
              // Orders of a dozen numbers, told again, given back in parts, cancelled.
              "INSERT INTO story (company_id, occurred_at, event_id, event_name, action, source,"
              " source_event_type, subscriber_id, order_id, order_value, currency, received_at,"
              " position, mapping_version, quality_flags)"
              "SELECT 'C' || i % 2, timestamptz '2026-02-01' + r * interval '3 hours',"
              " md5('order ' || i)::uuid, 'order.' || action, action, 'shop', 'order.' || action,"
              " md5('C' || i % 2 || n)::uuid, 'A-' || n, i % 7 + 1,"
              " CASE WHEN i % 10 > 0 THEN 'USD' ELSE 'EUR' END,"
              " timestamptz '2026-02-01' + i * 37 % 80 * interval '1 day', 0, 1, '{}' "
              "FROM (SELECT i, (random() * 11)::integer AS n, (random() * 5)::integer AS r,"
              "  (ARRAY['completed', 'completed', 'completed', 'refunded', 'refunded',"
              "   'cancelled'])[1 + floor(random() * 5.2)::integer] AS action"
              "  FROM generate_series(1, 80) i) o");
}

inline std::string count(const std::string& url, const std::string& what)
{
    return value(url, "SELECT count(*) FROM " + what);
}

// In one session, which makes the plans of a step once.
inline void project_step_by_step(const std::string& url, int events_max = 100)
{
    query(url, "DO $$ BEGIN WHILE (SELECT events FROM gateway.project(" +
                   std::to_string(events_max) + ")) > 0 LOOP END LOOP; END $$");
}

// One event of the log, in a step of its own.
struct event {
    std::string at;
    std::string action;
    std::string subscriber = "1"; // last digits of a uuid; empty: nobody
    std::string channel = "sms";
    std::string more_columns = {};
    std::string more_values = {};
    std::string company = "C";
};

// The next position, as s, with a step that applied it at `at`, an SQL expression.
inline std::string step_at(const std::string& at)
{
    return "WITH s AS (UPDATE gateway.log_state SET position = position + 1 RETURNING position),"
           " step AS (INSERT INTO gateway.step SELECT nextval('gateway.step_id'), position, 1, 0, "
           "0,"
           " " +
           at + " FROM s) ";
}
inline const std::string one_step = step_at("clock_timestamp()");

inline std::string subscriber_id(const std::string& digits)
{
    return std::string(32 - digits.size(), '0') + digits;
}

inline void append_event(const std::string& url, const event& e)
{
    static int number = 0;
    ++number;
    const std::string id = std::string(24, '0') + std::to_string(10'000'000 + number);
    query(url,
          one_step +
              "INSERT INTO gateway.source_event (company_id, occurred_at, event_id, event_name,"
              " channel, action, source, source_event_type, subscriber_id, received_at, position,"
              " mapping_version, quality_flags" +
              e.more_columns + ") SELECT '" + e.company + "', '" + e.at + "+00', '" + id + "', '" +
              e.channel + "." + e.action + "', '" + e.channel + "', '" + e.action +
              "', 'attentive', 'x', " +
              (e.subscriber.empty() ? "NULL" : "'" + subscriber_id(e.subscriber) + "'") +
              ", now(), position, 1, '{}'" + e.more_values + " FROM s");
}

inline event decided(const std::string& at, const std::string& action, const std::string& type,
                     const std::string& who = "1")
{
    return {.at = at,
            .action = action,
            .subscriber = who,
            .more_columns = ", subscription_type",
            .more_values = type.empty() ? ", NULL" : ", '" + type + "'"};
}

inline event identified(const std::string& at, const std::string& subscriber,
                        const std::string& json)
{
    return {.at = at,
            .action = "inbound_received",
            .subscriber = subscriber,
            .more_columns = ", identifiers",
            .more_values = ", '" + json + "'"};
}

// subscriber=profile of each subscriber, by their last digits.
inline std::string profiles(const std::string& url)
{
    return value(url,
                 "SELECT string_agg(ltrim(replace(subscriber_id::text, '-', ''), '0') || '=' ||"
                 " ltrim(replace(profile_id::text, '-', ''), '0'), ' ' ORDER BY subscriber_id)"
                 " FROM gateway.identity");
}

// Puts the story into the log in batches of random sizes, in random order and all together, or
// batch by batch with steps between; some of it twice.
inline void deliver(const std::string& url, int seed, bool step_by_step)
{
    std::mt19937 random{static_cast<unsigned>(seed)};
    auto keys = query(url, "SELECT event_id FROM story ORDER BY event_id");
    std::shuffle(keys.begin(), keys.end(), random);
    for (std::size_t at = 0; at < keys.size();) {
        const std::size_t size = std::min<std::size_t>(1 + random() % 60, keys.size() - at);
        const std::size_t from = at > 5 ? at - 5 : 0; // the last five came before
        std::string ids;
        for (std::size_t i = from; i < at + size; ++i)
            ids += (ids.empty() ? "'" : ", '") + keys[i][0] + "'";
        at += size;
        const std::string fresh = " WHERE event_id IN (" + ids +
                                  ") AND NOT EXISTS (SELECT FROM gateway.source_event e"
                                  " WHERE e.event_id = s.event_id)";
        query(url, "UPDATE story SET position = l.position + n.n FROM gateway.log_state l,"
                   " (SELECT event_id, row_number() OVER (ORDER BY md5(event_id::text)) AS n"
                   "  FROM story s" +
                       fresh +
                       ") n WHERE n.event_id = story.event_id;"
                       "INSERT INTO gateway.source_event SELECT * FROM story s" +
                       fresh +
                       ";"
                       "WITH s AS (UPDATE gateway.log_state l SET position = n.last"
                       " FROM (SELECT max(position) AS last, count(*) AS events"
                       "  FROM gateway.source_event WHERE position >"
                       "  (SELECT position FROM gateway.log_state)) n WHERE n.events > 0"
                       " RETURNING n.*) INSERT INTO gateway.step SELECT nextval('gateway.step_id'),"
                       " last, events, 0, 0 FROM s");
        if (step_by_step && random() % 3 == 0)
            query(url, "SELECT gateway.project(" + std::to_string(1 + random() % 90) + ")");
    }
}

} // namespace gateway::test
