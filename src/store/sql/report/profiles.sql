-- What the reports stand on: each company's calendar, and the subscribers of a profile.
--
-- Reports are views with stable names: no clear-text identifier, no free text, no bodies.
-- security_invoker: a view gives nobody more than the role is granted. Join keys say CASE, not
-- COALESCE: under row-level security COALESCE counts as leaky and no index serves it. Functions
-- that views call have bodies in BEGIN ATOMIC: names are resolved when they are made, so that
-- callers need no right to the schema.

-- Days of each company by its own clock. A report by day joins the log on the bounds: times, which
-- prune partitions, where a filter on the day itself would read them all.
CREATE OR REPLACE VIEW gateway.local_day WITH (security_invoker = true) AS
SELECT c.company_id, d.day::date AS day, d.day AT TIME ZONE c.timezone AS starts_at,
       (d.day + interval '1 day') AT TIME ZONE c.timezone AS ends_at
FROM gateway.company c
CROSS JOIN LATERAL generate_series(date_trunc('day', c.first_seen_at AT TIME ZONE c.timezone),
    greatest(now(), c.last_seen_at)::timestamp + interval '1 day', interval '1 day') AS d (day);
SELECT gateway.describe('gateway.local_day',
    'The calendar of each company in its own time zone, from the day of its first event.', ARRAY[
    ['day', 'The local date.'],
    ['starts_at', 'Its first moment.'],
    ['ends_at', 'The first moment of the next day.']],
    '{gateway.company}');

SELECT gateway.describe('gateway.suspect_rule',
    'Which opens and clicks are no person''s but a machine''s, which Attentive does not tell: the '
    'row of a company, else that of *. Klaviyo, "Understanding bot clicks": inbox providers, '
    'security software and carriers follow links before anybody reads the message.', ARRAY[
    ['for_company', 'A company_id, or * for all that have no row.'],
    ['seconds_after_send', 'An open or click no later than this after a send of its channel to '
        'the subscriber is suspect.'],
    ['links_per_second', 'More clicks of a subscriber than these within a second are suspect.']]);

-- Whether an open or click is suspect by that rule; no row for other events.
CREATE OR REPLACE FUNCTION gateway.suspicion(
    p_company_id text, p_subscriber_id uuid, p_channel text, p_action text, p_at timestamptz)
RETURNS TABLE (is_suspect boolean) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT EXISTS (
               SELECT FROM gateway.source_event s
               WHERE s.company_id = p_company_id AND s.subscriber_id = p_subscriber_id
                   AND s.occurred_at <= p_at
                   AND s.occurred_at >= p_at - make_interval(secs => r.seconds_after_send)
                   AND s.channel = p_channel AND s.action = 'sent')
           OR p_action = 'link_clicked' AND (
               SELECT count(*) FROM gateway.source_event k
               WHERE k.company_id = p_company_id AND k.subscriber_id = p_subscriber_id
                   AND k.occurred_at >= p_at - interval '1 second'
                   AND k.occurred_at <= p_at + interval '1 second'
                   AND k.channel = p_channel AND k.action = 'link_clicked') > r.links_per_second
    FROM gateway.suspect_rule r
    WHERE p_action IN ('opened', 'link_clicked')
        AND r.for_company = CASE WHEN EXISTS (SELECT FROM gateway.suspect_rule o
                                              WHERE o.for_company = p_company_id)
                                 THEN p_company_id ELSE '*' END;
END;
COMMENT ON FUNCTION gateway.suspicion IS
    'Whether an open or click is a machine''s, by gateway.suspect_rule.';

-- All subscribers of a profile. One that is not projected yet is a profile of its own.
CREATE OR REPLACE FUNCTION gateway.subscribers_of(p_company_id text, p_profile_id uuid)
RETURNS TABLE (subscriber_id uuid) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT p_profile_id
    UNION ALL
    SELECT i.subscriber_id FROM gateway.identity i
    WHERE i.company_id = p_company_id AND i.profile_id = p_profile_id
      AND i.profile_id <> i.subscriber_id;
END;
COMMENT ON FUNCTION gateway.subscribers_of IS
    'The subscribers that are one profile, its own id first.';
