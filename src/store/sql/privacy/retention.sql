-- What has grown too old goes by partitions.

-- Drops partitions that lie wholly before an age, and deletes refused deliveries that came last
-- before theirs. A null age keeps everything. Returns what went, by name.
CREATE OR REPLACE FUNCTION gateway.apply_retention(
    p_source_event interval, p_delivery interval, p_quarantine interval)
RETURNS TABLE (what text, rows bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET lock_timeout = '2s'
AS $$
DECLARE
    v_partition record;
BEGIN
    FOR v_partition IN
        SELECT c.relname AS name, c.reltuples::bigint AS estimate, p.relname AS parent
        FROM pg_class p
        JOIN pg_inherits i ON i.inhparent = p.oid
        JOIN pg_class c ON c.oid = i.inhrelid
        CROSS JOIN LATERAL (SELECT CASE p.relname WHEN 'delivery' THEN p_delivery
                                                  ELSE p_source_event END AS age) a
        CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''([^'']+)''\)')
            AS ends (at)
        WHERE p.relnamespace = 'gateway'::regnamespace
          AND p.relname IN ('delivery', 'source_event')
          AND ends.at[1]::timestamptz <= now() - a.age
        ORDER BY 1
    LOOP
        EXECUTE format('DROP TABLE gateway.%I', v_partition.name);
        what := 'gateway.' || v_partition.name;
        rows := greatest(v_partition.estimate, 0);
        RETURN NEXT;
    END LOOP;
    IF p_quarantine IS NOT NULL THEN
        DELETE FROM gateway.quarantine q WHERE q.last_received_at < now() - p_quarantine;
        GET DIAGNOSTICS rows = ROW_COUNT;
        IF rows > 0 THEN
            what := 'rows of gateway.quarantine';
            RETURN NEXT;
        END IF;
    END IF;
END $$;
COMMENT ON FUNCTION gateway.apply_retention IS
    'Drops what is older than its age; rows of dropped partitions are estimates.';
