-- The log and what stands beside it, readable.

CREATE OR REPLACE VIEW report.source_event WITH (security_invoker = true) AS
SELECT e.company_id, e.occurred_at,
       (e.occurred_at AT TIME ZONE
           CASE WHEN c.timezone IS NULL THEN 'UTC' ELSE c.timezone END)::date AS day,
       e.event_id, e.event_name, e.channel, e.action, e.source, e.source_event_type,
       e.company_name,
       CASE WHEN i.profile_id IS NULL THEN e.subscriber_id ELSE i.profile_id END AS profile_id,
       e.subscriber_id, e.subscription_type, e.creative_name, e.creative_type,
       e.creative_subtype, e.message_id, e.message_key, e.message_type, e.message_name,
       l.message_subject, e.keyword_class, e.link_id, e.link_host, e.link_path, e.utm_source,
       e.utm_medium, e.utm_campaign, e.utm_content, e.utm_term, e.attribute_name, e.order_id,
       e.order_value, e.currency, e.received_at, e.position, e.mapping_version, e.quality_flags,
       e.discount_code, e.items_count
FROM gateway.source_event e
LEFT JOIN gateway.company c ON c.company_id = e.company_id
LEFT JOIN gateway.identity i
    ON i.company_id = e.company_id AND i.subscriber_id = e.subscriber_id
LEFT JOIN gateway.subject_line l ON l.company_id = e.company_id AND l.channel = e.channel
    AND l.stat_key = 'subject:' || left(e.message_subject, 200);
SELECT gateway.describe('report.source_event',
    'The event log, readable: without identifiers, addresses, message texts, attribute values and '
    'full URLs. Filter on company_id and occurred_at.', ARRAY[
    ['day', 'The company''s local date (gateway.company.timezone, UTC by default).'],
    ['message_subject', 'Subject line of an e-mail, its first 200 characters; null when less than '
        'three people were sent it, since it may carry a name.'],
    ['profile_id', 'The person as far as known: one id over all subscribers that share an '
        'identifier; the subscriber''s own until the applier has seen it.']]);

CREATE OR REPLACE VIEW report.steps WITH (security_invoker = true) AS
SELECT step_id, applied_at, position, events, duplicates, quarantined
FROM gateway.step;
SELECT gateway.describe('report.steps',
    'One row for each transaction that applied something to the log.');

CREATE OR REPLACE VIEW report.quarantine WITH (security_invoker = true) AS
SELECT quarantine_id, endpoint, reason, detail, key_id, version, step_id,
       received_at, last_received_at, deliveries, replayed_at
FROM gateway.quarantine;
SELECT gateway.describe('report.quarantine', 'What was refused and why, without bodies.');
