-- Orders, and the message that gets the credit.

SELECT gateway.describe('gateway.attribution_rule',
    'Which events may take the credit for an order, and for how long after them. The windows are '
    'Attentive''s defaults; change them, and every report follows.', ARRAY[
    ['touch', 'What the credit is called: click or view.'],
    ['touch_rank', 'The smaller wins; within a rank the latest.'],
    ['window_hours', 'How long before the order at most.']],
    '{gateway.message_stats}');

-- The event that takes the credit for what `p_profile_id` did at `p_at`: the best rank, then the
-- latest, of what a person did. No row when nothing lies in its window.
CREATE OR REPLACE FUNCTION gateway.touch_before(
    p_company_id text, p_profile_id uuid, p_at timestamptz)
RETURNS TABLE (touch text, channel text, message_key text, message_type text, utm_campaign text,
               occurred_at timestamptz, event_id uuid, subscriber_id uuid)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT r.touch, e.channel, e.message_key, e.message_type, e.utm_campaign, e.occurred_at,
           e.event_id, e.subscriber_id
    FROM gateway.subscribers_of(p_company_id, p_profile_id) s
    JOIN gateway.source_event e ON e.company_id = p_company_id
        AND e.subscriber_id = s.subscriber_id AND e.occurred_at <= p_at
        AND e.occurred_at >= p_at - (SELECT make_interval(hours => max(window_hours))
                                     FROM gateway.attribution_rule)
    JOIN gateway.attribution_rule r ON r.channel = e.channel AND r.action = e.action
        AND e.occurred_at >= p_at - make_interval(hours => r.window_hours)
    LEFT JOIN gateway.last_send x ON x.company_id = e.company_id
        AND x.subscriber_id = e.subscriber_id AND x.channel = e.channel
        AND x.occurred_at = e.occurred_at AND x.event_id = e.event_id
    WHERE x.is_suspect IS NOT TRUE
    ORDER BY r.touch_rank, e.occurred_at DESC, e.event_id
    LIMIT 1;
END;
COMMENT ON FUNCTION gateway.touch_before IS
    'The click or view that gets the credit for an order, by gateway.attribution_rule.';

-- Which order of the customer it is; null for an unknown one.
CREATE OR REPLACE FUNCTION gateway.order_number(
    p_company_id text, p_profile_id uuid, p_at timestamptz, p_event_id uuid)
RETURNS bigint
LANGUAGE sql STABLE COST 1
BEGIN ATOMIC
    SELECT nullif(count(*), 0)
    FROM gateway.subscribers_of(p_company_id, p_profile_id) s
    JOIN gateway.current_order o
        ON o.company_id = p_company_id AND o.subscriber_id = s.subscriber_id
    WHERE (o.occurred_at, o.event_id) <= (p_at, p_event_id);
END;
COMMENT ON FUNCTION gateway.order_number IS
    'Number of a profile''s order among all its orders, the first being 1.';

CREATE OR REPLACE VIEW report.attributed_orders WITH (security_invoker = true) AS
SELECT o.company_id, o.occurred_at,
       (o.occurred_at AT TIME ZONE
           CASE WHEN c.timezone IS NULL THEN 'UTC' ELSE c.timezone END)::date AS day,
       o.event_id, o.order_id, o.order_value, o.currency, p.profile_id, t.touch,
       t.channel AS touch_channel, t.message_key,
       CASE WHEN m.message_type IS NULL THEN t.message_type ELSE m.message_type END
           AS message_type,
       m.message_name, t.utm_campaign, t.occurred_at AS touched_at,
       o.occurred_at - t.occurred_at AS touch_to_order, o.source, o.subscriber_id, o.refunds,
       o.net_value, o.is_cancelled, n.customer_order_number,
       n.customer_order_number = 1 AS is_first_order,
       extract(epoch FROM o.occurred_at - t.occurred_at)::double precision AS touch_to_order_s,
       t.event_id AS touch_event_id, t.subscriber_id AS touch_subscriber_id, o.discount_code,
       o.items_count
FROM gateway.current_order o
LEFT JOIN gateway.company c ON c.company_id = o.company_id
LEFT JOIN gateway.identity i
    ON i.company_id = o.company_id AND i.subscriber_id = o.subscriber_id
