-- The event log and what stands beside each event in the same transaction: the exact bytes, the
-- batch, the quarantine. Every key of an event begins with company_id, so that the tables
-- distribute by it; every time is UTC.

COMMENT ON SCHEMA gateway IS 'Tables and functions of attentive-gateway. Analysts read schema report.';

CREATE TABLE gateway.source_event (
    company_id          text           NOT NULL,
    occurred_at         timestamptz(3) NOT NULL,
    event_id            uuid           NOT NULL,
    event_name          text           NOT NULL,
    channel             text,
    action              text           NOT NULL,
    source              text           NOT NULL,
    source_event_type   text           NOT NULL,
    company_name        text,
    subscriber_id       uuid,
    identifiers         jsonb,
    subscription_type   text,
    creative_name       text,
    creative_type       text,
    creative_subtype    text,
    message_id          text,
    message_key         text,
    message_type        text,
    message_name        text,
    message_subject     text,
    message_text        text,
    message_channel     text,
    business_address    text,
    recipient_address   text,
    keyword_class       text,
    link_id             text,
    link_url            text,
    link_host           text,
    link_path           text,
    utm_source          text,
    utm_medium          text,
    utm_campaign        text,
    utm_content         text,
    utm_term            text,
    attribute_id        text,
    attribute_name      text,
    attribute_value     text,
    order_id            text,
    order_value         numeric,
    currency            text,
    received_at         timestamptz(3) NOT NULL,
    batch_id            bigint         NOT NULL,
    mapping_version     integer        NOT NULL,
    quality_flags       text[]         NOT NULL,
    extra               jsonb,
    PRIMARY KEY (company_id, occurred_at, event_id)
) PARTITION BY RANGE (occurred_at);

CREATE INDEX source_event_subscriber ON gateway.source_event
    (company_id, subscriber_id, occurred_at);
-- Rows come in the order of their batches, so this index grows at its end and costs a writer little.
CREATE INDEX source_event_batch ON gateway.source_event (batch_id);
CREATE TABLE gateway.source_event_default PARTITION OF gateway.source_event DEFAULT;

COMMENT ON TABLE gateway.source_event IS
    'One row for each source event, whatever the provider and type; append-only, the truth that everything else derives from. Partitioned by month of occurred_at (UTC).';
COMMENT ON TABLE gateway.source_event_default IS
    'Net for months without a partition; gateway.ensure_partitions moves the rows out.';
