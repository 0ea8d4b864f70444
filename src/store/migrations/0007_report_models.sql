-- Report views over the read models: fast however long the log is. Columns keep their names, since
-- dashboards depend on them.

CREATE VIEW report.consent_movement_daily WITH (security_invoker = true) AS
SELECT company_id, day, channel, subscription_type, creative_name, creative_type,
       creative_subtype, opt_ins, opt_outs, effective_opt_ins, effective_opt_outs,
       effective_opt_ins - effective_opt_outs AS net_change
FROM gateway.consent_daily;

COMMENT ON VIEW report.consent_movement_daily IS
    'Opt-ins and opt-outs by local day, channel, subscription type and sign-up creative. An opt-out counts for the creative of the opt-in it ends.';

CREATE VIEW report.audience_size_daily WITH (security_invoker = true) AS
SELECT company_id, day, channel, subscription_type, net_change,
       sum(net_change) OVER (PARTITION BY company_id, channel, subscription_type
                             ORDER BY day)::bigint AS subscribers_at_day_end
FROM (SELECT company_id, day, channel, subscription_type,
             sum(effective_opt_ins - effective_opt_outs)::bigint AS net_change
      FROM gateway.consent_daily
      WHERE effective_opt_ins > 0 OR effective_opt_outs > 0
      GROUP BY company_id, day, channel, subscription_type) d;

COMMENT ON VIEW report.audience_size_daily IS
    'Subscribers at the end of each local day with a change, by channel and subscription type.';

-- Sums of days: as fast however many subscribers there are.
CREATE VIEW report.current_subscribers WITH (security_invoker = true) AS
SELECT d.company_id, d.channel, d.subscription_type,
       sum(d.current_opt_ins)::bigint AS subscribed,
       sum(d.current_opt_outs)::bigint AS unsubscribed,
       sum(CASE WHEN d.day > (now() AT TIME ZONE c.timezone)::date - 30
           THEN d.current_opt_ins ELSE 0 END)::bigint AS subscribed_last_30d,
       max(l.occurred_at) AS last_change_at
FROM gateway.consent_daily d
JOIN gateway.company c ON c.company_id = d.company_id
JOIN gateway.consent_latest l ON l.company_id = d.company_id AND l.channel = d.channel
    AND l.subscription_type = d.subscription_type
GROUP BY d.company_id, d.channel, d.subscription_type;

COMMENT ON VIEW report.current_subscribers IS
    'Subscribers now, by channel and subscription type.';

-- CASE, not COALESCE: under row-level security the planner holds COALESCE back from an index.
CREATE VIEW report.subscriber_consent WITH (security_invoker = true) AS
SELECT c.company_id,
       CASE WHEN i.profile_id IS NULL THEN c.subscriber_id ELSE i.profile_id END AS profile_id,
       c.subscriber_id, c.channel, c.subscription_type, c.decision = 'granted' AS is_subscribed,
       c.decided_at, c.first_granted_at, c.last_granted_at, c.last_revoked_at, c.creative_name,
       c.creative_type, c.creative_subtype, c.decided_by AS evidence_event_id
FROM gateway.consent c
LEFT JOIN gateway.identity i
    ON i.company_id = c.company_id AND i.subscriber_id = c.subscriber_id;

COMMENT ON VIEW report.subscriber_consent IS
    'Consent now, for each subscriber, channel and subscription type, with the event that decided it.';

-- A function, because the planner would add its cost up for every message and start its compiler.
CREATE FUNCTION gateway.count_members(p_company text, p_channel text, p_stat_keys text[])
RETURNS bigint[]
LANGUAGE sql STABLE COST 1
BEGIN ATOMIC
    SELECT ARRAY[count(DISTINCT x.subscriber_id) FILTER (WHERE x.was_sent),
                 count(DISTINCT x.subscriber_id) FILTER (WHERE x.has_opened),
                 count(DISTINCT x.subscriber_id) FILTER (WHERE x.has_clicked)]
    FROM gateway.message_member x
    WHERE x.company_id = p_company AND x.channel = p_channel
        AND x.stat_key = ANY (p_stat_keys);
END;
COMMENT ON FUNCTION gateway.count_members(text, text, text[]) IS
    'Recipients, openers and clickers of messages taken together.';
REVOKE ALL ON FUNCTION gateway.count_members(text, text, text[]) FROM PUBLIC;

-- E-mail sends carry no message id: they are counted by subject line, and added to the message
-- that opens and clicks say the subject line belongs to. Unique counts of a message are sums, but
-- where several subject lines (or sends with and without id) meet, they are counted from members.
CREATE VIEW report.message_performance WITH (security_invoker = true) AS
SELECT g.company_id, g.channel, g.message_key, m.message_type, m.message_name,
       CASE WHEN m.message_subject IS NULL THEN g.subject ELSE m.message_subject END
           AS message_subject,
       g.first_sent_at, g.last_sent_at, g.sent, u.recipients, g.opens, u.unique_openers, g.clicks,
       u.unique_clickers,
       round(u.unique_clickers::numeric / nullif(u.recipients, 0), 4) AS ctr,
       round(u.unique_openers::numeric / nullif(u.recipients, 0), 4) AS open_rate,
       g.unsubscribed_1d, g.unsubscribed_3d, g.unsubscribed_7d,
       round(g.unsubscribed_7d::numeric / nullif(u.recipients, 0), 4) AS unsubscribe_rate_7d,
       g.is_inferred
