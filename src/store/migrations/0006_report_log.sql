-- What analysts may read, straight from the log: stable names, no clear-text identifier, no free
-- text, no bodies. security_invoker: a view gives nobody more than the role is granted. Join keys
-- say CASE, not COALESCE: under row-level security COALESCE counts as leaky and no index serves it.

CREATE SCHEMA report;
COMMENT ON SCHEMA report IS 'Views for analysts: no clear-text identifiers, stable names.';
CREATE SCHEMA report_pii;
COMMENT ON SCHEMA report_pii IS 'The few views that show phone, e-mail and texts. Granted to nobody by default.';

-- Dozens of partitions make the planner's costs high and every query here short: compiling one takes
-- seconds (measured: 4.5 s of 4.7 s), running it a fraction. Whoever does not own the database
-- keeps what it has.
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET jit = off', current_database());
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'jit stays on: reports are slower by seconds until the owner runs ALTER DATABASE ... SET jit = off';
END $$;

-- Clicks, replies and orders are rare among sends: without this index a report of them reads all.
CREATE INDEX source_event_response ON gateway.source_event (company_id, action, occurred_at)
    WHERE action IN ('link_clicked', 'inbound_received', 'completed');

CREATE TABLE gateway.attribution_rule (
    channel       text     NOT NULL,
    action        text     NOT NULL,
    touch         text     NOT NULL CHECK (touch IN ('click', 'view')),
    touch_rank    integer  NOT NULL,
    window_length interval NOT NULL CHECK (window_length > '0'),
    PRIMARY KEY (channel, action)
);
INSERT INTO gateway.attribution_rule VALUES
    ('sms', 'link_clicked', 'click', 1, '5 days'),
    ('email', 'link_clicked', 'click', 1, '5 days'),
    ('email', 'opened', 'view', 2, '5 days'),
    ('sms', 'sent', 'view', 2, '24 hours');

COMMENT ON TABLE gateway.attribution_rule IS
    'Which events may take the credit for an order, and for how long after them. The windows are Attentive''s defaults; change them, and every report follows.';
COMMENT ON COLUMN gateway.attribution_rule.channel IS 'sms or email.';
COMMENT ON COLUMN gateway.attribution_rule.action IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.attribution_rule.touch IS 'What the credit is called: click or view.';
COMMENT ON COLUMN gateway.attribution_rule.touch_rank IS 'The smaller wins; within a rank the latest.';
COMMENT ON COLUMN gateway.attribution_rule.window_length IS 'How long before the order at most.';

-- Days of each company by its own clock. A report by day joins the log on the bounds: times, which
-- prune partitions, where a filter on the day itself would read them all.
CREATE VIEW gateway.local_day WITH (security_invoker = true) AS
SELECT c.company_id, d.day::date AS day, d.day AT TIME ZONE c.timezone AS starts_at,
       (d.day + interval '1 day') AT TIME ZONE c.timezone AS ends_at
FROM gateway.company c
CROSS JOIN LATERAL generate_series(timestamp '2012-01-01',
    greatest(now(), c.last_seen_at)::timestamp + interval '1 day', interval '1 day') AS d (day);

COMMENT ON VIEW gateway.local_day IS
    'The calendar of each company in its own time zone, from 2012, which is as old as an event can be.';
COMMENT ON COLUMN gateway.local_day.company_id IS 'As in gateway.company.';
COMMENT ON COLUMN gateway.local_day.day IS 'The local date.';
COMMENT ON COLUMN gateway.local_day.starts_at IS 'Its first moment.';
COMMENT ON COLUMN gateway.local_day.ends_at IS 'The first moment of the next day.';

-- All subscribers of a profile. One that is not projected yet is a profile of its own. BEGIN
-- ATOMIC, here and below: names are resolved now, so that callers need no right to the schema.
CREATE FUNCTION gateway.subscribers_of(p_company_id text, p_profile_id uuid)
RETURNS TABLE (subscriber_id uuid) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT p_profile_id
    UNION ALL
    SELECT i.subscriber_id FROM gateway.identity i
    WHERE i.company_id = p_company_id AND i.profile_id = p_profile_id
      AND i.subscriber_id <> p_profile_id;
END;
COMMENT ON FUNCTION gateway.subscribers_of(text, uuid) IS
    'The subscribers that are one profile, its own id first.';

