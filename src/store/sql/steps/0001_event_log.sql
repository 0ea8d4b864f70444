-- The intake, where deliveries become durable as the bytes that were signed; the event log, which
-- is applied from it in order; what could not be applied; and the types of rows that programs send.
-- Every key of an event begins with company_id, so that the tables distribute by it; every time is
-- UTC.

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

-- One group commit of one endpoint and key: its bodies one behind the other, so that they compress
-- together. What was recorded by gateway.record_event has neither endpoint nor key.
CREATE TYPE gateway.intake_row AS (
    endpoint    text,
    key_id      text,
    received_at timestamptz[],
    lengths     integer[],
    bodies      bytea
);
COMMENT ON TYPE gateway.intake_row IS 'A gateway.intake as a writer sends it.';

CREATE SEQUENCE gateway.intake_id AS bigint;

CREATE TABLE gateway.intake (
    intake_id   bigint      NOT NULL DEFAULT nextval('gateway.intake_id'),
    appended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    writer      text        NOT NULL,
    LIKE gateway.intake_row,
    PRIMARY KEY (intake_id, appended_at)
) PARTITION BY RANGE (appended_at);
ALTER TABLE gateway.intake
    ALTER received_at SET NOT NULL, ALTER lengths SET NOT NULL, ALTER bodies SET NOT NULL;
DO $$
BEGIN
    ALTER TABLE gateway.intake ALTER bodies SET COMPRESSION lz4;
EXCEPTION
    WHEN feature_not_supported THEN NULL; -- a server without lz4 compresses slower, and better
END $$;
CREATE TABLE gateway.intake_default PARTITION OF gateway.intake DEFAULT;

-- Which of them are to be applied: short rows that come and go, so that the long ones stay as they
-- are.
CREATE TABLE gateway.intake_waiting (
    intake_id   bigint      PRIMARY KEY,
    appended_at timestamptz NOT NULL,
    deliveries  integer     NOT NULL,
    bytes       integer     NOT NULL,
    tries       integer     NOT NULL DEFAULT 0,
    not_before  timestamptz,
    error       text
);

-- An event as the applier sends it, in binary: rows are measured a fifth cheaper than an array for
-- each column.
CREATE TYPE gateway.event_row AS (
    intake_id         bigint,
    ordinal           integer,
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
    'A source event as the applier sends it: gateway.source_event without what the database adds.';

-- What gateway.record_event takes, many at once.
CREATE TYPE gateway.recorded_row AS (
    line          bigint,
    source        text,
    event_name    text,
    company_id    text,
    occurred_at   timestamptz,
    identifiers   jsonb,
    page_url      text,
    order_id      text,
    order_value   numeric,
    currency      text,
    updated_at    timestamptz,
    discount_code text,
    items_count   integer
);
COMMENT ON TYPE gateway.recorded_row IS
    'An event of another source as gateway.record_rows takes it; line is the caller''s number.';

-- First what the database adds, or gateway.record_event alone gives, then what the applier sends:
-- events are written as SELECT position, NULL, NULL, NULL, NULL, NULL, e.*.
CREATE TABLE gateway.source_event (
    position      bigint NOT NULL,
    order_id      text,
    order_value   numeric,
    currency      text,
    discount_code text,
    items_count   integer,
    LIKE gateway.event_row,
    PRIMARY KEY (company_id, occurred_at, event_id)
) PARTITION BY RANGE (occurred_at);
ALTER TABLE gateway.source_event
    ALTER event_name SET NOT NULL, ALTER action SET NOT NULL, ALTER source SET NOT NULL,
    ALTER source_event_type SET NOT NULL, ALTER received_at SET NOT NULL,
    ALTER mapping_version SET NOT NULL, ALTER quality_flags SET NOT NULL;

-- Without company_id, which subscriber_id is derived from: with it, this index could also find an
-- event by company and time, and costs as much as the key's while a month is empty. Then each event
-- that is looked up by its key walks its company.
CREATE INDEX source_event_subscriber ON gateway.source_event (subscriber_id, occurred_at);
-- Rows come in the order of their positions, so this index grows at its end and costs little.
CREATE INDEX source_event_position ON gateway.source_event (position);
-- Clicks, replies and orders are rare among sends: without this index a report of them reads all.
CREATE INDEX source_event_response ON gateway.source_event (company_id, action, occurred_at)
    WHERE action IN ('link_clicked', 'inbound_received', 'completed');
CREATE INDEX source_event_attribute ON gateway.source_event (company_id, attribute_name)
    WHERE action = 'attribute_set';
-- What happened on a shop's site is rare among sends too, and asked for by its kind.
CREATE INDEX source_event_web ON gateway.source_event (company_id, event_name, occurred_at)
    WHERE channel = 'web';
-- Opt-outs whose person is not known are few, and somebody has to see each.
CREATE INDEX source_event_nobody ON gateway.source_event (company_id, occurred_at)
    WHERE action = 'unsubscribed' AND subscriber_id IS NULL;
CREATE TABLE gateway.source_event_default PARTITION OF gateway.source_event DEFAULT;

CREATE TABLE gateway.dropped_month (
    month      timestamptz PRIMARY KEY,
    dropped_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE gateway.partition_made (
    name    text        NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- How far the log goes, and how far the read models know it: two rows, so that who writes one does
-- not wait for who writes the other.
CREATE TABLE gateway.log_state (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    position bigint  NOT NULL
);
INSERT INTO gateway.log_state (position) VALUES (0);
CREATE TABLE gateway.projection_state (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    projected bigint  NOT NULL
);
INSERT INTO gateway.projection_state (projected) VALUES (0);

CREATE SEQUENCE gateway.step_id AS bigint;

CREATE TABLE gateway.step (
    step_id     bigint      PRIMARY KEY,
    position    bigint      NOT NULL,
    events      integer     NOT NULL,
    duplicates  integer     NOT NULL,
    quarantined integer     NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX step_position ON gateway.step (position) WHERE events > 0;

CREATE TABLE gateway.set_aside (
    first_position bigint      PRIMARY KEY,
    last_position  bigint      NOT NULL,
    set_aside_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    error          text        NOT NULL,
    is_due         boolean     NOT NULL DEFAULT false
);

CREATE TABLE gateway.quarantine (
    quarantine_id    uuid           PRIMARY KEY,
    endpoint         text           NOT NULL,
    reason           text           NOT NULL,
    detail           jsonb          NOT NULL,
    body             bytea          NOT NULL,
    body_sha256      bytea          NOT NULL,
    key_id           text           NOT NULL,
    version          text           NOT NULL,
    step_id          bigint         NOT NULL,
    intake_id        bigint         NOT NULL,
    ordinal          integer        NOT NULL,
    received_at      timestamptz(3) NOT NULL,
    last_received_at timestamptz(3) NOT NULL,
    deliveries       integer        NOT NULL,
    replayed_at      timestamptz
);

CREATE INDEX quarantine_reason ON gateway.quarantine (reason, received_at);
CREATE INDEX quarantine_waiting ON gateway.quarantine (received_at, quarantine_id)
    WHERE replayed_at IS NULL;

CREATE TYPE gateway.quarantine_row AS (
    quarantine_id    uuid,
    endpoint         text,
    reason           text,
    detail           jsonb,
    body             bytea,
    body_sha256      bytea,
    key_id           text,
    intake_id        bigint,
    ordinal          integer,
    received_at      timestamptz,
    last_received_at timestamptz,
    deliveries       integer
);
COMMENT ON TYPE gateway.quarantine_row IS
    'A gateway.quarantine row as the applier sends it, with how often it came in this step.';

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
