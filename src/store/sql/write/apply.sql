-- From the intake to the log. One transaction is one step: whoever takes it holds the lock of the
-- log, so events get their places without gaps, and nothing has to be written as if it might
-- conflict. A step that a crash undoes is done again, since what waits is deleted in its
-- transaction.

-- Returns how many are new; one that was there before counts the new deliveries, and waits again,
-- unless its person was erased.
CREATE OR REPLACE FUNCTION gateway.keep_refused(
    p_step bigint, p_version text, p_quarantine gateway.quarantine_row[])
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    v_new integer;
BEGIN
    WITH kept AS (
        INSERT INTO gateway.quarantine AS q (
            quarantine_id, endpoint, reason, detail, body, body_sha256, key_id, version, step_id,
            intake_id, ordinal, received_at, last_received_at, deliveries)
        SELECT
            quarantine_id, endpoint, reason, detail, body, body_sha256, key_id, p_version, p_step,
            intake_id, ordinal, received_at, last_received_at, deliveries
        FROM unnest(p_quarantine)
        ON CONFLICT (quarantine_id) DO UPDATE SET
            deliveries = q.deliveries + CASE
                WHEN (excluded.intake_id, excluded.ordinal) > (q.intake_id, q.ordinal)
                THEN excluded.deliveries ELSE 0 END, -- else the step is done once more
            intake_id = greatest(q.intake_id, excluded.intake_id),
            ordinal = CASE WHEN excluded.intake_id >= q.intake_id
                THEN excluded.ordinal ELSE q.ordinal END,
            last_received_at = greatest(q.last_received_at, excluded.last_received_at),
            replayed_at = CASE WHEN q.body = excluded.body THEN NULL ELSE q.replayed_at END
        RETURNING q.step_id)
    SELECT count(*) INTO v_new FROM kept WHERE kept.step_id = p_step;
    RETURN v_new;
END $$;
COMMENT ON FUNCTION gateway.keep_refused IS 'Writes the quarantine rows of a step.';

-- What gateway.record_event appended, as events. Each row of the intake is one.
CREATE OR REPLACE FUNCTION gateway.recorded_events(p_intakes bigint[])
RETURNS SETOF gateway.source_event
LANGUAGE sql STABLE
AS $$
    SELECT r.*
    FROM (SELECT DISTINCT ON (j.row ->> 'company_id', j.row ->> 'event_id') j.row
          FROM (SELECT i.intake_id, convert_from(i.bodies, 'UTF8')::jsonb || jsonb_build_object(
                           'intake_id', i.intake_id, 'ordinal', 1, 'position', 0) AS row
                FROM unnest(p_intakes) AS u (id) JOIN gateway.intake i ON i.intake_id = u.id) j
          ORDER BY j.row ->> 'company_id', j.row ->> 'event_id', j.intake_id) o,
        jsonb_populate_record(NULL::gateway.source_event, o.row) r
    ORDER BY r.intake_id
$$;
COMMENT ON FUNCTION gateway.recorded_events IS
    'The events that rows of the intake of gateway.record_event hold.';

-- Takes the bodies out of rows of the intake that no event of the log came from: a row keeps those
-- at the places that are given.
CREATE OR REPLACE FUNCTION gateway.keep_bodies(
    p_intakes bigint[], p_kept bigint[], p_ordinals integer[])
RETURNS void
LANGUAGE sql
AS $$
    UPDATE gateway.intake i SET bodies = n.bodies, lengths = n.lengths
    FROM (SELECT d.intake_id,
                 coalesce(string_agg(CASE WHEN k.ordinal IS NOT NULL THEN d.body END, ''::bytea
                                     ORDER BY d.ordinal), '') AS bodies,
                 array_agg(CASE WHEN k.ordinal IS NOT NULL THEN octet_length(d.body) END
                           ORDER BY d.ordinal) AS lengths
          FROM gateway.delivery d
          LEFT JOIN unnest(p_kept, p_ordinals) AS k (intake_id, ordinal)
              ON k.intake_id = d.intake_id AND k.ordinal = d.ordinal
          WHERE d.intake_id = ANY (p_intakes)
          GROUP BY d.intake_id) n
    WHERE i.intake_id = n.intake_id AND i.intake_id = ANY (p_intakes)
$$;
COMMENT ON FUNCTION gateway.keep_bodies IS
    'Takes bodies out of rows of the intake, but for those at the given places.';

