-- From the log to the read models, in the order of its positions. The end state is a function of
-- the log alone: whatever depends on order (which opt-in an opt-out ends, what was sent last before
-- it, which subscribers are one person) is worked out again for the keys that a step touches, and
-- counts change by the difference. One session projects at a time, so the merges read first and
-- write only what changes. Tables of the read models stand there without a schema: `project` finds
-- those of schema gateway, `rebuild` finds fresh ones in pg_temp. Plans are pinned to nested loops
-- over indexes, because those of an empty table would be kept when it is large.

CREATE OR REPLACE FUNCTION gateway.projection_lock() RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 4702111234474983746;
COMMENT ON FUNCTION gateway.projection_lock IS
    'Number of the advisory lock (of a transaction, so that poolers do not matter) that whoever '
    'writes the read models holds. Who needs both: gateway.hold_still.';

CREATE OR REPLACE FUNCTION gateway.project_events(
    p_first bigint, p_last bigint, p_models text[])
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_events      gateway.projection_event[];
    v_companies   text[];
    v_subscribers uuid[]; -- whom identity joined anew or took apart
    v_asked       gateway.asked_recipient[];
BEGIN
    SELECT array_agg(ROW(
        e.company_id, e.occurred_at, e.event_id, e.channel, e.action, e.company_name,
        e.subscriber_id, e.identifiers, left(e.subscription_type, 100),
        left(e.creative_name, 150), left(e.creative_type, 150), left(e.creative_subtype, 150),
        e.message_key, gateway.stat_key(e.message_key, e.message_subject), e.message_type,
        e.message_name, e.business_address, e.received_at)::gateway.projection_event)
    INTO v_events
    FROM gateway.source_event e WHERE e.position BETWEEN p_first AND p_last;
    IF v_events IS NULL THEN
        RETURN;
    END IF;
    IF 'company' = ANY (p_models) THEN
        PERFORM gateway.project_company(v_events);
    END IF;
    IF 'identity' = ANY (p_models) THEN
        SELECT i.companies, i.subscribers INTO v_companies, v_subscribers
        FROM gateway.project_identity(v_events) i;
    END IF;
    IF p_models && '{consent,message}' THEN
        v_asked := gateway.asked_recipients(v_events, v_companies, v_subscribers);
    END IF;
    IF 'consent' = ANY (p_models) THEN
        PERFORM gateway.project_consent(v_events, v_asked);
        PERFORM gateway.project_consent_latest(v_asked);
    END IF;
    IF 'message' = ANY (p_models) THEN
        PERFORM gateway.project_message(v_events);
        PERFORM gateway.project_message_stats(v_events);
        PERFORM gateway.project_last_send(v_events, v_asked);
    END IF;
    IF 'order' = ANY (p_models) THEN
        PERFORM gateway.project_order(p_first, p_last);
    END IF;
    IF 'engagement' = ANY (p_models) THEN
        PERFORM gateway.project_engagement(v_events);
    END IF;
    IF 'feed' = ANY (p_models) THEN
        PERFORM gateway.project_feed(p_first, p_last);
    END IF;
END $$;
COMMENT ON FUNCTION gateway.project_events IS
    'Merges the events of the given positions into the given read models.';

-- A value that a table refuses is an event's own fault: the event is found by halving and set
-- aside. Whatever else fails (a lock, space, a privilege, a time-out) is not, and is thrown.
CREATE OR REPLACE FUNCTION gateway.project_or_set_aside(
    p_first bigint, p_last bigint, p_models text[])
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_middle     bigint := p_first + (p_last - p_first) / 2;
    v_state      text;
    v_constraint text;
BEGIN
    BEGIN
        PERFORM gateway.project_events(p_first, p_last, p_models);
        RETURN 0;
    EXCEPTION
        WHEN data_exception OR integrity_constraint_violation OR cardinality_violation
            OR program_limit_exceeded OR raise_exception THEN
            GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE,
                v_constraint = CONSTRAINT_NAME;
    END;
    IF p_first < p_last THEN
        RETURN gateway.project_or_set_aside(p_first, v_middle, p_models)
            + gateway.project_or_set_aside(v_middle + 1, p_last, p_models);
    END IF;
    INSERT INTO gateway.set_aside (first_position, last_position, error)
    VALUES (p_first, p_last, concat_ws(' ', v_state, nullif(v_constraint, '')));
    RETURN 1;
