-- Events of other sources (a shop's site, its order system) in the same log: one by one through
-- record_event, by the thousand through record_rows, which is what the other calls.

-- Says what is wrong with an event: the field and the reason; null when nothing is. One expression,
-- which the planner puts in the place of the call.
DROP FUNCTION IF EXISTS gateway.check_recorded(
    text, text, text, timestamptz, text, text, text, numeric, text);
DROP FUNCTION IF EXISTS gateway.check_recorded(
    text, text, text, timestamptz, text, text, text, numeric, text, text, integer);
CREATE OR REPLACE FUNCTION gateway.wrong_in_recorded(
    source text, event_name text, company_id text, occurred_at timestamptz, page_url text,
    page_host text, order_id text, order_value numeric, currency text, discount_code text,
    items_count integer)
RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN source IS NULL OR source !~ '^[a-z][a-z0-9_.-]{0,49}$' OR source = 'attentive'
        THEN ARRAY['source', 'source must name the recording system in lower case, such as shop; '
            'attentive is the gateway''s own']
    WHEN event_name IS NULL OR event_name NOT IN ('page.viewed', 'product.viewed', 'cart.updated',
            'checkout.started', 'order.completed', 'order.refunded', 'order.cancelled')
        THEN ARRAY['event_name', 'event_name must be page.viewed, product.viewed, cart.updated, '
            'checkout.started, order.completed, order.refunded or order.cancelled']
    WHEN company_id IS NULL OR octet_length(company_id) NOT BETWEEN 1 AND 200
        THEN ARRAY['company_id', 'company_id must be the company_id of Attentive''s events, 1 to '
            '200 bytes']
    WHEN occurred_at IS NULL OR occurred_at < timestamptz '2012-01-01 00:00Z'
            OR occurred_at >= timestamptz '2100-01-01 00:00Z'
        THEN ARRAY['occurred_at', 'occurred_at must be a time from 2012 to 2099']
    WHEN page_url IS NOT NULL AND page_host IS NULL
        THEN ARRAY['page_url', 'page_url must begin with http:// or https:// and a host']
    WHEN event_name IN ('page.viewed', 'product.viewed') AND (page_url IS NULL
            OR order_id IS NOT NULL OR order_value IS NOT NULL OR currency IS NOT NULL)
        THEN ARRAY[CASE WHEN page_url IS NULL THEN 'page_url' WHEN order_id IS NOT NULL
                        THEN 'order_id' WHEN order_value IS NOT NULL THEN 'order_value'
                        ELSE 'currency' END, event_name || ' takes a page_url, and no order']
    WHEN event_name IN ('cart.updated', 'checkout.started')
            AND (octet_length(order_id) > 200
            OR event_name = 'cart.updated' AND order_id IS NOT NULL
            OR (order_value IS NULL) <> (currency IS NULL) OR order_value < 0
            OR order_value >= 1e15 OR order_value = 'NaN' OR currency !~ '^[A-Z]{3}$')
        THEN ARRAY[CASE WHEN octet_length(order_id) > 200 OR event_name = 'cart.updated'
                        AND order_id IS NOT NULL THEN 'order_id' WHEN currency !~ '^[A-Z]{3}$'
                        OR currency IS NULL AND order_value IS NOT NULL THEN 'currency'
                        ELSE 'order_value' END,
            event_name || ' takes what is in it as order_value (0 or more) with its currency (ISO '
            '4217), or neither; order_id is of checkout.started alone']
    WHEN event_name = 'order.cancelled' AND (coalesce(btrim(order_id), '') = ''
            OR octet_length(order_id) > 200)
        THEN ARRAY['order_id', 'order.cancelled needs order_id']
    WHEN event_name IN ('order.completed', 'order.refunded')
            AND (coalesce(btrim(order_id), '') = ''
            OR octet_length(order_id) > 200 OR order_value IS NULL OR order_value < 0
            OR order_value >= 1e15 OR order_value = 'NaN'
            OR coalesce(currency, '') !~ '^[A-Z]{3}$')
        THEN ARRAY[CASE WHEN coalesce(btrim(order_id), '') = '' OR octet_length(order_id) > 200
                        THEN 'order_id' WHEN coalesce(currency, '') !~ '^[A-Z]{3}$'
                        THEN 'currency' ELSE 'order_value' END,
            event_name || ' needs order_id, order_value (0 or more) and currency (ISO 4217, such '
            'as USD)']
    WHEN event_name NOT IN ('order.completed', 'checkout.started', 'cart.updated')
            AND (discount_code IS NOT NULL OR items_count IS NOT NULL)
            OR octet_length(discount_code) > 200 OR items_count < 0
        THEN ARRAY[CASE WHEN octet_length(discount_code) > 200 OR discount_code IS NOT NULL
                        AND coalesce(items_count, 0) >= 0 THEN 'discount_code'
                        ELSE 'items_count' END, 'discount_code (at most 200 bytes) and '
            'items_count (0 or more) are of order.completed, checkout.started and cart.updated']
    END;
COMMENT ON FUNCTION gateway.wrong_in_recorded IS
    'The field of an event of another source that is wrong, and why; null when none is.';

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
    v_done record;
BEGIN
    PERFORM gateway.check_company(btrim(p_company_id, E' \t\n\v\f\r\u00a0'));
    SELECT r.event_id, r.reason INTO v_done
    FROM gateway.record_rows(ARRAY[ROW(1, p_source, p_event_name, p_company_id, p_occurred_at,
        p_identifiers, p_page_url, p_order_id, p_order_value, p_currency, p_updated_at,
        p_discount_code, p_items_count)::gateway.recorded_row], false) r;
    IF v_done.reason IS NOT NULL THEN
        RAISE EXCEPTION '%', v_done.reason USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN v_done.event_id;
END $$;
COMMENT ON FUNCTION gateway.record_event IS
    'Records page.viewed, product.viewed, cart.updated or checkout.started (Segment, "Ecommerce '
    'Spec": Product Viewed, Cart Viewed, Checkout Started), order.completed (an order as it is '
    'now: told again, the newest is it), order.refunded (order_value: what is given back) or '
    'order.cancelled of another source and returns the event''s id; the same content again changes '
    'nothing. Keeps host, path and utm values of the page, not the rest of its query.';