COMMENT ON COLUMN gateway.source_event.company_id IS 'The provider''s id of the company (tenant).';
COMMENT ON COLUMN gateway.source_event.occurred_at IS 'When it happened, by the provider''s clock, in milliseconds. Filter on it: it prunes partitions.';
COMMENT ON COLUMN gateway.source_event.event_id IS 'Digest of the payload''s content (uuid version 8): equal payloads have equal ids, so that a retry is not a second row.';
COMMENT ON COLUMN gateway.source_event.event_name IS 'Canonical name, <channel>.<action>: sms.link_clicked.';
COMMENT ON COLUMN gateway.source_event.channel IS 'sms, email, or web for events of other sources; null when the event belongs to no channel.';
COMMENT ON COLUMN gateway.source_event.action IS 'subscribed, unsubscribed, sent, opened, link_clicked, inbound_received, attribute_set; of other sources viewed, completed.';
COMMENT ON COLUMN gateway.source_event.source IS 'The system that told us: attentive, or what gateway.record_event was given.';
COMMENT ON COLUMN gateway.source_event.source_event_type IS 'The provider''s own type, verbatim.';
COMMENT ON COLUMN gateway.source_event.company_name IS 'The company''s display name as the event gave it.';
COMMENT ON COLUMN gateway.source_event.subscriber_id IS 'Derived from company and strongest identifier; null when the event identifies nobody.';
COMMENT ON COLUMN gateway.source_event.identifiers IS 'Kind to list of normalised values (attentive_external_id, phone, email, ...). Personal data.';
COMMENT ON COLUMN gateway.source_event.subscription_type IS 'MARKETING, TRANSACTIONAL, CHECKOUT_ABANDONED, ...: open vocabulary of the provider.';
COMMENT ON COLUMN gateway.source_event.creative_name IS 'Sign-up source: name of the creative.';
COMMENT ON COLUMN gateway.source_event.creative_type IS 'Sign-up source: type of the creative.';
COMMENT ON COLUMN gateway.source_event.creative_subtype IS 'Sign-up source: subtype of the creative.';
COMMENT ON COLUMN gateway.source_event.message_id IS 'The provider''s message id, verbatim.';
COMMENT ON COLUMN gateway.source_event.message_key IS 'Join key Message:<number> decoded from message_id; null for ids of another space (one e-mail send).';
COMMENT ON COLUMN gateway.source_event.message_type IS 'ONE_TIME, AUTOMATED, JOURNEY, ...: open vocabulary of the provider.';
COMMENT ON COLUMN gateway.source_event.message_name IS 'Name of the campaign or journey step.';
COMMENT ON COLUMN gateway.source_event.message_subject IS 'Subject line of an e-mail.';
COMMENT ON COLUMN gateway.source_event.message_text IS 'Text of an SMS, sent or received. Free text: may hold personal data.';
COMMENT ON COLUMN gateway.source_event.message_channel IS 'The message''s channel as the provider wrote it (TEXT, EMAIL); unreliable, use channel.';
COMMENT ON COLUMN gateway.source_event.business_address IS 'Whom the subscriber talked with: from_email, to_phone (may be a short code).';
COMMENT ON COLUMN gateway.source_event.recipient_address IS 'Address the message went to. Personal data.';
COMMENT ON COLUMN gateway.source_event.keyword_class IS 'Inbound only: stop, stop_fuzzy, help, start, other.';
COMMENT ON COLUMN gateway.source_event.link_id IS 'The provider''s id of one click, not of the link: group by link_url.';
COMMENT ON COLUMN gateway.source_event.link_url IS 'Target of the click. May hold personal data in its query.';
COMMENT ON COLUMN gateway.source_event.link_host IS 'Host of link_url.';
COMMENT ON COLUMN gateway.source_event.link_path IS 'Path of link_url.';
COMMENT ON COLUMN gateway.source_event.utm_source IS 'utm_source of link_url.';
COMMENT ON COLUMN gateway.source_event.utm_medium IS 'utm_medium of link_url.';
COMMENT ON COLUMN gateway.source_event.utm_campaign IS 'utm_campaign of link_url.';
COMMENT ON COLUMN gateway.source_event.utm_content IS 'utm_content of link_url.';
COMMENT ON COLUMN gateway.source_event.utm_term IS 'utm_term of link_url.';
COMMENT ON COLUMN gateway.source_event.attribute_id IS 'The provider''s id of the custom attribute.';
COMMENT ON COLUMN gateway.source_event.attribute_name IS 'Name of the custom attribute.';
COMMENT ON COLUMN gateway.source_event.attribute_value IS 'Value of the custom attribute, as text. May hold personal data.';
COMMENT ON COLUMN gateway.source_event.order_id IS 'For events of other sources: the shop''s order number.';
COMMENT ON COLUMN gateway.source_event.order_value IS 'For events of other sources: value of the order, in currency.';
COMMENT ON COLUMN gateway.source_event.currency IS 'For events of other sources: ISO 4217 code of order_value.';
COMMENT ON COLUMN gateway.source_event.received_at IS 'When the gateway had the whole request.';
COMMENT ON COLUMN gateway.source_event.batch_id IS 'The transaction that wrote the row: gateway.batch.';
COMMENT ON COLUMN gateway.source_event.mapping_version IS 'Version of the field mapping that made the row.';
COMMENT ON COLUMN gateway.source_event.quality_flags IS 'What the mapping noticed: phone_invalid, email_invalid, nul_removed, ...; empty when nothing.';
COMMENT ON COLUMN gateway.source_event.extra IS 'Fields of the payload that no column takes. May hold personal data.';

CREATE TABLE gateway.delivery (
    company_id  text           NOT NULL,
    received_at timestamptz(3) NOT NULL,
    event_id    uuid           NOT NULL,
    endpoint    text           NOT NULL,
    key_id      text           NOT NULL,
    body        bytea          NOT NULL,
    PRIMARY KEY (company_id, received_at, event_id)
) PARTITION BY RANGE (received_at);

CREATE TABLE gateway.delivery_default PARTITION OF gateway.delivery DEFAULT;

COMMENT ON TABLE gateway.delivery IS
    'The exact bytes of the delivery that brought an event; short retention. Partitioned by day of received_at (UTC).';
COMMENT ON TABLE gateway.delivery_default IS
    'Net for days without a partition; gateway.ensure_partitions moves the rows out.';
COMMENT ON COLUMN gateway.delivery.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.delivery.received_at IS 'When the gateway had the whole request.';
COMMENT ON COLUMN gateway.delivery.event_id IS 'The event that the body became.';
COMMENT ON COLUMN gateway.delivery.endpoint IS 'Name of the endpoint it was posted to.';
COMMENT ON COLUMN gateway.delivery.key_id IS 'Id of the signing key that proved it.';
COMMENT ON COLUMN gateway.delivery.body IS 'The bytes that were signed. Personal data.';

