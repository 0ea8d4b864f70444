-- Erasing a person: whoever is one profile with an identifier.

-- The company that a refused body names; null when it names none. What PostgreSQL cannot read as
-- JSON (a NUL, half of a body) is asked for its first company_id.
CREATE OR REPLACE FUNCTION gateway.company_of_body(p_body bytea) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN btrim(convert_from(p_body, 'UTF8')::json #>> '{company,company_id}');
EXCEPTION
    WHEN OTHERS THEN
        RETURN btrim(substring(encode(p_body, 'escape') FROM '"company_id"\s*:\s*"([^"\\]+)"'));
END $$;
COMMENT ON FUNCTION gateway.company_of_body IS
    'The company_id that the body of a refused delivery names.';

-- Whether a body that became no event holds an identifier of those who are erased. What names
-- another company does not: whoever has the same phone there is another company's customer.
CREATE OR REPLACE FUNCTION gateway.names_erased(p_company_id text, p_body bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE WHEN gateway.has_trace(p_body)
        THEN coalesce(gateway.company_of_body(p_body), p_company_id) = p_company_id
        ELSE false END;
END $$;
COMMENT ON FUNCTION gateway.names_erased IS
    'Whether a body holds an identifier that find_erased found, and names no other company.';

-- The subscribers of that person, all identifiers they were seen with, their bodies, and the
-- refused bodies that hold one, as temporary tables.
CREATE OR REPLACE FUNCTION gateway.find_erased(p_company_id text, p_kind text, p_value text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS pg_temp.erased_subscriber, pg_temp.erased_identifier,
        pg_temp.erased_event, pg_temp.erased_delivery, pg_temp.erased_body;
    CREATE TEMP TABLE erased_subscriber ON COMMIT DROP AS
    WITH named AS (
        SELECT w.subscriber_id FROM gateway.subscribers_with(p_company_id, p_kind, p_value) w
        UNION
        SELECT e.subscriber_id
        FROM gateway.derive_subscriber_id(p_company_id,
                 jsonb_build_object(p_kind, jsonb_build_array(p_value))) AS d (subscriber_id)
        JOIN gateway.source_event e ON e.company_id = p_company_id
            AND e.subscriber_id = d.subscriber_id
        UNION -- what no read model has seen yet
        SELECT e.subscriber_id
        FROM gateway.projection_state p
        JOIN gateway.source_event e ON e.position > p.projected
        WHERE e.company_id = p_company_id
          AND e.subscriber_id IS NOT NULL
          AND e.identifiers @> jsonb_build_object(p_kind, jsonb_build_array(p_value))),
    profile AS (
        SELECT DISTINCT CASE WHEN i.profile_id IS NULL THEN n.subscriber_id
                             ELSE i.profile_id END AS profile_id
        FROM named n LEFT JOIN gateway.identity i
            ON i.company_id = p_company_id AND i.subscriber_id = n.subscriber_id)
    SELECT s.subscriber_id AS old_id, gen_random_uuid() AS new_id, p.profile_id
    FROM profile p CROSS JOIN LATERAL gateway.subscribers_of(p_company_id, p.profile_id) s;

    CREATE TEMP TABLE erased_identifier ON COMMIT DROP AS
    SELECT p_kind AS kind, p_value AS value
    UNION
    SELECT j.key, v.value FROM pg_temp.erased_subscriber s
    JOIN gateway.identity i ON i.company_id = p_company_id AND i.subscriber_id = s.old_id
    CROSS JOIN LATERAL jsonb_each(i.identifiers) AS j
    CROSS JOIN LATERAL jsonb_array_elements_text(j.value) AS v (value)
    UNION
    SELECT j.key, v.value FROM pg_temp.erased_subscriber s
    JOIN gateway.source_event e ON e.company_id = p_company_id AND e.subscriber_id = s.old_id
    CROSS JOIN LATERAL jsonb_each(e.identifiers) AS j
    CROSS JOIN LATERAL jsonb_array_elements_text(j.value) AS v (value);

    CREATE TEMP TABLE erased_event ON COMMIT DROP AS
    SELECT e.occurred_at, e.event_id FROM pg_temp.erased_subscriber s
    JOIN gateway.source_event e ON e.company_id = p_company_id AND e.subscriber_id = s.old_id
    UNION -- of nobody, but they name the person
    SELECT e.occurred_at, e.event_id FROM gateway.source_event e
    WHERE e.company_id = p_company_id AND e.subscriber_id IS NULL
      AND gateway.has_trace(gateway.words_of(e));

    CREATE TEMP TABLE erased_delivery ON COMMIT DROP AS
    SELECT e.intake_id, e.ordinal FROM pg_temp.erased_event s
    JOIN gateway.source_event e ON e.company_id = p_company_id AND e.occurred_at = s.occurred_at
        AND e.event_id = s.event_id
    JOIN gateway.intake i ON i.intake_id = e.intake_id AND i.lengths[e.ordinal] IS NOT NULL
    UNION -- what is not applied yet, and was not after a while
    SELECT d.intake_id, d.ordinal FROM gateway.intake_waiting w
    JOIN gateway.delivery d ON d.intake_id = w.intake_id
    WHERE gateway.names_erased(p_company_id, d.body);

    CREATE TEMP TABLE erased_body ON COMMIT DROP AS
    SELECT q.quarantine_id FROM gateway.quarantine q
    WHERE gateway.names_erased(p_company_id, q.body);
END $$;
COMMENT ON FUNCTION gateway.find_erased IS
    'Makes temporary tables of what an erasure reaches.';

-- Takes bodies out of the intake.
CREATE OR REPLACE FUNCTION gateway.blank_deliveries(p_intakes bigint[], p_ordinals integer[])
RETURNS void LANGUAGE sql AS $$
    SELECT gateway.keep_bodies(p_intakes, array_agg(d.intake_id), array_agg(d.ordinal))
    FROM gateway.delivery d
    WHERE d.intake_id = ANY (p_intakes) AND d.body IS NOT NULL AND NOT EXISTS (
        SELECT FROM unnest(p_intakes, p_ordinals) AS b (intake_id, ordinal)
        WHERE b.intake_id = d.intake_id AND b.ordinal = d.ordinal)
$$;
COMMENT ON FUNCTION gateway.blank_deliveries IS 'Takes deliveries'' bodies out of the intake.';

-- What names the person goes; rows stay, so that counts do.
CREATE OR REPLACE FUNCTION gateway.blank_erased(p_company_id text, p_at timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_part text;
    v_salt text := gen_random_uuid(); -- kept nowhere: an order stays one, under no number known
BEGIN
    PERFORM gateway.blank_deliveries(array_agg(b.intake_id), array_agg(b.ordinal))
    FROM pg_temp.erased_delivery b;
    -- The row stays, so that a retry of the same bytes only counts.
    UPDATE gateway.quarantine q SET body = '', replayed_at = p_at
    FROM pg_temp.erased_body b WHERE b.quarantine_id = q.quarantine_id;
    INSERT INTO gateway.erased_value -- of what others have, who must not be one now
    SELECT DISTINCT p_company_id, gateway.keyed_digest(k.kind || chr(31) || k.value), s.new_id
    FROM pg_temp.erased_identifier k
    JOIN gateway.identity_value v
        ON v.value_hash = gateway.value_hash(p_company_id, k.kind, k.value)
    JOIN pg_temp.erased_subscriber s ON s.old_id = v.subscriber_id
    WHERE EXISTS (SELECT FROM gateway.identity_value o
                  WHERE o.value_hash = v.value_hash AND o.subscriber_id NOT IN (
                      SELECT old_id FROM pg_temp.erased_subscriber));
    DELETE FROM gateway.identity_value v
    USING pg_temp.erased_identifier k, pg_temp.erased_subscriber s
    WHERE v.value_hash = gateway.value_hash(p_company_id, k.kind, k.value)
      AND v.subscriber_id = s.old_id;
    UPDATE gateway.identity i SET identifiers = coalesce(
        gateway.erased_identifiers(i.identifiers, v_salt || s.profile_id), '{}')
    FROM pg_temp.erased_subscriber s
    WHERE i.company_id = p_company_id AND i.subscriber_id = s.old_id;
    INSERT INTO gateway.identity_value
    SELECT gateway.value_hash(p_company_id, j.key, v.value), s.new_id
    FROM pg_temp.erased_subscriber s
    JOIN gateway.identity i ON i.company_id = p_company_id AND i.subscriber_id = s.old_id
    CROSS JOIN LATERAL jsonb_each(i.identifiers) AS j
    CROSS JOIN LATERAL jsonb_array_elements_text(j.value) AS v (value);
    UPDATE gateway.source_event e SET
        identifiers = gateway.erased_identifiers(e.identifiers, v_salt || s.profile_id),
        message_text = NULL, recipient_address = NULL, link_id = NULL, link_url = NULL,
        attribute_value = NULL, order_id = md5(v_salt || e.order_id), extra = NULL,
        message_id = CASE WHEN e.message_key IS NOT NULL THEN e.message_id END,
        business_address = CASE WHEN e.business_address IN (
            SELECT value FROM pg_temp.erased_identifier) THEN NULL ELSE e.business_address END,
        quality_flags = array_append(e.quality_flags, 'erased')
    FROM pg_temp.erased_event x
    LEFT JOIN LATERAL (
        SELECT o.profile_id FROM pg_temp.erased_subscriber o
        JOIN gateway.source_event w ON w.company_id = p_company_id
            AND w.occurred_at = x.occurred_at AND w.event_id = x.event_id
            AND w.subscriber_id = o.old_id) s ON true
    WHERE e.company_id = p_company_id AND e.occurred_at = x.occurred_at
      AND e.event_id = x.event_id;

    -- The rest of a link is for counting clicks, unless it names the person.
    FOREACH v_part IN ARRAY ARRAY['message_subject', 'link_path', 'utm_source', 'utm_medium',
                                  'utm_campaign', 'utm_content', 'utm_term', 'discount_code'] LOOP
        EXECUTE format('UPDATE gateway.source_event e SET %1$I = NULL
                        FROM pg_temp.erased_event x
                        WHERE e.company_id = $1 AND e.occurred_at = x.occurred_at
                            AND e.event_id = x.event_id
                            AND gateway.has_trace(convert_to(e.%1$I, ''UTF8''))', v_part)
        USING p_company_id;
    END LOOP;
END $$;
COMMENT ON FUNCTION gateway.blank_erased IS
    'Blanks log, bodies and identifiers of what find_erased found.';

-- Erases the person of an identifier: everybody who is one profile with it. Returns what it found;
-- nothing is written when p_dry_run. What waits in the intake is applied before, if somebody does
-- so within p_wait: else bodies that name the person go. Nothing is applied meanwhile, so that no
-- event slips past.
CREATE OR REPLACE FUNCTION gateway.erase(
    p_company_id text, p_kind text, p_value text, p_dry_run boolean DEFAULT false,
    p_profiles_max integer DEFAULT 1, p_wait interval DEFAULT interval '10 seconds',
    OUT profiles bigint, OUT subscribers bigint, OUT events bigint, OUT deliveries bigint,
    OUT quarantined bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET client_min_messages = 'warning'
AS $$
DECLARE
    v_id    uuid := gen_random_uuid();
    v_at    timestamptz;
    v_value text := gateway.normal_identifier(p_kind, p_value);
    v_table record;
BEGIN
    PERFORM gateway.check_company(p_company_id);
    IF v_value IS NULL THEN
        RAISE EXCEPTION 'that is no % that could identify anybody', p_kind
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    v_at := clock_timestamp();
    WHILE clock_timestamp() < v_at + p_wait AND EXISTS (
            SELECT FROM gateway.intake_waiting w WHERE w.tries = 0 AND w.appended_at <= v_at) LOOP
        PERFORM pg_sleep(0.05);
    END LOOP;
    PERFORM pg_advisory_xact_lock(gateway.log_lock()); -- log and read models hold still
    PERFORM pg_advisory_xact_lock(gateway.projection_lock());
    v_at := clock_timestamp();

    PERFORM gateway.find_erased(p_company_id, p_kind, v_value);
    SELECT count(*), count(DISTINCT profile_id) INTO subscribers, profiles
    FROM pg_temp.erased_subscriber;
    IF profiles > p_profiles_max THEN
        RAISE EXCEPTION 'the % belongs to % profiles: name the one by another identifier', p_kind,
            profiles USING ERRCODE = 'cardinality_violation',
            HINT = 'SELECT gateway.erase(..., p_profiles_max => n) erases all of them.';
    END IF;
    SELECT count(*) INTO events FROM pg_temp.erased_event;
    SELECT count(*) INTO deliveries FROM pg_temp.erased_delivery;
    SELECT count(*) INTO quarantined FROM pg_temp.erased_body;
    IF p_dry_run THEN
        RETURN;
    END IF;

    INSERT INTO gateway.tombstone AS t
    SELECT p_company_id, d.digest, v_at, v_id, (array_agg(d.new_id))[1]
    FROM (SELECT gateway.keyed_digest(old_id::text) AS digest, new_id
          FROM pg_temp.erased_subscriber
          UNION ALL
          SELECT gateway.keyed_digest(gateway.derive_subscriber_id(p_company_id,
                     jsonb_build_object(kind, jsonb_build_array(value)))::text), NULL
          FROM pg_temp.erased_identifier) d
    GROUP BY d.digest
    ON CONFLICT (company_id, digest) DO UPDATE SET erased_before = excluded.erased_before,
        erasure_id = excluded.erasure_id,
        evidence_id = CASE WHEN excluded.evidence_id IS NULL THEN t.evidence_id
                           ELSE excluded.evidence_id END;

    PERFORM gateway.blank_erased(p_company_id, v_at);

    -- Whatever is kept by subscriber or profile, in the log and in every read model.
    FOR v_table IN
        SELECT c.oid::regclass AS name, a.attname AS id
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid
            AND a.attname IN ('subscriber_id', 'profile_id', 'sms_to', 'email_to')
        JOIN pg_attribute k ON k.attrelid = c.oid AND k.attname = 'company_id'
        WHERE c.relnamespace = 'gateway'::regnamespace AND c.relkind IN ('r', 'p')
          AND NOT c.relispartition
    LOOP
        EXECUTE format('UPDATE %s t SET %I = s.new_id FROM pg_temp.erased_subscriber s
                        WHERE t.company_id = %L AND t.%I = s.old_id',
            v_table.name, v_table.id, p_company_id, v_table.id);
    END LOOP;
    PERFORM gateway.forget_samples();
    INSERT INTO gateway.erasure VALUES (v_id, p_company_id, v_at, session_user, p_kind,
        subscribers, events, deliveries, quarantined);
END $$;
COMMENT ON FUNCTION gateway.erase IS
    'Erases everybody who is one profile with an identifier, or says with p_dry_run what that '
    'would reach. Counts stay what they were.';