-- The event that takes the credit for what `p_profile_id` did at `p_at`: the best rank, then the
-- latest. No row when nothing lies in its window.
CREATE FUNCTION gateway.touch_before(p_company_id text, p_profile_id uuid, p_at timestamptz)
RETURNS TABLE (touch text, channel text, message_key text, message_type text, utm_campaign text,
               occurred_at timestamptz)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT r.touch, e.channel, e.message_key, e.message_type, e.utm_campaign, e.occurred_at
    FROM gateway.subscribers_of(p_company_id, p_profile_id) s
    JOIN gateway.source_event e ON e.company_id = p_company_id
        AND e.subscriber_id = s.subscriber_id AND e.occurred_at <= p_at
        AND e.occurred_at > p_at - (SELECT max(window_length) FROM gateway.attribution_rule)
    JOIN gateway.attribution_rule r ON r.channel = e.channel AND r.action = e.action
        AND e.occurred_at > p_at - r.window_length
    ORDER BY r.touch_rank, e.occurred_at DESC, e.event_id
    LIMIT 1;
END;
COMMENT ON FUNCTION gateway.touch_before(text, uuid, timestamptz) IS
    'The click or view that gets the credit for an order, by gateway.attribution_rule.';

CREATE VIEW report.source_event WITH (security_invoker = true) AS
SELECT e.company_id, e.occurred_at,
       (e.occurred_at AT TIME ZONE CASE WHEN c.timezone IS NULL THEN 'UTC' ELSE c.timezone END)::date
           AS day,
       e.event_id, e.event_name, e.channel, e.action, e.source, e.source_event_type,
       e.company_name,
       CASE WHEN i.profile_id IS NULL THEN e.subscriber_id ELSE i.profile_id END AS profile_id,
       e.subscriber_id, e.subscription_type, e.creative_name, e.creative_type,
       e.creative_subtype, e.message_id, e.message_key, e.message_type, e.message_name,
       e.message_subject, e.keyword_class, e.link_id, e.link_host, e.link_path, e.utm_source,
       e.utm_medium, e.utm_campaign, e.utm_content, e.utm_term, e.attribute_name, e.order_id,
       e.order_value, e.currency, e.received_at, e.batch_id, e.mapping_version, e.quality_flags
FROM gateway.source_event e
LEFT JOIN gateway.company c ON c.company_id = e.company_id
LEFT JOIN gateway.identity i
    ON i.company_id = e.company_id AND i.subscriber_id = e.subscriber_id;
COMMENT ON VIEW report.source_event IS
    'The event log, readable: without identifiers, addresses, message texts, attribute values and full URLs. Filter on company_id and occurred_at.';

CREATE VIEW report.link_clicks WITH (security_invoker = true) AS
SELECT e.company_id, e.occurred_at,
       (e.occurred_at AT TIME ZONE CASE WHEN c.timezone IS NULL THEN 'UTC' ELSE c.timezone END)::date
           AS day,
       e.event_id, e.channel, e.message_key, e.message_type, e.link_host, e.link_path,
       e.utm_source, e.utm_medium, e.utm_campaign, e.utm_content, e.utm_term,
       CASE WHEN i.profile_id IS NULL THEN e.subscriber_id ELSE i.profile_id END AS profile_id,
       e.subscriber_id
FROM gateway.source_event e
LEFT JOIN gateway.company c ON c.company_id = e.company_id
LEFT JOIN gateway.identity i
    ON i.company_id = e.company_id AND i.subscriber_id = e.subscriber_id
WHERE e.action = 'link_clicked';
COMMENT ON VIEW report.link_clicks IS
    'One row for each click on a link in an SMS or e-mail, with its campaign. Filter on company_id and occurred_at.';

CREATE VIEW report.link_clicks_daily WITH (security_invoker = true) AS
SELECT d.company_id, d.day, e.channel, e.utm_source, e.utm_medium, e.utm_campaign, e.link_host,
       e.link_path, count(*) AS clicks,
       count(DISTINCT CASE WHEN i.profile_id IS NULL THEN e.subscriber_id ELSE i.profile_id END)
           AS unique_clickers
FROM gateway.local_day d
CROSS JOIN LATERAL (
    SELECT company_id, subscriber_id, channel, utm_source, utm_medium, utm_campaign, link_host,
           link_path
    FROM gateway.source_event
    WHERE company_id = d.company_id AND action = 'link_clicked'
      AND occurred_at >= d.starts_at AND occurred_at < d.ends_at
    OFFSET 0) e -- a fence: day by day, never the whole log first
