-- What was sent last before an opt-out, which is charged to it, and before an open or click, which
-- of an e-mail says to which message a subject line belongs, and may be a machine's.

SELECT gateway.describe('gateway.last_send',
    'What was sent last to the subscriber in the 7 days before each opt-out (to charge it; those '
    'of others with the same address are among them) and each open or click (of an e-mail evidence '
    'of which subject line is which message).', ARRAY[
    ['occurred_at', 'Of the opt-out, open or click.'],
    ['event_id', 'Of the opt-out, open or click.'],
    ['action', 'unsubscribed, opened or link_clicked.'],
    ['is_of_other', 'An opt-out of another subscriber with the same address.'],
    ['stat_key', 'The message opened or clicked; null: an opt-out.'],
    ['sent_key', 'stat_key of the last send of the channel before it; null when there was none, '
        'or when the subscriber had opted out already.'],
    ['sent_at', 'When that was sent.'],
    ['is_suspect', 'Whether a machine opened or clicked, by gateway.suspect_rule.']],
    '{gateway.message_stats}');

SELECT gateway.describe('gateway.suspect_rule',
    'Which opens and clicks are no person''s but a machine''s, which Attentive does not tell: the '
    'row of a company, else that of *. After a change, rebuild the model message. Klaviyo, '
    '"Understanding bot clicks": inbox providers, security software and carriers follow links '
    'before anybody reads the message.', ARRAY[
    ['for_company', 'A company_id, or * for all that have no row.'],
    ['seconds_after_send', 'An open or click no later than this after a send of its channel to '
        'the subscriber is suspect.'],
    ['links_per_second', 'More clicks of a subscriber than these within a second are suspect.']]);

SELECT gateway.describe('gateway.subject_vote',
    'How often a subscriber''s last e-mail in the 3 days before an open or click of this message '
    'had this subject line.', ARRAY[
    ['message_subject', 'Subject line of e-mail sends that name no message.'],
    ['message_key', 'The message opened or clicked.'],
    ['votes', 'Number of opens and clicks.']]);

-- A line that comes again each week is of no one message. Lines of one person each, who reacts or
-- does not, vote together and go together: alone, a vote would take the former only.
CREATE OR REPLACE VIEW gateway.subject_bridge WITH (security_invoker = true) AS
SELECT v.company_id, v.message_subject, v.message_key, v.votes, v.share
FROM (SELECT t.company_id, t.message_subject, t.message_key, t.votes,
             t.votes / sum(t.votes) OVER (PARTITION BY t.company_id, t.message_subject) AS share
      FROM (SELECT n.company_id, n.message_key, sum(n.votes) AS votes,
                   CASE WHEN l.stat_key IS NULL THEN '*' ELSE n.message_subject END
                       AS message_subject
            FROM gateway.subject_vote n
            LEFT JOIN gateway.subject_line l ON l.company_id = n.company_id
                AND l.channel = 'email' AND l.stat_key = 'subject:' || n.message_subject
            GROUP BY 1, 2, 4) t) v
