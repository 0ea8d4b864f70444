-- What the schemas, and the tables of the log, mean.

COMMENT ON SCHEMA gateway IS
    'Tables and functions of attentive-gateway. Analysts read schema report.';
COMMENT ON SCHEMA report IS 'Views for analysts: no clear-text identifiers, stable names.';
COMMENT ON SCHEMA report_pii IS
    'The few views that show phone, e-mail and texts. Granted to nobody by default.';

CREATE OR REPLACE FUNCTION gateway.log_lock() RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 4702111234474983745;
COMMENT ON FUNCTION gateway.log_lock IS
    'Number of the advisory lock (of a transaction, so that poolers do not matter) that whoever '
    'writes the log holds.';

-- In this order, so that no two wait for each other.
CREATE OR REPLACE FUNCTION gateway.hold_still() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(gateway.log_lock());
    PERFORM pg_advisory_xact_lock(gateway.projection_lock());
END $$;
COMMENT ON FUNCTION gateway.hold_still IS
    'Until the end of the transaction nobody else writes log or read models.';

-- In plpgsql, which keeps its plan.
CREATE OR REPLACE FUNCTION gateway.unprojected_since() RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT s.applied_at FROM gateway.step s
            WHERE s.events > 0
                AND s.position > (SELECT p.projected FROM gateway.projection_state p)
            ORDER BY s.position LIMIT 1);
END $$;
COMMENT ON FUNCTION gateway.unprojected_since IS
    'When the oldest event was applied to the log that the read models do not know; null: none.';

SELECT gateway.describe('gateway.schema_migration',
    'The steps applied to this database, each once, in order.', ARRAY[
    ['version', 'Number of the step.'],
    ['name', 'Its file.'],
    ['sha256', 'Digest of its text.'],
    ['applied_at', 'When it was applied.'],
    ['serves_from', 'The newest step of the oldest program that can use the schema with this '
        'one.']]);

SELECT gateway.describe('gateway.schema_file',
    'The files of functions, views and rights as they were applied last, in that order.', ARRAY[
    ['place', 'Its place in the order.'],
    ['program', 'Version of the newest program that migrated. An older one leaves them alone.']],
    '{gateway.schema_migration}');

SELECT gateway.describe('gateway.source_event',
    'One row for each source event, whatever the provider and type; append-only, the truth that '
    'everything else derives from. Partitioned by month of occurred_at (UTC).', ARRAY[
    ['position', 'Its place in the log: 1, 2, 3, ... in the order in which events were applied, '
        'without gaps.'],
    ['intake_id', 'Where its bytes are, or were until retention took them: gateway.intake.'],
    ['ordinal', 'Which delivery of gateway.intake it is, from 1.'],
    ['company_id', 'The provider''s id of the company (tenant).'],
    ['occurred_at', 'When it happened, by the provider''s clock, in milliseconds. Filter on it: '
        'it prunes partitions.'],
    ['event_id', 'Digest of the payload''s content (uuid version 8): equal payloads have equal '
        'ids, so that a retry is not a second row.'],
    ['event_name', 'Canonical name, <channel>.<action>: sms.link_clicked.'],
    ['channel', 'sms, email, or web for events of other sources; null when the event belongs to '
        'no channel.'],
    ['action', 'subscribed, unsubscribed, sent, opened, link_clicked, inbound_received, '
        'attribute_set; of other sources viewed, completed.'],
    ['source', 'The system that told us: attentive, or what gateway.record_event was given.'],
    ['source_event_type', 'The provider''s own type, verbatim.'],
    ['company_name', 'The company''s display name as the event gave it.'],
    ['subscriber_id', 'Derived from company and strongest identifier; null when the event '
        'identifies nobody.'],
    ['identifiers', 'Kind to list of normalised values (attentive_external_id, phone, email, '
        '...). Personal data.'],
    ['subscription_type', 'MARKETING, TRANSACTIONAL, CHECKOUT_ABANDONED, ...: open vocabulary of '
        'the provider.'],
    ['creative_name', 'Sign-up source: name of the creative.'],
    ['creative_type', 'Sign-up source: type of the creative.'],
    ['creative_subtype', 'Sign-up source: subtype of the creative.'],
    ['message_id', 'The provider''s message id, verbatim.'],
    ['message_key', 'Join key Message:<number> decoded from message_id; null for ids of another '
        'space (one e-mail send).'],
    ['message_type', 'ONE_TIME, AUTOMATED, JOURNEY, ...: open vocabulary of the provider.'],
    ['message_name', 'Name of the campaign or journey step.'],
    ['message_subject', 'Subject line of an e-mail.'],
    ['message_text', 'Text of an SMS, sent or received. Free text: may hold personal data.'],
    ['message_channel', 'The message''s channel as the provider wrote it (TEXT, EMAIL); '
        'unreliable, use channel.'],
    ['business_address', 'Whom the subscriber talked with: from_email, to_phone (may be a short '
        'code).'],
    ['recipient_address', 'Address the message went to. Personal data.'],
    ['keyword_class', 'Inbound only: stop, stop_fuzzy (a stop word among others), help, start, '
        'other.'],
    ['link_id', 'The provider''s id of one click, not of the link: group by link_url.'],
    ['link_url', 'Target of the click. May hold personal data in its query.'],
    ['link_host', 'Host of link_url.'],
    ['link_path', 'Path of link_url.'],
    ['utm_source', 'utm_source of link_url.'],
    ['utm_medium', 'utm_medium of link_url.'],
    ['utm_campaign', 'utm_campaign of link_url.'],
    ['utm_content', 'utm_content of link_url.'],
    ['utm_term', 'utm_term of link_url.'],
    ['attribute_id', 'The provider''s id of the custom attribute.'],
    ['attribute_name', 'Name of the custom attribute.'],
    ['attribute_value', 'Value of the custom attribute, as text. May hold personal data.'],
    ['order_id', 'For events of other sources: the shop''s order number.'],
    ['order_value', 'For events of other sources: value of the order, in currency.'],
    ['currency', 'For events of other sources: ISO 4217 code of order_value.'],
    ['discount_code', 'For events of other sources: the code that the order was placed with.'],
    ['items_count', 'For events of other sources: pieces in the order, by their quantities.'],
    ['received_at', 'When the gateway had the whole request.'],
    ['mapping_version', 'Version of the field mapping that made the row.'],
    ['quality_flags', 'What the mapping noticed: phone_invalid, phone_country_assumed (it had no '
        'plus: extra has it), email_invalid, opt_out_of_nobody (an opt-out without any valid '
        'identifier), address_masked (in path, utm values or subject line), nul_removed, ...; '
        'empty when nothing.'],
    ['extra', 'Fields of the payload that no column takes; of an opt-out also identifiers that '
        'are not valid. May hold personal data.']]);