LEFT JOIN gateway.identity i
    ON i.company_id = e.company_id AND i.subscriber_id = e.subscriber_id
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
COMMENT ON VIEW report.link_clicks_daily IS
    'Clicks by day, channel, campaign and target. Filter on company_id and day.';

CREATE VIEW report.inbound_messages WITH (security_invoker = true) AS
SELECT e.company_id, e.occurred_at,
       (e.occurred_at AT TIME ZONE CASE WHEN c.timezone IS NULL THEN 'UTC' ELSE c.timezone END)::date
           AS day,
       e.event_id, p.profile_id, e.subscriber_id, e.keyword_class, e.message_type,
       e.business_address, m.message_key AS reply_to_message_key,
       e.occurred_at - m.occurred_at AS reply_after, o.occurred_at AS opted_out_at,
       o.occurred_at - e.occurred_at AS opted_out_after,
       e.keyword_class IS NOT NULL AND e.keyword_class IN ('stop', 'stop_fuzzy')
           AND o.occurred_at IS NULL AND s.decision IS DISTINCT FROM 'revoked'
           AS stop_without_optout
FROM gateway.source_event e
LEFT JOIN gateway.company c ON c.company_id = e.company_id
LEFT JOIN gateway.identity i
    ON i.company_id = e.company_id AND i.subscriber_id = e.subscriber_id
CROSS JOIN LATERAL (SELECT CASE WHEN i.profile_id IS NULL THEN e.subscriber_id
                                ELSE i.profile_id END AS profile_id) p
LEFT JOIN LATERAL (
    SELECT x.occurred_at, x.message_key
    FROM gateway.subscribers_of(e.company_id, p.profile_id) n
    JOIN gateway.source_event x ON x.company_id = e.company_id
        AND x.subscriber_id = n.subscriber_id AND x.event_name = 'sms.sent'
        AND x.occurred_at <= e.occurred_at AND x.occurred_at > e.occurred_at - interval '48 hours'
    ORDER BY x.occurred_at DESC, x.event_id DESC LIMIT 1) m ON true
LEFT JOIN LATERAL (
    SELECT k.occurred_at
    FROM gateway.subscribers_of(e.company_id, p.profile_id) n
    JOIN gateway.consent_decision k ON k.company_id = e.company_id
        AND k.subscriber_id = n.subscriber_id AND k.channel = 'sms' AND k.decision = 'revoked'
        AND k.occurred_at >= e.occurred_at - interval '5 minutes'
        AND k.occurred_at < e.occurred_at + interval '14 days'
    ORDER BY k.occurred_at LIMIT 1) o ON e.keyword_class IN ('stop', 'stop_fuzzy')
LEFT JOIN LATERAL (
    SELECT k.decision
    FROM gateway.subscribers_of(e.company_id, p.profile_id) n
    JOIN gateway.consent k ON k.company_id = e.company_id
        AND k.subscriber_id = n.subscriber_id AND k.channel = 'sms'
        AND k.subscription_type = 'MARKETING'
    ORDER BY k.decided_at DESC, k.decision DESC LIMIT 1) s
    ON e.keyword_class IN ('stop', 'stop_fuzzy')
WHERE e.action = 'inbound_received';
COMMENT ON VIEW report.inbound_messages IS
    'Texts from subscribers by kind of keyword, with the SMS they answer (the last within 48 hours) and the opt-out that followed (within 14 days, which ten business days never pass). Look into stop_without_optout. Filter on company_id and occurred_at.';

