-- Everything of one profile, as sentences.

-- No free text in it, so that the sentences need no right to any. Two halves, so that a filter on
-- profile_id goes by an index in each: who is somebody else's profile, and who is its own.
CREATE OR REPLACE VIEW gateway.timeline WITH (security_invoker = true) AS
SELECT i.profile_id, e.*
FROM gateway.identity i
JOIN LATERAL (
    SELECT x.company_id, x.subscriber_id, x.occurred_at, x.event_name, x.channel, x.action,
           x.source, x.subscription_type, x.creative_name, x.message_key, x.message_type,
           x.message_name, l.message_subject, x.keyword_class, x.link_host, x.link_path,
           x.utm_campaign, x.attribute_name, x.order_id, x.order_value, x.currency, x.event_id
    FROM gateway.source_event x
    LEFT JOIN gateway.subject_line l ON l.company_id = x.company_id AND l.channel = x.channel
        AND l.stat_key = 'subject:' || left(x.message_subject, 200)) e
    ON e.company_id = i.company_id AND e.subscriber_id = i.subscriber_id
WHERE i.profile_id <> i.subscriber_id
UNION ALL
SELECT e.subscriber_id, e.company_id, e.subscriber_id, e.occurred_at, e.event_name,
       e.channel, e.action, e.source, e.subscription_type, e.creative_name, e.message_key,
       e.message_type, e.message_name, l.message_subject, e.keyword_class, e.link_host,
       e.link_path, e.utm_campaign, e.attribute_name, e.order_id, e.order_value, e.currency,
       e.event_id
FROM gateway.source_event e
LEFT JOIN gateway.subject_line l ON l.company_id = e.company_id AND l.channel = e.channel
    AND l.stat_key = 'subject:' || left(e.message_subject, 200)
WHERE e.subscriber_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM gateway.identity i
    WHERE i.company_id = e.company_id AND i.subscriber_id = e.subscriber_id
      AND i.profile_id <> i.subscriber_id);
SELECT gateway.describe('gateway.timeline', 'Events by profile, with what sentences tell of them.',
    p_like => '{report.source_event}');

CREATE OR REPLACE FUNCTION gateway.sentence(e gateway.timeline) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE e.action
        WHEN 'subscribed' THEN concat_ws(' ', 'Opted in to', e.subscription_type, w.medium,
                                         'through "' || e.creative_name || '"')
        WHEN 'unsubscribed' THEN concat_ws(' ', 'Opted out of', e.subscription_type, w.medium)
        WHEN 'sent' THEN concat_ws(' ', 'Was sent an', w.medium, w.title)
        WHEN 'opened' THEN concat_ws(' ', 'Opened an', w.medium, w.title)
        WHEN 'link_clicked' THEN concat_ws(' ', 'Clicked', coalesce(w.link, 'a link'), 'in an',
                                           w.medium, '(campaign ' || e.utm_campaign || ')')
        WHEN 'inbound_received' THEN CASE e.keyword_class
            WHEN 'stop' THEN 'Texted a stop keyword'
            WHEN 'stop_fuzzy' THEN 'Texted what reads like a wish to stop'
            WHEN 'help' THEN 'Texted for help'
            WHEN 'start' THEN 'Texted a start keyword'
            ELSE 'Texted a reply' END
        WHEN 'attribute_set' THEN concat_ws(' ', 'Was given the attribute',
                                            '"' || e.attribute_name || '"')
        WHEN 'completed' THEN concat_ws(' ', 'Ordered', e.order_id,
                                        'for ' || concat_ws(' ', e.order_value, e.currency))
        WHEN 'refunded' THEN concat_ws(' ', 'Was given back', e.order_value, e.currency,
                                       'of order ' || e.order_id)
        WHEN 'cancelled' THEN concat_ws(' ', 'Cancelled order', e.order_id)
        WHEN 'updated' THEN concat_ws(' ', 'Changed the cart', 'to ' || e.order_value, e.currency)
        WHEN 'started' THEN concat_ws(' ', 'Began to check out', e.order_value, e.currency)
        WHEN 'viewed' THEN concat_ws(' ', 'Viewed', coalesce(w.link, 'a page'))
        ELSE e.event_name END
    FROM (SELECT CASE e.channel WHEN 'sms' THEN 'SMS' WHEN 'email' THEN 'e-mail'
                                ELSE e.channel END AS medium,
                 coalesce('"' || coalesce(e.message_name, e.message_subject) || '"',
                          e.message_key) AS title,
                 e.link_host || e.link_path AS link) w
$$;
COMMENT ON FUNCTION gateway.sentence IS 'What an event means, as a sentence for a marketer.';

CREATE OR REPLACE VIEW report.subscriber_timeline WITH (security_invoker = true) AS
SELECT t.company_id, t.profile_id, t.subscriber_id, t.occurred_at, t.event_name, t.channel,
       t.source, gateway.sentence(t) AS summary, t.message_key, t.message_type,
       t.subscription_type, t.link_host, t.utm_campaign, t.order_value, t.event_id
FROM gateway.timeline t;
SELECT gateway.describe('report.subscriber_timeline',
    'Everything one profile did or received, as sentences. Filter on company_id and profile_id, '
    'order by occurred_at.', ARRAY[
    ['summary', 'The event as a sentence.']],
    '{report.source_event}');
