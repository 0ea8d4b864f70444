-- Partitions on demand. CREATE TABLE ... PARTITION OF would lock the whole table against the other
-- writers; a table made apart and attached locks only the DEFAULT partition, which writers hardly
-- touch. ATTACH fails while rows of its range wait in DEFAULT, so they move first, under the same
-- lock.

-- Makes the partition (a month of source_event, a day of delivery) that holds each given time.
-- Returns the number of partitions made. SECURITY DEFINER: the writer owns no table. Callers wait
-- for each other on an advisory lock, so nobody holds a table while waiting for another caller.
CREATE OR REPLACE FUNCTION gateway.ensure_partitions(p_table text, p_times timestamptz[])
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET lock_timeout = '1s'
AS $$
DECLARE
    v_unit   text := CASE p_table WHEN 'source_event' THEN 'month' WHEN 'delivery' THEN 'day' END;
    v_column text := CASE p_table WHEN 'source_event' THEN 'occurred_at' ELSE 'received_at' END;
    v_from   timestamptz;
    v_to     timestamptz;
    v_name   text;
    v_made   integer := 0;
BEGIN
    IF v_unit IS NULL THEN
        RAISE EXCEPTION 'gateway.ensure_partitions knows source_event and delivery only'
            USING ERRCODE = 'undefined_table';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('gateway.ensure_partitions'), hashtext(p_table));

    FOR v_from IN SELECT DISTINCT date_trunc(v_unit, t) AS f FROM unnest(p_times) AS t
                  WHERE t >= '2000-01-01' AND t < '2200-01-01' ORDER BY f LOOP
        v_to := v_from + ('1 ' || v_unit)::interval;
        v_name := p_table || '_' || to_char(v_from,
            CASE v_unit WHEN 'month' THEN 'YYYY_MM' ELSE 'YYYY_MM_DD' END);
        CONTINUE WHEN to_regclass(format('gateway.%I', v_name)) IS NOT NULL;

        EXECUTE format('LOCK TABLE gateway.%I IN ACCESS EXCLUSIVE MODE', p_table || '_default');
        EXECUTE format('CREATE TABLE gateway.%I (LIKE gateway.%I INCLUDING ALL)',
            v_name, p_table);
        EXECUTE format('WITH moved AS (DELETE FROM gateway.%I WHERE %I >= %L AND %I < %L
                                       RETURNING *)
                        INSERT INTO gateway.%I SELECT * FROM moved',
            p_table || '_default', v_column, v_from, v_column, v_to, v_name);
        EXECUTE format('ALTER TABLE gateway.%I ATTACH PARTITION gateway.%I
                        FOR VALUES FROM (%L) TO (%L)', p_table, v_name, v_from, v_to);
        v_made := v_made + 1;
    END LOOP;
    RETURN v_made;
END $$;
COMMENT ON FUNCTION gateway.ensure_partitions IS
    'Makes the partitions of source_event (months) or delivery (days) that hold the given times, '
    'and moves rows of theirs out of DEFAULT.';
