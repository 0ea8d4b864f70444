-- When data stopped: each company's types against their own rhythm of the last 28 days. A sender
-- that gives up, or a webhook that was switched off, is no fault of any request; only the silence
-- shows it, and what is silence for one type is an ordinary night for another.
--
-- The rule is on purpose without a model of traffic. Of n pauses the longest is exceeded twofold by
-- the next with a chance of about 1/n^2 where events come at random, so a feed raises a false alarm
-- in 28 days with a chance of about 1/n; nights and weekends are pauses like others. That rule is
-- slow by day for a feed that rests at night, so there is a second: six hours that brought events
-- in each of the last four weeks, and now brought none. Both need no setting.

CREATE TABLE gateway.feed_day (
    company_id        text           NOT NULL,
    event_name        text           NOT NULL,
    day               date           NOT NULL,
    first_received_at timestamptz(3) NOT NULL,
    last_received_at  timestamptz(3) NOT NULL,
    minutes           bit(1440)      NOT NULL,
    hours             integer        NOT NULL,
    pause_minutes     integer        NOT NULL,
    PRIMARY KEY (company_id, event_name, day)
) WITH (fillfactor = 70);

COMMENT ON TABLE gateway.feed_day IS
    'When events of a type came in, for the 28 days before the newest day: the rhythm that silence is judged by. A read model; whatever the order and however often an event is taken, the rows are the same.';
COMMENT ON COLUMN gateway.feed_day.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.feed_day.event_name IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.feed_day.day IS 'Day (UTC) in which events were received.';
COMMENT ON COLUMN gateway.feed_day.first_received_at IS 'received_at of the first of them; of one that claims to be younger than its commit, the commit.';
COMMENT ON COLUMN gateway.feed_day.last_received_at IS 'The same of the last.';
COMMENT ON COLUMN gateway.feed_day.minutes IS 'Bit n, from the left: events came in minute n of the day.';
COMMENT ON COLUMN gateway.feed_day.hours IS 'Bit n, from the right: events came in hour n of the day.';
COMMENT ON COLUMN gateway.feed_day.pause_minutes IS 'The longest run of minutes without events, between the first and the last of the day.';

CREATE FUNCTION gateway.longest_pause(p_minutes bit) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(max(length(z.run)), 0)::integer
    FROM regexp_split_to_table(trim(BOTH '0' FROM p_minutes::text), '1+') AS z (run);
END;
COMMENT ON FUNCTION gateway.longest_pause(bit) IS 'The longest run of zeros between ones.';
REVOKE ALL ON FUNCTION gateway.longest_pause(bit) FROM PUBLIC;

