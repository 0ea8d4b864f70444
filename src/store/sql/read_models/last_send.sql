-- What was sent last before an opt-out, which is charged to it, and before an open or click of an
-- e-mail, which says to which message a subject line belongs.

SELECT gateway.describe('gateway.last_send',
    'What was sent last to the subscriber in the 7 days before each opt-out (to charge it; those '
    'of others with the same address are among them) and each open or click of an e-mail (evidence '
    'of which subject line is which message).', ARRAY[
    ['occurred_at', 'Of the opt-out, open or click.'],
    ['event_id', 'Of the opt-out, open or click.'],
    ['action', 'unsubscribed, opened or link_clicked.'],
    ['is_of_other', 'An opt-out of another subscriber with the same address.'],
    ['message_key', 'The message opened or clicked; null: an opt-out.'],
    ['sent_key', 'stat_key of the last send of the channel before it; null when there was none, '
        'or when the subscriber had opted out already.'],
    ['sent_at', 'When that was sent.']],
    '{gateway.message_stats}');

SELECT gateway.describe('gateway.subject_vote',
    'How often a subscriber''s last e-mail in the 3 days before an open or click of this message '
    'had this subject line.', ARRAY[
    ['message_subject', 'Subject line of e-mail sends that name no message.'],
    ['message_key', 'The message opened or clicked.'],
    ['votes', 'Number of opens and clicks.']]);

-- A line that comes again each week is of no one message; and of one with few recipients, who react
-- or do not, a vote would take the former and leave the latter.
CREATE OR REPLACE VIEW gateway.subject_bridge WITH (security_invoker = true) AS
SELECT v.company_id, v.message_subject, v.message_key, v.votes, v.share
FROM (SELECT t.company_id, t.message_subject, t.message_key, t.votes,
             t.votes / sum(t.votes) OVER (PARTITION BY t.company_id, t.message_subject) AS share
      FROM gateway.subject_vote t) v
JOIN gateway.subject_line l ON l.company_id = v.company_id AND l.channel = 'email'
    AND l.stat_key = 'subject:' || v.message_subject
WHERE v.votes >= 3 AND v.share >= 0.75;
SELECT gateway.describe('gateway.subject_bridge',
    'Subject lines whose message is known by strong evidence: 3 recipients and 3 votes or more, '
    'and 75 % of all. An inference: e-mail sends carry no message id.', ARRAY[
    ['message_key', 'The message they belong to.'],
    ['votes', 'Opens and clicks that say so.'],
    ['share', 'Their share of all votes of the subject line.']]);

-- Whether this opt-out follows one that nothing ended: whoever is out cannot leave. Somebody whose
-- opt-in is not known, because it was before the webhook, can: messages go to subscribers only.
-- Opt-outs of p_mates, who have the same address, count as the subscriber's own.
DROP FUNCTION IF EXISTS gateway.is_repeated_opt_out(text, uuid, text, timestamptz, uuid);
CREATE OR REPLACE FUNCTION gateway.is_repeated_opt_out(
    p_company text, p_subscriber uuid, p_mates uuid[], p_channel text, p_at timestamptz,
    p_event uuid)
RETURNS boolean
LANGUAGE sql STABLE COST 1
BEGIN ATOMIC
    SELECT p.action = 'unsubscribed'
    FROM gateway.source_event o
    CROSS JOIN LATERAL (
        (SELECT x.action, x.subscription_type, x.occurred_at, x.event_id
         FROM gateway.source_event x
         WHERE x.company_id = p_company AND x.subscriber_id = p_subscriber
             AND x.occurred_at <= p_at AND x.channel = p_channel
             AND x.action IN ('subscribed', 'unsubscribed')
         OFFSET 0)
        UNION ALL -- each asked alone: a join would walk the company
        SELECT y.*
        FROM unnest(p_mates) AS m (subscriber_id)
        CROSS JOIN LATERAL (
            SELECT x.action, x.subscription_type, x.occurred_at, x.event_id
            FROM gateway.source_event x
            WHERE x.company_id = p_company AND x.subscriber_id = m.subscriber_id
                AND x.occurred_at <= p_at AND x.channel = p_channel
                AND x.action = 'unsubscribed'
            OFFSET 0) y) p
    WHERE o.company_id = p_company AND o.occurred_at = p_at AND o.event_id = p_event
        AND (p.occurred_at, p.action, p.event_id) < (p_at, 'unsubscribed', p_event)
        AND gateway.decides_on(p.action = 'unsubscribed',
                               coalesce(p.subscription_type, 'UNSPECIFIED'),
                               coalesce(o.subscription_type, 'UNSPECIFIED'))
    ORDER BY p.occurred_at DESC, p.action DESC, p.event_id DESC LIMIT 1;
