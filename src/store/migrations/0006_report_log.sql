-- What analysts may read: stable names, no clear-text identifier, no free text, no bodies.
-- security_invoker: a view gives nobody more than what the roles below grant.

CREATE SCHEMA report;
COMMENT ON SCHEMA report IS 'Views for analysts: no clear-text identifiers, stable names.';

CREATE VIEW report.source_event WITH (security_invoker = true) AS
SELECT company_id, occurred_at, event_id, event_name, channel, action, source,
       source_event_type, company_name, subscriber_id, subscription_type, creative_name,
       creative_type, creative_subtype, message_id, message_key, message_type, message_name,
       message_subject, keyword_class, link_id, link_host, link_path, utm_source, utm_medium,
       utm_campaign, utm_content, utm_term, attribute_name, order_id, order_value, currency,
       received_at, batch_id, mapping_version, quality_flags
FROM gateway.source_event;

COMMENT ON VIEW report.source_event IS
    'The event log without identifiers, addresses, message texts, attribute values and full URLs. Filter on company_id and occurred_at.';

CREATE VIEW report.quarantine WITH (security_invoker = true) AS
SELECT quarantine_id, endpoint, reason, detail, http_status, key_id, version, batch_id,
       received_at, last_received_at, deliveries, replayed_at
FROM gateway.quarantine;

COMMENT ON VIEW report.quarantine IS 'What was refused and why, without bodies.';

-- A view's column means what the column below it means.
DO $$
DECLARE
    c record;
BEGIN
    FOR c IN
        SELECT v.relname, va.attname, d.description
        FROM pg_class v
        JOIN pg_class t ON t.relname = v.relname AND t.relnamespace = 'gateway'::regnamespace
        JOIN pg_attribute va ON va.attrelid = v.oid AND va.attnum > 0
        JOIN pg_attribute ta ON ta.attrelid = t.oid AND ta.attname = va.attname
        JOIN pg_description d ON d.objoid = t.oid AND d.objsubid = ta.attnum
            AND d.classoid = 'pg_class'::regclass
        WHERE v.relnamespace = 'report'::regnamespace
    LOOP
        EXECUTE format('COMMENT ON COLUMN report.%I.%I IS %L', c.relname, c.attname,
            c.description);
    END LOOP;
END $$;