CREATE SEQUENCE gateway.batch_id AS bigint;

CREATE TABLE gateway.batch (
    batch_id     bigint      PRIMARY KEY,
    writer       text        NOT NULL,
    events       integer     NOT NULL,
    duplicates   integer     NOT NULL,
    quarantined  integer     NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    projected_at timestamptz,
    set_aside_at timestamptz,
    set_aside_error text
);

CREATE INDEX batch_unprojected ON gateway.batch (batch_id)
    WHERE projected_at IS NULL AND set_aside_at IS NULL;
CREATE INDEX batch_set_aside ON gateway.batch (batch_id) WHERE set_aside_at IS NOT NULL;

COMMENT ON TABLE gateway.batch IS
    'One row for each transaction that stored something: lineage, and the queue of the read models.';
COMMENT ON COLUMN gateway.batch.batch_id IS 'From sequence gateway.batch_id; gaps are transactions that stored nothing.';
COMMENT ON COLUMN gateway.batch.writer IS 'The writer''s host, process and thread: host/1234/0.';
COMMENT ON COLUMN gateway.batch.events IS 'New events of the transaction.';
COMMENT ON COLUMN gateway.batch.duplicates IS 'Events of the transaction that were there before.';
COMMENT ON COLUMN gateway.batch.quarantined IS 'New quarantine rows of the transaction.';
COMMENT ON COLUMN gateway.batch.committed_at IS 'Time just before the commit, by the database''s clock.';
COMMENT ON COLUMN gateway.batch.projected_at IS 'When the read models had taken the batch; null until then.';
COMMENT ON COLUMN gateway.batch.set_aside_at IS 'When the read models gave the batch up: a value of it cannot be projected. Its events stay in the log; rebuild tries them again.';
COMMENT ON COLUMN gateway.batch.set_aside_error IS 'SQLSTATE and constraint of the failure; no values.';

CREATE TABLE gateway.quarantine (
    quarantine_id    uuid           PRIMARY KEY,
    endpoint         text           NOT NULL,
    reason           text           NOT NULL,
    detail           jsonb          NOT NULL,
    http_status      integer        NOT NULL,
    body             bytea          NOT NULL,
    body_sha256      bytea          NOT NULL,
    key_id           text           NOT NULL,
    version          text           NOT NULL,
    batch_id         bigint         NOT NULL,
    received_at      timestamptz(3) NOT NULL,
    last_received_at timestamptz(3) NOT NULL,
    deliveries       integer        NOT NULL,
    replayed_at      timestamptz
);

CREATE INDEX quarantine_reason ON gateway.quarantine (reason, received_at);
CREATE INDEX quarantine_waiting ON gateway.quarantine (received_at, quarantine_id)
    WHERE replayed_at IS NULL;

COMMENT ON TABLE gateway.quarantine IS
    'Signed deliveries that could not become events: why, and the bytes, for a later mapping.';
COMMENT ON COLUMN gateway.quarantine.quarantine_id IS 'Digest of endpoint and body (uuid version 8): a retry is the same row.';
COMMENT ON COLUMN gateway.quarantine.endpoint IS 'Name of the endpoint it was posted to.';
COMMENT ON COLUMN gateway.quarantine.reason IS 'Closed vocabulary: malformed_json, json_limits, envelope_missing, type_unknown, timestamp_invalid, company_invalid, field_invalid, database_rejected.';
COMMENT ON COLUMN gateway.quarantine.detail IS 'Faults: [{"field", "found", "expected"}]: kinds of values, and of a type that is unknown the type.';
COMMENT ON COLUMN gateway.quarantine.http_status IS 'What the sender was answered.';
COMMENT ON COLUMN gateway.quarantine.body IS 'The bytes that were signed. May hold personal data.';
COMMENT ON COLUMN gateway.quarantine.body_sha256 IS 'SHA-256 of body.';
COMMENT ON COLUMN gateway.quarantine.key_id IS 'Id of the signing key that proved it.';
COMMENT ON COLUMN gateway.quarantine.version IS 'Version of the gateway that refused it.';
COMMENT ON COLUMN gateway.quarantine.batch_id IS 'The transaction that wrote the row first: gateway.batch.';
COMMENT ON COLUMN gateway.quarantine.received_at IS 'When it came first.';
COMMENT ON COLUMN gateway.quarantine.last_received_at IS 'When it came last.';
COMMENT ON COLUMN gateway.quarantine.deliveries IS 'How often it came.';
COMMENT ON COLUMN gateway.quarantine.replayed_at IS 'When a later mapping made an event of it; null until then.';