END;
COMMENT ON FUNCTION gateway.is_repeated_opt_out IS
    'Whether the subscriber had opted out before; null when nothing is known of that.';

-- The others of a subscriber's recipient: an opt-out of theirs is one of the subscriber, too.
CREATE OR REPLACE FUNCTION gateway.recipient_mates(
    p_company text, p_subscriber uuid, p_channel text)
RETURNS uuid[] LANGUAGE sql STABLE AS $$
    SELECT a.mates
    FROM unnest(gateway.asked_recipients('{}', ARRAY[p_company], ARRAY[p_subscriber])) AS a
    WHERE a.subscriber_id = p_subscriber AND a.channel = p_channel
$$;
COMMENT ON FUNCTION gateway.recipient_mates IS
    'The other subscribers who share the channel''s address with a subscriber.';

-- Opt-outs by others that reach these recipients, and what last_send has of such that reach them no
-- more.
CREATE OR REPLACE FUNCTION gateway.reaching_opt_outs(p_asked gateway.asked_recipient[])
RETURNS TABLE (
    company_id text, subscriber_id uuid, channel text, occurred_at timestamptz, event_id uuid,
    row_id tid)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH reaching AS (
        SELECT a.company_id, a.subscriber_id, a.channel, x.occurred_at, x.event_id
        FROM (SELECT u.*, m.mate FROM unnest(p_asked) AS u
              CROSS JOIN LATERAL unnest(u.mates) AS m (mate) OFFSET 0) a
        JOIN gateway.source_event x ON x.company_id = a.company_id AND x.subscriber_id = a.mate
            AND x.channel = a.channel AND x.action = 'unsubscribed')
    SELECT r.company_id, r.subscriber_id, r.channel, r.occurred_at::timestamptz, r.event_id,
           NULL::tid
    FROM reaching r
    UNION ALL
    SELECT k.company_id, k.subscriber_id, k.channel, k.occurred_at::timestamptz, k.event_id, k.ctid
    FROM unnest(p_asked) AS a
    JOIN last_send k ON k.company_id = a.company_id AND k.subscriber_id = a.subscriber_id
        AND k.channel = a.channel AND k.is_of_other
    WHERE (k.company_id, k.subscriber_id, k.channel, k.occurred_at, k.event_id) NOT IN (
        SELECT r.company_id, r.subscriber_id, r.channel, r.occurred_at, r.event_id
        FROM reaching r);
END $$;
COMMENT ON FUNCTION gateway.reaching_opt_outs IS
    'Opt-outs of others with the same address, row_id null; and rows of last_send that are such no '
    'more.';

-- What was sent last before each opt-out, and before each open or click of an e-mail: worked out
-- for those of the batch, for those known already that a send of the batch may precede, and for
-- opt-outs that a decision of the batch, or a change of who has an address, may make repeated or
-- not. The log is asked, so it does not matter whether that was projected yet.
DROP FUNCTION IF EXISTS gateway.changed_last_sends(gateway.projection_event[]);
CREATE OR REPLACE FUNCTION gateway.changed_last_sends(
    p_events gateway.projection_event[], p_asked gateway.asked_recipient[])
