-- Partitions of the log: months of source_event, days of intake. CREATE TABLE ... PARTITION OF
-- would lock the whole table against the other writers; a table made apart and attached locks only
-- the DEFAULT partition, which writers hardly touch. Those to come are made ahead by the keeper;
-- those of odd times by whoever writes first, as long as that is cheap. Rows of which it is not
-- wait in DEFAULT until the keeper comes for them: default_partition.sql.

-- The partition that holds a time, there or not; ends is where the next one starts.
CREATE OR REPLACE FUNCTION gateway.partition_of(
    p_table text, p_at timestamptz,
    OUT unit text, OUT key text, OUT name text, OUT starts timestamptz, OUT ends timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
BEGIN
    unit := CASE p_table WHEN 'source_event' THEN 'month' WHEN 'intake' THEN 'day' END;
    IF unit IS NULL THEN
        RAISE EXCEPTION 'source_event and intake only are partitioned'
            USING ERRCODE = 'undefined_table';
    END IF;
    key := CASE unit WHEN 'month' THEN 'occurred_at' ELSE 'appended_at' END;
    starts := date_trunc(unit, p_at);
    ends := starts + ('1 ' || unit)::interval;
    name := p_table || to_char(starts,
        CASE unit WHEN 'month' THEN '_YYYY_MM' ELSE '_YYYY_MM_DD' END);
END $$;
COMMENT ON FUNCTION gateway.partition_of IS
    'Unit, key, name and bounds of the partition of source_event or intake that holds a time.';

-- Times that get a partition. What lies beyond is a clock gone wrong, and stays in DEFAULT.
CREATE OR REPLACE FUNCTION gateway.has_partition(p_at timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN p_at >= '2000-01-01 00:00+00'::timestamptz AND p_at < '2200-01-01 00:00+00'::timestamptz;
COMMENT ON FUNCTION gateway.has_partition IS
    'Whether rows of a time get a partition of their own: from 2000 to 2199.';

-- Makes one partition; false when that has to wait, because this minute had its share (whoever
-- signs deliveries chooses their months), or because its rows are in DEFAULT, or DEFAULT is so
-- large that looking through it, which ATTACH does, would hold everybody up.
CREATE OR REPLACE FUNCTION gateway.attach_partition(
    p_table text, p_at timestamptz, p_default_bytes_max bigint)
RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
    v_default text := p_table || '_default';
    v         record;
    v_waits   boolean;
BEGIN
    -- Whoever makes one waits here, and not while holding a table.
    PERFORM pg_advisory_xact_lock(hashtext('gateway.ensure_partitions'), hashtext(p_table));
    SELECT * INTO v FROM gateway.partition_of(p_table, p_at);
    IF pg_relation_size('gateway.' || v_default) > p_default_bytes_max
        OR gateway.partitions_left(p_table) = 0 THEN
        RETURN false;
    END IF;
    -- What others made meanwhile is known from here on.
    EXECUTE format('LOCK TABLE gateway.%I IN ACCESS EXCLUSIVE MODE', v_default);
    IF to_regclass('gateway.' || v.name) IS NOT NULL THEN
        RETURN true;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM gateway.%1$I WHERE %2$I >= %3$L AND %2$I < %4$L)',
        v_default, v.key, v.starts, v.ends) INTO v_waits;
    IF v_waits THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE gateway.%I (LIKE gateway.%I INCLUDING ALL)', v.name, p_table);
    EXECUTE format('ALTER TABLE gateway.%I ATTACH PARTITION gateway.%I
                    FOR VALUES FROM (%L) TO (%L)', p_table, v.name, v.starts, v.ends);
    INSERT INTO gateway.partition_made (name) VALUES (v.name);
    RETURN true;
END $$;
COMMENT ON FUNCTION gateway.attach_partition IS
    'Makes the partition of a time; false when it has to wait.';

CREATE OR REPLACE FUNCTION gateway.partitions_left(p_table text) RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT greatest(60 - count(*), 0) FROM gateway.partition_made m
    WHERE m.made_at > clock_timestamp() - interval '1 minute' AND starts_with(m.name, p_table)
$$;
COMMENT ON FUNCTION gateway.partitions_left IS
    'How many partitions of a table may be made just now: 60 within a minute.';

-- Makes the partitions of the given times that are missing, in what time a step can spare. Rows
-- of the others wait in DEFAULT. SECURITY DEFINER: the writer owns no table.
CREATE OR REPLACE FUNCTION gateway.ensure_partitions(
    p_table text, p_times timestamptz[], p_default_bytes_max bigint DEFAULT 16777216,
    OUT made integer, OUT complete boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET lock_timeout = '5s'
AS $$
DECLARE
    v_until timestamptz;
    v       record;
BEGIN
    made := 0;
    complete := true;
    FOR v IN SELECT DISTINCT n.name, n.starts
             FROM unnest(p_times) AS t (at) CROSS JOIN gateway.partition_of(p_table, t.at) n
             WHERE gateway.has_partition(t.at) ORDER BY n.starts LOOP
        CONTINUE WHEN to_regclass('gateway.' || v.name) IS NOT NULL
            OR (p_table = 'source_event' AND EXISTS ( -- its events are duplicates: apply
                SELECT FROM gateway.dropped_month d WHERE d.month = v.starts));
        BEGIN
            IF v_until IS NULL THEN
                -- The projector's steps read DEFAULT. Nobody is to queue for that meanwhile.
                PERFORM pg_advisory_xact_lock(gateway.projection_lock());
                PERFORM set_config('lock_timeout', '200ms', true);
                v_until := clock_timestamp() + interval '1 second';
            END IF;
            IF gateway.attach_partition(p_table, v.starts, p_default_bytes_max) THEN
                made := made + 1;
            ELSE
                complete := false;
            END IF;
        EXCEPTION
            WHEN lock_not_available THEN v_until := '-infinity';
        END;
        IF clock_timestamp() > v_until THEN
            complete := false;
            EXIT;
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION gateway.ensure_partitions IS
    'Makes the partitions of source_event (months) or intake (days) that hold the given times. '
    'complete is false when some could not be made now: rows of theirs wait in DEFAULT.';
