// What each read model means, as one statement each. See read_models.hpp.
#include "support/read_models.hpp"

#include "support/cluster.hpp"

namespace gateway::test {
namespace {

constexpr const char* companies = R"(
INSERT INTO gateway.company AS c (company_id, company_name, first_seen_at, last_seen_at)
SELECT company_id,
       (array_agg(company_name ORDER BY occurred_at DESC) FILTER (WHERE company_name IS NOT NULL))[1],
       min(occurred_at), max(occurred_at)
FROM gateway.source_event GROUP BY 1
ON CONFLICT (company_id) DO UPDATE SET company_name = excluded.company_name,
    first_seen_at = excluded.first_seen_at, last_seen_at = excluded.last_seen_at;

TRUNCATE gateway.message;
INSERT INTO gateway.message
SELECT company_id, message_key, max(channel), max(message_type),
       (array_agg(message_name ORDER BY occurred_at DESC) FILTER (WHERE message_name IS NOT NULL))[1],
       (array_agg(message_subject ORDER BY occurred_at DESC)
            FILTER (WHERE message_subject IS NOT NULL))[1],
       NULL, min(occurred_at), max(occurred_at)
FROM gateway.source_event WHERE message_key IS NOT NULL GROUP BY 1, 2;
)";

constexpr const char* identities = R"(
TRUNCATE gateway.identifier, gateway.identity;
INSERT INTO gateway.identifier
SELECT e.company_id, e.subscriber_id, k.key, v.value, min(e.occurred_at), max(e.occurred_at)
FROM gateway.source_event e, jsonb_each(e.identifiers) k, jsonb_array_elements_text(k.value) v
WHERE e.subscriber_id IS NOT NULL GROUP BY 1, 2, 3, 4;

INSERT INTO gateway.identity
WITH RECURSIVE reached (company_id, subscriber_id, other) AS (
    SELECT DISTINCT company_id, subscriber_id, subscriber_id FROM gateway.identifier
    UNION
    SELECT r.company_id, r.subscriber_id, b.subscriber_id
    FROM reached r
    JOIN gateway.identifier a ON a.company_id = r.company_id AND a.subscriber_id = r.other
    JOIN gateway.identifier b ON b.company_id = a.company_id AND b.kind = a.kind
        AND b.value = a.value),
seen AS (
    SELECT company_id, subscriber_id AS other, min(first_seen_at) AS first_seen_at
    FROM gateway.identifier GROUP BY 1, 2)
SELECT DISTINCT ON (company_id, subscriber_id) company_id, subscriber_id, other
FROM reached JOIN seen USING (company_id, other)
ORDER BY company_id, subscriber_id, first_seen_at, other;
)";

constexpr const char* consents = R"(
TRUNCATE gateway.consent_decision, gateway.consent;
INSERT INTO gateway.consent_decision
SELECT company_id, occurred_at, event_id, subscriber_id, channel, type, decision,
       CASE decision WHEN 'granted' THEN before IS DISTINCT FROM 'granted'
                     ELSE coalesce(before = 'granted', false) END,
       CASE decision WHEN 'granted' THEN creative_name ELSE first_value(creative_name) OVER g END,
       CASE decision WHEN 'granted' THEN creative_type ELSE first_value(creative_type) OVER g END,
       CASE decision WHEN 'granted' THEN creative_subtype
                     ELSE first_value(creative_subtype) OVER g END,
       CASE WHEN decision = 'revoked' AND grants > 0 THEN first_value(occurred_at) OVER g END
FROM (SELECT *, lag(decision) OVER k AS before,
             count(*) FILTER (WHERE decision = 'granted') OVER k AS grants
      FROM (SELECT *, coalesce(subscription_type, 'UNSPECIFIED') AS type,
                   CASE action WHEN 'subscribed' THEN 'granted' ELSE 'revoked' END AS decision
            FROM gateway.source_event
            WHERE action IN ('subscribed', 'unsubscribed') AND subscriber_id IS NOT NULL) e
      WINDOW k AS (PARTITION BY company_id, subscriber_id, channel, type
                   ORDER BY occurred_at, decision = 'revoked', event_id)) d
WINDOW g AS (PARTITION BY company_id, subscriber_id, channel, type, grants
             ORDER BY occurred_at, decision = 'revoked', event_id);

INSERT INTO gateway.consent
SELECT DISTINCT ON (company_id, subscriber_id, channel, subscription_type)
       company_id, subscriber_id, channel, subscription_type, decision, occurred_at, event_id,
       min(occurred_at) FILTER (WHERE decision = 'granted') OVER w,
       max(occurred_at) FILTER (WHERE decision = 'granted') OVER w, NULL,
       max(occurred_at) FILTER (WHERE decision = 'revoked') OVER w,
       creative_name, creative_type, creative_subtype
FROM gateway.consent_decision
WINDOW w AS (PARTITION BY company_id, subscriber_id, channel, subscription_type)
ORDER BY company_id, subscriber_id, channel, subscription_type, occurred_at DESC,
         decision = 'revoked' DESC, event_id DESC;
ANALYZE;
)";

} // namespace

void derive_read_models(const std::string& url)
{
    for (const char* statements : {companies, identities, consents})
        query(url, statements);
}

} // namespace gateway::test
