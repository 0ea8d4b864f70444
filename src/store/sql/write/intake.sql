-- Into the intake: all that a delivery waits for before it is acknowledged.

-- In plpgsql, which keeps its plans: PostgreSQL parses a function of SQL anew at each call.
CREATE OR REPLACE FUNCTION gateway.append_rows(p_writer text, p_rows gateway.intake_row[])
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    WITH appended AS (
        INSERT INTO gateway.intake (writer, endpoint, key_id, received_at, lengths, bodies)
        SELECT p_writer, r.* FROM unnest(p_rows) AS r
        RETURNING intake_id, appended_at, cardinality(lengths) AS deliveries,
            octet_length(bodies) AS bytes)
    INSERT INTO gateway.intake_waiting (intake_id, appended_at, deliveries, bytes)
    SELECT a.* FROM appended a;
END $$;
COMMENT ON FUNCTION gateway.append_rows IS
    'Appends rows to the intake, from where they are applied to the log.';

-- One call is one round trip and, in autocommit, one transaction, with no session state: it works
-- behind a transaction pooler. An empty one asks whether others would be taken.
CREATE OR REPLACE FUNCTION gateway.append(p_writer text, p_rows gateway.intake_row[])
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    -- A role or database whose commits wait for less than all of the cluster's disks is overruled.
    PERFORM set_config('synchronous_commit', 'on', true)
    WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');
    -- Behind a pooler the session's own setting is not ours to make.
    PERFORM set_config('lock_timeout', '1s', true);
    PERFORM gateway.append_rows(p_writer, p_rows);
END $$;
COMMENT ON FUNCTION gateway.append IS
    'Makes deliveries durable: appends them to the intake with a commit that waits for every disk '
    'of the cluster.';

-- What is applied may wait, and what is acknowledged may not: they share processors and disk. The
-- last hundred commits say how much arrives; what was applied would not, in a backlog. The longer
-- something waits, the shorter are the rests, so that reports lag by seconds as long as the machine
-- can do both.
CREATE OR REPLACE FUNCTION gateway.rest_factor() RETURNS double precision
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    v_now  timestamptz := clock_timestamp();
    v_busy boolean;
BEGIN
    SELECT sum(cardinality(i.received_at)) >= 3000 * extract(epoch FROM v_now - min(i.appended_at))
    INTO v_busy
    FROM (SELECT n.received_at, n.appended_at FROM gateway.intake n
          ORDER BY n.intake_id DESC LIMIT 100) i;
    IF v_busy IS NOT TRUE THEN
        RETURN 0;
    END IF;
    RETURN 7 * greatest(0, 1 - extract(epoch FROM v_now - least(v_now,
        (SELECT w.appended_at FROM gateway.intake_waiting w
         WHERE w.tries = 0 ORDER BY w.intake_id LIMIT 1),
        gateway.unprojected_since())) / 10);
END $$;
COMMENT ON FUNCTION gateway.rest_factor IS
    'How many times as long as it took a step is to rest behind it: 0, but while 3000 deliveries a '
    'second arrive 7, and less the longer something waits, down to 0 at 10 seconds.';

-- The oldest rows that are to be applied, one at least, with about so many deliveries and bytes.
-- Nothing while somebody else writes the log, which is_active says. What was refused waits for its
-- time, and others go past it.
CREATE OR REPLACE FUNCTION gateway.next_intakes(
    p_deliveries_max integer, p_bytes_max bigint, p_after bigint, OUT is_active boolean,
    OUT intake_id bigint, OUT appended_at timestamptz, OUT tries integer, OUT endpoint text,
    OUT key_id text,
    OUT received_at bigint[], OUT lengths integer[], OUT bodies bytea)
RETURNS SETOF record
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    is_active := pg_try_advisory_xact_lock(gateway.log_lock());
    IF NOT is_active THEN
        RETURN NEXT;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT true, i.intake_id, i.appended_at, w.tries, i.endpoint, i.key_id,
           ARRAY(SELECT (extract(epoch FROM t.at) * 1000)::bigint
                 FROM unnest(i.received_at) WITH ORDINALITY AS t (at, n) ORDER BY t.n),
           i.lengths, i.bodies
    FROM (SELECT n.*, sum(n.deliveries) OVER (ORDER BY n.intake_id) - n.deliveries AS before,
                 sum(n.bytes) OVER (ORDER BY n.intake_id) - n.bytes AS bytes_before
          FROM (SELECT * FROM gateway.intake_waiting q
                WHERE q.intake_id > p_after
                    AND (q.not_before IS NULL OR q.not_before <= clock_timestamp())
                ORDER BY q.intake_id LIMIT p_deliveries_max) n) w
    JOIN gateway.intake i ON i.intake_id = w.intake_id AND i.appended_at = w.appended_at
    WHERE w.before < p_deliveries_max AND w.bytes_before < p_bytes_max
    ORDER BY i.intake_id;
END $$;
COMMENT ON FUNCTION gateway.next_intakes IS
    'The oldest rows of the intake that are to be applied, with receipts in milliseconds since '
    '1970.';
