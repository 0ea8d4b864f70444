-- What campaigns brought that would not have come without them: who was held out against who was
-- not. Attentive's webhooks do not tell who was; whoever knows loads it.

SELECT gateway.describe('gateway.holdout',
    'Experiments: a group of people is not written to for a time. Fill it and '
    'gateway.holdout_member from what Attentive says of the holdout group.', ARRAY[
    ['holdout', 'Its name.'],
    ['starts_at', 'From when orders count.'],
    ['ends_at', 'Until when, not included.']],
    '{gateway.source_event}');

SELECT gateway.describe('gateway.holdout_member',
    'Who takes part in an experiment, and on which side.', ARRAY[
    ['holdout', 'The experiment.'],
    ['is_held_out', 'Whether the subscriber is not written to.']],
    '{gateway.source_event}');

-- A mean over everybody of a side, buyer or not; the interval is Welch's with the normal's 1.96,
-- which is his t's for groups of hundreds (B. L. Welch, Biometrika 34, 1947).
CREATE OR REPLACE VIEW report.holdout_lift WITH (security_invoker = true) AS
WITH person AS (
    SELECT m.company_id, m.holdout,
           CASE WHEN i.profile_id IS NULL THEN m.subscriber_id ELSE i.profile_id END AS profile_id,
           bool_or(m.is_held_out) AS is_held_out,
           bool_or(m.is_held_out) <> bool_and(m.is_held_out) AS is_on_both
    FROM gateway.holdout_member m
    LEFT JOIN gateway.identity i
        ON i.company_id = m.company_id AND i.subscriber_id = m.subscriber_id
    GROUP BY 1, 2, 3),
spent AS (
    SELECT h.company_id, h.holdout,
           CASE WHEN i.profile_id IS NULL THEN o.subscriber_id ELSE i.profile_id END AS profile_id,
           o.currency, sum(o.net_value) AS net_value
    FROM gateway.holdout h
    JOIN gateway.current_order o ON o.company_id = h.company_id
        AND o.occurred_at >= h.starts_at AND o.occurred_at < h.ends_at
    LEFT JOIN gateway.identity i
        ON i.company_id = o.company_id AND i.subscriber_id = o.subscriber_id
    WHERE NOT o.is_cancelled AND o.subscriber_id IS NOT NULL AND o.net_value IS NOT NULL
    GROUP BY 1, 2, 3, 4),
side AS (
    SELECT p.company_id, p.holdout, c.currency,
           count(*) FILTER (WHERE p.is_on_both) AS people_on_both,
           count(*) FILTER (WHERE t.is_written_to) AS people,
           count(*) FILTER (WHERE t.is_held_out) AS people_held_out,
           count(s.net_value) FILTER (WHERE t.is_written_to) AS buyers,
           count(s.net_value) FILTER (WHERE t.is_held_out) AS buyers_held_out,
           avg(coalesce(s.net_value, 0)) FILTER (WHERE t.is_written_to) AS mean,
           avg(coalesce(s.net_value, 0)) FILTER (WHERE t.is_held_out) AS mean_held_out,
           var_samp(coalesce(s.net_value, 0)) FILTER (WHERE t.is_written_to) AS variance,
           var_samp(coalesce(s.net_value, 0)) FILTER (WHERE t.is_held_out) AS variance_held_out
    FROM person p
    JOIN (SELECT DISTINCT company_id, holdout, currency FROM spent) c
        ON c.company_id = p.company_id AND c.holdout = p.holdout
    LEFT JOIN spent s ON s.company_id = p.company_id AND s.holdout = p.holdout
        AND s.profile_id = p.profile_id AND s.currency IS NOT DISTINCT FROM c.currency
    CROSS JOIN LATERAL (SELECT NOT p.is_on_both AND NOT p.is_held_out AS is_written_to,
                               NOT p.is_on_both AND p.is_held_out AS is_held_out) t
    GROUP BY 1, 2, 3)
SELECT s.company_id, s.holdout, h.starts_at, h.ends_at, s.currency, s.people, s.people_held_out,
       s.people_on_both, s.buyers, s.buyers_held_out,
       round(s.buyers::numeric / nullif(s.people, 0), 4) AS conversion_rate,
       round(s.buyers_held_out::numeric / nullif(s.people_held_out, 0), 4)
           AS conversion_rate_held_out,
       round(s.mean, 4) AS revenue_per_person,
       round(s.mean_held_out, 4) AS revenue_per_person_held_out,
       round(s.mean - s.mean_held_out, 4) AS lift,
       round(s.mean - s.mean_held_out - e.error, 4) AS lift_low,
       round(s.mean - s.mean_held_out + e.error, 4) AS lift_high
FROM side s
JOIN gateway.holdout h ON h.company_id = s.company_id AND h.holdout = s.holdout
CROSS JOIN LATERAL (
    SELECT 1.96 * sqrt(s.variance / nullif(s.people, 0)
                       + s.variance_held_out / nullif(s.people_held_out, 0)) AS error) e;
SELECT gateway.describe('report.holdout_lift',
    'What messages brought beyond what came without them: people who were written to against '
    'those held out, for each experiment of gateway.holdout and currency. Filter on company_id.',
    ARRAY[
    ['people', 'Profiles who were written to.'],
    ['people_held_out', 'Profiles who were not.'],
    ['people_on_both', 'Profiles whose subscribers are on both sides: counted on neither.'],
    ['buyers', 'Of people those with an order in the time, cancelled ones not counted.'],
    ['buyers_held_out', 'The same of people_held_out.'],
    ['conversion_rate', 'buyers of people.'],
    ['conversion_rate_held_out', 'buyers_held_out of people_held_out.'],
    ['revenue_per_person', 'Net value of their orders by people, those without an order too.'],
    ['revenue_per_person_held_out', 'The same of those held out.'],
    ['lift', 'The difference of both: what the messages brought per person.'],
    ['lift_low', 'Lower end of its 95 % interval (Welch). Below zero, it may be chance.'],
    ['lift_high', 'Upper end.']],
    '{gateway.holdout,gateway.current_order}');