-- One event as a sentence. Takes no free text, so that the timeline needs no right to any.
CREATE FUNCTION gateway.sentence(
    action text, channel text, event_name text, subscription_type text, creative_name text,
    message_key text, message_name text, message_subject text, keyword_class text,
    link_target text, utm_campaign text, attribute_name text, order_id text, order_value numeric,
    currency text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE action
        WHEN 'subscribed' THEN concat_ws(' ', 'Opted in to', subscription_type, w.medium,
                                         'through "' || creative_name || '"')
        WHEN 'unsubscribed' THEN concat_ws(' ', 'Opted out of', subscription_type, w.medium)
        WHEN 'sent' THEN concat_ws(' ', 'Was sent an', w.medium,
                                   CASE WHEN w.title IS NULL THEN message_key ELSE w.title END)
        WHEN 'opened' THEN concat_ws(' ', 'Opened an', w.medium,
                                     CASE WHEN w.title IS NULL THEN message_key ELSE w.title END)
        WHEN 'link_clicked' THEN concat_ws(' ', 'Clicked',
                                           CASE WHEN link_target IS NULL THEN 'a link'
                                                ELSE link_target END,
                                           'in an', w.medium,
                                           '(campaign ' || utm_campaign || ')')
        WHEN 'inbound_received' THEN CASE keyword_class
            WHEN 'stop' THEN 'Texted a stop keyword'
            WHEN 'stop_fuzzy' THEN 'Texted what reads like a wish to stop'
            WHEN 'help' THEN 'Texted for help'
            WHEN 'start' THEN 'Texted a start keyword'
            ELSE 'Texted a reply' END
        WHEN 'attribute_set' THEN concat_ws(' ', 'Was given the attribute',
                                            '"' || attribute_name || '"')
        WHEN 'completed' THEN concat_ws(' ', 'Ordered', order_id,
                                        'for ' || concat_ws(' ', order_value, currency))
        WHEN 'viewed' THEN concat_ws(' ', 'Viewed',
                                     CASE WHEN link_target IS NULL THEN 'a page'
                                          ELSE link_target END)
        ELSE event_name END
    FROM (SELECT CASE channel WHEN 'sms' THEN 'SMS' WHEN 'email' THEN 'e-mail' ELSE channel END
                     AS medium,
                 '"' || CASE WHEN message_name IS NULL THEN message_subject ELSE message_name END
                     || '"' AS title) w
$$;
COMMENT ON FUNCTION gateway.sentence(text, text, text, text, text, text, text, text, text, text,
    text, text, text, numeric, text) IS 'What an event means, as a sentence for a marketer.';

-- Two halves, so that a filter on profile_id goes by an index in each.
CREATE VIEW report.subscriber_timeline WITH (security_invoker = true) AS
SELECT t.company_id, t.profile_id, t.subscriber_id, t.occurred_at, t.event_name, t.channel,
       t.source,
       gateway.sentence(t.action, t.channel, t.event_name, t.subscription_type, t.creative_name,
           t.message_key, t.message_name, t.message_subject, t.keyword_class,
           t.link_host || t.link_path, t.utm_campaign, t.attribute_name, t.order_id,
           t.order_value, t.currency) AS summary,
       t.message_key, t.message_type, t.subscription_type, t.link_host, t.utm_campaign,
       t.order_value, t.event_id
FROM (
    SELECT i.profile_id, e.*
    FROM gateway.identity i
    JOIN LATERAL (
        SELECT company_id, subscriber_id, occurred_at, event_name, channel, action, source,
               subscription_type, creative_name, message_key, message_type, message_name,
               message_subject, keyword_class, link_host, link_path, utm_campaign, attribute_name,
               order_id, order_value, currency, event_id
        FROM gateway.source_event) e
        ON e.company_id = i.company_id AND e.subscriber_id = i.subscriber_id
    UNION ALL
    SELECT e.subscriber_id, e.company_id, e.subscriber_id, e.occurred_at, e.event_name,
           e.channel, e.action, e.source, e.subscription_type, e.creative_name, e.message_key,
           e.message_type, e.message_name, e.message_subject, e.keyword_class, e.link_host,
           e.link_path, e.utm_campaign, e.attribute_name, e.order_id, e.order_value, e.currency,
           e.event_id
    FROM gateway.source_event e
    WHERE e.subscriber_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM gateway.identity i
        WHERE i.company_id = e.company_id AND i.subscriber_id = e.subscriber_id)) t;
COMMENT ON VIEW report.subscriber_timeline IS
    'Everything one profile did or received, as sentences. Filter on company_id and profile_id, order by occurred_at.';

CREATE VIEW report.attributed_orders WITH (security_invoker = true) AS
SELECT o.company_id, o.occurred_at,
       (o.occurred_at AT TIME ZONE CASE WHEN c.timezone IS NULL THEN 'UTC' ELSE c.timezone END)::date
           AS day,
       o.event_id, o.order_id, o.order_value, o.currency, p.profile_id, t.touch,
       t.channel AS touch_channel, t.message_key,
       CASE WHEN m.message_type IS NULL THEN t.message_type ELSE m.message_type END
           AS message_type,
       m.message_name, t.utm_campaign, t.occurred_at AS touched_at,
       o.occurred_at - t.occurred_at AS touch_to_order
