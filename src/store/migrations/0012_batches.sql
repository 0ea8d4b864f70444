-- The feed for whoever follows the log from outside: batches in the order of their numbers. A batch
-- is visible with all of its events or not at all; one with a smaller number may still appear.

CREATE VIEW report.batches WITH (security_invoker = true) AS
SELECT batch_id, committed_at, events, duplicates, quarantined, projected_at, set_aside_at
FROM gateway.batch;
COMMENT ON VIEW report.batches IS
    'One row for each transaction that stored something. Numbers are given at a transaction''s start: one that commits late appears below others.';

DO $$
DECLARE
    c record;
BEGIN
    FOR c IN
        SELECT v.attname AS name, col_description('gateway.batch'::regclass, b.attnum) AS meaning
        FROM pg_attribute v
        JOIN pg_attribute b ON b.attrelid = 'gateway.batch'::regclass AND b.attname = v.attname
        WHERE v.attrelid = 'report.batches'::regclass AND v.attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN report.batches.%I IS %L', c.name, c.meaning);
    END LOOP;
END $$;