RETURNS TABLE (
    company_id text, subscriber_id uuid, channel text, occurred_at timestamptz, event_id uuid,
    action text, is_of_other boolean, message_key text, sent_key text, sent_at timestamptz,
    row_id tid, is_gone boolean, now_key text, now_at timestamptz)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH reaching AS (
        SELECT * FROM gateway.reaching_opt_outs(p_asked)),
    heard AS (
        SELECT e.company_id, e.subscriber_id, e.channel, e.occurred_at, e.event_id, e.action,
               false AS is_of_other,
               CASE WHEN e.action <> 'unsubscribed' THEN e.message_key END AS message_key
        FROM unnest(p_events) AS e
        WHERE e.subscriber_id IS NOT NULL
            AND (e.action = 'unsubscribed' AND e.channel IS NOT NULL
                OR e.action IN ('opened', 'link_clicked') AND e.channel = 'email'
                    AND e.message_key IS NOT NULL)
        UNION
        SELECT r.company_id, r.subscriber_id, r.channel, r.occurred_at, r.event_id, 'unsubscribed',
               true, NULL
        FROM reaching r WHERE r.row_id IS NULL),
    asked AS (
        SELECT e.*, NULL::text AS sent_key, NULL::timestamptz AS sent_at, NULL::tid AS row_id
        FROM heard e
        WHERE NOT EXISTS (SELECT FROM last_send k WHERE k.company_id = e.company_id
            AND k.subscriber_id = e.subscriber_id AND k.channel = e.channel
            AND k.occurred_at = e.occurred_at AND k.event_id = e.event_id)
        UNION
        SELECT k.company_id, k.subscriber_id, k.channel, k.occurred_at, k.event_id, k.action,
               k.is_of_other, k.message_key, k.sent_key, k.sent_at, k.ctid
        FROM unnest(p_events) AS e
        JOIN last_send k ON k.company_id = e.company_id AND k.subscriber_id = e.subscriber_id
            AND k.channel = e.channel AND k.occurred_at >= e.occurred_at
        WHERE e.action = 'sent' AND k.occurred_at <= e.occurred_at + interval '168 hours'
            AND (k.sent_at IS NULL OR k.sent_at <= e.occurred_at)
        UNION
        SELECT k.company_id, k.subscriber_id, k.channel, k.occurred_at, k.event_id, k.action,
               k.is_of_other, k.message_key, k.sent_key, k.sent_at, k.ctid
        FROM unnest(p_asked) AS a
        JOIN last_send k ON k.company_id = a.company_id AND k.subscriber_id = a.subscriber_id
            AND k.channel = a.channel AND k.action = 'unsubscribed'),
    answered AS (
        SELECT a.*, s.key AS now_key, s.occurred_at AS now_at
        FROM (SELECT n.*, (n.row_id IN (SELECT r.row_id FROM reaching r
                                        WHERE r.row_id IS NOT NULL)) IS TRUE AS is_gone,
                     n.action = 'unsubscribed' AND coalesce(gateway.is_repeated_opt_out(
                  n.company_id, n.subscriber_id, coalesce(n.mates, gateway.recipient_mates(
                      n.company_id, n.subscriber_id, n.channel)), n.channel,
                  n.occurred_at, n.event_id), false) AS is_repeated
              FROM (SELECT w.*, max(w.given) OVER (
                               PARTITION BY w.company_id, w.subscriber_id, w.channel) AS mates
                    FROM (SELECT q.*, NULL::uuid[] AS given FROM asked q
                          UNION ALL
                          SELECT m.company_id, m.subscriber_id, m.channel, NULL, NULL, NULL, NULL,
                                 NULL, NULL, NULL, NULL, m.mates
                          FROM unnest(p_asked) AS m) w) n
              WHERE n.event_id IS NOT NULL OFFSET 0) a
        LEFT JOIN LATERAL (
            -- OFFSET: the primary key has this order, and would be walked through the company.
            SELECT gateway.stat_key(e.message_key, e.message_subject) AS key, e.occurred_at
            FROM (SELECT x.message_key, x.message_subject, x.occurred_at, x.event_id
                  FROM gateway.source_event x
                  WHERE x.company_id = a.company_id AND x.subscriber_id = a.subscriber_id
                      AND x.occurred_at <= a.occurred_at
                      AND x.occurred_at >= a.occurred_at - interval '168 hours'
                      AND x.channel = a.channel AND x.action = 'sent'
                  OFFSET 0) e
            ORDER BY e.occurred_at DESC, e.event_id DESC LIMIT 1) s
            ON NOT a.is_repeated AND NOT a.is_gone)
    SELECT a.company_id, a.subscriber_id, a.channel, a.occurred_at, a.event_id, a.action,
           a.is_of_other, a.message_key, a.sent_key, a.sent_at, a.row_id, a.is_gone, a.now_key,
           a.now_at
    FROM answered a
    WHERE a.row_id IS NULL OR a.is_gone
        OR (a.sent_key, a.sent_at) IS DISTINCT FROM (a.now_key, a.now_at);