COMMENT ON TABLE gateway.source_event_default IS
    'Net for months without a partition; gateway.empty_default takes the rows out.';

-- The planner may take any index that begins with company_id for what is asked of one subscriber,
-- and then walks what the company did meanwhile: so it cannot see the company here.
CREATE OR REPLACE VIEW gateway.subscriber_event AS
SELECT e.company_id || '' AS company_id, e.subscriber_id, e.occurred_at, e.event_id, e.channel,
       e.action, e.identifiers, e.subscription_type, e.message_key, e.message_subject,
       e.received_at
FROM gateway.source_event e;
SELECT gateway.describe('gateway.subscriber_event',
    'gateway.source_event, to be asked for one subscriber: by source_event_subscriber alone.', '{}',
    '{gateway.source_event}');

SELECT gateway.describe('gateway.dropped_month',
    'The months of source_event that retention has dropped: an event of theirs that comes again '
    'is a duplicate. Whoever restores a month deletes its row.', ARRAY[
    ['month', 'Its beginning (UTC).'],
    ['dropped_at', 'When it was dropped, by the database''s clock.']]);

SELECT gateway.describe('gateway.intake',
    'What was acknowledged, as the bytes that were signed: one row for each group commit of an '
    'endpoint and key. Once a row is applied it holds the bodies of its events alone: of what was '
    'there before or could not become an event nothing is left. Short retention. Partitioned by '
    'day of appended_at (UTC).', ARRAY[
    ['intake_id', 'In order of appending; gaps are transactions that did not commit.'],
    ['appended_at', 'When it was appended, by the database''s clock.'],
    ['writer', 'Who appended: host, process and thread (host/1234/0), or record_event/user.'],
    ['endpoint', 'Name of the endpoint that the deliveries were posted to; null for what '
        'gateway.record_event was given.'],
    ['key_id', 'Id of the signing key that proved them.'],
    ['received_at', 'When the gateway had each of the requests.'],
    ['lengths', 'Bytes of each body; null when it is gone.'],
    ['bodies', 'The bytes that were signed, one body behind the other: see gateway.delivery. '
        'Personal data.']]);
COMMENT ON TABLE gateway.intake_default IS
    'Net for days without a partition; gateway.empty_default takes the rows out.';

SELECT gateway.describe('gateway.intake_waiting',
    'The rows of gateway.intake that are still to be applied to the log.', ARRAY[
    ['deliveries', 'How many deliveries of the row wait.'],
    ['bytes', 'Bytes of their bodies.'],
    ['tries', 'How often these were refused while the database took others.'],
    ['not_before', 'When they are tried again; null: at once.'],
    ['error', 'SQLSTATE of the last refusal.']], '{gateway.intake}');

