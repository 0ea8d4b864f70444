-- The views of schema report_pii: phone, e-mail and texts in clear.

-- Identifiers know the day they were seen last. Where two of a day are candidates, the log is asked
-- for the time.
CREATE OR REPLACE VIEW report_pii.subscriber WITH (security_invoker = true) AS
SELECT k.company_id,
       CASE WHEN i.profile_id IS NULL THEN k.subscriber_id ELSE i.profile_id END AS profile_id,
       k.subscriber_id, max(k.value) FILTER (WHERE k.kind = 'attentive_external_id') AS external_id,
       (array_agg(k.value ORDER BY k.last_seen_at DESC, k.time_of_day DESC NULLS LAST, k.value)
           FILTER (WHERE k.kind = 'phone'))[1] AS phone,
       (array_agg(k.value ORDER BY k.last_seen_at DESC, k.time_of_day DESC NULLS LAST, k.value)
           FILTER (WHERE k.kind = 'email'))[1] AS email,
       array_agg(k.value ORDER BY k.value) FILTER (WHERE k.kind = 'client_user_id')
           AS client_user_ids,
       array_agg(k.value ORDER BY k.value) FILTER (WHERE k.kind = 'shopify_id') AS shopify_ids,
       array_agg(k.value ORDER BY k.value) FILTER (WHERE k.kind = 'klaviyo_id') AS klaviyo_ids,
       min(k.first_seen_at) AS first_seen_at, max(k.last_seen_at) AS last_seen_at
FROM (SELECT n.*, CASE WHEN n.kind IN ('phone', 'email') AND count(*) OVER (
                 PARTITION BY n.company_id, n.subscriber_id, n.kind, n.last_seen_at) > 1
             THEN (SELECT max(e.occurred_at) FROM gateway.source_event e
                   WHERE e.company_id = n.company_id AND e.subscriber_id = n.subscriber_id
                       AND e.occurred_at >= n.last_seen_at
                       AND e.occurred_at < n.last_seen_at + interval '24 hours'
                       AND e.identifiers -> n.kind ? n.value) END AS time_of_day
      FROM gateway.identifier n) k
LEFT JOIN gateway.identity i
    ON i.company_id = k.company_id AND i.subscriber_id = k.subscriber_id
GROUP BY 1, 2, 3;
SELECT gateway.describe('report_pii.subscriber',
    'Who a subscriber is: the newest phone and e-mail, and the ids of other systems. Personal '
    'data.', ARRAY[
    ['external_id', 'Attentive''s external_id. Personal data.'],
    ['phone', 'Newest phone number, E.164. Personal data.'],
    ['email', 'Newest e-mail address. Personal data.'],
    ['client_user_ids', 'Ids that the client gave. Personal data.'],
    ['shopify_ids', 'Ids of Shopify. Personal data.'],
    ['klaviyo_ids', 'Ids of Klaviyo. Personal data.'],
    ['first_seen_at', 'occurred_at of the oldest event with an identifier.'],
    ['last_seen_at', 'Start of the UTC day of the newest event with an identifier.']],
    '{report.source_event}');

CREATE OR REPLACE VIEW report_pii.timeline_by_identifier WITH (security_invoker = true) AS
SELECT k.company_id, k.kind, k.value, p.profile_id, e.subscriber_id, e.occurred_at, e.event_name,
       e.channel, e.source, e.message_key, e.message_subject, e.message_text, e.keyword_class,
       e.link_url, e.utm_campaign, e.attribute_name, e.attribute_value, e.order_id,
       e.order_value, e.currency, e.event_id
FROM (SELECT DISTINCT k.company_id, k.kind, k.value, i.profile_id
      FROM gateway.identifier k
      JOIN gateway.identity i
          ON i.company_id = k.company_id AND i.subscriber_id = k.subscriber_id) k
CROSS JOIN LATERAL (SELECT k.profile_id) p
CROSS JOIN LATERAL gateway.subscribers_of(k.company_id, k.profile_id) n
JOIN gateway.source_event e
    ON e.company_id = k.company_id AND e.subscriber_id = n.subscriber_id;
SELECT gateway.describe('report_pii.timeline_by_identifier',
    'Everything of the person with a phone, e-mail or id, with texts. Filter on company_id, kind '
    'and value. Personal data.',
    p_like => '{report.source_event}');

CREATE OR REPLACE VIEW report_pii.inbound_messages WITH (security_invoker = true) AS
SELECT r.*, e.message_text
FROM report.inbound_messages r
JOIN gateway.source_event e ON e.company_id = r.company_id AND e.occurred_at = r.occurred_at
    AND e.event_id = r.event_id;
SELECT gateway.describe('report_pii.inbound_messages',
    'report.inbound_messages with what was written. Personal data.');
