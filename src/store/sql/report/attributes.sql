-- Custom attributes: what each person was said to be, and since when.

SELECT gateway.describe('gateway.shown_attribute',
    'Custom attributes whose values analysts may see. Of one without a row here report_pii alone '
    'shows the values.', ARRAY[
    ['attribute_name', 'As Attentive sends it; upper and lower case matter.'],
    ['shown_at', 'When that was said.']],
    '{gateway.source_event}');

-- A clock more than a day ahead says nothing of when: what it dates would be current for as long.
CREATE OR REPLACE VIEW gateway.attribute_history WITH (security_invoker = true) AS
SELECT c.company_id, c.profile_id, c.subscriber_id, c.attribute_name, c.attribute_value,
       c.set_at AS valid_from,
       lead(c.set_at) OVER person AS valid_to,
       lead(c.set_at) OVER person IS NULL AS is_current,
       c.event_id
FROM (SELECT s.*, row_number() OVER person = 1
                  OR s.attribute_value IS DISTINCT FROM lag(s.attribute_value) OVER person
                  AS is_change
      FROM (SELECT e.company_id, e.subscriber_id, e.attribute_name, e.attribute_value, e.event_id,
                   CASE WHEN i.profile_id IS NULL THEN e.subscriber_id ELSE i.profile_id END
                       AS profile_id,
                   CASE WHEN gateway.is_ahead(e.occurred_at, e.received_at) THEN e.received_at
                        ELSE e.occurred_at END AS set_at
            FROM gateway.source_event e
            LEFT JOIN gateway.identity i
                ON i.company_id = e.company_id AND i.subscriber_id = e.subscriber_id
            WHERE e.action = 'attribute_set' AND e.subscriber_id IS NOT NULL
                AND e.attribute_name IS NOT NULL) s
      WINDOW person AS (PARTITION BY s.company_id, s.profile_id, s.attribute_name
                        ORDER BY s.set_at, s.event_id)) c
WHERE c.is_change
WINDOW person AS (PARTITION BY c.company_id, c.profile_id, c.attribute_name
                  ORDER BY c.set_at, c.event_id);
SELECT gateway.describe('gateway.attribute_history',
    'One row for each value that a person''s custom attribute has had; one that is set again to '
    'what it is is no new row. As dbt''s snapshots keep history. Filter on company_id. May hold '
    'personal data.', ARRAY[
    ['subscriber_id', 'For whom the value was set.'],
    ['attribute_value', 'The value, as text; null: it was taken away, or its person was erased.'],
    ['valid_from', 'When it was set.'],
    ['valid_to', 'When another value was set; null: it is the current one.'],
    ['is_current', 'Whether it is the current one.'],
    ['event_id', 'The event that set it.']],
    '{report.source_event,gateway.source_event}');

CREATE OR REPLACE VIEW report_pii.subscriber_attribute_history WITH (security_invoker = true) AS
SELECT company_id, profile_id, subscriber_id, attribute_name, attribute_value, valid_from,
       valid_to, is_current, event_id
FROM gateway.attribute_history;
SELECT gateway.describe('report_pii.subscriber_attribute_history',
    'One row for each value that a person''s custom attribute has had; one that is set again to '
    'what it is is no new row. Filter on company_id. May hold personal data.');

CREATE OR REPLACE VIEW report_pii.subscriber_attribute WITH (security_invoker = true) AS
SELECT company_id, profile_id, subscriber_id, attribute_name, attribute_value,
       valid_from AS set_at, event_id
FROM gateway.attribute_history
WHERE is_current;
SELECT gateway.describe('report_pii.subscriber_attribute',
    'Each person''s custom attributes as they are now. Filter on company_id. May hold personal '
    'data.', ARRAY[
    ['set_at', 'Since when it has this value.']]);

CREATE OR REPLACE VIEW report.subscriber_attribute WITH (security_invoker = true) AS
SELECT a.company_id, a.profile_id, a.subscriber_id, a.attribute_name, a.attribute_value,
       a.valid_from, a.valid_to, a.is_current, a.event_id
FROM gateway.shown_attribute s
JOIN gateway.attribute_history a
    ON a.company_id = s.company_id AND a.attribute_name = s.attribute_name;
SELECT gateway.describe('report.subscriber_attribute',
    'report_pii.subscriber_attribute_history of the attributes that analysts may see: those of '
    'gateway.shown_attribute, none by default. Filter on company_id and is_current.');
