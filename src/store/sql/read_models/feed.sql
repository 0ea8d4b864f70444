-- When data stopped: each company's types against their own rhythm of the last 28 days. A sender
-- that gives up, or a webhook that was switched off, is no fault of any request; only the silence
-- shows it, and what is silence for one type is an ordinary night for another.
--
-- The rule is on purpose without a model of traffic. Of n pauses the longest is exceeded twofold by
-- the next with a chance of about 1/n^2 where events come at random, so a feed raises a false alarm
-- in 28 days with a chance of about 1/n; nights and weekends are pauses like others. That rule is
-- slow by day for a feed that rests at night, so there is a second: six hours that brought events
-- in each of the last four weeks, and now brought none. Both need no setting.

SELECT gateway.describe('gateway.feed_day',
    'When events of a type came in, for the 28 days before the newest day: the rhythm that '
    'silence is judged by. A read model; whatever the order and however often an event is taken, '
    'the rows are the same.', ARRAY[
    ['day', 'Day (UTC) in which events were received.'],
    ['first_received_at', 'received_at of the first of them; of one that claims to be younger '
        'than when it was applied, that.'],
    ['last_received_at', 'The same of the last.'],
    ['minutes', 'Bit n, from the left: events came in minute n of the day.'],
    ['hours', 'Bit n, from the right: events came in hour n of the day.'],
    ['pause_minutes', 'The longest run of minutes without events, between the first and the last '
        'of the day.']]);

CREATE OR REPLACE FUNCTION gateway.longest_pause(p_minutes bit) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(max(length(z.run)), 0)::integer
    FROM regexp_split_to_table(trim(BOTH '0' FROM p_minutes::text), '1+') AS z (run);
END;
COMMENT ON FUNCTION gateway.longest_pause IS 'The longest run of zeros between ones.';

-- The steps that applied the events of positions, and which of the positions each of them did.
CREATE OR REPLACE FUNCTION gateway.steps_of(
    p_first bigint, p_last bigint, OUT applied_at timestamptz, OUT first bigint, OUT last bigint)
RETURNS SETOF record
LANGUAGE sql STABLE
AS $$
    SELECT s.applied_at, greatest(s.position - s.events + 1, p_first), least(s.position, p_last)
    FROM gateway.step s
    WHERE s.events > 0 AND s.position >= p_first
        AND s.position <= (SELECT min(n.position) FROM (
            SELECT t.position FROM gateway.step t WHERE t.events > 0 AND t.position >= p_last
            ORDER BY t.position LIMIT 1) n)
$$;
COMMENT ON FUNCTION gateway.steps_of IS
    'The steps that applied the events of positions, with their part of the positions.';

-- A gateway whose clock runs ahead must not hide silence to come: nothing is received long after
-- it was applied.
CREATE OR REPLACE FUNCTION gateway.project_feed(p_first bigint, p_last bigint)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_companies text[];
    v_names     text[];
BEGIN
    WITH told AS (
        SELECT s.applied_at, e.company_id, e.event_name, min(e.received_at) AS first,
               max(e.received_at) AS last
        FROM gateway.steps_of(p_first, p_last) s
        JOIN gateway.source_event e ON e.position BETWEEN s.first AND s.last
        GROUP BY s.applied_at, e.company_id, e.event_name,
                 date_bin('1 minute', e.received_at, timestamptz '2000-01-01 00:00+00')),
    heard AS (
        SELECT t.company_id, t.event_name, least(t.first, c.last) AS first, c.last,
               c.last AT TIME ZONE 'UTC' AS at
        FROM told t
        CROSS JOIN LATERAL (SELECT CASE WHEN t.last > t.applied_at + interval '1 minute'
                                        THEN t.applied_at ELSE t.last END AS last) c),
    merged AS (
        INSERT INTO feed_day AS f (company_id, event_name, day, first_received_at,
            last_received_at, minutes, hours, pause_minutes)
        SELECT d.company_id, d.event_name, d.day, d.first, d.last, d.minutes, d.hours,
               CASE WHEN k.minutes | d.minutes = k.minutes THEN k.pause_minutes
                   ELSE gateway.longest_pause(coalesce(k.minutes | d.minutes, d.minutes)) END
        FROM (SELECT h.company_id, h.event_name, h.at::date AS day, min(h.first) AS first,
                     max(h.last) AS last,
                     bit_or(set_bit(repeat('0', 1440)::bit(1440),
                         (extract(hour FROM h.at) * 60 + extract(minute FROM h.at))::integer,
                         1)) AS minutes,
                     bit_or(1 << extract(hour FROM h.at)::integer) AS hours
              FROM heard h GROUP BY h.company_id, h.event_name, h.at::date) d
        LEFT JOIN feed_day k ON k.company_id = d.company_id AND k.event_name = d.event_name
            AND k.day = d.day
        ON CONFLICT (company_id, event_name, day) DO UPDATE SET
            first_received_at = least(f.first_received_at, excluded.first_received_at),
            last_received_at = greatest(f.last_received_at, excluded.last_received_at),
            minutes = f.minutes | excluded.minutes,
            hours = f.hours | excluded.hours,
            pause_minutes = excluded.pause_minutes
        RETURNING f.company_id, f.event_name)
    SELECT array_agg(m.company_id), array_agg(m.event_name) INTO v_companies, v_names
    FROM (SELECT DISTINCT company_id, event_name FROM merged) m;

    DELETE FROM feed_day f
    USING (SELECT k.company_id, k.event_name,
                  (SELECT max(n.day) - 28 FROM feed_day n WHERE n.company_id = k.company_id
                     AND n.event_name = k.event_name) AS first_day
           FROM unnest(v_companies, v_names) AS k (company_id, event_name)) k
    WHERE f.company_id = k.company_id AND f.event_name = k.event_name AND f.day < k.first_day;
END $$;
COMMENT ON FUNCTION gateway.project_feed IS
    'Merges when the events of the given positions came in into feed_day, and drops what is older '
    'than 28 days before the newest.';

-- An applier that lags must not make a feed look silent.
CREATE OR REPLACE FUNCTION gateway.projected_until() RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT least(now(), (SELECT min(w.appended_at) FROM gateway.intake_waiting w),
        gateway.unprojected_since());
END;
COMMENT ON FUNCTION gateway.projected_until IS
    'Up to when the read models know what came: when the oldest delivery was appended that waits, '
    'or the oldest event applied; now when none waits.';