-- Where the bodies lie of those of p_events that are in the log. Not always where the event was
-- read from now: of several deliveries of it the log has the one that was applied first, which a
-- round that a crash cut short may have done for one that is read together with others now.
CREATE OR REPLACE FUNCTION gateway.places_in_log(
    p_events gateway.event_row[], OUT intakes bigint[], OUT ordinals integer[])
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
BEGIN
    SELECT coalesce(array_agg(s.intake_id), '{}'), coalesce(array_agg(s.ordinal), '{}')
    INTO intakes, ordinals
    FROM unnest(p_events) AS e
    JOIN gateway.source_event s ON s.company_id = e.company_id AND s.occurred_at = e.occurred_at
        AND s.event_id = e.event_id;
END $$;
COMMENT ON FUNCTION gateway.places_in_log IS
    'The places in the intake that events of the log came from.';

-- The rows are applied: they wait no longer, and keep the bodies that events of the log came from.
-- p_events are all that were made of them. Returns how many deliveries they had.
CREATE OR REPLACE FUNCTION gateway.finish_intakes(
    p_intakes bigint[], p_recorded bigint[], p_events gateway.event_row[],
    p_stored integer DEFAULT NULL)
RETURNS integer
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    v_deliveries integer;
BEGIN
    PERFORM pg_advisory_xact_lock(gateway.log_lock());
    WITH done AS (
        DELETE FROM gateway.intake_waiting w WHERE w.intake_id = ANY (p_intakes)
        RETURNING w.deliveries)
    SELECT coalesce(sum(d.deliveries), 0) INTO v_deliveries FROM done d;
    DELETE FROM gateway.intake i WHERE i.intake_id = ANY (p_recorded);
    IF p_stored = v_deliveries THEN
        RETURN v_deliveries;
    END IF;
    PERFORM gateway.keep_bodies(p_intakes, p.intakes, p.ordinals)
    FROM gateway.places_in_log(p_events) p;
    RETURN v_deliveries;
END $$;
COMMENT ON FUNCTION gateway.finish_intakes IS
    'Ends the waiting of rows of the intake, and takes out what no event came from.';

-- Some deliveries are refused while others are taken: not condemned, but passed over for a while,
-- longer each time. p_refused and p_ordinals have the place of each of them, p_events what else
-- was made of their rows: these keep what waits and what events of the log came from.
CREATE OR REPLACE FUNCTION gateway.postpone_intakes(
    p_refused bigint[], p_ordinals integer[], p_error text, p_events gateway.event_row[])
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(gateway.log_lock());
    PERFORM gateway.keep_bodies(p_refused, p_refused || p.intakes, p_ordinals || p.ordinals)
    FROM gateway.places_in_log(p_events) p;
    UPDATE gateway.intake_waiting w
    SET tries = w.tries + 1, error = p_error, deliveries = r.deliveries,
        not_before = clock_timestamp() + least(2 ^ w.tries, 300) * interval '1 second'
    FROM (SELECT u.id, count(*) AS deliveries FROM unnest(p_refused) AS u (id) GROUP BY u.id) r
    WHERE w.intake_id = r.id;
END $$;
COMMENT ON FUNCTION gateway.postpone_intakes IS
    'Puts rows of the intake off of which the database refuses something while it takes others.';

-- Applies events and refused deliveries that were made of rows of the intake. No two events share a
-- key. p_intakes are rows that nothing else is to be made of: they wait no longer. p_recorded are
-- those of record_event among them, which have no p_events. is_active is false, and nothing is
-- done, when some of p_intakes was applied by others meanwhile.
--
-- Events of a month that retention has dropped are duplicates. What was of it and came once was
-- counted once, for the read models keep their counts; whether an event that comes now is one of
-- those, nobody can tell any more. So one that never came, late by the whole age of the log, is
-- left out as well: that is less of a lie than to count others twice, and the log would not have
-- kept it for more than a day. A month that is as old and was never dropped, since there was
-- nothing of it, takes events as any other, until retention drops it.
CREATE OR REPLACE FUNCTION gateway.apply(
    p_version text, p_intakes bigint[], p_recorded bigint[], p_events gateway.event_row[],
    p_quarantine gateway.quarantine_row[],
    OUT is_active boolean, OUT stored integer, OUT duplicates integer, OUT quarantined integer,
    OUT rest_factor double precision)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_bitmapscan = off SET enable_memoize = off SET enable_material = off SET jit = off
