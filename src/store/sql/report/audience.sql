-- How recently and how often profiles engaged.

-- Times are kept in order, so that a binary search counts those of any window.
CREATE OR REPLACE VIEW report.audience_quality WITH (security_invoker = true) AS
WITH machine AS (
    SELECT company_id, subscriber_id, channel,
           array_agg(occurred_at) FILTER (WHERE action = 'link_clicked') AS clicked_at,
           count(*) FILTER (WHERE action = 'link_clicked'
               AND occurred_at > now() - interval '2160 hours') AS clicks,
           count(*) FILTER (WHERE action = 'opened'
               AND occurred_at > now() - interval '2160 hours') AS opens
    FROM gateway.last_send
    WHERE is_suspect AND occurred_at > now() - interval '4320 hours'
    GROUP BY 1, 2, 3),
counted AS (
    SELECT n.company_id, n.subscriber_id, n.channel,
           n.opened_at[cardinality(n.opened_at)] AS last_open_at,
           greatest(CASE WHEN m.clicked_at IS NULL THEN n.clicked_at[cardinality(n.clicked_at)]
                         ELSE (SELECT max(t) FROM unnest(n.clicked_at) AS t
                               WHERE t <> ALL (m.clicked_at)) END,
                    n.replied_at[cardinality(n.replied_at)]) AS last_active_at,
           cardinality(n.clicked_at) - width_bucket(now() - interval '2160 hours', n.clicked_at)
               AS clicks,
           cardinality(n.opened_at) - width_bucket(now() - interval '2160 hours', n.opened_at)
               AS opens,
           cardinality(n.replied_at) - width_bucket(now() - interval '2160 hours', n.replied_at)
               AS replies,
           cardinality(n.sent_at) - width_bucket(now() - interval '2160 hours', n.sent_at) AS sent,
           m.clicks AS suspect_clicks, m.opens AS suspect_opens
    FROM gateway.engagement n
    LEFT JOIN machine m ON m.company_id = n.company_id AND m.subscriber_id = n.subscriber_id
        AND m.channel = n.channel),
engagement AS (
    SELECT e.company_id,
           CASE WHEN i.profile_id IS NULL THEN e.subscriber_id ELSE i.profile_id END AS profile_id,
           e.channel,
           max(e.last_active_at) FILTER (WHERE e.last_active_at > now() - interval '4320 hours')
               AS last_active_at,
           max(e.last_open_at) FILTER (WHERE e.last_open_at > now() - interval '2160 hours')
               AS last_open_at,
           sum(e.clicks) AS clicks, sum(e.opens) AS opens, sum(e.replies) AS replies,
           sum(e.sent) AS sent, sum(e.suspect_clicks) AS suspect_clicks,
           sum(e.suspect_opens) AS suspect_opens
    FROM counted e
    LEFT JOIN gateway.identity i
        ON i.company_id = e.company_id AND i.subscriber_id = e.subscriber_id
    GROUP BY 1, 2, 3),
state AS (
    SELECT DISTINCT ON (s.company_id, p.recipient_id, s.channel, s.subscription_type)
           s.*, p.profile_id
    FROM gateway.consent s
    LEFT JOIN gateway.identity i
        ON i.company_id = s.company_id AND i.subscriber_id = s.subscriber_id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN i.profile_id IS NULL THEN s.subscriber_id ELSE i.profile_id END
                   AS profile_id,
               CASE WHEN s.channel = 'sms' AND i.sms_to IS NOT NULL THEN i.sms_to
                    WHEN s.channel = 'email' AND i.email_to IS NOT NULL THEN i.email_to
                    ELSE s.subscriber_id END AS recipient_id) p
    ORDER BY s.company_id, p.recipient_id, s.channel, s.subscription_type, s.decided_at DESC,
             s.decision DESC, s.decided_by DESC, s.last_granted_at DESC NULLS LAST,
             s.subscriber_id)
