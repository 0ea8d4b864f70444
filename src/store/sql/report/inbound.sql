-- What subscribers wrote.

CREATE OR REPLACE VIEW report.inbound_messages WITH (security_invoker = true) AS
SELECT e.company_id, e.occurred_at,
       (e.occurred_at AT TIME ZONE
           CASE WHEN c.timezone IS NULL THEN 'UTC' ELSE c.timezone END)::date AS day,
       e.event_id, p.profile_id, e.subscriber_id, e.keyword_class, e.message_type,
       e.business_address, m.message_key AS reply_to_message_key,
       e.occurred_at - m.occurred_at AS reply_after, o.occurred_at AS opted_out_at,
       o.occurred_at - e.occurred_at AS opted_out_after,
       e.keyword_class IS NOT NULL AND e.keyword_class IN ('stop', 'stop_fuzzy')
           AND o.occurred_at IS NULL AND s.decision IS DISTINCT FROM 'revoked'
           AS stop_without_optout,
       extract(epoch FROM e.occurred_at - m.occurred_at)::double precision AS reply_after_s,
       extract(epoch FROM o.occurred_at - e.occurred_at)::double precision AS opted_out_after_s,
       m.event_id AS reply_to_event_id, o.event_id AS opt_out_event_id
FROM gateway.source_event e
LEFT JOIN gateway.company c ON c.company_id = e.company_id
LEFT JOIN gateway.identity i
    ON i.company_id = e.company_id AND i.subscriber_id = e.subscriber_id
CROSS JOIN LATERAL (SELECT CASE WHEN i.profile_id IS NULL THEN e.subscriber_id
                                ELSE i.profile_id END AS profile_id) p
LEFT JOIN LATERAL (
    SELECT x.occurred_at, x.message_key, x.event_id
    FROM gateway.subscribers_of(e.company_id, p.profile_id) n
    JOIN gateway.source_event x ON x.company_id = e.company_id
        AND x.subscriber_id = n.subscriber_id AND x.event_name = 'sms.sent'
        AND x.occurred_at <= e.occurred_at AND x.occurred_at >= e.occurred_at - interval '48 hours'
    ORDER BY x.occurred_at DESC, x.event_id DESC LIMIT 1) m ON true
LEFT JOIN LATERAL (
    SELECT k.occurred_at, k.event_id
    FROM gateway.subscribers_of(e.company_id, p.profile_id) n
    JOIN gateway.consent_decision k ON k.company_id = e.company_id
        AND k.subscriber_id = n.subscriber_id AND k.channel = 'sms' AND k.decision = 'revoked'
        AND k.occurred_at >= e.occurred_at - interval '5 minutes'
        AND k.occurred_at <= e.occurred_at + interval '336 hours' -- 14 days
    ORDER BY k.occurred_at, k.event_id LIMIT 1) o ON e.keyword_class IN ('stop', 'stop_fuzzy')
LEFT JOIN LATERAL (
    SELECT k.decision
    FROM gateway.subscribers_of(e.company_id, p.profile_id) n
    JOIN gateway.consent k ON k.company_id = e.company_id
        AND k.subscriber_id = n.subscriber_id AND k.channel = 'sms'
        AND k.subscription_type IN ('MARKETING', 'UNSPECIFIED')
    ORDER BY k.decided_at DESC, k.decision DESC LIMIT 1) s
    ON e.keyword_class IN ('stop', 'stop_fuzzy')
WHERE e.action = 'inbound_received';
SELECT gateway.describe('report.inbound_messages',
    'Texts from subscribers by kind of keyword, with the SMS they answer (the last within 48 '
    'hours) and the opt-out that followed (within 14 days, which ten business days never pass). '
    'Look into stop_without_optout. Filter on company_id and occurred_at.', ARRAY[
    ['reply_to_message_key', 'The SMS it answers: the last one sent to the profile within 48 '
        'hours before.'],
    ['reply_after', 'Time from that SMS to the reply.'],
    ['opted_out_at', 'For stop keywords: the profile''s first SMS opt-out from 5 minutes before '
        'to 14 days after.'],
    ['opted_out_after', 'Time from the text to that opt-out.'],
    ['reply_after_s', 'reply_after in seconds.'],
    ['opted_out_after_s', 'opted_out_after in seconds.'],
    ['reply_to_event_id', 'event_id of the SMS it answers.'],
    ['opt_out_event_id', 'event_id of that opt-out.'],
    ['stop_without_optout', 'A stop keyword that no opt-out followed, from somebody who is not '
        'opted out now: look into it.']],
    '{report.source_event}');
