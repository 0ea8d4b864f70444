-- Each order as its source told it last.

SELECT gateway.describe('gateway.current_order',
    'Each order once, as its source told it last: for each company, source and number the newest '
    'version, and what was given back of it.', ARRAY[
    ['order_value', 'What was paid, in currency: gross.'],
    ['refunds', 'What was given back of it, in currency; all of it for a cancelled order.'],
    ['net_value', 'order_value less refunds.'],
    ['is_cancelled', 'Whether the order was cancelled.']]);

-- A refund is what was told last of it, for each time. Refunds of another currency than the order's
-- are none of it: currencies are never added.
DROP FUNCTION IF EXISTS gateway.order_now(text, text, text, text);
CREATE OR REPLACE FUNCTION gateway.order_now(
    p_company_id text, p_source text, p_order_id text)
RETURNS TABLE (
    occurred_at timestamptz, event_id uuid, subscriber_id uuid, order_value numeric,
    currency text, refunds numeric, is_cancelled boolean, discount_code text, items_count integer)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH version AS (
        SELECT DISTINCT ON (e.event_name, CASE e.event_name WHEN 'order.refunded'
                                          THEN e.occurred_at END)
               e.event_name, e.occurred_at, e.event_id, e.subscriber_id, e.order_value, e.currency,
               e.discount_code, e.items_count
        FROM gateway.source_event e
        WHERE e.company_id = p_company_id AND e.order_id = p_order_id AND e.source = p_source
        ORDER BY e.event_name, CASE e.event_name WHEN 'order.refunded' THEN e.occurred_at END,
                 e.received_at DESC, e.position DESC)
    SELECT o.occurred_at, o.event_id, o.subscriber_id, o.order_value, o.currency,
           (SELECT coalesce(sum(r.order_value), 0) FROM version r
            WHERE r.event_name = 'order.refunded' AND r.currency = o.currency),
           EXISTS (SELECT FROM version c WHERE c.event_name = 'order.cancelled'),
           o.discount_code, o.items_count
    FROM version o WHERE o.event_name = 'order.completed';
END;
COMMENT ON FUNCTION gateway.order_now IS
    'The newest version of an order, what of it was given back, and whether it was cancelled; no '
    'row for one that was never completed.';

CREATE OR REPLACE FUNCTION gateway.project_orders(
    p_companies text[], p_sources text[], p_orders text[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH told AS (
        SELECT k.company_id, k.source, k.order_id, n.*
        FROM (SELECT DISTINCT * FROM unnest(p_companies, p_sources, p_orders)
                  AS k (company_id, source, order_id)) k
        LEFT JOIN LATERAL gateway.order_now(k.company_id, k.source, k.order_id) n ON true),
    gone AS (
        DELETE FROM current_order o USING told t
        WHERE t.event_id IS NULL AND o.company_id = t.company_id AND o.source = t.source
            AND o.order_id = t.order_id)
    INSERT INTO current_order AS o
    SELECT t.company_id, t.occurred_at, t.event_id, t.source, t.order_id, t.subscriber_id,
           t.order_value, t.currency,
           CASE WHEN t.is_cancelled THEN t.order_value ELSE t.refunds END,
           CASE WHEN t.is_cancelled THEN 0 ELSE t.order_value - t.refunds END,
           t.is_cancelled, t.discount_code, t.items_count
    FROM told t WHERE t.event_id IS NOT NULL
    ON CONFLICT (company_id, source, order_id) DO UPDATE SET
        occurred_at = excluded.occurred_at, event_id = excluded.event_id,
        subscriber_id = excluded.subscriber_id, order_value = excluded.order_value,
        currency = excluded.currency, refunds = excluded.refunds,
        net_value = excluded.net_value, is_cancelled = excluded.is_cancelled,
        discount_code = excluded.discount_code, items_count = excluded.items_count
    WHERE o IS DISTINCT FROM excluded;
END $$;
COMMENT ON FUNCTION gateway.project_orders IS
    'Works these orders out anew, from the log.';

-- Few events are of orders, and an index of its own finds them.
CREATE OR REPLACE FUNCTION gateway.project_order(p_first bigint, p_last bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_companies text[];
    v_sources   text[];
    v_orders    text[];
BEGIN
    SELECT array_agg(e.company_id), array_agg(e.source), array_agg(e.order_id)
    INTO v_companies, v_sources, v_orders
    FROM gateway.source_event e
    WHERE e.position BETWEEN p_first AND p_last AND e.order_id IS NOT NULL;
    IF v_companies IS NOT NULL THEN
        PERFORM gateway.project_orders(v_companies, v_sources, v_orders);
    END IF;
END $$;
COMMENT ON FUNCTION gateway.project_order IS
    'Merges the events of the given positions into current_order.';
