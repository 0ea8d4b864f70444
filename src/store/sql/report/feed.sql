-- Whether data still comes, and how late.

CREATE OR REPLACE VIEW report.feed_silence WITH (security_invoker = true) AS
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
           sum(w.hours_heard) >= 10 AND max(w.newest) - min(w.oldest) >= interval '168 hours'
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
       CASE WHEN j.unheard >= interval '672 hours' THEN 'ended'
            WHEN s.is_silent THEN 'silent'
            WHEN j.is_known THEN 'usual'
            ELSE 'not known yet' END AS state,
       extract(epoch FROM now() - j.newest)::double precision AS silence_s,
       CASE WHEN j.is_known THEN extract(epoch FROM j.pause)::double precision END
           AS usual_silence_s
FROM judged j
CROSS JOIN LATERAL (SELECT j.is_known AND j.unheard < interval '672 hours'
    AND (j.unheard > 2 * j.pause + interval '15 minutes' OR j.missed_hours >= 6)
    AS is_silent) s;
SELECT gateway.describe('report.feed_silence',
    'For how long each company''s types have been silent, against their own rhythm of 28 days. '
    'Events that wait in a gateway''s spool are not known here.', ARRAY[
    ['newest_event', 'When the newest event of the type was received.'],
    ['silence', 'How long ago that was.'],
    ['usual_silence', 'The longest pause between two events within 28 days, to the minute; null '
        'until there were events in ten hours and over seven days.'],
    ['silence_s', 'silence in seconds.'],
    ['usual_silence_s', 'usual_silence in seconds.'],
    ['is_silent', 'Whether data stopped: silent for twice the longest pause and 15 minutes more, '
        'or for six hours that brought events in each of the last four weeks. False after 28 '
        'days: it has ended.'],
    ['missed_hours', 'Hours since the newest event that brought some in each of the last four '
        'weeks; counted when it is six hours old.'],
    ['state', 'not known yet (too few events to judge by), usual, silent, or ended: nothing for '
        '28 days.']]);

CREATE OR REPLACE VIEW report.feed_health WITH (security_invoker = true) AS
SELECT h.*, s.usual_silence, coalesce(s.is_silent, false) AS is_silent,
       extract(epoch FROM h.silence)::double precision AS silence_s, s.usual_silence_s
FROM (SELECT company_id, event_name, date_trunc('hour', received_at, 'UTC') AS hour,
             count(*) AS events, max(occurred_at) AS newest_event,
             percentile_cont(0.5) WITHIN GROUP (
                 ORDER BY extract(epoch FROM received_at - occurred_at)) AS median_delay_s,
             percentile_cont(0.95) WITHIN GROUP (
                 ORDER BY extract(epoch FROM received_at - occurred_at)) AS p95_delay_s,
             count(*) FILTER (WHERE quality_flags <> '{}') AS flagged,
             now() - max(max(received_at)) OVER (PARTITION BY company_id, event_name) AS silence
      FROM gateway.source_event
      WHERE occurred_at > now() - interval '168 hours'
      GROUP BY 1, 2, 3) h
LEFT JOIN report.feed_silence s USING (company_id, event_name);
SELECT gateway.describe('report.feed_health',
    'Events of the last seven days by the hour they came in, how late they were, and for how long '
    'their type has been silent. Filter on company_id.', ARRAY[
    ['hour', 'The hour (UTC) in which they were received.'],
    ['events', 'Events received in it.'],
    ['newest_event', 'Newest occurred_at among them.'],
    ['median_delay_s', 'Median of received_at - occurred_at, in seconds.'],
    ['p95_delay_s', 'Its 95th percentile, in seconds.'],
    ['flagged', 'Events with a quality flag.'],
    ['silence', 'How long ago the newest event of the type came in.']],
    '{report.feed_silence}');