SELECT s.company_id, s.profile_id, s.subscriber_id, s.channel, s.subscription_type,
       s.decision = 'granted' AS is_subscribed, s.first_granted_at, s.creative_name,
       s.creative_type, e.last_active_at, e.last_open_at,
       extract(day FROM now() - e.last_active_at)::integer AS recency_days,
       CASE WHEN e.clicks IS NULL THEN 0 ELSE e.clicks::bigint END AS clicks_90d,
       CASE WHEN e.opens IS NULL THEN 0 ELSE e.opens::bigint END AS opens_90d,
       CASE WHEN e.replies IS NULL THEN 0 ELSE e.replies::bigint END AS replies_90d,
       CASE WHEN e.sent IS NULL THEN 0 ELSE e.sent::bigint END AS sent_90d,
       CASE WHEN s.decision = 'revoked' THEN 'opted_out'
            WHEN s.last_granted_at > now() - interval '336 hours' AND e.last_active_at IS NULL
                THEN 'new'
            WHEN e.last_active_at > now() - interval '720 hours'
                AND e.clicks + e.replies - coalesce(e.suspect_clicks, 0) >= 3 THEN 'loyal'
            WHEN e.last_active_at > now() - interval '720 hours' THEN 'active'
            WHEN e.last_active_at > now() - interval '2160 hours' THEN 'cooling'
            WHEN e.last_active_at IS NOT NULL THEN 'dormant'
            WHEN e.last_open_at > now() - interval '2160 hours' THEN 'opens_only'
            WHEN e.sent > 0 THEN 'never_engaged'
            ELSE 'not_messaged' END AS segment,
       coalesce(e.suspect_clicks::bigint, 0) AS suspect_clicks_90d,
       coalesce(e.suspect_opens::bigint, 0) AS suspect_opens_90d
FROM state s
LEFT JOIN engagement e ON e.company_id = s.company_id AND e.profile_id = s.profile_id
    AND e.channel = s.channel;
SELECT gateway.describe('report.audience_quality',
    'One row for each recipient (subscribers of a profile who share a phone number for SMS, an '
    'address for e-mail), channel and subscription type: how recently and how often its profile '
    'engaged, and its segment. Clicks and replies count as activity, clicks of machines '
    '(gateway.suspect_rule) and opens do not. Filter on company_id.', ARRAY[
    ['subscriber_id', 'Of the recipient''s subscribers whom its latest decision reaches, the one '
        'who opted in last.'],
    ['is_subscribed', 'Whether the last decision was an opt-in.'],
    ['creative_name', 'Sign-up source of that subscriber: the last opt-in that changed the state.'],
    ['creative_type', 'As creative_name.'],
    ['last_active_at', 'Last reply, or click of a person, within 180 days.'],
    ['last_open_at', 'Last open within 90 days, those of machines included.'],
    ['recency_days', 'Whole days since last_active_at.'],
    ['clicks_90d', 'Clicks of the last 90 days, those of machines included.'],
    ['suspect_clicks_90d', 'Those of machines among clicks_90d.'],
    ['suspect_opens_90d', 'Those of machines among opens_90d.'],
    ['opens_90d', 'Opens of the last 90 days, those of machines included.'],
    ['replies_90d', 'Inbound texts of the last 90 days.'],
    ['sent_90d', 'Messages sent in the last 90 days.'],
    ['segment', 'opted_out; new: opted in within 14 days, not active yet; loyal: active within 30 '
        'days and 3 clicks of a person or replies in 90; active: within 30 days; cooling: within '
        '90; dormant: within 180; opens_only: opened within 90 days; never_engaged: was sent '
        'messages within 90; not_messaged.']],
    '{report.source_event}');

CREATE OR REPLACE VIEW report.audience_quality_summary WITH (security_invoker = true) AS
SELECT company_id, channel, subscription_type, segment, count(*) AS subscribers,
       round(avg(recency_days), 1) AS avg_recency_days, sum(clicks_90d)::bigint AS clicks_90d,
       sum(sent_90d)::bigint AS sent_90d,
       sum(suspect_clicks_90d)::bigint AS suspect_clicks_90d
FROM report.audience_quality
GROUP BY 1, 2, 3, 4;
SELECT gateway.describe('report.audience_quality_summary',
    'report.audience_quality counted by segment. Filter on company_id.', ARRAY[
    ['subscribers', 'Recipients: rows of report.audience_quality.'],
    ['avg_recency_days', 'Mean of recency_days over those ever active.']]);
