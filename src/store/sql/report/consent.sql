-- Opt-ins, opt-outs and subscribers, over the read models: fast however long the log is.

CREATE OR REPLACE VIEW report.consent_movement_daily WITH (security_invoker = true) AS
SELECT company_id, day, channel, subscription_type, creative_name, creative_type,
       creative_subtype, opt_ins, opt_outs, effective_opt_ins, effective_opt_outs,
       effective_opt_ins - effective_opt_outs AS net_change
FROM gateway.consent_daily;
SELECT gateway.describe('report.consent_movement_daily',
    'Opt-ins and opt-outs by local day, channel, subscription type and sign-up creative. An '
    'opt-out counts for the creative of the opt-in it ends, and what repeats what is so already is '
    'nothing in net_change: by creative it is who is left of its subscribers.',
    ARRAY[
    ['net_change', 'effective_opt_ins less effective_opt_outs.']]);

CREATE OR REPLACE VIEW report.audience_size_daily WITH (security_invoker = true) AS
SELECT company_id, day, channel, subscription_type, net_change,
       sum(net_change) OVER (PARTITION BY company_id, channel, subscription_type
                             ORDER BY day)::bigint AS subscribers_at_day_end
FROM (SELECT company_id, day, channel, subscription_type,
             sum(effective_opt_ins - effective_opt_outs)::bigint AS net_change
      FROM gateway.consent_daily
      WHERE effective_opt_ins > 0 OR effective_opt_outs > 0
      GROUP BY company_id, day, channel, subscription_type) d;
SELECT gateway.describe('report.audience_size_daily',
    'Subscribers at the end of each local day with a change, by channel and subscription '
    'type.', ARRAY[
    ['net_change', 'effective_opt_ins less effective_opt_outs.'],
    ['subscribers_at_day_end', 'Subscribers when the day ended.']]);

-- Sums of days: as fast however many subscribers there are.
CREATE OR REPLACE VIEW report.current_subscribers WITH (security_invoker = true) AS
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
SELECT gateway.describe('report.current_subscribers',
    'Subscribers now, by channel and subscription type: phone numbers and e-mail addresses, as '
    'Attentive counts them. Who shares one within a profile is one.', ARRAY[
    ['subscribed', 'Those whose last decision is an opt-in.'],
    ['unsubscribed', 'Those whose last decision is an opt-out.'],
    ['subscribed_last_30d', 'Of subscribed: those who decided on one of the last 30 days, today '
        'included.'],
    ['last_change_at', 'Newest decision.']]);

CREATE OR REPLACE VIEW report.opt_outs_of_nobody WITH (security_invoker = true) AS
SELECT company_id, occurred_at, event_id, channel, subscription_type, received_at
FROM gateway.source_event
WHERE action = 'unsubscribed' AND subscriber_id IS NULL;
SELECT gateway.describe('report.opt_outs_of_nobody',
    'Opt-outs without any valid identifier: somebody is out and not known, and goes on being '
    'written to. What was given is in extra of gateway.source_event and in the raw body; opt that '
    'person out in Attentive.',
    p_like => '{report.source_event}');

-- CASE, not COALESCE: under row-level security the planner holds COALESCE back from an index.
CREATE OR REPLACE VIEW report.subscriber_consent WITH (security_invoker = true) AS
SELECT c.company_id,
       CASE WHEN i.profile_id IS NULL THEN c.subscriber_id ELSE i.profile_id END AS profile_id,
       c.subscriber_id, c.channel, c.subscription_type, c.decision = 'granted' AS is_subscribed,
       c.decided_at, c.first_granted_at, c.last_granted_at, c.last_revoked_at, c.creative_name,
       c.creative_type, c.creative_subtype, c.decided_by AS evidence_event_id
FROM gateway.consent c
LEFT JOIN gateway.identity i
    ON i.company_id = c.company_id AND i.subscriber_id = c.subscriber_id;
SELECT gateway.describe('report.subscriber_consent',
    'Consent now, for each subscriber, channel and subscription type, with the event that decided '
    'it. An opt-out reaches every subscriber of the profile with the same phone number (SMS) or '
    'address (e-mail), an opt-in its own alone.', ARRAY[
    ['is_subscribed', 'Whether the last decision that reaches the subscriber is an opt-in; an '
        'opt-out wins a tie.'],
    ['creative_name', 'Sign-up source: name of the creative of the last opt-in that changed the '
        'state.'],
    ['creative_type', 'Sign-up source: type of that creative.'],
    ['creative_subtype', 'Sign-up source: subtype of that creative.'],
    ['evidence_event_id', 'event_id of the last decision: the proof in the log.']],
    '{gateway.consent,report.source_event}');
