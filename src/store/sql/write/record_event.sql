-- Events of other sources (a shop's site, its order system) in the same log, through one function.

-- Says what is wrong with a call of record_event, in its words.
DROP FUNCTION IF EXISTS gateway.check_recorded(
    text, text, text, timestamptz, text, text, text, numeric, text);
CREATE OR REPLACE FUNCTION gateway.check_recorded(
    source text, event_name text, company_id text, occurred_at timestamptz, page_url text,
    page_host text, order_id text, order_value numeric, currency text, discount_code text,
    items_count integer)
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
                'such as USD)'
        WHEN event_name <> 'order.completed'
                AND (discount_code IS NOT NULL OR items_count IS NOT NULL)
                OR octet_length(discount_code) > 200 OR items_count < 0
            THEN 'discount_code (at most 200 bytes) and items_count (0 or more) are of '
                'order.completed' END;
BEGIN
    IF v_wrong IS NOT NULL THEN
        RAISE EXCEPTION '%', v_wrong USING ERRCODE = 'invalid_parameter_value';
    END IF;
END $$;
COMMENT ON FUNCTION gateway.check_recorded IS 'Throws what is wrong with a call of record_event.';

-- Records one event and returns its id. The id is a digest of the content: the same call again
-- changes nothing, so callers may retry whatever they are not sure of. p_updated_at is nothing but
-- content: with it an order that changes back to what it was is another event than the call that
-- told it first. The event goes the way of a delivery: it is in the intake with the caller's
-- commit, and in the log when it is applied. SECURITY DEFINER: callers need this function and no
-- table.
DROP FUNCTION IF EXISTS gateway.record_event(
    text, text, text, timestamptz, jsonb, text, text, numeric, text, timestamptz);
CREATE OR REPLACE FUNCTION gateway.record_event(
    p_source text, p_event_name text, p_company_id text, p_occurred_at timestamptz,
    p_identifiers jsonb, p_page_url text DEFAULT NULL, p_order_id text DEFAULT NULL,
    p_order_value numeric DEFAULT NULL, p_currency text DEFAULT NULL,
    p_updated_at timestamptz DEFAULT NULL, p_discount_code text DEFAULT NULL,
    p_items_count integer DEFAULT NULL)
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
    v_body       bytea;
BEGIN
    PERFORM gateway.check_recorded(p_source, p_event_name, v_company, v_at, p_page_url, v_url[1],
        p_order_id, v_value, p_currency, p_discount_code, p_items_count);
    PERFORM gateway.check_company(v_company);
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
            ELSE jsonb_build_array(extract(epoch FROM p_updated_at)) END
        || CASE WHEN coalesce(p_discount_code, p_items_count::text) IS NULL THEN '[]'
            ELSE jsonb_build_array(p_discount_code, p_items_count) END)::text);

    v_body := convert_to(jsonb_strip_nulls(jsonb_build_object(
        'company_id', v_company, 'occurred_at', v_at, 'event_id', v_event,
        'event_name', p_event_name, 'channel', 'web',
        'action', split_part(p_event_name, '.', 2), 'source', p_source,
        'source_event_type', p_event_name, 'subscriber_id', v_subscriber,
        'identifiers', nullif(v_ids, '{}'), 'link_host', lower(v_url[1]),
        'link_path', gateway.masked(v_url[2], coalesce(v_ids -> 'phone', '[]')),
        'order_id', p_order_id, 'order_value', v_value, 'currency', p_currency,
        'discount_code', nullif(btrim(gateway.masked(p_discount_code)), ''),
        'items_count', p_items_count,
        'received_at', date_trunc('milliseconds', clock_timestamp()), 'mapping_version', 1,
        'quality_flags', to_jsonb(v_flags)))::text, 'UTF8');
    PERFORM gateway.append_rows('record_event/' || session_user, ARRAY[ROW(NULL, NULL,
        ARRAY[clock_timestamp()], ARRAY[octet_length(v_body)], v_body)::gateway.intake_row]);
    RETURN v_event;
END $$;
COMMENT ON FUNCTION gateway.record_event IS
    'Records page.viewed, order.completed (an order as it is now: told again, the newest is it), '
    'order.refunded (order_value: what is given back) or order.cancelled of another source and '
    'returns the event''s id; the same content again changes nothing. Keeps host and path of the '
    'page, not its query.';
