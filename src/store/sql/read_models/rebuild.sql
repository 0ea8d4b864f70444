-- Read models made again from the log, beside those in use: three calls.

-- The read models of one name, so that rebuild and its test know them all.
CREATE OR REPLACE FUNCTION gateway.read_model_tables(p_model text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE p_model
    WHEN 'company' THEN ARRAY['company']
    WHEN 'identity' THEN ARRAY['identity', 'identity_value']
    WHEN 'consent' THEN ARRAY['consent_decision', 'consent', 'consent_daily', 'consent_latest']
    WHEN 'message' THEN ARRAY['message', 'message_member', 'message_stats', 'last_send',
                              'subject_vote']
    WHEN 'order' THEN ARRAY['current_order']
    WHEN 'engagement' THEN ARRAY['engagement']
    WHEN 'feed' THEN ARRAY['feed_day'] END;
COMMENT ON FUNCTION gateway.read_model_tables IS 'The tables of a read model.';

-- Consent and messages ask who shares an address: what identity makes of it, they are made with.
CREATE OR REPLACE FUNCTION gateway.made_with(p_models text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_models && '{identity,consent,message}'
            THEN ARRAY(SELECT m FROM unnest(gateway.read_models()) AS m
                       WHERE m = ANY (p_models || '{identity,consent,message}'))
            ELSE p_models END;
COMMENT ON FUNCTION gateway.made_with IS
    'The read models, with those that have to be made again when they are.';

-- Step 1 of 3: fresh, empty tables of these models in pg_temp, and how far they know the log.
CREATE OR REPLACE FUNCTION gateway.rebuild_begin(p_models text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_table text;
BEGIN
    FOR v_table IN SELECT t FROM unnest(gateway.made_with(p_models)) AS m (model),
                       unnest(gateway.read_model_tables(m.model)) AS t LOOP
        EXECUTE format('DROP TABLE IF EXISTS pg_temp.%I', v_table);
        EXECUTE format('CREATE TEMP TABLE %I (LIKE gateway.%I INCLUDING ALL)', v_table, v_table);
    END LOOP;
    DROP TABLE IF EXISTS pg_temp.rebuilt;
    CREATE TEMP TABLE rebuilt AS SELECT 0::bigint AS position;
END $$;
COMMENT ON FUNCTION gateway.rebuild_begin IS
    'Makes empty tables of the given read models in pg_temp.';

-- Step 2, to be repeated until it returns 0: projects some of the events that the applier has had
-- into the fresh tables, but for those it had to set aside. Finding none of the tables in pg_temp
-- is an error, never a write to those in use: their schema is not in the search_path.
CREATE OR REPLACE FUNCTION gateway.rebuild_step(p_models text[], p_events_max integer)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_bitmapscan = off SET enable_memoize = off SET enable_material = off SET jit = off
SET plan_cache_mode = force_generic_plan SET max_parallel_workers_per_gather = 0
AS $$
DECLARE
    v_first bigint := position + 1 FROM rebuilt;
    v_last  bigint := least(v_first - 1 + p_events_max, s.projected)
            FROM gateway.projection_state s;
    v_aside gateway.set_aside;
BEGIN
    SELECT * INTO v_aside FROM gateway.set_aside a
    WHERE a.last_position >= v_first AND a.first_position <= v_last
    ORDER BY a.first_position LIMIT 1;
    IF v_aside.first_position <= v_first THEN
        v_last := v_aside.last_position;
    ELSE
        v_last := least(v_last, v_aside.first_position - 1);
        IF gateway.project_or_set_aside(
                v_first, v_last, gateway.made_with(p_models)) > 0 THEN
            RAISE EXCEPTION 'an event that was projected once cannot be projected again'
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
    END IF;
    UPDATE rebuilt SET position = v_last WHERE v_last >= v_first;
    RETURN greatest(v_last - v_first + 1, 0);
END $$;
COMMENT ON FUNCTION gateway.rebuild_step IS
    'Projects about so many events into the tables of rebuild_begin; returns how many it went '
    'over, 0 when none is left.';

-- Step 3, in the transaction that also took the lock and the last rebuild_step: gives the tables in
-- use the contents of the fresh ones, by their difference. Nobody who reads waits or sees half of
-- it, and views, privileges and indexes stay what they are. Returns table and rows that differed.
CREATE OR REPLACE FUNCTION gateway.rebuild_end(p_models text[])
RETURNS TABLE (table_name text, rows bigint, removed bigint, added bigint)
LANGUAGE plpgsql SET search_path = pg_temp SET enable_nestloop = off
AS $$
BEGIN
    IF 'company' = ANY (p_models) THEN -- a setting, not derived
        UPDATE company t SET timezone = g.timezone FROM gateway.company g
        WHERE g.company_id = t.company_id AND g.timezone <> t.timezone;
    END IF;
    IF 'consent' = ANY (gateway.made_with(p_models)) THEN -- the time zone may have changed
        PERFORM gateway.recount_consent(NULL);
    END IF;
    FOR table_name IN SELECT t FROM unnest(gateway.made_with(p_models)) AS m (model),
                          unnest(gateway.read_model_tables(m.model)) AS t LOOP
        EXECUTE format('DELETE FROM gateway.%1$I t WHERE NOT EXISTS
            (SELECT FROM pg_temp.%1$I f WHERE f::text = t::text)', table_name);
        GET DIAGNOSTICS removed = ROW_COUNT;
        EXECUTE format('INSERT INTO gateway.%1$I SELECT f.* FROM pg_temp.%1$I f WHERE NOT EXISTS
            (SELECT FROM gateway.%1$I t WHERE t::text = f::text)', table_name);
        GET DIAGNOSTICS added = ROW_COUNT;
        EXECUTE format('SELECT count(*) FROM pg_temp.%I', table_name) INTO rows;
        RETURN NEXT;
    END LOOP;
    -- What could not be projected gets another chance.
    UPDATE gateway.set_aside SET is_due = true WHERE NOT is_due;
END $$;
COMMENT ON FUNCTION gateway.rebuild_end IS
    'Replaces the given read models by those in pg_temp, and lets set-aside events be tried '
    'again.';