FROM gateway.source_event o
LEFT JOIN gateway.company c ON c.company_id = o.company_id
LEFT JOIN gateway.identity i
    ON i.company_id = o.company_id AND i.subscriber_id = o.subscriber_id
CROSS JOIN LATERAL (SELECT CASE WHEN i.profile_id IS NULL THEN o.subscriber_id
                                ELSE i.profile_id END AS profile_id) p
LEFT JOIN LATERAL gateway.touch_before(o.company_id, p.profile_id, o.occurred_at) t ON true
LEFT JOIN gateway.message m ON m.company_id = o.company_id AND m.message_key = t.message_key
WHERE o.action = 'completed' AND o.event_name = 'order.completed';
COMMENT ON VIEW report.attributed_orders IS
    'Each order once, credited to the last click in its window, else the last view (e-mail open, SMS sent) in its window, else to nothing: touch is null then. Windows: gateway.attribution_rule. Filter on company_id and occurred_at.';

CREATE VIEW report.revenue_by_message WITH (security_invoker = true) AS
SELECT d.company_id, d.day, t.channel AS touch_channel, t.touch, t.message_key,
       CASE WHEN m.message_type IS NULL THEN t.message_type ELSE m.message_type END
           AS message_type,
       m.message_name, t.utm_campaign, o.currency, count(*) AS orders,
       sum(o.order_value) AS revenue, count(DISTINCT p.profile_id) AS buyers
FROM gateway.local_day d
CROSS JOIN LATERAL (
    SELECT company_id, subscriber_id, occurred_at, order_value, currency
    FROM gateway.source_event
    WHERE company_id = d.company_id AND action = 'completed' AND event_name = 'order.completed'
      AND occurred_at >= d.starts_at AND occurred_at < d.ends_at
    OFFSET 0) o
LEFT JOIN gateway.identity i
    ON i.company_id = o.company_id AND i.subscriber_id = o.subscriber_id
CROSS JOIN LATERAL (SELECT CASE WHEN i.profile_id IS NULL THEN o.subscriber_id
                                ELSE i.profile_id END AS profile_id) p
LEFT JOIN LATERAL gateway.touch_before(o.company_id, p.profile_id, o.occurred_at) t ON true
LEFT JOIN gateway.message m ON m.company_id = o.company_id AND m.message_key = t.message_key
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;
COMMENT ON VIEW report.revenue_by_message IS
    'Orders and revenue by day and by the message that gets the credit; touch is null for orders that no message led to. Filter on company_id and day.';

CREATE VIEW report.click_to_site WITH (security_invoker = true) AS
SELECT k.company_id, k.occurred_at AS clicked_at, k.day, k.channel, k.message_key,
       k.utm_campaign, k.profile_id, v.occurred_at AS site_at, v.occurred_at - k.occurred_at AS lag
FROM report.link_clicks k
CROSS JOIN LATERAL (
    SELECT min(e.occurred_at) AS occurred_at
    FROM gateway.subscribers_of(k.company_id, k.profile_id) n
    JOIN gateway.source_event e ON e.company_id = k.company_id
        AND e.subscriber_id = n.subscriber_id AND e.event_name = 'page.viewed'
        AND e.occurred_at >= k.occurred_at
        AND e.occurred_at <= k.occurred_at + interval '30 minutes') v;
COMMENT ON VIEW report.click_to_site IS
    'Each click with the first page that the same profile saw within 30 minutes; site_at is null when there was none. Filter on company_id and clicked_at.';

-- Times are kept in order, so that a binary search counts those of any window.
CREATE VIEW report.audience_quality WITH (security_invoker = true) AS
WITH counted AS (
    SELECT company_id, subscriber_id, channel,
           opened_at[cardinality(opened_at)] AS last_open_at,
           greatest(clicked_at[cardinality(clicked_at)], replied_at[cardinality(replied_at)])
               AS last_active_at,
           cardinality(clicked_at) - width_bucket(now() - interval '90 days', clicked_at)
               AS clicks,
           cardinality(opened_at) - width_bucket(now() - interval '90 days', opened_at) AS opens,
           cardinality(replied_at) - width_bucket(now() - interval '90 days', replied_at)
               AS replies,
           cardinality(sent_at) - width_bucket(now() - interval '90 days', sent_at) AS sent
    FROM gateway.engagement),
