-- What the other reports rest on: companies and their time zones, the rules in force, and how far
-- behind the log they are. Schema gateway itself is closed to readers.

CREATE OR REPLACE VIEW report.company WITH (security_invoker = true) AS
SELECT company_id, company_name, timezone, first_seen_at, last_seen_at
FROM gateway.company;
SELECT gateway.describe('report.company',
    'The companies of the log, and the time zone that decides their days.');

CREATE OR REPLACE VIEW report.rules WITH (security_invoker = true) AS
SELECT channel, action, touch, touch_rank, window_hours
FROM gateway.attribution_rule;
SELECT gateway.describe('report.rules',
    'The rules of attribution in force: which events may take the credit for an order, and for how '
    'long after them.',
    p_like => '{gateway.attribution_rule}');

CREATE OR REPLACE VIEW report.suspect_rules WITH (security_invoker = true) AS
SELECT for_company, seconds_after_send, links_per_second
FROM gateway.suspect_rule;
SELECT gateway.describe('report.suspect_rules',
    'Which opens and clicks are taken for a machine''s.',
    p_like => '{gateway.suspect_rule}');

CREATE OR REPLACE VIEW report.freshness WITH (security_invoker = true) AS
SELECT f.company_id, max(f.last_received_at) AS newest_received_at, u.complete_until,
       extract(epoch FROM now() - u.complete_until)::double precision AS behind_s
FROM gateway.feed_day f
CROSS JOIN (SELECT gateway.projected_until() AS complete_until) u
GROUP BY f.company_id, u.complete_until;
SELECT gateway.describe('report.freshness',
    'How fresh the reports of each company are.', ARRAY[
    ['newest_received_at', 'When the newest event in the reports was received.'],
    ['complete_until', 'Up to when all that was stored is in the reports: the moment of asking, '
        'when nothing waits.'],
    ['behind_s', 'How long ago that is, in seconds.']],
    '{gateway.company}');