CROSS JOIN LATERAL (SELECT CASE WHEN i.profile_id IS NULL THEN o.subscriber_id
                                ELSE i.profile_id END AS profile_id) p
LEFT JOIN LATERAL gateway.touch_before(o.company_id, p.profile_id, o.occurred_at) t ON true
LEFT JOIN gateway.message m ON m.company_id = o.company_id AND m.message_key = t.message_key
CROSS JOIN LATERAL (SELECT gateway.order_number(o.company_id, p.profile_id, o.occurred_at,
                                                o.event_id) AS customer_order_number
                    OFFSET 0) n; -- once, though two columns show it
SELECT gateway.describe('report.attributed_orders',
    'Each order once, as its source told it last, credited to the last click in its window, else '
    'the last view (e-mail open, SMS sent) in its window, else to nothing: touch is null then. '
    'What a machine opened or clicked (gateway.suspect_rule) gets none. '
    'Windows: gateway.attribution_rule. Filter on company_id and occurred_at.', ARRAY[
    ['customer_order_number', 'Which order of the customer it is, 1 being the first; cancelled '
        'ones count. Null for an unknown customer.'],
    ['is_first_order', 'Whether customer_order_number is 1.'],
    ['touch', 'Why the message gets the credit: click or view; null when no message does.'],
    ['touch_channel', 'Channel of the message that gets the credit.'],
    ['message_key', 'The message that gets the credit; null for clicks and views without a '
        'message id.'],
    ['utm_campaign', 'utm_campaign of the click that gets the credit.'],
    ['touched_at', 'When that click or view was.'],
    ['touch_to_order', 'Time from it to the order.'],
    ['touch_to_order_s', 'The same in seconds.'],
    ['touch_event_id', 'event_id of that click or view.'],
    ['touch_subscriber_id', 'The subscriber of the profile who made it.']],
    '{gateway.current_order,report.source_event}');

CREATE OR REPLACE VIEW report.revenue_by_message WITH (security_invoker = true) AS
SELECT d.company_id, d.day, t.channel AS touch_channel, t.touch, t.message_key,
       CASE WHEN m.message_type IS NULL THEN t.message_type ELSE m.message_type END
           AS message_type,
       m.message_name, t.utm_campaign, o.currency, count(*) AS orders,
       sum(o.net_value) AS revenue, count(DISTINCT p.profile_id) AS buyers,
       sum(o.order_value) AS gross_revenue, sum(o.refunds) AS refunds,
       count(*) FILTER (WHERE o.is_cancelled) AS cancelled_orders
FROM gateway.local_day d
CROSS JOIN LATERAL (
    SELECT company_id, subscriber_id, occurred_at, order_value, currency, refunds, net_value,
           is_cancelled
    FROM gateway.current_order
    WHERE company_id = d.company_id
      AND occurred_at >= d.starts_at AND occurred_at < d.ends_at
    OFFSET 0) o
LEFT JOIN gateway.identity i
    ON i.company_id = o.company_id AND i.subscriber_id = o.subscriber_id
CROSS JOIN LATERAL (SELECT CASE WHEN i.profile_id IS NULL THEN o.subscriber_id
                                ELSE i.profile_id END AS profile_id) p
LEFT JOIN LATERAL gateway.touch_before(o.company_id, p.profile_id, o.occurred_at) t ON true
LEFT JOIN gateway.message m ON m.company_id = o.company_id AND m.message_key = t.message_key
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;
SELECT gateway.describe('report.revenue_by_message',
    'Orders and revenue by the day of the order and by the message that gets the credit; touch is '
    'null for orders that no message led to. Refunds count on the day of their order, so that what '
    'a message brought is told of that message; Shopify''s sales reports have them on their own '
    'day. Filter on company_id and day.', ARRAY[
    ['orders', 'Orders credited, cancelled ones too.'],
    ['revenue', 'Net: gross_revenue less refunds, in currency.'],
    ['gross_revenue', 'Value of the orders, in currency.'],
    ['refunds', 'What was given back of them, in currency; cancelled orders wholly.'],
    ['cancelled_orders', 'Cancelled ones among orders.'],
    ['buyers', 'Profiles among them.']],
    '{report.attributed_orders}');