SET plan_cache_mode = force_generic_plan SET max_parallel_workers_per_gather = 0
AS $$
DECLARE
    v_step     bigint;
    v_recorded integer := 0;
    v_position bigint;
    v_kept     gateway.event_row[] := p_events;
    v_dropped  timestamptz[] := ARRAY(SELECT d.month FROM gateway.dropped_month d);
BEGIN
    -- Nobody is to see a position that a crash would give to another event.
    PERFORM set_config('synchronous_commit', 'local', true);
    PERFORM set_config('lock_timeout', '5s', true); -- behind a step of others, or what lasts longer
    PERFORM pg_advisory_xact_lock(gateway.log_lock());
    SELECT count(*) = cardinality(p_intakes), 0, 0, 0, 0
    INTO is_active, stored, duplicates, quarantined, rest_factor
    FROM gateway.intake_waiting w WHERE w.intake_id = ANY (p_intakes);
    IF NOT is_active THEN
        RETURN;
    END IF;
    SELECT s.position INTO v_position FROM gateway.log_state s;

    -- Whom `erase` removed comes back by no retry, replay or spool: such rows count as repeated.
    IF gateway.has_erased() THEN
        v_kept := gateway.without_erased(p_events);
    END IF;
    INSERT INTO gateway.source_event
    SELECT v_position + row_number() OVER (ORDER BY e.intake_id, e.ordinal),
           NULL, NULL, NULL, NULL, NULL, e.*
    FROM unnest(v_kept) AS e
    WHERE (cardinality(v_dropped) = 0
           OR date_trunc('month', e.occurred_at, 'UTC') <> ALL (v_dropped))
      AND NOT EXISTS (SELECT FROM gateway.source_event s
                      WHERE s.company_id = e.company_id AND s.occurred_at = e.occurred_at
                          AND s.event_id = e.event_id);
    GET DIAGNOSTICS stored = ROW_COUNT;

    IF cardinality(p_recorded) > 0 THEN
        INSERT INTO gateway.source_event
        SELECT e.*
        FROM (SELECT r, v_position + stored + row_number() OVER (ORDER BY r.intake_id) AS position
              FROM gateway.recorded_events(p_recorded) r
              WHERE date_trunc('month', r.occurred_at, 'UTC') <> ALL (v_dropped)
                AND NOT gateway.is_erased(r.company_id, r.subscriber_id, r.occurred_at)
                AND NOT EXISTS (SELECT FROM gateway.source_event s
                                WHERE s.company_id = r.company_id AND s.occurred_at = r.occurred_at
                                    AND s.event_id = r.event_id)) n,
            jsonb_populate_record(n.r, jsonb_build_object('position', n.position)) e;
        GET DIAGNOSTICS v_recorded = ROW_COUNT;
        stored := stored + v_recorded;
    END IF;

    v_step := nextval('gateway.step_id');
    IF cardinality(p_quarantine) > 0 THEN
        quarantined := gateway.keep_refused(v_step, p_version, p_quarantine);
    END IF;
    IF cardinality(p_intakes) > 0 THEN
        duplicates := gateway.finish_intakes(p_intakes, p_recorded, p_events, stored) - stored
            - coalesce((SELECT sum(q.deliveries) FROM unnest(p_quarantine) AS q), 0);
    ELSIF stored < cardinality(p_events) THEN -- some may have been stored of these very places
        SELECT count(*) INTO duplicates FROM unnest(p_events) AS e
        WHERE NOT EXISTS (SELECT FROM gateway.source_event s
                          WHERE s.company_id = e.company_id AND s.occurred_at = e.occurred_at
                              AND s.event_id = e.event_id AND s.intake_id = e.intake_id
                              AND s.ordinal = e.ordinal);
    END IF;
    UPDATE gateway.log_state s SET position = v_position + stored WHERE stored > 0;
    INSERT INTO gateway.step (step_id, position, events, duplicates, quarantined)
    VALUES (v_step, v_position + stored, stored, duplicates, quarantined);
    rest_factor := gateway.rest_factor();
END $$;
COMMENT ON FUNCTION gateway.apply IS
    'Applies what was made of rows of the intake to the log, as one step; what was there before is '
    'left alone. rest_factor: see there.';