-- One delivery a row. The bodies are taken out of their compression once for each row of intake,
-- and no row of a window, a sort or a join carries all of them: each body is cut out first.
CREATE OR REPLACE VIEW gateway.delivery AS
SELECT i.intake_id, d.ordinal, i.endpoint, i.key_id, d.received_at, d.body
FROM gateway.intake i
CROSS JOIN LATERAL (SELECT i.bodies || ''::bytea AS bodies OFFSET 0) b
CROSS JOIN LATERAL (
    SELECT p.ordinal, p.received_at, substring(b.bodies FROM p.begins FOR p.length) AS body
    FROM (SELECT u.ordinality::integer AS ordinal, u.received_at, u.length,
                 (sum(u.length) OVER (ORDER BY u.ordinality) - u.length + 1)::integer AS begins
          FROM unnest(i.received_at, i.lengths) WITH ORDINALITY
              AS u (received_at, length, ordinality) OFFSET 0) p
    OFFSET 0) d
WHERE i.endpoint IS NOT NULL;
SELECT gateway.describe('gateway.delivery',
    'The deliveries of gateway.intake, one a row.', ARRAY[
    ['ordinal', 'Its place in the row of gateway.intake, from 1.'],
    ['received_at', 'When the gateway had the whole request.'],
    ['body', 'The bytes that were signed; null when they are gone. Personal data.']],
    '{gateway.intake}');

SELECT gateway.describe('gateway.partition_made',
    'Partitions made of late: how many may be made within a minute is bounded.', ARRAY[
    ['name', 'Of the partition.'],
    ['made_at', 'When it was made.']]);

SELECT gateway.describe('gateway.log_state',
    'How far the log goes. One row.', ARRAY[
    ['only_one', 'There is one row.'],
    ['position', 'Of the newest event of gateway.source_event.']]);

SELECT gateway.describe('gateway.projection_state',
    'How far the read models know the log. One row.', ARRAY[
    ['only_one', 'There is one row.'],
    ['projected', 'Up to which position of gateway.source_event.']]);

SELECT gateway.describe('gateway.step',
    'One row for each transaction that applied something to the log.', ARRAY[
    ['step_id', 'In order; gaps are transactions that did not commit.'],
    ['position', 'Of its last event; its first is events - 1 before.'],
    ['events', 'How many events it stored.'],
    ['duplicates', 'Deliveries of events that were there before, or of people who were erased.'],
    ['quarantined', 'New quarantine rows.'],
    ['applied_at', 'Time just before the commit, by the database''s clock.']]);

SELECT gateway.describe('gateway.set_aside',
    'Events that a read model refuses. They stay in the log; rebuild tries them again.', ARRAY[
    ['first_position', 'Of the first of them.'],
    ['last_position', 'Of the last of them.'],
    ['set_aside_at', 'When the read models gave them up.'],
    ['error', 'SQLSTATE and constraint of the failure; no values.'],
    ['is_due', 'They are tried again with the next step.']]);

SELECT gateway.describe('gateway.quarantine',
    'Signed deliveries that could not become events: why, and the bytes, for a later '
    'mapping.', ARRAY[
    ['quarantine_id', 'Digest of endpoint and body (uuid version 8): a retry is the same row.'],
    ['endpoint', 'Name of the endpoint it was posted to.'],
    ['reason', 'Closed vocabulary: malformed_json, json_limits, envelope_missing, type_unknown, '
        'timestamp_invalid, company_invalid, field_invalid, database_rejected.'],
    ['detail', 'Faults: [{"field", "found", "expected"}]: kinds of values, and of a type that is '
        'unknown the type.'],
    ['body', 'The bytes that were signed. May hold personal data.'],
    ['body_sha256', 'SHA-256 of body.'],
    ['key_id', 'Id of the signing key that proved it.'],
    ['version', 'Version of the gateway that refused it.'],
    ['step_id', 'The transaction that wrote the row first: gateway.step.'],
    ['intake_id', 'Where it came last: gateway.intake.'],
    ['received_at', 'When it came first.'],
    ['last_received_at', 'When it came last.'],
    ['deliveries', 'How often it came.'],
    ['replayed_at', 'When a later mapping made an event of it; null until then.']]);

-- A clock that runs more than a day ahead is not believed; the mapping flags it timestamp_ahead.
CREATE OR REPLACE FUNCTION gateway.is_ahead(p_occurred_at timestamptz, p_received_at timestamptz)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN p_occurred_at - p_received_at > interval '24 hours';
COMMENT ON FUNCTION gateway.is_ahead IS
    'Whether an event is dated more than a day ahead of its receipt.';