END $$;
COMMENT ON FUNCTION gateway.project_or_set_aside IS
    'Projects the events of the positions and returns how many it had to set aside.';

CREATE OR REPLACE FUNCTION gateway.read_models() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY['company', 'identity', 'consent', 'message', 'order', 'engagement', 'feed'];
COMMENT ON FUNCTION gateway.read_models IS 'The names of all read models.';

-- What to project next: what was set aside and is due, then what the read models do not know.
CREATE OR REPLACE FUNCTION gateway.next_positions(
    p_events_max integer, OUT first bigint, OUT last bigint, OUT was_set_aside boolean)
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM gateway.set_aside s
    WHERE s.first_position = (SELECT min(d.first_position) FROM gateway.set_aside d WHERE d.is_due)
    RETURNING s.first_position, s.last_position, true INTO first, last, was_set_aside;
    IF first IS NULL THEN
        SELECT s.projected + 1,
               least(s.projected + p_events_max, (SELECT l.position FROM gateway.log_state l)),
               false
        INTO first, last, was_set_aside FROM gateway.projection_state s;
    END IF;
END $$;
COMMENT ON FUNCTION gateway.next_positions IS
    'Takes the next positions that are to be projected; last lies before first when there are '
    'none.';

CREATE OR REPLACE FUNCTION gateway.project(
    p_events_max integer DEFAULT 2000,
    OUT is_active boolean, OUT events bigint, OUT set_aside bigint,
    OUT rest_factor double precision)
LANGUAGE plpgsql SET search_path = gateway, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_bitmapscan = off SET enable_memoize = off SET enable_material = off SET jit = off
SET plan_cache_mode = force_generic_plan SET max_parallel_workers_per_gather = 0
AS $$
DECLARE
    v_next record;
BEGIN
    is_active := pg_try_advisory_xact_lock(gateway.projection_lock());
    events := 0;
    set_aside := 0;
    rest_factor := 0;
    IF NOT is_active THEN
        RETURN;
    END IF;
    PERFORM set_config('synchronous_commit', 'off', true); -- a lost step is taken again
    SELECT * INTO v_next FROM gateway.next_positions(p_events_max);
    events := v_next.last - v_next.first + 1;
    IF events <= 0 THEN
        RETURN;
    END IF;
    set_aside := gateway.project_or_set_aside(v_next.first, v_next.last, gateway.read_models());
    UPDATE gateway.projection_state s SET projected = v_next.last
    WHERE NOT v_next.was_set_aside;
    rest_factor := gateway.rest_factor();
END $$;
COMMENT ON FUNCTION gateway.project IS
    'One step: merges about so many of the oldest events that wait into all read models. is_active '
    'is false while another session writes read models; rest_factor: see there.';

CREATE OR REPLACE FUNCTION gateway.projection_lag(
    OUT deliveries bigint, OUT events bigint, OUT oldest interval, OUT failed bigint,
    OUT refused bigint, OUT refusal text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT w.deliveries,
           (SELECT l.position FROM gateway.log_state l)
               - (SELECT p.projected FROM gateway.projection_state p),
           greatest(interval '0', clock_timestamp() - least(clock_timestamp(), w.oldest,
               gateway.unprojected_since())),
           (SELECT count(*) FROM gateway.set_aside), w.refused, w.refusal
    FROM (SELECT coalesce(sum(i.deliveries), 0)::bigint AS deliveries,
                 min(i.appended_at) AS oldest,
                 coalesce(sum(i.deliveries) FILTER (WHERE i.tries > 0), 0)::bigint AS refused,
                 max(i.error) AS refusal
          FROM gateway.intake_waiting i) w;
END;
COMMENT ON FUNCTION gateway.projection_lag IS
    'Deliveries of the intake that are not in the log yet and events of the log that no read model '
    'has, the age of the oldest of both, events set aside; of the deliveries those that the '
    'database refuses, and the SQLSTATE of one.';
