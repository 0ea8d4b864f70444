-- The event log and what stands beside each event in the same transaction: the exact bytes, the
-- batch, the quarantine; and the types of rows that writers send. Every key of an event begins with
-- company_id, so that the tables distribute by it; every time is UTC.

CREATE SCHEMA IF NOT EXISTS gateway;
CREATE SCHEMA report;
CREATE SCHEMA report_pii;

CREATE TABLE gateway.schema_migration (
    version     integer     PRIMARY KEY,
    name        text        NOT NULL,
    sha256      text        NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    serves_from integer
);

CREATE TABLE gateway.schema_file (
    place      integer     PRIMARY KEY,
    name       text        NOT NULL,
    sha256     text        NOT NULL,
    program    integer[]   NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- An event as a writer sends it, in binary: rows are measured a fifth cheaper than an array for
-- each column.
CREATE TYPE gateway.event_row AS (
    company_id        text,
    occurred_at       timestamptz(3),
    event_id          uuid,
    event_name        text,
    channel           text,
    action            text,
    source            text,
    source_event_type text,
    company_name      text,
    subscriber_id     uuid,
    identifiers       jsonb,
    subscription_type text,
    creative_name     text,
    creative_type     text,
    creative_subtype  text,
    message_id        text,
    message_key       text,
    message_type      text,
    message_name      text,
    message_subject   text,
    message_text      text,
    message_channel   text,
    business_address  text,
    recipient_address text,
    keyword_class     text,
    link_id           text,
    link_url          text,
    link_host         text,
    link_path         text,
    utm_source        text,
    utm_medium        text,
    utm_campaign      text,
    utm_content       text,
    utm_term          text,
    attribute_id      text,
    attribute_name    text,
    attribute_value   text,
    received_at       timestamptz(3),
    mapping_version   integer,
    quality_flags     text[],
    extra             jsonb
);
COMMENT ON TYPE gateway.event_row IS
    'A source event as a writer sends it: gateway.source_event without what the database adds.';

-- First what the database adds, or gateway.record_event alone gives, then what a writer sends: a
-- batch is written as SELECT v_batch, NULL, NULL, NULL, e.*.
CREATE TABLE gateway.source_event (
    batch_id    bigint NOT NULL,
    order_id    text,
    order_value numeric,
    currency    text,
    LIKE gateway.event_row,
    PRIMARY KEY (company_id, occurred_at, event_id)
) PARTITION BY RANGE (occurred_at);
ALTER TABLE gateway.source_event
    ALTER event_name SET NOT NULL, ALTER action SET NOT NULL, ALTER source SET NOT NULL,
    ALTER source_event_type SET NOT NULL, ALTER received_at SET NOT NULL,
    ALTER mapping_version SET NOT NULL, ALTER quality_flags SET NOT NULL;

CREATE INDEX source_event_subscriber ON gateway.source_event
    (company_id, subscriber_id, occurred_at);
-- Rows come in the order of their batches, so this index grows at its end and costs writers little.
CREATE INDEX source_event_batch ON gateway.source_event (batch_id);
-- Clicks, replies and orders are rare among sends: without this index a report of them reads all.
CREATE INDEX source_event_response ON gateway.source_event (company_id, action, occurred_at)
    WHERE action IN ('link_clicked', 'inbound_received', 'completed');
CREATE TABLE gateway.source_event_default PARTITION OF gateway.source_event DEFAULT;

CREATE TABLE gateway.dropped_month (
    month      timestamptz PRIMARY KEY,
    dropped_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

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

CREATE TABLE gateway.partition_made (
    name    text        NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

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

-- What else a writer sends.
CREATE TYPE gateway.delivery_row AS (
    company_id  text,
    received_at timestamptz,
    event_id    uuid,
    endpoint    text,
    key_id      text,
    body        bytea
);
COMMENT ON TYPE gateway.delivery_row IS 'A gateway.delivery as a writer sends it.';

CREATE TYPE gateway.quarantine_row AS (
    quarantine_id    uuid,
    endpoint         text,
    reason           text,
    detail           jsonb,
    http_status      integer,
    body             bytea,
    body_sha256      bytea,
    key_id           text,
    received_at      timestamptz,
    last_received_at timestamptz,
    deliveries       integer
);
COMMENT ON TYPE gateway.quarantine_row IS
    'A gateway.quarantine row as a writer sends it, with how often it came in this batch.';

-- Dozens of partitions make the planner's costs high and every query here short: compiling one
-- takes seconds (measured: 4.5 s of 4.7 s), running it a fraction. Whoever does not own the
-- database keeps what it has.
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET jit = off', current_database());
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'jit stays on: reports are slower by seconds until the owner runs '
            'ALTER DATABASE ... SET jit = off';
END $$;
