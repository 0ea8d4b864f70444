-- One batch is one call of one function: one round trip and, in autocommit, one transaction. No
-- session state and no prepared statement, so it works behind a transaction pooler; the plans stay
-- cached in the function. Rows come as arrays of row types, in binary: measured a fifth cheaper
-- than an array for each column.

CREATE TYPE gateway.event_row AS (
    company_id        text,
    occurred_at       timestamptz,
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
    received_at       timestamptz,
    mapping_version   integer,
    quality_flags     text[],
    extra             jsonb
);
COMMENT ON TYPE gateway.event_row IS
    'A source event as a writer sends it: gateway.source_event without what the database adds.';

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

-- Writes one batch. p_deliveries[i] is the delivery that brought p_events[i]; no two events share
-- a key, and each array is in key order: two writers with the same rows would deadlock otherwise.
-- stored is how many events were new; fresh lists their positions in p_events, from 1, and is null
-- when all of them were. batch_id is null when there was nothing new. A quarantine row that was
-- there before counts the new deliveries.
CREATE FUNCTION gateway.write_batch(
    p_writer text, p_version text, p_events gateway.event_row[],
    p_deliveries gateway.delivery_row[], p_quarantine gateway.quarantine_row[],
    OUT batch_id bigint, OUT stored integer, OUT fresh bigint[])
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    v_batch       bigint := nextval('gateway.batch_id');
    v_given       integer := cardinality(p_events);
    v_quarantined integer := 0;
    v_companies   text[];
    v_times       timestamptz[];
    v_ids         uuid[];
    v_kept        gateway.event_row[];
BEGIN
    -- "Stored" is a promise: a role or database whose commits do not wait for the disk is overruled.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    -- Behind a pooler the session's own setting is not ours to make.
    PERFORM set_config('lock_timeout', '1s', true);

    -- Nobody whom `erase` removed comes back by a retry, a replay or the spool: such rows count as
    -- there before. As long as nobody was erased this costs one look at an empty table.
    IF gateway.has_erased() THEN
        v_kept := gateway.without_erased(p_events);
    END IF;

    WITH inserted AS (
        INSERT INTO gateway.source_event (
            company_id, occurred_at, event_id, event_name, channel, action, source,
            source_event_type, company_name, subscriber_id, identifiers, subscription_type,
            creative_name, creative_type, creative_subtype, message_id, message_key,
            message_type, message_name, message_subject, message_text, message_channel,
            business_address, recipient_address, keyword_class, link_id, link_url, link_host,
            link_path, utm_source, utm_medium, utm_campaign, utm_content, utm_term,
            attribute_id, attribute_name, attribute_value, received_at, mapping_version,
            quality_flags, extra, batch_id)
        SELECT
            company_id, occurred_at, event_id, event_name, channel, action, source,
            source_event_type, company_name, subscriber_id, identifiers, subscription_type,
            creative_name, creative_type, creative_subtype, message_id, message_key,
            message_type, message_name, message_subject, message_text, message_channel,
            business_address, recipient_address, keyword_class, link_id, link_url, link_host,
            link_path, utm_source, utm_medium, utm_campaign, utm_content, utm_term,
            attribute_id, attribute_name, attribute_value, received_at, mapping_version,
            quality_flags, extra, v_batch
        FROM unnest(CASE WHEN v_kept IS NULL THEN p_events ELSE v_kept END)
        ON CONFLICT DO NOTHING
        RETURNING company_id, occurred_at, event_id)
    SELECT count(*), array_agg(company_id), array_agg(occurred_at), array_agg(event_id)
    INTO stored, v_companies, v_times, v_ids
    FROM inserted;

    IF stored = v_given THEN
        INSERT INTO gateway.delivery (company_id, received_at, event_id, endpoint, key_id, body)
        SELECT company_id, received_at, event_id, endpoint, key_id, body
        FROM unnest(p_deliveries)
        ON CONFLICT DO NOTHING;
    ELSE
        SELECT coalesce(array_agg(e.position), '{}') INTO fresh
        FROM unnest(p_events) WITH ORDINALITY AS e (company_id, occurred_at, event_id, event_name, channel, action, source,
            source_event_type, company_name, subscriber_id, identifiers, subscription_type,
            creative_name, creative_type, creative_subtype, message_id, message_key,
            message_type, message_name, message_subject, message_text, message_channel,
            business_address, recipient_address, keyword_class, link_id, link_url, link_host,
            link_path, utm_source, utm_medium, utm_campaign, utm_content, utm_term,
            attribute_id, attribute_name, attribute_value, received_at, mapping_version,
            quality_flags, extra, position)
        JOIN unnest(v_companies, v_times, v_ids) AS n (company_id, occurred_at, event_id)
            USING (company_id, occurred_at, event_id);

        INSERT INTO gateway.delivery (company_id, received_at, event_id, endpoint, key_id, body)
        SELECT d.company_id, d.received_at, d.event_id, d.endpoint, d.key_id, d.body
        FROM unnest(p_deliveries) WITH ORDINALITY
            AS d (company_id, received_at, event_id, endpoint, key_id, body, position)
        JOIN unnest(fresh) AS f (position) USING (position)
        ORDER BY d.position
        ON CONFLICT DO NOTHING;
    END IF;

    IF cardinality(p_quarantine) > 0 THEN
        WITH kept AS (
            INSERT INTO gateway.quarantine AS q (
                quarantine_id, endpoint, reason, detail, http_status, body, body_sha256, key_id,
                version, batch_id, received_at, last_received_at, deliveries)
            SELECT
                quarantine_id, endpoint, reason, detail, http_status, body, body_sha256, key_id,
                p_version, v_batch, received_at, last_received_at, deliveries
            FROM unnest(p_quarantine)
            ON CONFLICT (quarantine_id) DO UPDATE SET
                deliveries = q.deliveries + excluded.deliveries,
                last_received_at = greatest(q.last_received_at, excluded.last_received_at)
            RETURNING q.batch_id)
        SELECT count(*) INTO v_quarantined FROM kept WHERE kept.batch_id = v_batch;
    END IF;

    IF stored > 0 OR v_quarantined > 0 THEN
        INSERT INTO gateway.batch (batch_id, writer, events, duplicates, quarantined)
        VALUES (v_batch, p_writer, stored, v_given - stored, v_quarantined);
        batch_id := v_batch;
    END IF;
END $$;

COMMENT ON FUNCTION gateway.write_batch(
    text, text, gateway.event_row[], gateway.delivery_row[], gateway.quarantine_row[]) IS
    'Writes events, their bytes and quarantine rows as one batch; what was there before is left alone.';
REVOKE ALL ON FUNCTION gateway.write_batch(
    text, text, gateway.event_row[], gateway.delivery_row[], gateway.quarantine_row[]) FROM PUBLIC;
