-- Who is opted in now: what the decisions of consent.sql come to, for each subscriber.

-- The state of each subscriber of these recipients: its own decisions, and every opt-out of its
-- recipient's, for an address is out whoever's it is. A grant is its own alone.
CREATE OR REPLACE FUNCTION gateway.project_consent_state(
    p_events gateway.projection_event[], p_companies text[], p_subscribers uuid[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH asked AS (
        SELECT * FROM gateway.asked_recipients(p_events, p_companies, p_subscribers)),
    heard AS (
        SELECT a.company_id, a.subscriber_id, a.channel, d.subscription_type, d,
               lag(d.decision) OVER k IS DISTINCT FROM d.decision AS changes
        FROM asked a
        JOIN asked m ON m.company_id = a.company_id AND m.recipient_id = a.recipient_id
            AND m.channel = a.channel
        JOIN consent_decision d ON d.company_id = m.company_id
            AND d.subscriber_id = m.subscriber_id AND d.channel = m.channel
        WHERE d.subscriber_id = a.subscriber_id OR d.decision = 'revoked'
        WINDOW k AS (PARTITION BY a.company_id, a.subscriber_id, a.channel, d.subscription_type
                     ORDER BY d.occurred_at, d.decision = 'revoked', d.event_id)),
    state AS (
        SELECT company_id, subscriber_id, channel, subscription_type,
               (array_agg(d ORDER BY (d).occurred_at DESC, (d).decision DESC,
                          (d).event_id DESC))[1] AS last,
               min((d).occurred_at) FILTER (WHERE (d).decision = 'granted') AS first_granted_at,
               (array_agg(d ORDER BY (d).occurred_at DESC, (d).event_id DESC)
                   FILTER (WHERE (d).decision = 'granted'))[1] AS granted,
               max((d).occurred_at) FILTER (WHERE (d).decision = 'revoked') AS last_revoked_at,
               (array_agg(d ORDER BY (d).occurred_at DESC, (d).event_id DESC)
                   FILTER (WHERE (d).decision = 'granted' AND changes))[1] AS source
        FROM heard
        GROUP BY 1, 2, 3, 4),
    removed AS (
        DELETE FROM consent c USING asked a
        WHERE c.company_id = a.company_id AND c.subscriber_id = a.subscriber_id
            AND c.channel = a.channel AND NOT EXISTS (
                SELECT FROM state s WHERE s.company_id = c.company_id
                    AND s.subscriber_id = c.subscriber_id AND s.channel = c.channel
                    AND s.subscription_type = c.subscription_type))
    INSERT INTO consent AS c
    SELECT s.company_id, s.subscriber_id, s.channel, s.subscription_type, (s.last).decision,
           (s.last).occurred_at, (s.last).event_id, s.first_granted_at, (s.granted).occurred_at,
           (s.granted).event_id, s.last_revoked_at, (s.source).creative_name,
           (s.source).creative_type, (s.source).creative_subtype
    FROM state s
    ON CONFLICT (company_id, subscriber_id, channel, subscription_type) DO UPDATE SET
        decision = excluded.decision, decided_at = excluded.decided_at,
        decided_by = excluded.decided_by, first_granted_at = excluded.first_granted_at,
        last_granted_at = excluded.last_granted_at, last_granted_by = excluded.last_granted_by,
        last_revoked_at = excluded.last_revoked_at, creative_name = excluded.creative_name,
        creative_type = excluded.creative_type, creative_subtype = excluded.creative_subtype
    WHERE c IS DISTINCT FROM excluded;
END $$;
COMMENT ON FUNCTION gateway.project_consent_state IS
    'Makes consent of what project_consent made of these events and subscribers.';

DROP FUNCTION IF EXISTS gateway.project_consent_latest(gateway.projection_event[]);
CREATE OR REPLACE FUNCTION gateway.project_consent_latest(
    p_events gateway.projection_event[], p_companies text[], p_subscribers uuid[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO consent_latest AS l
    SELECT c.company_id, c.channel, c.subscription_type, max(c.decided_at)
    FROM (SELECT e.company_id, e.subscriber_id
          FROM unnest(p_events) AS e
          WHERE e.action IN ('subscribed', 'unsubscribed')
          UNION
          SELECT * FROM unnest(p_companies, p_subscribers)) k
    JOIN consent c ON c.company_id = k.company_id AND c.subscriber_id = k.subscriber_id
    GROUP BY 1, 2, 3
    ON CONFLICT (company_id, channel, subscription_type) DO UPDATE SET
        occurred_at = excluded.occurred_at
    WHERE l.occurred_at < excluded.occurred_at;
END $$;
COMMENT ON FUNCTION gateway.project_consent_latest IS
    'Merges what project_consent made of its arguments into consent_latest.';