engagement AS (
    SELECT e.company_id,
           CASE WHEN i.profile_id IS NULL THEN e.subscriber_id ELSE i.profile_id END AS profile_id,
           e.channel,
           max(e.last_active_at) FILTER (WHERE e.last_active_at > now() - interval '180 days')
               AS last_active_at,
           max(e.last_open_at) FILTER (WHERE e.last_open_at > now() - interval '90 days')
               AS last_open_at,
           sum(e.clicks) AS clicks, sum(e.opens) AS opens, sum(e.replies) AS replies,
           sum(e.sent) AS sent
    FROM counted e
    LEFT JOIN gateway.identity i
        ON i.company_id = e.company_id AND i.subscriber_id = e.subscriber_id
    GROUP BY 1, 2, 3),
state AS (
    SELECT DISTINCT ON (s.company_id, p.profile_id, s.channel, s.subscription_type)
           s.*, p.profile_id
    FROM gateway.consent s
    LEFT JOIN gateway.identity i
        ON i.company_id = s.company_id AND i.subscriber_id = s.subscriber_id
    CROSS JOIN LATERAL (SELECT CASE WHEN i.profile_id IS NULL THEN s.subscriber_id
                                    ELSE i.profile_id END AS profile_id) p
    ORDER BY s.company_id, p.profile_id, s.channel, s.subscription_type, s.decided_at DESC,
             s.decision DESC, s.decided_by DESC)
SELECT s.company_id, s.profile_id, s.subscriber_id, s.channel, s.subscription_type,
       s.decision = 'granted' AS is_subscribed, s.first_granted_at, s.creative_name,
       s.creative_type, e.last_active_at, e.last_open_at,
       extract(day FROM now() - e.last_active_at)::integer AS recency_days,
       CASE WHEN e.clicks IS NULL THEN 0 ELSE e.clicks::bigint END AS clicks_90d,
       CASE WHEN e.opens IS NULL THEN 0 ELSE e.opens::bigint END AS opens_90d,
       CASE WHEN e.replies IS NULL THEN 0 ELSE e.replies::bigint END AS replies_90d,
       CASE WHEN e.sent IS NULL THEN 0 ELSE e.sent::bigint END AS sent_90d,
       CASE WHEN s.decision = 'revoked' THEN 'opted_out'
            WHEN s.last_granted_at > now() - interval '14 days' AND e.last_active_at IS NULL
                THEN 'new'
            WHEN e.last_active_at > now() - interval '30 days' AND e.clicks + e.replies >= 3
                THEN 'loyal'
            WHEN e.last_active_at > now() - interval '30 days' THEN 'active'
            WHEN e.last_active_at > now() - interval '90 days' THEN 'cooling'
            WHEN e.last_active_at IS NOT NULL THEN 'dormant'
            WHEN e.last_open_at > now() - interval '90 days' THEN 'opens_only'
            WHEN e.sent > 0 THEN 'never_engaged'
            ELSE 'not_messaged' END AS segment
FROM state s
LEFT JOIN engagement e ON e.company_id = s.company_id AND e.profile_id = s.profile_id
    AND e.channel = s.channel;
COMMENT ON VIEW report.audience_quality IS
    'One row for each profile, channel and subscription type: how recently and how often it engaged, and its segment. Clicks and replies count as activity; opens do not, because machines open too. Filter on company_id.';

CREATE VIEW report.audience_quality_summary WITH (security_invoker = true) AS
SELECT company_id, channel, subscription_type, segment, count(*) AS subscribers,
       round(avg(recency_days), 1) AS avg_recency_days, sum(clicks_90d)::bigint AS clicks_90d,
       sum(sent_90d)::bigint AS sent_90d
FROM report.audience_quality
GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW report.audience_quality_summary IS
    'report.audience_quality counted by segment. Filter on company_id.';

CREATE VIEW report.quarantine WITH (security_invoker = true) AS
SELECT quarantine_id, endpoint, reason, detail, http_status, key_id, version, batch_id,
       received_at, last_received_at, deliveries, replayed_at
FROM gateway.quarantine;
COMMENT ON VIEW report.quarantine IS 'What was refused and why, without bodies.';

