-- What has grown too old goes by partitions.

-- Drops partitions that lie wholly before an age, and deletes what is older in DEFAULT, where the
-- rows of a clock gone wrong stay, and refused deliveries that came last before theirs. What is
-- still to be applied stays, however old it is. A null age keeps everything. Returns what went, by
-- name. Fails, to be tried again, while a transaction that lasts holds the log.
CREATE OR REPLACE FUNCTION gateway.apply_retention(
    p_source_event interval, p_intake interval, p_quarantine interval)
RETURNS TABLE (what text, rows bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET lock_timeout = '300ms'
AS $$
DECLARE
    v_old record;
BEGIN
    PERFORM set_config('synchronous_commit', 'local', true); -- locks would be held meanwhile
    DELETE FROM gateway.partition_made m WHERE m.made_at < now() - interval '1 day';
    INSERT INTO gateway.dropped_month (month)
    SELECT DISTINCT date_trunc('month', e.occurred_at) FROM gateway.source_event_default e
    WHERE e.occurred_at < date_trunc('month', now() - p_source_event) ON CONFLICT DO NOTHING;
    FOR v_old IN
        SELECT t.name || '_default' AS name, n.key, t.age
        FROM (VALUES ('intake', p_intake), ('source_event', p_source_event)) AS t (name, age)
        CROSS JOIN gateway.partition_of(t.name, now()) n
        WHERE t.age IS NOT NULL
        UNION ALL
        SELECT 'quarantine', 'last_received_at', p_quarantine WHERE p_quarantine IS NOT NULL
    LOOP
        EXECUTE format('DELETE FROM gateway.%I d WHERE %I < now() - $1%s', v_old.name, v_old.key,
            CASE v_old.name WHEN 'intake_default' THEN ' AND NOT EXISTS (
                SELECT FROM gateway.intake_waiting w WHERE w.intake_id = d.intake_id)' END)
        USING v_old.age;
        GET DIAGNOSTICS rows = ROW_COUNT;
        IF rows > 0 THEN
            what := 'rows of gateway.' || v_old.name;
            RETURN NEXT;
        END IF;
    END LOOP;

    FOR v_old IN
        SELECT c.relname AS name, c.reltuples::bigint AS estimate, p.relname AS parent,
               ends.at[1]::timestamptz AS ends
        FROM pg_class p
        JOIN pg_inherits i ON i.inhparent = p.oid
        JOIN pg_class c ON c.oid = i.inhrelid
        CROSS JOIN LATERAL (SELECT CASE p.relname WHEN 'intake' THEN p_intake
                                                  ELSE p_source_event END AS age) a
        CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''([^'']+)''\)')
            AS ends (at)
        WHERE p.relnamespace = 'gateway'::regnamespace
          AND p.relname IN ('intake', 'source_event')
          AND ends.at[1]::timestamptz <= now() - a.age
          AND (p.relname <> 'intake' OR NOT EXISTS (
              SELECT FROM gateway.intake_waiting w WHERE w.appended_at < ends.at[1]::timestamptz))
        ORDER BY 1
    LOOP
        -- DROP locks the whole table, and who waits for that lock stands in everybody's way.
        IF NOT gateway.is_free(v_old.parent) THEN
            RAISE EXCEPTION 'a transaction that lasts holds gateway.%', v_old.parent
                USING ERRCODE = 'lock_not_available';
        END IF;
        EXECUTE format('DROP TABLE gateway.%I', v_old.name);
        INSERT INTO gateway.dropped_month (month)
        SELECT date_trunc('month', v_old.ends - interval '1 day')
        WHERE v_old.parent = 'source_event' ON CONFLICT DO NOTHING;
        what := 'gateway.' || v_old.name;
        rows := greatest(v_old.estimate, 0);
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION gateway.apply_retention IS
    'Drops what is older than its age; rows of dropped partitions are estimates.';
