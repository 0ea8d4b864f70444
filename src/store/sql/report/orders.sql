-- Orders, and the message that gets the credit.

SELECT gateway.describe('gateway.attribution_rule',
    'Which events may take the credit for an order, and for how long after them. The windows are '
    'Attentive''s defaults; change them, and every report follows.', ARRAY[
    ['touch', 'What the credit is called: click or view.'],
    ['touch_rank', 'The smaller wins; within a rank the latest.'],
    ['window_hours', 'How long before the order at most.']],
    '{gateway.message_stats}');

-- The event that takes the credit for what `p_profile_id` did at `p_at`: the best rank, then the
-- latest. No row when nothing lies in its window.
CREATE OR REPLACE FUNCTION gateway.touch_before(
    p_company_id text, p_profile_id uuid, p_at timestamptz)
RETURNS TABLE (touch text, channel text, message_key text, message_type text, utm_campaign text,
               occurred_at timestamptz)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT r.touch, e.channel, e.message_key, e.message_type, e.utm_campaign, e.occurred_at
    FROM gateway.subscribers_of(p_company_id, p_profile_id) s
    JOIN gateway.source_event e ON e.company_id = p_company_id
        AND e.subscriber_id = s.subscriber_id AND e.occurred_at <= p_at
        AND e.occurred_at >= p_at - (SELECT make_interval(hours => max(window_hours))
                                     FROM gateway.attribution_rule)
    JOIN gateway.attribution_rule r ON r.channel = e.channel AND r.action = e.action
        AND e.occurred_at >= p_at - make_interval(hours => r.window_hours)
    ORDER BY r.touch_rank, e.occurred_at DESC, e.event_id
    LIMIT 1;
END;
COMMENT ON FUNCTION gateway.touch_before IS
    'The click or view that gets the credit for an order, by gateway.attribution_rule.';

CREATE OR REPLACE VIEW report.attributed_orders WITH (security_invoker = true) AS
SELECT o.company_id, o.occurred_at,
       (o.occurred_at AT TIME ZONE
           CASE WHEN c.timezone IS NULL THEN 'UTC' ELSE c.timezone END)::date AS day,
       o.event_id, o.order_id, o.order_value, o.currency, p.profile_id, t.touch,
       t.channel AS touch_channel, t.message_key,
       CASE WHEN m.message_type IS NULL THEN t.message_type ELSE m.message_type END
           AS message_type,
       m.message_name, t.utm_campaign, t.occurred_at AS touched_at,
       o.occurred_at - t.occurred_at AS touch_to_order
FROM gateway.source_event o
LEFT JOIN gateway.company c ON c.company_id = o.company_id
LEFT JOIN gateway.identity i
    ON i.company_id = o.company_id AND i.subscriber_id = o.subscriber_id
CROSS JOIN LATERAL (SELECT CASE WHEN i.profile_id IS NULL THEN o.subscriber_id
                                ELSE i.profile_id END AS profile_id) p
LEFT JOIN LATERAL gateway.touch_before(o.company_id, p.profile_id, o.occurred_at) t ON true
LEFT JOIN gateway.message m ON m.company_id = o.company_id AND m.message_key = t.message_key
WHERE o.action = 'completed' AND o.event_name = 'order.completed';
SELECT gateway.describe('report.attributed_orders',
    'Each order once, credited to the last click in its window, else the last view (e-mail open, '
    'SMS sent) in its window, else to nothing: touch is null then. Windows: '
    'gateway.attribution_rule. Filter on company_id and occurred_at.', ARRAY[
    ['touch', 'Why the message gets the credit: click or view; null when no message does.'],
    ['touch_channel', 'Channel of the message that gets the credit.'],
    ['message_key', 'The message that gets the credit; null for clicks and views without a '
        'message id.'],
    ['utm_campaign', 'utm_campaign of the click that gets the credit.'],
    ['touched_at', 'When that click or view was.'],
    ['touch_to_order', 'Time from it to the order.']],
    '{report.source_event}');

CREATE OR REPLACE VIEW report.revenue_by_message WITH (security_invoker = true) AS
SELECT d.company_id, d.day, t.channel AS touch_channel, t.touch, t.message_key,
       CASE WHEN m.message_type IS NULL THEN t.message_type ELSE m.message_type END
           AS message_type,
       m.message_name, t.utm_campaign, o.currency, count(*) AS orders,
       sum(o.order_value) AS revenue, count(DISTINCT p.profile_id) AS buyers
FROM gateway.local_day d
CROSS JOIN LATERAL (
    SELECT company_id, subscriber_id, occurred_at, order_value, currency
    FROM gateway.source_event
    WHERE company_id = d.company_id AND action = 'completed' AND event_name = 'order.completed'
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
    'Orders and revenue by day and by the message that gets the credit; touch is null for orders '
    'that no message led to. Filter on company_id and day.', ARRAY[
    ['orders', 'Orders credited.'],
    ['revenue', 'Their value, in currency.'],
    ['buyers', 'Profiles among them.']],
    '{report.attributed_orders}');