WHERE v.votes >= 3 AND v.share >= 0.75;
SELECT gateway.describe('gateway.subject_bridge',
    'Subject lines whose message is known by strong evidence: 3 votes or more, and 75 % of all. '
    'Those of less than 3 recipients are *, one line. An inference: e-mail sends carry no message '
    'id.', ARRAY[
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
    CROSS JOIN LATERAL unnest(p_mates || p_subscriber) AS m (subscriber_id)
    CROSS JOIN LATERAL (
        SELECT x.action, x.occurred_at, x.event_id
        FROM gateway.subscriber_event x
        WHERE x.company_id = p_company AND x.subscriber_id = m.subscriber_id
            AND x.occurred_at <= p_at AND x.channel = p_channel
            AND (x.action = 'unsubscribed'
                OR x.action = 'subscribed' AND x.subscriber_id = p_subscriber)
            AND (x.occurred_at, x.action, x.event_id) < (p_at, 'unsubscribed', p_event)
            AND gateway.decides_on(x.action = 'unsubscribed',
                                   coalesce(x.subscription_type, 'UNSPECIFIED'),
                                   coalesce(o.subscription_type, 'UNSPECIFIED'))
        ORDER BY x.occurred_at DESC, x.action DESC, x.event_id DESC LIMIT 1) p
    WHERE o.company_id = p_company AND o.occurred_at = p_at AND o.event_id = p_event
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
        JOIN gateway.subscriber_event x ON x.company_id = a.company_id
            AND x.subscriber_id = a.mate AND x.channel = a.channel AND x.action = 'unsubscribed')
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

-- Opt-outs, opens of e-mails and clicks of the batch, those known already that a send of the batch
-- may precede, clicks beside one of the batch, and opt-outs that a decision of the batch, or a
-- change of who has an address, may make repeated or not.
CREATE OR REPLACE FUNCTION gateway.asked_last_sends(
    p_events gateway.projection_event[], p_asked gateway.asked_recipient[])
RETURNS TABLE (
    company_id text, subscriber_id uuid, channel text, occurred_at timestamptz, event_id uuid,
    action text, is_of_other boolean, stat_key text, sent_key text, sent_at timestamptz,
    is_suspect boolean, row_id tid, is_gone boolean, has_click_beside boolean)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH reaching AS (
        SELECT * FROM gateway.reaching_opt_outs(p_asked)),
    heard AS (
        SELECT e.company_id, e.subscriber_id, e.channel, e.occurred_at, e.event_id, e.action,
               false AS is_of_other,
               CASE WHEN e.action <> 'unsubscribed' THEN e.stat_key END AS stat_key
        FROM unnest(p_events) AS e
        WHERE e.subscriber_id IS NOT NULL AND e.channel IS NOT NULL
            AND (e.action IN ('unsubscribed', 'link_clicked')
                OR e.action = 'opened' AND e.channel = 'email')
        UNION
        SELECT r.company_id, r.subscriber_id, r.channel, r.occurred_at, r.event_id, 'unsubscribed',
               true, NULL
        FROM reaching r WHERE r.row_id IS NULL),
    asked AS (
        SELECT e.*, NULL::text AS sent_key, NULL::timestamptz AS sent_at,
               NULL::boolean AS is_suspect, NULL::tid AS row_id
        FROM heard e
        WHERE NOT EXISTS (SELECT FROM last_send k WHERE k.company_id = e.company_id
            AND k.subscriber_id = e.subscriber_id AND k.channel = e.channel
            AND k.occurred_at = e.occurred_at AND k.event_id = e.event_id)
        UNION
        SELECT k.company_id, k.subscriber_id, k.channel, k.occurred_at, k.event_id, k.action,
               k.is_of_other, k.stat_key, k.sent_key, k.sent_at, k.is_suspect, k.ctid
        FROM unnest(p_events) AS e
        JOIN last_send k ON k.company_id = e.company_id AND k.subscriber_id = e.subscriber_id
            AND k.channel = e.channel AND k.occurred_at >= e.occurred_at - interval '1 second'
        WHERE e.action = 'sent' AND k.occurred_at >= e.occurred_at
                AND k.occurred_at <= e.occurred_at + interval '168 hours'
                AND (k.sent_at IS NULL OR k.sent_at <= e.occurred_at)
            OR e.action = 'link_clicked' AND k.action = 'link_clicked'
                AND k.occurred_at <= e.occurred_at + interval '1 second'
        UNION
        SELECT k.company_id, k.subscriber_id, k.channel, k.occurred_at, k.event_id, k.action,
               k.is_of_other, k.stat_key, k.sent_key, k.sent_at, k.is_suspect, k.ctid
        FROM unnest(p_asked) AS a
        JOIN last_send k ON k.company_id = a.company_id AND k.subscriber_id = a.subscriber_id
            AND k.channel = a.channel AND k.action = 'unsubscribed')
    SELECT a.company_id, a.subscriber_id, a.channel, a.occurred_at::timestamptz, a.event_id,
           a.action, a.is_of_other, a.stat_key, a.sent_key, a.sent_at::timestamptz, a.is_suspect,
           a.row_id,
           (a.row_id IN (SELECT r.row_id FROM reaching r WHERE r.row_id IS NOT NULL)) IS TRUE,
           count(*) FILTER (WHERE a.action = 'link_clicked') OVER (
               PARTITION BY a.company_id, a.subscriber_id, a.channel ORDER BY a.occurred_at
               RANGE BETWEEN '1 second' PRECEDING AND '1 second' FOLLOWING) > 1
    FROM asked a;
END $$;
COMMENT ON FUNCTION gateway.asked_last_sends IS
    'Rows of last_send, known (row_id) or not, that these events may change; is_gone: an opt-out '
    'of another that reaches the subscriber no more; has_click_beside: of the known clicks two or '
    'more are within a second of it.';

-- What was sent last before each of them, and whether a machine made it. The log is asked, so it
-- does not matter whether that was projected yet.
DROP FUNCTION IF EXISTS gateway.changed_last_sends(gateway.projection_event[]);
DROP FUNCTION IF EXISTS
    gateway.changed_last_sends(gateway.projection_event[], gateway.asked_recipient[]);
CREATE OR REPLACE FUNCTION gateway.changed_last_sends(
    p_events gateway.projection_event[], p_asked gateway.asked_recipient[])
RETURNS TABLE (
    company_id text, subscriber_id uuid, channel text, occurred_at timestamptz, event_id uuid,
    action text, is_of_other boolean, stat_key text, sent_key text, sent_at timestamptz,
    is_suspect boolean, row_id tid, is_gone boolean, now_key text, now_at timestamptz,
    now_suspect boolean)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    v_rule gateway.suspect_rule;
BEGIN
    SELECT r.* INTO v_rule FROM gateway.suspect_rule r WHERE r.for_company = '*';
    RETURN QUERY
    SELECT * FROM (
        SELECT a.company_id, a.subscriber_id, a.channel, a.occurred_at, a.event_id, a.action,
               a.is_of_other, a.stat_key, a.sent_key, a.sent_at, a.is_suspect, a.row_id,
               a.is_gone, s.key AS now_key, s.occurred_at::timestamptz AS now_at,
               a.action <> 'unsubscribed' AND coalesce(
                   a.occurred_at - s.occurred_at <= make_interval(
                       secs => coalesce(r.seconds_after_send, v_rule.seconds_after_send))
                   OR c.clicks > coalesce(r.links_per_second, v_rule.links_per_second), false)
                   AS now_suspect
        FROM (SELECT n.*, n.action = 'unsubscribed' AND coalesce(gateway.is_repeated_opt_out(
                  n.company_id, n.subscriber_id, coalesce(n.mates, gateway.recipient_mates(
                      n.company_id, n.subscriber_id, n.channel)), n.channel,
                  n.occurred_at, n.event_id), false) AS is_repeated
              FROM (SELECT w.*, max(w.given) OVER (
                               PARTITION BY w.company_id, w.subscriber_id, w.channel) AS mates
                    FROM (SELECT q.*, NULL::uuid[] AS given
                          FROM gateway.asked_last_sends(p_events, p_asked) q
                          UNION ALL
                          SELECT m.company_id, m.subscriber_id, m.channel, NULL, NULL, NULL, NULL,
                                 NULL, NULL, NULL, NULL, NULL, NULL, NULL, m.mates
                          FROM unnest(p_asked) AS m) w) n
              WHERE n.event_id IS NOT NULL OFFSET 0) a
        LEFT JOIN LATERAL (
            SELECT gateway.stat_key(x.message_key, x.message_subject) AS key, x.occurred_at
            FROM gateway.subscriber_event x
            WHERE x.company_id = a.company_id AND x.subscriber_id = a.subscriber_id
                AND x.occurred_at <= a.occurred_at
                AND x.occurred_at >= a.occurred_at - interval '168 hours'
                AND x.channel = a.channel AND x.action = 'sent'
            ORDER BY x.occurred_at DESC, x.event_id DESC LIMIT 1) s
            ON NOT a.is_repeated AND NOT a.is_gone
        LEFT JOIN gateway.suspect_rule r ON r.for_company = a.company_id
        LEFT JOIN LATERAL (
            SELECT count(*) AS clicks
            FROM gateway.subscriber_event x
            WHERE x.company_id = a.company_id AND x.subscriber_id = a.subscriber_id
                AND x.occurred_at >= a.occurred_at - interval '1 second'
                AND x.occurred_at <= a.occurred_at + interval '1 second'
                AND x.channel = a.channel AND x.action = 'link_clicked') c
            ON a.action = 'link_clicked' AND a.has_click_beside) n
    WHERE n.row_id IS NULL OR n.is_gone OR (n.sent_key, n.sent_at, n.is_suspect)
        IS DISTINCT FROM (n.now_key, n.now_at, n.now_suspect);
END $$;
COMMENT ON FUNCTION gateway.changed_last_sends IS
    'Rows of last_send that these events bring or change: as they are, and as they are to be.';

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
               stat_key, now_key, now_at, now_suspect
        FROM changed WHERE row_id IS NULL),
    updated AS (
        UPDATE last_send k SET sent_key = c.now_key, sent_at = c.now_at, is_suspect = c.now_suspect
        FROM changed c WHERE k.ctid = c.row_id AND NOT c.is_gone),
    removed AS (
        DELETE FROM last_send k USING changed c WHERE k.ctid = c.row_id AND c.is_gone),
    moved AS (
        SELECT company_id, subscriber_id, channel, stat_key, x.key, x.sign,
               occurred_at - x.at AS after
        FROM changed
        CROSS JOIN LATERAL (VALUES (1, now_key, now_at), (-1, sent_key, sent_at),
                                   (0, CASE WHEN now_suspect OR is_suspect THEN stat_key END, NULL))
            AS x (sign, key, at)
        WHERE x.key IS NOT NULL
            AND (x.sign = 0 OR channel = 'email' OR action = 'unsubscribed')),
    voted AS (
        INSERT INTO subject_vote AS v
        SELECT company_id, substr(key, 9), stat_key, sum(sign)
        FROM moved
        WHERE stat_key LIKE 'Message:%' AND key LIKE 'subject:%' AND after <= interval '72 hours'
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