CREATE VIEW report_pii.subscriber WITH (security_invoker = true) AS
SELECT k.company_id,
       CASE WHEN i.profile_id IS NULL THEN k.subscriber_id ELSE i.profile_id END AS profile_id,
       k.subscriber_id, max(k.value) FILTER (WHERE k.kind = 'attentive_external_id') AS external_id,
       (array_agg(k.value ORDER BY k.last_seen_at DESC, k.value)
           FILTER (WHERE k.kind = 'phone'))[1] AS phone,
       (array_agg(k.value ORDER BY k.last_seen_at DESC, k.value)
           FILTER (WHERE k.kind = 'email'))[1] AS email,
       array_agg(k.value ORDER BY k.value) FILTER (WHERE k.kind = 'client_user_id')
           AS client_user_ids,
       array_agg(k.value ORDER BY k.value) FILTER (WHERE k.kind = 'shopify_id') AS shopify_ids,
       array_agg(k.value ORDER BY k.value) FILTER (WHERE k.kind = 'klaviyo_id') AS klaviyo_ids,
       min(k.first_seen_at) AS first_seen_at, max(k.last_seen_at) AS last_seen_at
FROM gateway.identifier k
LEFT JOIN gateway.identity i
    ON i.company_id = k.company_id AND i.subscriber_id = k.subscriber_id
GROUP BY 1, 2, 3;
COMMENT ON VIEW report_pii.subscriber IS
    'Who a subscriber is: the newest phone and e-mail, and the ids of other systems. Personal data.';

CREATE VIEW report_pii.timeline_by_identifier WITH (security_invoker = true) AS
SELECT k.company_id, k.kind, k.value, p.profile_id, e.subscriber_id, e.occurred_at, e.event_name,
       e.channel, e.source, e.message_key, e.message_subject, e.message_text, e.keyword_class,
       e.link_url, e.utm_campaign, e.attribute_name, e.attribute_value, e.order_id,
       e.order_value, e.currency, e.event_id
FROM (SELECT DISTINCT k.company_id, k.kind, k.value, i.profile_id
      FROM gateway.identifier k
      JOIN gateway.identity i
          ON i.company_id = k.company_id AND i.subscriber_id = k.subscriber_id) k
CROSS JOIN LATERAL (SELECT k.profile_id) p
CROSS JOIN LATERAL gateway.subscribers_of(k.company_id, k.profile_id) n
JOIN gateway.source_event e
    ON e.company_id = k.company_id AND e.subscriber_id = n.subscriber_id;
COMMENT ON VIEW report_pii.timeline_by_identifier IS
    'Everything of the person with a phone, e-mail or id, with texts. Filter on company_id, kind and value. Personal data.';

CREATE VIEW report_pii.inbound_messages WITH (security_invoker = true) AS
SELECT r.*, e.message_text
FROM report.inbound_messages r
JOIN gateway.source_event e ON e.company_id = r.company_id AND e.occurred_at = r.occurred_at
    AND e.event_id = r.event_id;
COMMENT ON VIEW report_pii.inbound_messages IS
    'report.inbound_messages with what was written. Personal data.';

-- A column means what is said here of the view, else here of its name (*), else what the column of
-- that name below means.
DO $$
DECLARE
    c record;
