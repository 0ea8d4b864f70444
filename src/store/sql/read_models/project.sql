-- From the log to the read models, batch by batch. The end state is a function of the log alone:
-- whatever depends on order (which opt-in an opt-out ends, what was sent last before it, which
-- subscribers are one person) is worked out again for the keys that a batch touches, and counts
-- change by the difference. One projector runs at a time, so the merges read first and write only
-- what changes. Tables of the read models stand there without a schema: `project` finds those of
-- schema gateway, `rebuild` finds fresh ones in pg_temp. Plans are pinned to nested loops over
-- indexes, because those of an empty table would be kept when it is large.

CREATE OR REPLACE FUNCTION gateway.projection_lock() RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 4702111234474983746;
COMMENT ON FUNCTION gateway.projection_lock IS
    'Number of the advisory lock (of a transaction, so that poolers do not matter) that whoever '
    'writes read models holds.';

CREATE OR REPLACE FUNCTION gateway.project_batches(p_batches bigint[], p_models text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_events gateway.projection_event[];
BEGIN
    SELECT array_agg(ROW(
        e.company_id, e.occurred_at, e.event_id, e.channel, e.action, e.company_name,
        e.subscriber_id, e.identifiers, left(e.subscription_type, 100),
        left(e.creative_name, 150), left(e.creative_type, 150), left(e.creative_subtype, 150),
        e.message_key, gateway.stat_key(e.message_key, e.message_subject), e.message_type,
        e.message_name, e.message_subject, e.business_address,
        e.received_at)::gateway.projection_event)
    INTO v_events
    FROM gateway.source_event e WHERE e.batch_id = ANY (p_batches);
    IF v_events IS NULL THEN
        RETURN;
    END IF;
    IF 'company' = ANY (p_models) THEN
        PERFORM gateway.project_company(v_events);
    END IF;
    IF 'identity' = ANY (p_models) THEN
        PERFORM gateway.project_identity(v_events);
    END IF;
    IF 'consent' = ANY (p_models) THEN
        PERFORM gateway.project_consent(v_events);
        PERFORM gateway.project_consent_latest(v_events);
    END IF;
    IF 'message' = ANY (p_models) THEN
        PERFORM gateway.project_message(v_events);
        PERFORM gateway.project_message_stats(v_events);
        PERFORM gateway.project_last_send(v_events);
    END IF;
    IF 'engagement' = ANY (p_models) THEN
        PERFORM gateway.project_engagement(v_events);
    END IF;
    IF 'feed' = ANY (p_models) THEN
        PERFORM gateway.project_feed(p_batches);
    END IF;
END $$;
COMMENT ON FUNCTION gateway.project_batches IS
    'Merges the events of the given batches into the given read models.';

-- A value that a table refuses is a batch's own fault: the batch is found by halving and set
-- aside. Whatever else fails (a lock, space, a privilege, a time-out) is not, and is thrown.
CREATE OR REPLACE FUNCTION gateway.project_or_set_aside(p_batches bigint[], p_models text[])
RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_half       integer := cardinality(p_batches) / 2;
    v_state      text;
    v_constraint text;
BEGIN
    BEGIN
        PERFORM gateway.project_batches(p_batches, p_models);
        UPDATE batch SET projected_at = clock_timestamp() WHERE batch_id = ANY (p_batches);
        RETURN 0;
    EXCEPTION
        WHEN data_exception OR integrity_constraint_violation OR cardinality_violation
            OR program_limit_exceeded OR raise_exception THEN
            GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE,
                v_constraint = CONSTRAINT_NAME;
    END;
    IF v_half > 0 THEN
        RETURN gateway.project_or_set_aside(p_batches[:v_half], p_models)
            + gateway.project_or_set_aside(p_batches[v_half + 1:], p_models);
    END IF;
    UPDATE batch SET set_aside_at = clock_timestamp(),
        set_aside_error = concat_ws(' ', v_state, nullif(v_constraint, ''))
    WHERE batch_id = ANY (p_batches);
    RETURN 1;
END $$;
COMMENT ON FUNCTION gateway.project_or_set_aside IS
    'Projects the batches and returns how many it had to set aside.';

CREATE OR REPLACE FUNCTION gateway.read_models() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY['company', 'identity', 'consent', 'message', 'engagement', 'feed'];
COMMENT ON FUNCTION gateway.read_models IS 'The names of all read models.';

CREATE OR REPLACE FUNCTION gateway.project(
    p_events_max integer DEFAULT 2000,
    OUT is_active boolean, OUT batches bigint, OUT events bigint, OUT set_aside bigint,
    OUT arriving bigint)
LANGUAGE plpgsql SET search_path = gateway, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_bitmapscan = off SET enable_memoize = off SET enable_material = off SET jit = off
SET plan_cache_mode = force_generic_plan SET max_parallel_workers_per_gather = 0
AS $$
DECLARE
    v_batches bigint[];
BEGIN
    is_active := pg_try_advisory_xact_lock(gateway.projection_lock());
    batches := 0;
    events := 0;
    set_aside := 0;
    arriving := 0;
    IF NOT is_active THEN
        RETURN;
    END IF;
    SELECT array_agg(w.batch_id), coalesce(sum(w.events), 0) INTO v_batches, events
    FROM (SELECT n.batch_id, n.events, sum(n.events) OVER (ORDER BY n.batch_id) AS so_far
          FROM (SELECT b.batch_id, b.events FROM batch b
                WHERE b.projected_at IS NULL AND b.set_aside_at IS NULL
                ORDER BY b.batch_id LIMIT p_events_max) n) w
    WHERE w.so_far - w.events < p_events_max;
    IF v_batches IS NULL THEN
        RETURN;
    END IF;
    batches := cardinality(v_batches);
    set_aside := gateway.project_or_set_aside(v_batches, gateway.read_models());
    SELECT coalesce(sum(n.events), 0) INTO arriving
    FROM (SELECT b.events, b.committed_at FROM batch b ORDER BY b.batch_id DESC LIMIT 1000) n
    WHERE n.committed_at > clock_timestamp() - interval '1 second';
END $$;
COMMENT ON FUNCTION gateway.project IS
    'One step: merges the oldest waiting batches, with about so many events, into all read '
    'models. is_active is false while another session projects; arriving: events that came in the '
    'last second.';

CREATE OR REPLACE FUNCTION gateway.projection_lag(
    OUT batches bigint, OUT events bigint, OUT oldest interval, OUT failed bigint)
LANGUAGE sql STABLE SET enable_seqscan = off
BEGIN ATOMIC
    SELECT count(*), coalesce(sum(b.events), 0)::bigint,
           coalesce(greatest(clock_timestamp() - min(b.committed_at), interval '0'),
               interval '0'),
           (SELECT count(*) FROM gateway.batch f WHERE f.set_aside_at IS NOT NULL)
    FROM gateway.batch b WHERE b.projected_at IS NULL AND b.set_aside_at IS NULL;
END;
COMMENT ON FUNCTION gateway.projection_lag IS
    'Batches and events that no read model has yet, the age of the oldest, and batches set aside.';
