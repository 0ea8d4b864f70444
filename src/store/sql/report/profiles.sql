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
    greatest(now(), c.last_seen_at) AT TIME ZONE c.timezone, interval '1 day') AS d (day);
SELECT gateway.describe('gateway.local_day',
    'The calendar of each company in its own time zone, from the day of its first event.', ARRAY[
    ['day', 'The local date.'],
    ['starts_at', 'Its first moment.'],
    ['ends_at', 'The first moment of the next day.']],
    '{gateway.company}');

DROP FUNCTION IF EXISTS gateway.suspicion(text, uuid, text, text, timestamptz);

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
