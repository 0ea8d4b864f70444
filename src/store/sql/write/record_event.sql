-- Events of other sources (a shop's site, its order system) in the same log, through one function.

-- Says what is wrong with a call of record_event, in its words.
CREATE OR REPLACE FUNCTION gateway.check_recorded(
    source text, event_name text, company_id text, occurred_at timestamptz, page_url text,
    page_host text, order_id text, order_value numeric, currency text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_wrong text := CASE
        WHEN source IS NULL OR source !~ '^[a-z][a-z0-9_.-]{0,49}$' OR source = 'attentive'
            THEN 'source must name the recording system in lower case, such as shop; attentive is '
                'the gateway''s own'
        WHEN event_name IS NULL OR event_name NOT IN ('page.viewed', 'order.completed',
                'order.refunded', 'order.cancelled')
            THEN 'event_name must be page.viewed, order.completed, order.refunded or '
                'order.cancelled'
        WHEN company_id IS NULL OR octet_length(company_id) NOT BETWEEN 1 AND 200
            THEN 'company_id must be the company_id of Attentive''s events, 1 to 200 bytes'
        WHEN occurred_at IS NULL OR occurred_at < '2012-01-01' OR occurred_at >= '2100-01-01'
            THEN 'occurred_at must be a time from 2012 to 2099'
        WHEN page_url IS NOT NULL AND page_host IS NULL
            THEN 'page_url must begin with http:// or https:// and a host'
        WHEN event_name = 'page.viewed' AND (page_url IS NULL OR order_id IS NOT NULL
                OR order_value IS NOT NULL OR currency IS NOT NULL)
            THEN 'page.viewed takes a page_url, and no order'
        WHEN event_name = 'order.cancelled' AND (coalesce(btrim(order_id), '') = ''
                OR octet_length(order_id) > 200)
            THEN 'order.cancelled needs order_id'
        WHEN event_name IN ('order.completed', 'order.refunded')
                AND (coalesce(btrim(order_id), '') = ''
                OR octet_length(order_id) > 200 OR order_value IS NULL OR order_value < 0
                OR order_value >= 1e15 OR order_value = 'NaN'
                OR coalesce(currency, '') !~ '^[A-Z]{3}$')
            THEN event_name || ' needs order_id, order_value (0 or more) and currency (ISO 4217, '
                'such as USD)' END;
BEGIN
    IF v_wrong IS NOT NULL THEN
        RAISE EXCEPTION '%', v_wrong USING ERRCODE = 'invalid_parameter_value';
    END IF;
END $$;
COMMENT ON FUNCTION gateway.check_recorded IS 'Throws what is wrong with a call of record_event.';

-- Records one event and returns its id. The id is a digest of the content: the same call again
-- changes nothing, so callers may retry whatever they are not sure of. All calls of a transaction
-- are one batch. p_updated_at is nothing but content: with it an order that changes back to what it
-- was is another event than the call that told it first. SECURITY DEFINER: callers need this
-- function and no table.
CREATE OR REPLACE FUNCTION gateway.record_event(
    p_source text, p_event_name text, p_company_id text, p_occurred_at timestamptz,
    p_identifiers jsonb, p_page_url text DEFAULT NULL, p_order_id text DEFAULT NULL,
    p_order_value numeric DEFAULT NULL, p_currency text DEFAULT NULL,
    p_updated_at timestamptz DEFAULT NULL)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
    v_at         timestamptz(3) := date_trunc('milliseconds', p_occurred_at);
    v_company    text := btrim(p_company_id, E' \t\n\v\f\r\u00a0');
    v_value      numeric := trim_scale(p_order_value);
    v_url        text[] := regexp_match(p_page_url,
                     '^https?://(?:[^/?#@]*@)?([^/?#:]+)(?::[0-9]*)?(/[^?#]*)?', 'i');
    v_ids        jsonb;
    v_flags      text[];
    v_event      uuid;
    v_subscriber uuid;
    v_batch      bigint := nullif(current_setting('gateway.recorded_batch', true), '')::bigint;
BEGIN
    PERFORM gateway.check_recorded(p_source, p_event_name, v_company, v_at, p_page_url, v_url[1],
        p_order_id, v_value, p_currency);
    SELECT n.identifiers, n.flags INTO v_ids, v_flags
    FROM gateway.normal_identifiers(p_identifiers) n;
    IF v_ids = '{}' THEN
        v_flags := v_flags || 'subscriber_missing'::text;
    ELSE
        v_subscriber := gateway.derive_subscriber_id(v_company, v_ids);
    END IF;
    v_event := gateway.digest_id((jsonb_build_array(p_source, p_event_name, v_company,
        (extract(epoch FROM v_at) * 1000)::bigint, v_ids, p_page_url, p_order_id, v_value,
        p_currency) || CASE WHEN p_updated_at IS NULL THEN '[]'
            ELSE jsonb_build_array(extract(epoch FROM p_updated_at)) END)::text);

    -- Of a month that retention has dropped everything is a duplicate: see write_batch.
    IF gateway.is_erased(v_company, v_subscriber, v_at)
        OR EXISTS (SELECT FROM gateway.dropped_month d
                   WHERE d.month = date_trunc('month', v_at, 'UTC')) THEN
        RETURN v_event;
    END IF;

    IF to_regclass('gateway.source_event_' || to_char(v_at, 'YYYY_MM')) IS NULL THEN
        PERFORM gateway.ensure_partitions('source_event', ARRAY[v_at]);
    END IF;
    IF NOT EXISTS (SELECT FROM gateway.batch b WHERE b.batch_id = v_batch
                   AND b.xmin = pg_current_xact_id()::xid) THEN
        v_batch := nextval('gateway.batch_id');
    END IF;
    INSERT INTO gateway.source_event (
        company_id, occurred_at, event_id, event_name, channel, action, source,
        source_event_type, subscriber_id, identifiers, link_host, link_path, order_id,
        order_value, currency, received_at, batch_id, mapping_version, quality_flags)
    VALUES (v_company, v_at, v_event, p_event_name, 'web', split_part(p_event_name, '.', 2),
        p_source, p_event_name, v_subscriber, nullif(v_ids, '{}'), lower(v_url[1]), v_url[2],
        p_order_id, v_value, p_currency, clock_timestamp(), v_batch, 1, v_flags)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        INSERT INTO gateway.batch AS b (batch_id, writer, events, duplicates, quarantined)
        VALUES (v_batch, 'record_event/' || session_user, 1, 0, 0)
        ON CONFLICT (batch_id) DO UPDATE SET events = b.events + 1,
            committed_at = clock_timestamp();
        PERFORM set_config('gateway.recorded_batch', v_batch::text, true);
    ELSE -- perhaps on no standby yet: see write_batch
        PERFORM pg_logical_emit_message(true, 'attentive-gateway', 'duplicate');
    END IF;
    RETURN v_event;
END $$;
COMMENT ON FUNCTION gateway.record_event IS
    'Records page.viewed, order.completed (an order as it is now: told again, the newest is it), '
    'order.refunded (order_value: what is given back) or order.cancelled of another source and '
    'returns the event''s id; the same content again changes nothing. Keeps host and path of the '
    'page, not its query.';