FROM (SELECT s.company_id, s.channel,
             CASE WHEN b.message_key IS NULL THEN s.stat_key ELSE b.message_key END
                 AS message_key,
             max(CASE WHEN s.stat_key LIKE 'subject:%' THEN substr(s.stat_key, 9) END)
                 AS subject,
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
             greatest(count(*) FILTER (WHERE s.recipients > 0),
                      count(*) FILTER (WHERE s.unique_openers > 0),
                      count(*) FILTER (WHERE s.unique_clickers > 0)) > 1 AS overlaps
      FROM gateway.message_stats s
      LEFT JOIN gateway.subject_bridge b ON s.channel = 'email'
          AND b.company_id = s.company_id AND s.stat_key = 'subject:' || b.message_subject
      GROUP BY 1, 2, 3) g
LEFT JOIN gateway.message m
    ON m.company_id = g.company_id AND m.message_key = g.message_key
CROSS JOIN LATERAL (
    SELECT n.counts[1] AS recipients, n.counts[2] AS unique_openers,
           n.counts[3] AS unique_clickers
    FROM (SELECT CASE WHEN g.overlaps
                 THEN gateway.count_members(g.company_id, g.channel, g.stat_keys)
                 ELSE ARRAY[g.recipients, g.unique_openers, g.unique_clickers] END AS counts
          OFFSET 0) n) u; -- OFFSET: once a message, not once a column

COMMENT ON VIEW report.message_performance IS
    'One row for each message: sends, opens, clicks and opt-outs. An opt-out is charged to the last message of its channel sent to the subscriber before it.';

DO $$
DECLARE
    v_comment record;
BEGIN
    FOR v_comment IN
        SELECT v.relname, a.attname, c.text
        FROM pg_class v
        JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum > 0
        JOIN (VALUES
            ('company_id', 'The provider''s id of the company (tenant).'),
            ('day', 'Day in the company''s time zone.'),
            ('channel', 'sms or email.'),
            ('subscription_type', 'MARKETING, TRANSACTIONAL, ...; UNSPECIFIED when the event named none.'),
            ('creative_name', 'Sign-up source: name of the creative.'),
            ('creative_type', 'Sign-up source: type of the creative.'),
            ('creative_subtype', 'Sign-up source: subtype of the creative.'),
            ('opt_ins', 'All opt-ins.'),
            ('opt_outs', 'All opt-outs.'),
            ('effective_opt_ins', 'Opt-ins that changed the state: repeated ones do not.'),
            ('effective_opt_outs', 'Opt-outs that changed the state: repeated ones do not, nor those of nobody opted in.'),
            ('net_change', 'effective_opt_ins less effective_opt_outs.'),
            ('subscribers_at_day_end', 'Subscribers when the day ended.'),
            ('subscribed', 'Subscribers whose last decision is an opt-in.'),
            ('unsubscribed', 'Subscribers whose last decision is an opt-out.'),
            ('subscribed_last_30d', 'Of subscribed: those who decided on one of the last 30 days, today included.'),
            ('last_change_at', 'Newest decision.'),
            ('profile_id', 'The person: subscribers that share identifiers have one profile.'),
            ('subscriber_id', 'The subscriber as the events identify it.'),
            ('is_subscribed', 'Whether the last decision is an opt-in; an opt-out wins a tie.'),
            ('decided_at', 'When the last decision was made.'),
            ('first_granted_at', 'First opt-in.'),
            ('last_granted_at', 'Last opt-in.'),
            ('last_revoked_at', 'Last opt-out.'),
            ('evidence_event_id', 'event_id of the last decision: the proof in the log.'),
            ('message_key', 'Message:<number>; subject:<subject line> for e-mail sends whose message is not known; unknown without either.'),
            ('message_type', 'ONE_TIME, AUTOMATED, JOURNEY, ...: open vocabulary of the provider.'),
            ('message_name', 'Name of the campaign or journey step.'),
            ('message_subject', 'Subject line of an e-mail.'),
            ('first_sent_at', 'First send.'),
            ('last_sent_at', 'Last send. Filter on it for recent messages.'),
            ('sent', 'Sends. Not deliveries: the provider does not tell.'),
            ('recipients', 'Subscribers it was sent to.'),
            ('opens', 'Opens (e-mail), those of machines included.'),
            ('unique_openers', 'Subscribers who opened.'),
            ('clicks', 'Clicks.'),
            ('unique_clickers', 'Subscribers who clicked.'),
            ('ctr', 'unique_clickers by recipients.'),
            ('open_rate', 'unique_openers by recipients.'),
            ('unsubscribed_1d', 'Opt-outs within 1 day of it, if it was the last message before them.'),
            ('unsubscribed_3d', 'The same within 3 days.'),
            ('unsubscribed_7d', 'The same within 7 days.'),
            ('unsubscribe_rate_7d', 'unsubscribed_7d by recipients.'),
            ('is_inferred', 'Its e-mail sends were joined by subject line, on the evidence of opens and clicks: sends carry no message id.')
        ) AS c (column_name, text) ON c.column_name = a.attname
        WHERE v.oid IN ('report.consent_movement_daily'::regclass,
            'report.audience_size_daily'::regclass, 'report.current_subscribers'::regclass,
            'report.subscriber_consent'::regclass, 'report.message_performance'::regclass)
    LOOP
        EXECUTE format('COMMENT ON COLUMN report.%I.%I IS %L', v_comment.relname,
            v_comment.attname, v_comment.text);
    END LOOP;
END $$;
