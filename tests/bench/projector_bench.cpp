// What the read models cost PostgreSQL for an event: CPU of the session that projects, and WAL, by
// model, for events of known subscribers and of new ones. Usage: projector_bench [events].
// Compare by building what is compared and running one after the other: CPU time does not care for
// what else the machine does, as far as caches go.
#include "support/cluster.hpp"

#include <pqxx/pqxx>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

using namespace gateway;

// Steps of 25 events of 20 companies with 40 messages each, 10 ms apart. Subscribers have six
// identifiers; p_known of them, or each event one of its own.
constexpr const char* schema = R"(
CREATE SCHEMA bench;
CREATE TABLE bench.cost (model text, events integer, cpu bigint, wal numeric);
CREATE FUNCTION bench.fill(p_from int, p_n int, p_known int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO gateway.source_event (position, company_id, occurred_at, event_id, event_name,
        channel, action, source, source_event_type, company_name, subscriber_id, identifiers,
        subscription_type, creative_name, message_key, message_type, message_name,
        message_subject, business_address, received_at, mapping_version, quality_flags)
    SELECT 1 + i, company, at, md5(i::text)::uuid, channel || '.' || action, channel, action,
           'attentive', channel || '.' || action, 'Name of ' || company,
           gateway.derive_subscriber_id(company, ids), ids,
           CASE WHEN action LIKE '%subscribed' THEN 'MARKETING' END,
           CASE WHEN action = 'subscribed' THEN 'Pop-up ' || i % 5 END,
           CASE WHEN of_message THEN 'Message:' || m END, 'ONE_TIME', 'Campaign ' || m,
           CASE WHEN channel = 'email' THEN 'Subject ' || m END, '+12065550100', at, 1, '{}'
    FROM (SELECT i, 'MDc6Q29tcGFueT' || to_hex(4096 + s % 20) AS company, (s / 20) % 40 AS m,
                 timestamptz '2026-11-01' + i * interval '10 ms' AS at,
                 CASE WHEN i * 7 % 100 < 60 THEN 'sms' ELSE 'email' END AS channel,
                 CASE WHEN a < 60 THEN 'sent' WHEN a < 72 THEN 'opened' WHEN a < 80 THEN
                     'link_clicked' WHEN a < 90 THEN 'subscribed' WHEN a < 93 THEN 'unsubscribed'
                     ELSE 'inbound_received' END AS action, a < 80 AS of_message,
                 jsonb_build_object('attentive_external_id', jsonb_build_array(md5('x' || s)),
                     'phone', jsonb_build_array('+1' || 2000000000 + s),
                     'email', jsonb_build_array('someone' || s || '@mail.org'),
                     'client_user_id', jsonb_build_array((1000000 + s)::text),
                     'klaviyo_id', jsonb_build_array(left(md5('k' || s), 26)),
                     'shopify_id', jsonb_build_array((7000000000000 + s)::text)) AS ids
          FROM (SELECT i, (hashint4(i * 3 + 1) & 2147483647) % 100 AS a,
                       CASE WHEN p_known > 0 THEN (hashint4(i) & 2147483647) % p_known ELSE i END
                           AS s
                FROM generate_series(p_from, p_from + p_n - 1) i) x) e;
    INSERT INTO gateway.step (step_id, position, events, duplicates, quarantined)
    SELECT nextval('gateway.step_id'), p, 25, 0, 0
    FROM generate_series(p_from + 25, p_from + p_n, 25) p;
    UPDATE gateway.log_state SET position = p_from + p_n;
$$;
CREATE FUNCTION bench.cpu() RETURNS bigint LANGUAGE sql AS
    $$ SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint $$;
CREATE FUNCTION bench.step() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_first bigint := projected + 1 FROM gateway.projection_state;
    v_last  bigint := least(projected + 2000, position)
                      FROM gateway.projection_state, gateway.log_state;
    v_model text;
    v_cpu   bigint;
    v_wal   pg_lsn;
BEGIN
    FOREACH v_model IN ARRAY '(reading)'::text || gateway.read_models() LOOP
        v_wal := pg_current_wal_insert_lsn();
        v_cpu := bench.cpu();
        PERFORM gateway.project_events(v_first, v_last, ARRAY[v_model]);
        INSERT INTO bench.cost SELECT v_model, v_last - v_first + 1, bench.cpu() - v_cpu,
                                      pg_current_wal_insert_lsn() - v_wal;
    END LOOP;
    UPDATE gateway.projection_state SET projected = v_last;
    RETURN (SELECT v_last < position FROM gateway.log_state);
END $$;
)";

constexpr const char* set_as_project_does =
    "SELECT set_config(split_part(s, '=', 1), split_part(s, '=', 2), false) FROM pg_proc,"
    " unnest(proconfig) AS s WHERE oid = 'gateway.project'::regproc";

void measure(const char* load, int known, int events)
{
    const std::string url = test::fresh_database();
    const auto fill = [&](int from, int n) {
        test::query(url, "SELECT bench.fill(" + std::to_string(from) + ", " + std::to_string(n) +
                             ", " + std::to_string(known) + ")");
    };
    test::query(url, schema);
    fill(0, 10'000);
    while (test::value(url, "SELECT events FROM gateway.project(100000)") != "0") {
    }
    fill(10'000, events);
    test::query(url, "VACUUM ANALYZE");
    pqxx::connection connection{url};
    pqxx::nontransaction session{connection};
    session.exec(set_as_project_does);
    while (session.exec("SELECT bench.step()")[0][0].as<bool>()) {
    }
    std::printf("%s subscribers: us CPU and bytes of WAL an event\n", load);
    for (const auto& row : session.exec(
             "SELECT coalesce(model, 'together'), round(sum(cpu) / 1000.0 / sum(events) *"
             " CASE WHEN model IS NULL THEN count(DISTINCT model) ELSE 1 END, 1),"
             " round(sum(wal) / sum(events) *"
             " CASE WHEN model IS NULL THEN count(DISTINCT model) ELSE 1 END)"
             " FROM (SELECT c.model, c.events, c.cpu - CASE WHEN c.model = '(reading)' THEN 0 ELSE"
             "  (SELECT avg(r.cpu) FROM bench.cost r WHERE r.model = '(reading)') END AS cpu, c.wal"
             "  FROM bench.cost c) c GROUP BY ROLLUP (model) ORDER BY model NULLS LAST"))
        std::printf("  %-10s %6s %6s\n", row[0].c_str(), row[1].c_str(), row[2].c_str());
}

} // namespace

int main(int argc, char** argv)
{
    const int events = argc > 1 ? std::atoi(argv[1]) : 20'000;
    measure("known", 2'000, events);
    measure("new", 0, events);
    return 0;
}
