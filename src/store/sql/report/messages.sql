-- What became of each message, e-mail sends included, which name none.

-- A function, because the planner would add its cost up for every message and start its compiler.
CREATE OR REPLACE FUNCTION gateway.count_members(p_company text, p_channel text, p_stat_keys text[])
RETURNS bigint[]
LANGUAGE sql STABLE COST 1
BEGIN ATOMIC
    SELECT ARRAY[count(DISTINCT x.subscriber_id) FILTER (WHERE x.was_sent),
                 count(DISTINCT x.subscriber_id) FILTER (WHERE x.has_opened),
                 count(DISTINCT x.subscriber_id) FILTER (WHERE x.clicks > 0),
                 count(DISTINCT x.subscriber_id) FILTER (WHERE x.recipient_opened),
                 count(DISTINCT x.subscriber_id) FILTER (WHERE x.recipient_clicks > 0),
                 count(DISTINCT x.subscriber_id) FILTER (WHERE x.left_after <= interval '24 hours'),
                 count(DISTINCT x.subscriber_id) FILTER (WHERE x.left_after <= interval '72 hours'),
                 count(DISTINCT x.subscriber_id) FILTER (WHERE x.left_after IS NOT NULL),
                 count(DISTINCT x.subscriber_id) FILTER (WHERE x.person_opened),
                 count(DISTINCT x.subscriber_id) FILTER (WHERE x.person_clicks > 0)]
    FROM gateway.message_member x
    WHERE x.company_id = p_company AND x.channel = p_channel
        AND x.stat_key = ANY (p_stat_keys);
END;
COMMENT ON FUNCTION gateway.count_members IS
    'People of messages taken together: recipients, openers, clickers, recipients who opened, '
    'clicked, and opted out within 1, 3 and 7 days; who opened and clicked by more than machines.';

-- E-mail sends carry no message id: they are counted by subject line, and added to the message
-- that opens and clicks say the subject line belongs to. Unique counts of a message are sums, but
-- where several subject lines (or sends with and without id) meet, they are counted from members.
-- Rates have names and meanings of Attentive's help pages "Campaign performance and metrics" and
-- "View and manage email campaigns"; only recipients are in their numerators.
CREATE OR REPLACE VIEW report.message_performance WITH (security_invoker = true) AS
SELECT g.company_id, g.channel, g.message_key, m.message_type, m.message_name,
       g.subject AS message_subject, g.first_sent_at, g.last_sent_at, g.sent, u.recipients,
       g.opens, u.unique_openers, g.clicks, u.unique_clickers,
       round(g.recipient_clicks / nullif(u.recipients, 0), 4) AS ctr,
       CASE WHEN g.channel = 'email'
            THEN round(u.recipients_opened::numeric / nullif(u.recipients, 0), 4) END AS open_rate,
       u.unsubscribed_1d, u.unsubscribed_3d, u.unsubscribed_7d,
       round(u.unsubscribed_7d::numeric / nullif(u.recipients, 0), 4) AS unsubscribe_rate_7d,
       g.is_inferred,
       round(u.recipients_clicked::numeric / nullif(u.recipients, 0), 4) AS click_rate,
       u.recipients_opened, u.recipients_clicked, g.recipient_clicks::bigint AS recipient_clicks,
       g.suspect_opens, g.suspect_clicks,
       round(g.person_clicks / nullif(u.recipients, 0), 4) AS unsuspected_ctr,
       CASE WHEN g.channel = 'email'
            THEN round(u.people_opened::numeric / nullif(u.recipients, 0), 4) END
           AS unsuspected_open_rate,
       round(u.people_clicked::numeric / nullif(u.recipients, 0), 4) AS unsuspected_click_rate,
       u.people_opened AS unsuspected_recipients_opened,
       u.people_clicked AS unsuspected_recipients_clicked
