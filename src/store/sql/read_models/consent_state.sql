-- Who is opted in now: what the decisions of consent.sql come to, for each subscriber.

-- The state of each subscriber of these recipients: its own decisions, and every opt-out of its
-- recipient's, for an address is out whoever's it is. A grant is its own alone.
CREATE OR REPLACE FUNCTION gateway.project_consent_state(p_asked gateway.asked_recipient[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH heard AS (
        SELECT a.company_id, a.subscriber_id, a.channel, d.subscription_type, d,
               lag(d.decision) OVER k IS DISTINCT FROM d.decision AS changes
        FROM (SELECT u.*, m.member FROM unnest(p_asked) AS u
              CROSS JOIN LATERAL unnest(u.mates || u.subscriber_id) AS m (member) OFFSET 0) a
        JOIN consent_decision d ON d.company_id = a.company_id AND d.subscriber_id = a.member
            AND d.channel = a.channel
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
        DELETE FROM consent c
        USING (SELECT company_id, subscriber_id, channel,
                      array_remove(array_agg(subscription_type), NULL) AS types
               FROM (SELECT company_id, subscriber_id, channel, subscription_type FROM state
                     UNION ALL
                     SELECT company_id, subscriber_id, channel, NULL FROM unnest(p_asked)) s
               GROUP BY 1, 2, 3) k
        WHERE c.company_id = k.company_id AND c.subscriber_id = k.subscriber_id
            AND c.channel = k.channel AND c.subscription_type <> ALL (k.types))
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
    'Makes consent of these recipients of what project_consent made of their decisions.';

DROP FUNCTION IF EXISTS gateway.project_consent_latest(gateway.projection_event[]);
CREATE OR REPLACE FUNCTION gateway.project_consent_latest(p_asked gateway.asked_recipient[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO consent_latest AS l
    SELECT c.company_id, c.channel, c.subscription_type, max(c.decided_at)
    FROM unnest(p_asked) AS a
    JOIN consent c ON c.company_id = a.company_id AND c.subscriber_id = a.subscriber_id
        AND c.channel = a.channel
    GROUP BY 1, 2, 3
    ON CONFLICT (company_id, channel, subscription_type) DO UPDATE SET
        occurred_at = excluded.occurred_at
    WHERE l.occurred_at < excluded.occurred_at;
END $$;
COMMENT ON FUNCTION gateway.project_consent_latest IS
    'Merges what project_consent made of these recipients into consent_latest.';