BEGIN
    FOR c IN
        WITH said (view, name, meaning) AS (VALUES
            ('*', 'day', 'The company''s local date (gateway.company.timezone, UTC by default).'),
            ('*', 'profile_id', 'The person as far as known: one id over all subscribers that share an identifier; the subscriber''s own until the projector has seen it.'),
            ('*', 'is_subscribed', 'Whether the last decision was an opt-in.'),
            ('*', 'unique_clickers', 'Profiles among the clicks.'),
            ('*', 'clicks', 'Clicks, each one counted.'),
            ('*', 'clicks_90d', 'Clicks of the last 90 days.'),
            ('*', 'opens_90d', 'Opens of the last 90 days, those of machines included.'),
            ('*', 'replies_90d', 'Inbound texts of the last 90 days.'),
            ('*', 'sent_90d', 'Messages sent in the last 90 days.'),
            ('*', 'reply_to_message_key', 'The SMS it answers: the last one sent to the profile within 48 hours before.'),
            ('*', 'reply_after', 'Time from that SMS to the reply.'),
            ('*', 'opted_out_at', 'For stop keywords: the profile''s first SMS opt-out from 5 minutes before to 14 days after.'),
            ('*', 'opted_out_after', 'Time from the text to that opt-out.'),
            ('*', 'stop_without_optout', 'A stop keyword that no opt-out followed, from somebody who is not opted out now: look into it.'),
            ('*', 'summary', 'The event as a sentence.'),
            ('*', 'touch', 'Why the message gets the credit: click or view; null when no message does.'),
            ('*', 'touch_channel', 'Channel of the message that gets the credit.'),
            ('*', 'touched_at', 'When that click or view was.'),
            ('*', 'touch_to_order', 'Time from it to the order.'),
            ('attributed_orders', 'message_key', 'The message that gets the credit; null for clicks and views without a message id.'),
            ('attributed_orders', 'utm_campaign', 'utm_campaign of the click that gets the credit.'),
            ('revenue_by_message', 'message_key', 'The message that gets the credit.'),
            ('revenue_by_message', 'utm_campaign', 'utm_campaign of the clicks that get the credit.'),
            ('*', 'orders', 'Orders credited.'),
            ('*', 'revenue', 'Their value, in currency.'),
            ('*', 'buyers', 'Profiles among them.'),
            ('*', 'clicked_at', 'When the link was clicked. Filter on it: it prunes partitions.'),
            ('*', 'site_at', 'First page.viewed of the profile within 30 minutes; null when none.'),
            ('*', 'lag', 'Time from the click to that page.'),
            ('audience_quality', 'subscriber_id', 'The subscriber whose decision is the profile''s latest.'),
            ('audience_quality', 'creative_name', 'Sign-up source of that subscriber''s last opt-in.'),
            ('audience_quality', 'creative_type', 'As creative_name.'),
            ('*', 'first_granted_at', 'First opt-in of that subscriber.'),
            ('*', 'last_active_at', 'Last click or reply within 180 days.'),
            ('*', 'last_open_at', 'Last open within 90 days, those of machines included.'),
            ('*', 'recency_days', 'Whole days since last_active_at.'),
            ('*', 'segment', 'opted_out; new: opted in within 14 days, not active yet; loyal: active within 30 days and 3 clicks or replies in 90; active: within 30 days; cooling: within 90; dormant: within 180; opens_only: opened within 90 days; never_engaged: was sent messages within 90; not_messaged.'),
            ('*', 'subscribers', 'Profiles.'),
            ('*', 'avg_recency_days', 'Mean of recency_days over those ever active.'),
            ('*', 'external_id', 'Attentive''s external_id. Personal data.'),
            ('*', 'phone', 'Newest phone number, E.164. Personal data.'),
            ('*', 'email', 'Newest e-mail address. Personal data.'),
            ('*', 'client_user_ids', 'Ids that the client gave. Personal data.'),
            ('*', 'shopify_ids', 'Ids of Shopify. Personal data.'),
            ('*', 'klaviyo_ids', 'Ids of Klaviyo. Personal data.'),
            ('*', 'first_seen_at', 'occurred_at of the oldest event with an identifier.'),
            ('*', 'last_seen_at', 'occurred_at of the newest event with an identifier.'))
        SELECT v.oid::regclass AS view, a.attname AS name,
               coalesce(own.meaning, any_view.meaning, below.meaning) AS meaning
        FROM pg_class v
        JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum > 0
        LEFT JOIN said own ON own.view = v.relname AND own.name = a.attname
        LEFT JOIN said any_view ON any_view.view = '*' AND any_view.name = a.attname
        LEFT JOIN LATERAL (
            SELECT d.description AS meaning
            FROM pg_class t
            JOIN pg_attribute ta ON ta.attrelid = t.oid AND ta.attname = a.attname
            JOIN pg_description d ON d.objoid = t.oid AND d.objsubid = ta.attnum
                AND d.classoid = 'pg_class'::regclass
            WHERE t.relnamespace = 'gateway'::regnamespace
              AND t.relname IN ('source_event', 'quarantine', 'identifier')
            ORDER BY t.relname = v.relname DESC, t.relname = 'source_event' DESC LIMIT 1) below
            ON true
        WHERE v.relnamespace IN ('report'::regnamespace, 'report_pii'::regnamespace)
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', c.view, c.name, c.meaning);
    END LOOP;
END $$;
