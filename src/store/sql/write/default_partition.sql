-- Out of DEFAULT. Rows wait there whose partition could not be made before they came: a pg_dump or
-- a long report held the log when a month began, or there were too many months at once.
--
-- A row must be seen once by every reader at every moment, and a duplicate of it found, so nothing
-- is copied apart: the lesser part of DEFAULT moves, in one transaction. When nearly all of it is
-- of one month, as after a month that began during a dump, DEFAULT itself becomes that month and
-- the rest moves to a new one: a million rows stay where they are. That takes an exclusive lock on
-- the whole table, for as long as PostgreSQL looks through DEFAULT (0.3 s for a million rows). With
-- a lock on DEFAULT alone, a query that was planned before and waited for it would find the rows in
-- neither place.
--
-- A lock that is waited for stands in everybody's way too. So it is not asked for while a
-- transaction that lasts holds the table, and given up after 0.3 s. And the commit waits for no
-- standby, which may be away: nothing is acknowledged here, and who writes later waits for both.

-- Whether the log can be locked for a moment: the applier holds still from here to the end of
-- the transaction (a step of its has 20 s), and no other transaction that holds the table is still
-- there 0.2 s later.
CREATE OR REPLACE FUNCTION gateway.is_free(p_table text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '25s'
AS $$
DECLARE
    v_holders CONSTANT text := 'SELECT coalesce(array_agg(l.virtualtransaction), ''{}'')
        FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
        WHERE l.locktype = ''relation'' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
            AND l.relation IN ($1::regclass, $2::regclass)';
    v_before text[];
    v_after  text[];
BEGIN
    PERFORM gateway.hold_still();
    EXECUTE v_holders INTO v_before
    USING 'gateway.' || p_table, 'gateway.' || p_table || '_default';
    IF v_before <> '{}' THEN
        PERFORM pg_sleep(0.2);
        EXECUTE v_holders INTO v_after
        USING 'gateway.' || p_table, 'gateway.' || p_table || '_default';
    END IF;
    RETURN coalesce(NOT v_before && v_after, true);
EXCEPTION
    WHEN lock_not_available THEN RETURN false;
END $$;
COMMENT ON FUNCTION gateway.is_free IS
    'Whether no transaction that lasts holds a table of the log; keeps the applier still.';

-- Makes the partitions of now and of what comes next. False when that has to wait.
CREATE OR REPLACE FUNCTION gateway.make_ahead(p_table text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
    v_now  record := gateway.partition_of(p_table, now());
    v_next record := gateway.partition_of(p_table, v_now.ends);
BEGIN
    PERFORM set_config('synchronous_commit', 'local', true);
    IF to_regclass('gateway.' || v_now.name) IS NOT NULL
        AND to_regclass('gateway.' || v_next.name) IS NOT NULL THEN
        RETURN true;
    ELSIF NOT gateway.is_free(p_table) THEN
        RETURN false;
    END IF;
    RETURN complete FROM gateway.ensure_partitions(
        p_table, ARRAY[v_now.starts, v_next.starts], pg_size_bytes('4GB'));
END $$;
COMMENT ON FUNCTION gateway.make_ahead IS
    'Makes the partitions of this and the next month of source_event, or day of intake.';

-- The next step. The month that nearly all of DEFAULT is of, if there is one: becomes is true, and
-- what moves is the rest. Otherwise the rarest month, whose rows move. Nothing where more than
-- p_moved_max rows would move, or DEFAULT has more than p_scanned_max.
CREATE OR REPLACE FUNCTION gateway.next_out_of_default(
    p_table text, p_moved_max bigint, p_scanned_max bigint,
    OUT starts timestamptz, OUT becomes boolean, OUT moving tid[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
    v record := gateway.partition_of(p_table, now());
BEGIN
    EXECUTE format('SELECT w.starts, w.becomes FROM (
            SELECT date_trunc(%1$L, %2$I) AS starts, count(*) AS rows,
                sum(count(*)) OVER () - count(*) <= least(count(*), $1) AS becomes,
                sum(count(*)) OVER () <= $2 AS is_few
            FROM gateway.%3$I GROUP BY 1) w
        WHERE w.is_few AND gateway.has_partition(w.starts) AND (w.becomes OR w.rows <= $1)
        ORDER BY w.becomes DESC, w.rows, w.starts LIMIT 1', v.unit, v.key, p_table || '_default')
    INTO starts, becomes USING p_moved_max, p_scanned_max;
    IF starts IS NOT NULL THEN
        EXECUTE format('SELECT coalesce(array_agg(ctid), ''{}'') FROM gateway.%I
            WHERE (date_trunc(%L, %I) = $1) <> $2', p_table || '_default', v.unit, v.key)
        INTO moving USING starts, becomes;
    END IF;
END $$;
COMMENT ON FUNCTION gateway.next_out_of_default IS
    'Which month can leave DEFAULT next, whether by DEFAULT becoming it, and which rows move.';

-- Moves rows, of which some are known by place; others may have come since at the end of the table.
CREATE OR REPLACE FUNCTION gateway.move_rows(
    p_from text, p_to text, p_condition text, p_known tid[], p_since tid)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_place text;
BEGIN
    FOREACH v_place IN ARRAY ARRAY['ctid = ANY ($1)', 'ctid >= $2'] LOOP
        EXECUTE format('WITH moved AS (DELETE FROM gateway.%I WHERE %s AND %s RETURNING *)
                        INSERT INTO gateway.%I SELECT * FROM moved',
            p_from, v_place, p_condition, p_to) USING p_known, p_since;
    END LOOP;
END $$;
COMMENT ON FUNCTION gateway.move_rows IS
    'Moves the rows of a condition that stand at known places, or behind one.';

-- DEFAULT becomes a partition like another, and an empty table takes its place.
CREATE OR REPLACE FUNCTION gateway.rename_default(p_table text, p_name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_default CONSTANT text := p_table || '_default';
    v_comment CONSTANT text := obj_description(('gateway.' || v_default)::regclass, 'pg_class');
    v_index   text;
BEGIN
    EXECUTE format('ALTER TABLE gateway.%I DETACH PARTITION gateway.%I', p_table, v_default);
    EXECUTE format('COMMENT ON TABLE gateway.%I IS NULL', v_default);
    EXECUTE format('ALTER TABLE gateway.%I RENAME TO %I', v_default, p_name);
    FOR v_index IN SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                   WHERE i.indrelid = ('gateway.' || p_name)::regclass
                       AND c.relname LIKE '%' || v_default || '%' LOOP
        EXECUTE format('ALTER INDEX gateway.%I RENAME TO %I', v_index,
            left(replace(v_index, v_default, p_name), 63));
    END LOOP;
    EXECUTE format('CREATE TABLE gateway.%I (LIKE gateway.%I INCLUDING ALL)', v_default, p_table);
    EXECUTE format('COMMENT ON TABLE gateway.%I IS %L', v_default, v_comment);
END $$;
COMMENT ON FUNCTION gateway.rename_default IS
    'Gives DEFAULT, detached, another name, and makes an empty table of its old one.';

-- Takes the rows of one month of source_event, or day of intake, out of DEFAULT, and returns the
-- partition that they are in now; null when there is nothing to do, or it cannot be done just now,
-- or not within the two bounds, which hold everybody up for about a second.
CREATE OR REPLACE FUNCTION gateway.empty_default(
    p_table text, p_moved_max bigint DEFAULT 20000, p_scanned_max bigint DEFAULT 4000000)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET lock_timeout = '300ms'
AS $$
DECLARE
    v_default CONSTANT text := p_table || '_default';
    v_end     tid;
    v_next    record;
    v         record;
    v_range   text;
BEGIN
    PERFORM set_config('synchronous_commit', 'local', true);
    IF gateway.waiting_rows(p_table, 1) = 0 OR gateway.partitions_left(p_table) = 0
        OR NOT gateway.is_free(p_table) THEN
        RETURN NULL;
    END IF;
    -- Some pages before its end: each session that inserts has one of its own, perhaps half full.
    v_end := format('(%s,0)',
        greatest(pg_relation_size('gateway.' || v_default)
            / current_setting('block_size')::bigint - 512, 0))::tid;
    SELECT * INTO v_next FROM gateway.next_out_of_default(p_table, p_moved_max, p_scanned_max);
    IF v_next.starts IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT * INTO v FROM gateway.partition_of(p_table, v_next.starts);
    v_range := format('(%1$I >= %2$L AND %1$I < %3$L)', v.key, v.starts, v.ends);

    PERFORM pg_advisory_xact_lock(hashtext('gateway.ensure_partitions'), hashtext(p_table));
    EXECUTE format('LOCK TABLE ONLY gateway.%I IN ACCESS EXCLUSIVE MODE', p_table);
    IF v_next.becomes THEN
        PERFORM gateway.rename_default(p_table, v.name);
        PERFORM gateway.move_rows(v.name, v_default, 'NOT ' || v_range, v_next.moving, v_end);
    ELSE
        EXECUTE format('CREATE TABLE gateway.%I (LIKE gateway.%I INCLUDING ALL)', v.name, p_table);
        PERFORM gateway.move_rows(v_default, v.name, v_range, v_next.moving, v_end);
    END IF;
    EXECUTE format('ALTER TABLE gateway.%I ATTACH PARTITION gateway.%I
                    FOR VALUES FROM (%L) TO (%L)', p_table, v.name, v.starts, v.ends);
    IF v_next.becomes THEN
        EXECUTE format('ALTER TABLE gateway.%I ATTACH PARTITION gateway.%I DEFAULT',
            p_table, v_default);
    END IF;
    INSERT INTO gateway.partition_made (name) VALUES (v.name);
    RETURN v.name;
EXCEPTION
    -- Somebody came in between: with a lock, with the partition, with a row that was not found.
    WHEN lock_not_available OR duplicate_table OR check_violation THEN RETURN NULL;
END $$;
COMMENT ON FUNCTION gateway.empty_default IS
    'Takes the rows of one month of source_event, or day of intake, out of DEFAULT, and returns '
    'its partition; null when nothing waits, or it cannot be done now within the bounds.';

-- How many rows wait in DEFAULT for a partition of their time, counted up to a number.
CREATE OR REPLACE FUNCTION gateway.waiting_rows(p_table text, p_max bigint DEFAULT 10000)
RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_rows bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM (SELECT FROM gateway.%I
                    WHERE gateway.has_partition(%I) LIMIT $1) r',
        p_table || '_default', (gateway.partition_of(p_table, now())).key)
    INTO v_rows USING p_max;
    RETURN v_rows;
END $$;
COMMENT ON FUNCTION gateway.waiting_rows IS
    'How many rows of a table wait in DEFAULT for a partition of their time, counted up to a '
    'number.';

-- Of both tables: exact while it is little, an estimate beyond.
CREATE OR REPLACE FUNCTION gateway.default_rows() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT sum(CASE WHEN w.rows < 10000 THEN w.rows ELSE greatest(w.rows,
        pg_stat_get_live_tuples(('gateway.' || w.name || '_default')::regclass)) END)::bigint
    FROM (SELECT n.name, gateway.waiting_rows(n.name) AS rows
          FROM unnest(ARRAY['source_event', 'intake']) AS n (name)) w
$$;
COMMENT ON FUNCTION gateway.default_rows IS
    'How many rows of log and intake wait in DEFAULT for a partition of their time; an '
    'estimate where it is more than 10000.';