END $$;
COMMENT ON FUNCTION gateway.changed_last_sends IS
    'Rows of last_send that these events bring or change: as they are, and as they are to be.';

-- What recipients did about what was sent to them: counts of people and their events, from all of
-- last_send of the given sends and subscribers. A reaction that names another message than the send
-- does is none to it; an e-mail's sends name none.
CREATE OR REPLACE FUNCTION gateway.project_reactions(
    p_companies text[], p_channels text[], p_stat_keys text[], p_subscribers uuid[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH changed AS (
        SELECT t.company_id, t.channel, t.stat_key, t.subscriber_id, o.ctid AS row,
               coalesce(o.recipient_opened, false) AS opened,
               coalesce(o.recipient_clicks, 0) AS clicks, o.left_after, r.now_opened,
               CASE t.channel WHEN 'email' THEN r.now_clicks
                              ELSE coalesce(o.recipient_clicks, 0) END AS now_clicks,
               r.now_left_after
        FROM unnest(p_companies, p_channels, p_stat_keys, p_subscribers)
            AS t (company_id, channel, stat_key, subscriber_id)
        LEFT JOIN message_member o ON o.company_id = t.company_id AND o.channel = t.channel
            AND o.stat_key = t.stat_key AND o.subscriber_id = t.subscriber_id
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE k.action = 'opened') > 0 AS now_opened,
                   count(*) FILTER (WHERE k.action = 'link_clicked') AS now_clicks,
                   min(k.occurred_at - k.sent_at) FILTER (WHERE k.action = 'unsubscribed')
                       AS now_left_after
            FROM last_send k
            WHERE k.company_id = t.company_id AND k.subscriber_id = t.subscriber_id
                AND k.channel = t.channel AND k.sent_key = t.stat_key
                AND (k.message_key IS NULL OR k.message_key = k.sent_key
                    OR k.sent_key NOT LIKE 'Message:%')) r),
    inserted AS (
        INSERT INTO message_member
        SELECT company_id, channel, stat_key, subscriber_id, false, false, 0, now_opened,
               now_clicks, now_left_after
        FROM changed WHERE row IS NULL),
    updated AS (
        UPDATE message_member o SET recipient_opened = c.now_opened,
            recipient_clicks = c.now_clicks, left_after = c.now_left_after
        FROM changed c WHERE o.ctid = c.row)
    INSERT INTO message_stats AS s
        (company_id, channel, stat_key, recipients_opened, recipients_clicked, recipient_clicks,
         unsubscribed_1d, unsubscribed_3d, unsubscribed_7d)
    SELECT c.company_id, c.channel, c.stat_key, sum(x.sign * x.opened::integer),
           sum(x.sign * (x.clicks > 0)::integer), sum(x.sign * x.clicks),
           coalesce(sum(x.sign) FILTER (WHERE x.left_after <= interval '24 hours'), 0),
           coalesce(sum(x.sign) FILTER (WHERE x.left_after <= interval '72 hours'), 0),
           coalesce(sum(x.sign) FILTER (WHERE x.left_after IS NOT NULL), 0)
    FROM changed c
    CROSS JOIN LATERAL (VALUES (1, c.now_opened, c.now_clicks, c.now_left_after),
                               (-1, c.opened, c.clicks, c.left_after))
        AS x (sign, opened, clicks, left_after)
    GROUP BY 1, 2, 3
    ON CONFLICT (company_id, channel, stat_key) DO UPDATE SET
        recipients_opened = s.recipients_opened + excluded.recipients_opened,
        recipients_clicked = s.recipients_clicked + excluded.recipients_clicked,
        recipient_clicks = s.recipient_clicks + excluded.recipient_clicks,
        unsubscribed_1d = s.unsubscribed_1d + excluded.unsubscribed_1d,
        unsubscribed_3d = s.unsubscribed_3d + excluded.unsubscribed_3d,
        unsubscribed_7d = s.unsubscribed_7d + excluded.unsubscribed_7d;
