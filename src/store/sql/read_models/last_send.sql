-- What was sent last before an opt-out, which is charged to it, and before an open or click of an
-- e-mail, which says to which message a subject line belongs.

SELECT gateway.describe('gateway.last_send',
    'What was sent last to the subscriber in the 7 days before each opt-out (to charge it) and '
    'each open or click of an e-mail (evidence of which subject line is which message).', ARRAY[
    ['occurred_at', 'Of the opt-out, open or click.'],
    ['event_id', 'Of the opt-out, open or click.'],
    ['message_key', 'The message opened or clicked; null: an opt-out.'],
    ['sent_key', 'stat_key of the last send of the channel before it; null when there was '
        'none.'],
    ['sent_at', 'When that was sent.']],
    '{gateway.message_stats}');

SELECT gateway.describe('gateway.subject_vote',
    'How often a subscriber''s last e-mail in the 3 days before an open or click of this message '
    'had this subject line.', ARRAY[
    ['message_subject', 'Subject line of e-mail sends that name no message.'],
    ['message_key', 'The message opened or clicked.'],
    ['votes', 'Number of opens and clicks.']]);

CREATE OR REPLACE VIEW gateway.subject_bridge WITH (security_invoker = true) AS
SELECT company_id, message_subject, message_key, votes, share
FROM (SELECT company_id, message_subject, message_key, votes,
             votes / sum(votes) OVER (PARTITION BY company_id, message_subject) AS share
      FROM gateway.subject_vote) v
WHERE votes >= 3 AND share >= 0.6;
SELECT gateway.describe('gateway.subject_bridge',
    'Subject lines whose message is known by strong evidence: 3 votes or more, and 60 % of all. '
    'An inference: e-mail sends carry no message id.', ARRAY[
    ['message_key', 'The message they belong to.'],
    ['votes', 'Opens and clicks that say so.'],
    ['share', 'Their share of all votes of the subject line.']]);

-- What was sent last before each opt-out, and before each open or click of an e-mail: worked out
-- for those of the batch and for those known already that a send of the batch may precede. The
-- log is asked, so it does not matter whether the send was projected yet.
CREATE OR REPLACE FUNCTION gateway.changed_last_sends(p_events gateway.projection_event[])
RETURNS TABLE (
    company_id text, subscriber_id uuid, channel text, occurred_at timestamptz, event_id uuid,
    message_key text, sent_key text, sent_at timestamptz, row_id tid, now_key text,
    now_at timestamptz)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH asked AS (
        SELECT e.company_id, e.subscriber_id, e.channel, e.occurred_at, e.event_id,
               CASE WHEN e.action <> 'unsubscribed' THEN e.message_key END AS message_key,
               NULL::text AS sent_key, NULL::timestamptz AS sent_at, NULL::tid AS row_id
        FROM unnest(p_events) AS e
        WHERE e.subscriber_id IS NOT NULL
            AND (e.action = 'unsubscribed' AND e.channel IS NOT NULL
                OR e.action IN ('opened', 'link_clicked') AND e.channel = 'email'
                    AND e.message_key IS NOT NULL)
            AND NOT EXISTS (SELECT FROM last_send k WHERE k.company_id = e.company_id
                AND k.subscriber_id = e.subscriber_id AND k.channel = e.channel
                AND k.occurred_at = e.occurred_at AND k.event_id = e.event_id)
        UNION
        SELECT k.company_id, k.subscriber_id, k.channel, k.occurred_at, k.event_id,
               k.message_key, k.sent_key, k.sent_at, k.ctid
        FROM unnest(p_events) AS e
        JOIN last_send k ON k.company_id = e.company_id AND k.subscriber_id = e.subscriber_id
            AND k.channel = e.channel AND k.occurred_at >= e.occurred_at
            AND k.occurred_at <= e.occurred_at + interval '168 hours'
        WHERE e.action = 'sent' AND (k.sent_at IS NULL OR k.sent_at <= e.occurred_at)),
    answered AS (
        SELECT a.*, s.key AS now_key, s.occurred_at AS now_at
        FROM asked a
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
            ORDER BY e.occurred_at DESC, e.event_id DESC LIMIT 1) s ON true)
    SELECT * FROM answered a
    WHERE a.row_id IS NULL OR (a.sent_key, a.sent_at) IS DISTINCT FROM (a.now_key, a.now_at);
END $$;
COMMENT ON FUNCTION gateway.changed_last_sends IS
    'Rows of last_send that these events bring or change: as they are, and as they are to be.';

CREATE OR REPLACE FUNCTION gateway.project_last_send(p_events gateway.projection_event[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_no_votes tid[];
    v_no_stats tid[];
BEGIN
    WITH changed AS (
        SELECT * FROM gateway.changed_last_sends(p_events)),
    inserted AS (
        INSERT INTO last_send
        SELECT company_id, subscriber_id, channel, occurred_at, event_id, message_key, now_key,
               now_at
        FROM changed WHERE row_id IS NULL),
    updated AS (
        UPDATE last_send k SET sent_key = c.now_key, sent_at = c.now_at
        FROM changed c WHERE k.ctid = c.row_id),
    moved AS (
        SELECT company_id, channel, message_key, x.key, x.sign, occurred_at - x.at AS after
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
        RETURNING v.ctid AS row, votes),
    counted AS (
        INSERT INTO message_stats AS s
            (company_id, channel, stat_key, unsubscribed_1d, unsubscribed_3d, unsubscribed_7d)
        SELECT company_id, channel, key,
               coalesce(sum(sign) FILTER (WHERE after <= interval '24 hours'), 0),
               coalesce(sum(sign) FILTER (WHERE after <= interval '72 hours'), 0), sum(sign)
        FROM moved WHERE message_key IS NULL
        GROUP BY 1, 2, 3
        ON CONFLICT (company_id, channel, stat_key) DO UPDATE SET
            unsubscribed_1d = s.unsubscribed_1d + excluded.unsubscribed_1d,
            unsubscribed_3d = s.unsubscribed_3d + excluded.unsubscribed_3d,
            unsubscribed_7d = s.unsubscribed_7d + excluded.unsubscribed_7d
        RETURNING s.ctid AS row, sent + opens + clicks + unsubscribed_7d AS events)
    SELECT (SELECT array_agg(row) FROM voted WHERE votes = 0),
           (SELECT array_agg(row) FROM counted WHERE events = 0)
    INTO v_no_votes, v_no_stats;
    IF v_no_votes IS NOT NULL THEN
        DELETE FROM subject_vote WHERE ctid = ANY (v_no_votes);
    END IF;
    IF v_no_stats IS NOT NULL THEN
        DELETE FROM message_stats WHERE ctid = ANY (v_no_stats);
    END IF;
END $$;
COMMENT ON FUNCTION gateway.project_last_send IS
    'Merges events into last_send, subject_vote and the opt-outs of message_stats.';