-- A gateway whose clock runs ahead must not hide silence to come: nothing is received long after
-- the database committed it.
CREATE FUNCTION gateway.project_feed(p_batches bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_companies text[];
    v_names     text[];
BEGIN
    WITH told AS (
        SELECT e.batch_id, e.company_id, e.event_name, min(e.received_at) AS first,
               max(e.received_at) AS last
        FROM gateway.source_event e WHERE e.batch_id = ANY (p_batches)
        GROUP BY e.batch_id, e.company_id, e.event_name,
                 date_bin('1 minute', e.received_at, timestamptz '2000-01-01 00:00+00')),
    heard AS (
        SELECT t.company_id, t.event_name, least(t.first, c.last) AS first, c.last,
               c.last AT TIME ZONE 'UTC' AS at
        FROM told t JOIN gateway.batch b ON b.batch_id = t.batch_id
        CROSS JOIN LATERAL (SELECT CASE WHEN t.last > b.committed_at + interval '1 minute'
                                        THEN b.committed_at ELSE t.last END AS last) c),
    merged AS (
        INSERT INTO feed_day AS f (company_id, event_name, day, first_received_at,
            last_received_at, minutes, hours, pause_minutes)
        SELECT d.company_id, d.event_name, d.day, d.first, d.last, d.minutes, d.hours,
               gateway.longest_pause(d.minutes)
        FROM (SELECT h.company_id, h.event_name, h.at::date AS day, min(h.first) AS first,
                     max(h.last) AS last,
                     bit_or(set_bit(repeat('0', 1440)::bit(1440),
                         (extract(hour FROM h.at) * 60 + extract(minute FROM h.at))::integer,
                         1)) AS minutes,
                     bit_or(1 << extract(hour FROM h.at)::integer) AS hours
              FROM heard h GROUP BY h.company_id, h.event_name, h.at::date) d
        ON CONFLICT (company_id, event_name, day) DO UPDATE SET
            first_received_at = least(f.first_received_at, excluded.first_received_at),
            last_received_at = greatest(f.last_received_at, excluded.last_received_at),
            minutes = f.minutes | excluded.minutes,
            hours = f.hours | excluded.hours,
            pause_minutes = CASE WHEN f.minutes | excluded.minutes = f.minutes
                THEN f.pause_minutes
                ELSE gateway.longest_pause(f.minutes | excluded.minutes) END
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
COMMENT ON FUNCTION gateway.project_feed(bigint[]) IS
    'Merges when the events of the given batches came in into feed_day, and drops what is older than 28 days before the newest.';
REVOKE ALL ON FUNCTION gateway.project_feed(bigint[]) FROM PUBLIC;

-- A projector that lags must not make a feed look silent.
CREATE FUNCTION gateway.projected_until() RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
BEGIN ATOMIC
    SELECT least(now(), (SELECT b.committed_at FROM gateway.batch b
                         WHERE b.projected_at IS NULL AND b.set_aside_at IS NULL
                         ORDER BY b.batch_id LIMIT 1));
END;
COMMENT ON FUNCTION gateway.projected_until() IS
    'Up to when the read models know the log: the commit of the oldest waiting batch, now when none waits.';
REVOKE ALL ON FUNCTION gateway.projected_until() FROM PUBLIC;

CREATE VIEW report.feed_silence WITH (security_invoker = true) AS
WITH dated AS (
    SELECT f.company_id, f.event_name, f.day, f.first_received_at, f.last_received_at, f.hours,
           f.pause_minutes, max(f.day) OVER feed AS newest_day,
           lag(f.last_received_at) OVER (feed ORDER BY f.day) AS before
    FROM gateway.feed_day f
    WINDOW feed AS (PARTITION BY f.company_id, f.event_name)),
weekday AS ( -- counted from the newest day on
    SELECT d.company_id, d.event_name, d.newest_day, (d.day - d.newest_day + 28) % 7 AS number,
           max(d.last_received_at) AS newest, min(d.first_received_at) AS oldest,
           sum(bit_count(d.hours::bit(24)))::integer AS hours_heard,
           greatest((max(d.pause_minutes) + 1) * interval '1 minute',
               max(d.first_received_at - d.before)) AS pause,
           CASE WHEN count(*) FILTER (WHERE d.day < d.newest_day) = 4
                THEN bit_and(d.hours) FILTER (WHERE d.day < d.newest_day) ELSE 0 END AS always
    FROM dated d GROUP BY 1, 2, 3, 4),
feed AS (
    SELECT w.company_id, w.event_name, w.newest_day, max(w.newest) AS newest,
           max(w.pause) AS pause,
           sum(w.hours_heard) >= 10 AND max(w.newest) - min(w.oldest) >= interval '7 days'
               AS is_known,
           array_agg(w.number) AS numbers, array_agg(w.always) AS always
    FROM weekday w GROUP BY 1, 2, 3),
judged AS (
    SELECT f.*, u.until - f.newest AS unheard,
           CASE WHEN u.until - f.newest < interval '6 hours' THEN 0 ELSE (
               SELECT coalesce(sum(bit_count((a.hours & ((1 << h.before) - 1)
                                              & ~((1 << h.since) - 1))::bit(24))), 0)::integer
               FROM unnest(f.numbers, f.always) AS a (number, hours)
               CROSS JOIN LATERAL (SELECT
                   CASE WHEN a.number = 0
                        THEN extract(hour FROM f.newest AT TIME ZONE 'UTC')::integer + 1
                        ELSE 0 END AS since,
                   least(greatest(floor(extract(epoch FROM u.until AT TIME ZONE 'UTC'
                       - (f.newest_day + a.number)) / 3600), 0), 24)::integer AS before) h)
           END AS missed_hours
    FROM feed f CROSS JOIN (SELECT gateway.projected_until() AS until) u)
SELECT j.company_id, j.event_name, j.newest AS newest_event, now() - j.newest AS silence,
       CASE WHEN j.is_known THEN j.pause END AS usual_silence, s.is_silent, j.missed_hours,
       CASE WHEN j.unheard >= interval '28 days' THEN 'ended'
            WHEN s.is_silent THEN 'silent'
            WHEN j.is_known THEN 'usual'
            ELSE 'not known yet' END AS state
FROM judged j
CROSS JOIN LATERAL (SELECT j.is_known AND j.unheard < interval '28 days'
    AND (j.unheard > 2 * j.pause + interval '15 minutes' OR j.missed_hours >= 6)
    AS is_silent) s;
COMMENT ON VIEW report.feed_silence IS
    'For how long each company''s types have been silent, against their own rhythm of 28 days. Events that wait in a gateway''s spool are not known here.';
COMMENT ON COLUMN report.feed_silence.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN report.feed_silence.event_name IS 'As in gateway.source_event.';
COMMENT ON COLUMN report.feed_silence.newest_event IS 'When the newest event of the type was received.';
COMMENT ON COLUMN report.feed_silence.silence IS 'How long ago that was.';
COMMENT ON COLUMN report.feed_silence.usual_silence IS 'The longest pause between two events within 28 days, to the minute; null until there were events in ten hours and over seven days.';
COMMENT ON COLUMN report.feed_silence.is_silent IS 'Whether data stopped: silent for twice the longest pause and 15 minutes more, or for six hours that brought events in each of the last four weeks. False after 28 days: it has ended.';
COMMENT ON COLUMN report.feed_silence.missed_hours IS 'Hours since the newest event that brought some in each of the last four weeks; counted when it is six hours old.';
COMMENT ON COLUMN report.feed_silence.state IS 'not known yet (too few events to judge by), usual, silent, or ended: nothing for 28 days.';

CREATE VIEW report.feed_health WITH (security_invoker = true) AS
SELECT h.*, s.usual_silence, coalesce(s.is_silent, false) AS is_silent
FROM (SELECT company_id, event_name, date_trunc('hour', received_at, 'UTC') AS hour,
             count(*) AS events, max(occurred_at) AS newest_event,
             percentile_cont(0.5) WITHIN GROUP (
                 ORDER BY extract(epoch FROM received_at - occurred_at)) AS median_delay_s,
             percentile_cont(0.95) WITHIN GROUP (
                 ORDER BY extract(epoch FROM received_at - occurred_at)) AS p95_delay_s,
             count(*) FILTER (WHERE quality_flags <> '{}') AS flagged,
             now() - max(max(received_at)) OVER (PARTITION BY company_id, event_name) AS silence
      FROM gateway.source_event
      WHERE occurred_at > now() - interval '7 days'
      GROUP BY 1, 2, 3) h
LEFT JOIN report.feed_silence s USING (company_id, event_name);
COMMENT ON VIEW report.feed_health IS
    'Events of the last seven days by the hour they came in, how late they were, and for how long their type has been silent. Filter on company_id.';
COMMENT ON COLUMN report.feed_health.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN report.feed_health.event_name IS 'As in gateway.source_event.';
COMMENT ON COLUMN report.feed_health.hour IS 'The hour (UTC) in which they were received.';
COMMENT ON COLUMN report.feed_health.events IS 'Events received in it.';
COMMENT ON COLUMN report.feed_health.newest_event IS 'Newest occurred_at among them.';
COMMENT ON COLUMN report.feed_health.median_delay_s IS 'Median of received_at - occurred_at, in seconds.';
COMMENT ON COLUMN report.feed_health.p95_delay_s IS 'Its 95th percentile, in seconds.';
COMMENT ON COLUMN report.feed_health.flagged IS 'Events with a quality flag.';
COMMENT ON COLUMN report.feed_health.silence IS 'How long ago the newest event of the type came in.';
COMMENT ON COLUMN report.feed_health.usual_silence IS 'As in report.feed_silence.';
COMMENT ON COLUMN report.feed_health.is_silent IS 'As in report.feed_silence.';
