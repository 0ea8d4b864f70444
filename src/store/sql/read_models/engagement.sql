-- When each subscriber was written to and reacted.

SELECT gateway.describe('gateway.engagement',
    'When each subscriber was written to and reacted, oldest first: of each kind the last 92 days '
    'before the newest, of clicks 184, and 1000 times at most. report.audience_quality counts any '
    '90 days of it by binary search, and looks 180 back for a click that no machine made.', ARRAY[
    ['sent_at', 'Sends.'],
    ['opened_at', 'Opens.'],
    ['clicked_at', 'Clicks.'],
    ['replied_at', 'Replies.']],
    '{gateway.message_stats}');

-- Times in order, without those that no report asks for any more.
DROP FUNCTION IF EXISTS gateway.kept_times(timestamptz[]);
CREATE OR REPLACE FUNCTION gateway.kept_times(p_times timestamptz[], p_kept interval)
RETURNS timestamptz[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    v_all timestamptz[] := ARRAY(SELECT t FROM unnest(p_times) AS t ORDER BY t);
BEGIN
    RETURN v_all[greatest(
        width_bucket(v_all[cardinality(v_all)] - p_kept, v_all) + 1,
        cardinality(v_all) - 999):];
END $$;
COMMENT ON FUNCTION gateway.kept_times IS 'Times as an array of gateway.engagement keeps them.';

-- An expression, for the planner to put in its place: most often one time comes to the end.
DROP FUNCTION IF EXISTS gateway.add_times(timestamptz[], timestamptz[]);
CREATE OR REPLACE FUNCTION gateway.add_times(
    p_known timestamptz[], p_new timestamptz[], p_kept interval DEFAULT '2208 hours')
RETURNS timestamptz[] LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN p_new IS NULL THEN coalesce(p_known, '{}')
    WHEN cardinality(p_new) = 1 AND (p_known IS NULL OR cardinality(p_known) = 0
        OR cardinality(p_known) < 1000 AND p_new[1] >= p_known[cardinality(p_known)]
            AND p_known[1] > p_new[1] - p_kept) THEN p_known || p_new
    ELSE gateway.kept_times(p_known || p_new, p_kept) END;
COMMENT ON FUNCTION gateway.add_times IS 'Adds times to an array of gateway.engagement.';

-- A clock that runs more than a day ahead is not believed: its times would push out the true ones.
CREATE OR REPLACE FUNCTION gateway.project_engagement(p_events gateway.projection_event[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH n AS (
        SELECT e.company_id, e.subscriber_id, e.channel,
               array_agg(e.occurred_at) FILTER (WHERE e.action = 'sent') AS sent_at,
               array_agg(e.occurred_at) FILTER (WHERE e.action = 'opened') AS opened_at,
               array_agg(e.occurred_at) FILTER (WHERE e.action = 'link_clicked') AS clicked_at,
               array_agg(e.occurred_at) FILTER (WHERE e.action = 'inbound_received')
                   AS replied_at
        FROM unnest(p_events) AS e
        WHERE e.action IN ('sent', 'opened', 'link_clicked', 'inbound_received')
            AND e.subscriber_id IS NOT NULL AND e.channel IS NOT NULL
            AND NOT gateway.is_ahead(e.occurred_at, e.received_at)
        GROUP BY 1, 2, 3),
    m AS (
        SELECT n.company_id, n.subscriber_id, n.channel, o.ctid AS row,
               gateway.add_times(o.sent_at, n.sent_at) AS sent_at,
               gateway.add_times(o.opened_at, n.opened_at) AS opened_at,
               gateway.add_times(o.clicked_at, n.clicked_at, '4416 hours') AS clicked_at,
               gateway.add_times(o.replied_at, n.replied_at) AS replied_at
        FROM n LEFT JOIN engagement o ON o.company_id = n.company_id
            AND o.subscriber_id = n.subscriber_id AND o.channel = n.channel),
    inserted AS (
        INSERT INTO engagement
        SELECT company_id, subscriber_id, channel, sent_at, opened_at, clicked_at, replied_at
        FROM m WHERE row IS NULL)
    UPDATE engagement o SET sent_at = m.sent_at, opened_at = m.opened_at,
        clicked_at = m.clicked_at, replied_at = m.replied_at
    FROM m WHERE o.ctid = m.row;
END $$;
COMMENT ON FUNCTION gateway.project_engagement IS 'Merges events into engagement.';