END $$;
COMMENT ON FUNCTION gateway.project_reactions IS
    'Counts again what these subscribers did about these sends, from last_send.';

DROP FUNCTION IF EXISTS gateway.project_last_send(gateway.projection_event[]);
CREATE OR REPLACE FUNCTION gateway.project_last_send(
    p_events gateway.projection_event[], p_asked gateway.asked_recipient[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_no_votes    tid[];
    v_companies   text[];
    v_channels    text[];
    v_stat_keys   text[];
    v_subscribers uuid[];
BEGIN
    WITH changed AS (
        SELECT * FROM gateway.changed_last_sends(p_events, p_asked)),
    inserted AS (
        INSERT INTO last_send
        SELECT company_id, subscriber_id, channel, occurred_at, event_id, action, is_of_other,
               message_key, now_key, now_at
        FROM changed WHERE row_id IS NULL),
    updated AS (
        UPDATE last_send k SET sent_key = c.now_key, sent_at = c.now_at
        FROM changed c WHERE k.ctid = c.row_id AND NOT c.is_gone),
    removed AS (
        DELETE FROM last_send k USING changed c WHERE k.ctid = c.row_id AND c.is_gone),
    moved AS (
        SELECT company_id, subscriber_id, channel, message_key, x.key, x.sign,
               occurred_at - x.at AS after
        FROM changed
        CROSS JOIN LATERAL (VALUES (1, now_key, now_at), (-1, sent_key, sent_at))
            AS x (sign, key, at)
        WHERE x.key IS NOT NULL),
    voted AS (
        INSERT INTO subject_vote AS v
        SELECT company_id, substr(key, 9), message_key, sum(sign)
        FROM moved
        WHERE message_key IS NOT NULL AND key LIKE 'subject:%' AND after <= interval '72 hours'
        GROUP BY 1, 2, 3 HAVING sum(sign) <> 0
        ON CONFLICT (company_id, message_subject, message_key) DO UPDATE SET
            votes = v.votes + excluded.votes
        RETURNING v.ctid AS row, votes)
    SELECT (SELECT array_agg(row) FROM voted WHERE votes = 0), array_agg(m.company_id),
           array_agg(m.channel), array_agg(m.key), array_agg(m.subscriber_id)
    INTO v_no_votes, v_companies, v_channels, v_stat_keys, v_subscribers
    FROM (SELECT DISTINCT company_id, channel, key, subscriber_id FROM moved) m;
    IF v_no_votes IS NOT NULL THEN
        DELETE FROM subject_vote WHERE ctid = ANY (v_no_votes);
    END IF;
    IF v_companies IS NOT NULL THEN
        PERFORM gateway.project_reactions(v_companies, v_channels, v_stat_keys, v_subscribers);
    END IF;
END $$;
COMMENT ON FUNCTION gateway.project_last_send IS
    'Merges events into last_send and subject_vote, and what they say of recipients into '
    'message_member and message_stats.';
