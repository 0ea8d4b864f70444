-- What recipients did about what was sent to them, and what machines did for them.

-- From all of last_send of the given messages and subscribers. A reaction that names another
-- message than the send does is none to it; an e-mail's sends name none. What machines did counts
-- for the message that was opened or clicked.
CREATE OR REPLACE FUNCTION gateway.changed_reactions(
    p_companies text[], p_channels text[], p_stat_keys text[], p_subscribers uuid[])
RETURNS TABLE (
    company_id text, channel text, stat_key text, subscriber_id uuid, row_id tid,
    opened boolean, clicks bigint, left_after interval, suspect_opens bigint,
    suspect_clicks bigint, person_opened boolean, person_clicks bigint,
    now_opened boolean, now_clicks bigint, now_left_after interval, now_suspect_opens bigint,
    now_suspect_clicks bigint, now_person_opened boolean, now_person_clicks bigint)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT t.company_id, t.channel, t.stat_key, t.subscriber_id, o.ctid,
           coalesce(o.recipient_opened, false), coalesce(o.recipient_clicks, 0), o.left_after,
           coalesce(o.suspect_opens, 0), coalesce(o.suspect_clicks, 0),
           coalesce(o.person_opened, false), coalesce(o.person_clicks, 0), r.opened,
           CASE t.channel WHEN 'email' THEN r.clicks ELSE coalesce(o.recipient_clicks, 0) END,
           r.left_after, r.suspect_opens, r.suspect_clicks, r.person_opened,
           CASE WHEN t.channel = 'email' THEN r.person_clicks
                WHEN o.recipient_clicks > 0 THEN o.recipient_clicks - r.suspect_clicks
                ELSE 0 END
    FROM unnest(p_companies, p_channels, p_stat_keys, p_subscribers)
        AS t (company_id, channel, stat_key, subscriber_id)
    LEFT JOIN message_member o ON o.company_id = t.company_id AND o.channel = t.channel
        AND o.stat_key = t.stat_key AND o.subscriber_id = t.subscriber_id
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE p.is_to_it AND p.action = 'opened') > 0 AS opened,
               count(*) FILTER (WHERE p.is_to_it AND p.action = 'link_clicked') AS clicks,
               min(p.after) FILTER (WHERE p.is_to_it AND p.action = 'unsubscribed')
                   AS left_after,
               count(*) FILTER (WHERE p.is_its_suspect AND p.action = 'opened') AS suspect_opens,
               count(*) FILTER (WHERE p.is_its_suspect AND p.action = 'link_clicked')
                   AS suspect_clicks,
               count(*) FILTER (WHERE p.is_to_it AND p.action = 'opened' AND NOT p.is_suspect) > 0
                   AS person_opened,
               count(*) FILTER (WHERE p.is_to_it AND p.action = 'link_clicked'
                   AND NOT p.is_suspect) AS person_clicks
        FROM (SELECT k.action, k.is_suspect, k.occurred_at - k.sent_at AS after,
                     k.is_suspect AND k.stat_key = t.stat_key AS is_its_suspect,
                     k.sent_key = t.stat_key AND (k.action = 'unsubscribed'
                         OR t.channel = 'email' AND (k.stat_key = k.sent_key
                             OR k.stat_key NOT LIKE 'Message:%'
                             OR k.sent_key NOT LIKE 'Message:%')) AS is_to_it
              FROM last_send k
              WHERE k.company_id = t.company_id AND k.subscriber_id = t.subscriber_id
                  AND k.channel = t.channel AND (k.sent_key = t.stat_key
                      OR k.is_suspect AND k.stat_key = t.stat_key) OFFSET 0) p) r;
END $$;
COMMENT ON FUNCTION gateway.changed_reactions IS
    'What message_member (row_id) has of these subscribers and messages, and what it is to have.';

CREATE OR REPLACE FUNCTION gateway.project_reactions(
    p_companies text[], p_channels text[], p_stat_keys text[], p_subscribers uuid[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH changed AS (
        SELECT * FROM gateway.changed_reactions(p_companies, p_channels, p_stat_keys,
                                                p_subscribers)),
    inserted AS (
        INSERT INTO message_member
        SELECT company_id, channel, stat_key, subscriber_id, false, false, 0, now_opened,
               now_clicks, now_left_after, now_suspect_opens, now_suspect_clicks,
               now_person_opened, now_person_clicks
        FROM changed WHERE row_id IS NULL),
    updated AS (
        UPDATE message_member o SET recipient_opened = c.now_opened,
            recipient_clicks = c.now_clicks, left_after = c.now_left_after,
            suspect_opens = c.now_suspect_opens, suspect_clicks = c.now_suspect_clicks,
            person_opened = c.now_person_opened, person_clicks = c.now_person_clicks
        FROM changed c WHERE o.ctid = c.row_id)
    INSERT INTO message_stats AS s
        (company_id, channel, stat_key, recipients_opened, recipients_clicked, recipient_clicks,
         unsubscribed_1d, unsubscribed_3d, unsubscribed_7d, suspect_opens, suspect_clicks,
         people_opened, people_clicked, person_clicks)
    SELECT c.company_id, c.channel, c.stat_key, sum(x.sign * x.opened::integer),
           sum(x.sign * (x.clicks > 0)::integer), sum(x.sign * x.clicks),
           coalesce(sum(x.sign) FILTER (WHERE x.left_after <= interval '24 hours'), 0),
           coalesce(sum(x.sign) FILTER (WHERE x.left_after <= interval '72 hours'), 0),
           coalesce(sum(x.sign) FILTER (WHERE x.left_after IS NOT NULL), 0),
           sum(x.sign * x.suspect_opens), sum(x.sign * x.suspect_clicks),
           sum(x.sign * x.person_opened::integer), sum(x.sign * (x.person_clicks > 0)::integer),
           sum(x.sign * x.person_clicks)
    FROM changed c
    CROSS JOIN LATERAL (VALUES
        (1, c.now_opened, c.now_clicks, c.now_left_after, c.now_suspect_opens,
         c.now_suspect_clicks, c.now_person_opened, c.now_person_clicks),
        (-1, c.opened, c.clicks, c.left_after, c.suspect_opens, c.suspect_clicks,
         c.person_opened, c.person_clicks)) AS x (sign, opened, clicks, left_after,
            suspect_opens, suspect_clicks, person_opened, person_clicks)
    GROUP BY 1, 2, 3
    ON CONFLICT (company_id, channel, stat_key) DO UPDATE SET
        recipients_opened = s.recipients_opened + excluded.recipients_opened,
        recipients_clicked = s.recipients_clicked + excluded.recipients_clicked,
        recipient_clicks = s.recipient_clicks + excluded.recipient_clicks,
        unsubscribed_1d = s.unsubscribed_1d + excluded.unsubscribed_1d,
        unsubscribed_3d = s.unsubscribed_3d + excluded.unsubscribed_3d,
        unsubscribed_7d = s.unsubscribed_7d + excluded.unsubscribed_7d,
        suspect_opens = s.suspect_opens + excluded.suspect_opens,
        suspect_clicks = s.suspect_clicks + excluded.suspect_clicks,
        people_opened = s.people_opened + excluded.people_opened,
        people_clicked = s.people_clicked + excluded.people_clicked,
        person_clicks = s.person_clicks + excluded.person_clicks;
END $$;
COMMENT ON FUNCTION gateway.project_reactions IS
    'Counts again what these subscribers did about these sends, from last_send.';