FROM (SELECT s.company_id, s.channel,
             CASE WHEN b.message_key IS NOT NULL THEN b.message_key ELSE s.line END AS message_key,
             max(s.message_subject) AS subject,
             bool_or(b.message_key IS NOT NULL) AS is_inferred,
             array_agg(s.stat_key) AS stat_keys,
             min(s.first_sent_at) AS first_sent_at, max(s.last_sent_at) AS last_sent_at,
             sum(s.sent)::bigint AS sent, sum(s.opens)::bigint AS opens,
             sum(s.clicks)::bigint AS clicks, sum(s.recipients)::bigint AS recipients,
             sum(s.unique_openers)::bigint AS unique_openers,
             sum(s.unique_clickers)::bigint AS unique_clickers,
             sum(s.unsubscribed_1d)::bigint AS unsubscribed_1d,
             sum(s.unsubscribed_3d)::bigint AS unsubscribed_3d,
             sum(s.unsubscribed_7d)::bigint AS unsubscribed_7d,
             sum(s.recipients_opened)::bigint AS recipients_opened,
             sum(s.recipients_clicked)::bigint AS recipients_clicked,
             sum(s.recipient_clicks) AS recipient_clicks,
             sum(s.suspect_opens)::bigint AS suspect_opens,
             sum(s.suspect_clicks)::bigint AS suspect_clicks,
             sum(s.people_opened)::bigint AS people_opened,
             sum(s.people_clicked)::bigint AS people_clicked,
             sum(s.person_clicks) AS person_clicks,
             greatest(count(*) FILTER (WHERE s.recipients > 0),
                      count(*) FILTER (WHERE s.unique_openers > 0),
                      count(*) FILTER (WHERE s.unique_clickers > 0)) > 1 AS overlaps
      FROM (SELECT n.*, l.message_subject,
                   CASE WHEN n.stat_key LIKE 'subject:%' AND l.stat_key IS NULL THEN 'subject:*'
                        ELSE n.stat_key END AS line
            FROM gateway.message_stats n
            LEFT JOIN gateway.subject_line l ON l.company_id = n.company_id
                AND l.channel = n.channel AND l.stat_key = n.stat_key) s
      LEFT JOIN gateway.subject_bridge b ON s.channel = 'email'
          AND b.company_id = s.company_id AND s.line = 'subject:' || b.message_subject
      GROUP BY 1, 2, 3) g
LEFT JOIN gateway.message m
    ON m.company_id = g.company_id AND m.message_key = g.message_key
CROSS JOIN LATERAL (
    SELECT n.counts[1] AS recipients, n.counts[2] AS unique_openers,
           n.counts[3] AS unique_clickers, n.counts[4] AS recipients_opened,
           n.counts[5] AS recipients_clicked, n.counts[6] AS unsubscribed_1d,
           n.counts[7] AS unsubscribed_3d, n.counts[8] AS unsubscribed_7d,
           n.counts[9] AS people_opened, n.counts[10] AS people_clicked
    FROM (SELECT CASE WHEN g.overlaps
                 THEN gateway.count_members(g.company_id, g.channel, g.stat_keys)
                 ELSE ARRAY[g.recipients, g.unique_openers, g.unique_clickers,
                     g.recipients_opened, g.recipients_clicked, g.unsubscribed_1d,
                     g.unsubscribed_3d, g.unsubscribed_7d, g.people_opened,
                     g.people_clicked] END AS counts
          OFFSET 0) n) u;
SELECT gateway.describe('report.message_performance',
    'One row for each message: sends, opens, clicks and opt-outs. An opt-out is charged to the '
    'last message of its channel sent to the subscriber before it.', ARRAY[
    ['message_key', 'Message:<number>; subject:<subject line> for e-mail sends whose message is '
        'not known, subject:* for all such lines with less than 3 recipients, which may carry '
        'names; unknown without either.'],
    ['message_subject', 'Subject line of its sends, or one of several.'],
    ['last_sent_at', 'Last send. Filter on it for recent messages.'],
    ['ctr', 'Click-through rate as Attentive counts it: recipient_clicks by recipients, so that '
        'who clicks twice counts twice. Null without a known recipient, like every rate.'],
    ['open_rate', 'Share of recipients who opened: recipients_opened by recipients; null for SMS.'],
    ['click_rate', 'Share of recipients who clicked: recipients_clicked by recipients.'],
    ['unsubscribe_rate_7d', 'Share of recipients who opted out: unsubscribed_7d by recipients.'],
    ['unsuspected_ctr', 'ctr without clicks of machines (gateway.suspect_rule).'],
    ['unsuspected_open_rate', 'open_rate without those for whom machines alone opened it.'],
    ['unsuspected_click_rate', 'click_rate without those for whom machines alone clicked.'],
    ['unsuspected_recipients_opened', 'recipients_opened without those.'],
    ['unsuspected_recipients_clicked', 'recipients_clicked without those.'],
    ['is_inferred', 'Its e-mail sends were joined by subject line, on the evidence of opens and '
        'clicks: sends carry no message id.']]);
