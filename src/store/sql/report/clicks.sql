-- Clicks, their campaigns, and what they led to on the site.

CREATE OR REPLACE VIEW report.link_clicks WITH (security_invoker = true) AS
SELECT e.company_id, e.occurred_at,
       (e.occurred_at AT TIME ZONE
           CASE WHEN c.timezone IS NULL THEN 'UTC' ELSE c.timezone END)::date AS day,
       e.event_id, e.channel, e.message_key, e.message_type, e.link_host, e.link_path,
       e.utm_source, e.utm_medium, e.utm_campaign, e.utm_content, e.utm_term,
       CASE WHEN i.profile_id IS NULL THEN e.subscriber_id ELSE i.profile_id END AS profile_id,
       e.subscriber_id, x.is_suspect IS TRUE AS is_suspect
FROM gateway.source_event e
LEFT JOIN gateway.company c ON c.company_id = e.company_id
LEFT JOIN gateway.identity i
    ON i.company_id = e.company_id AND i.subscriber_id = e.subscriber_id
LEFT JOIN gateway.last_send x ON x.company_id = e.company_id
    AND x.subscriber_id = e.subscriber_id AND x.channel = e.channel
    AND x.occurred_at = e.occurred_at AND x.event_id = e.event_id
WHERE e.action = 'link_clicked';
SELECT gateway.describe('report.link_clicks',
    'One row for each click on a link in an SMS or e-mail, with its campaign. Filter on '
    'company_id and occurred_at.', ARRAY[
    ['is_suspect', 'Whether a machine clicked, by gateway.suspect_rule: too soon after the send, '
        'or too many links at once.']],
    '{report.source_event}');

CREATE OR REPLACE VIEW report.link_clicks_daily WITH (security_invoker = true) AS
SELECT d.company_id, d.day, e.channel, e.utm_source, e.utm_medium, e.utm_campaign, e.link_host,
       e.link_path, count(*) AS clicks,
       count(DISTINCT CASE WHEN i.profile_id IS NULL THEN e.subscriber_id ELSE i.profile_id END)
           AS unique_clickers, e.message_key,
       count(*) FILTER (WHERE x.is_suspect) AS suspect_clicks,
       count(DISTINCT CASE WHEN i.profile_id IS NULL THEN e.subscriber_id ELSE i.profile_id END)
           FILTER (WHERE x.is_suspect IS NOT TRUE) AS unsuspected_clickers
FROM gateway.local_day d
CROSS JOIN LATERAL (
    SELECT company_id, subscriber_id, occurred_at, event_id, channel, utm_source, utm_medium,
           utm_campaign, link_host, link_path, message_key
    FROM gateway.source_event
    WHERE company_id = d.company_id AND action = 'link_clicked'
      AND occurred_at >= d.starts_at AND occurred_at < d.ends_at
    OFFSET 0) e -- a fence: day by day, never the whole log first
LEFT JOIN gateway.identity i
    ON i.company_id = e.company_id AND i.subscriber_id = e.subscriber_id
LEFT JOIN gateway.last_send x ON x.company_id = e.company_id
    AND x.subscriber_id = e.subscriber_id AND x.channel = e.channel
    AND x.occurred_at = e.occurred_at AND x.event_id = e.event_id
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, e.message_key;
SELECT gateway.describe('report.link_clicks_daily',
    'Clicks by day, channel, message, campaign and target. Filter on company_id and day.', ARRAY[
    ['clicks', 'Clicks, each one counted.'],
    ['unique_clickers', 'Profiles among the clicks.'],
    ['suspect_clicks', 'Clicks that a machine made, by gateway.suspect_rule.'],
    ['unsuspected_clickers', 'Profiles among the other clicks.']],
    '{report.source_event}');

CREATE OR REPLACE VIEW report.click_to_site WITH (security_invoker = true) AS
SELECT k.company_id, k.occurred_at AS clicked_at, k.day, k.channel, k.message_key,
       k.utm_campaign, k.profile_id, v.occurred_at AS site_at, v.occurred_at - k.occurred_at AS lag,
       extract(epoch FROM v.occurred_at - k.occurred_at)::double precision AS lag_s,
       k.event_id, k.subscriber_id, k.link_host, k.link_path
FROM report.link_clicks k
CROSS JOIN LATERAL (
    SELECT min(e.occurred_at) AS occurred_at
    FROM gateway.subscribers_of(k.company_id, k.profile_id) n
    JOIN gateway.source_event e ON e.company_id = k.company_id
        AND e.subscriber_id = n.subscriber_id AND e.event_name = 'page.viewed'
        AND e.occurred_at >= k.occurred_at
        AND e.occurred_at <= k.occurred_at + interval '30 minutes') v;
SELECT gateway.describe('report.click_to_site',
    'Each click with the first page that the same profile saw within 30 minutes; site_at is null '
    'when there was none. Filter on company_id and clicked_at.', ARRAY[
    ['clicked_at', 'When the link was clicked. Filter on it: it prunes partitions.'],
    ['site_at', 'First page.viewed of the profile within 30 minutes; null when none.'],
    ['lag', 'Time from the click to that page.'],
    ['lag_s', 'The same in seconds.'],
    ['event_id', 'Of the click: report.link_clicks.']],
    '{report.link_clicks}');
