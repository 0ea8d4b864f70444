-- Erasing a person: whoever is one profile with an identifier.

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

-- Who is erased: everybody who is one profile with an identifier. With p_only those who have it
-- themselves, and who is known by nothing but what is theirs alone; the others of the profile are
-- people of their own.
CREATE OR REPLACE FUNCTION gateway.find_subscribers(
    p_company_id text, p_kind text, p_value text, p_only boolean)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS pg_temp.erased_subscriber, pg_temp.erased_mate;
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
    SELECT s.subscriber_id AS old_id, gen_random_uuid() AS new_id, p.profile_id,
           s.subscriber_id IN (SELECT n.subscriber_id FROM named n) AS is_named,
           CASE WHEN i.identifiers IS NOT NULL THEN i.identifiers ELSE (
               SELECT gateway.merged_identifiers(array_agg(e.identifiers))
               FROM gateway.source_event e
               WHERE e.company_id = p_company_id AND e.subscriber_id = s.subscriber_id)
           END AS identifiers
    FROM profile p CROSS JOIN LATERAL gateway.subscribers_of(p_company_id, p.profile_id) s
    LEFT JOIN gateway.identity i
        ON i.company_id = p_company_id AND i.subscriber_id = s.subscriber_id;
    CREATE TEMP TABLE erased_mate ON COMMIT DROP AS
    SELECT s.old_id AS subscriber_id FROM pg_temp.erased_subscriber s
    WHERE p_only AND NOT s.is_named AND EXISTS (
        SELECT FROM jsonb_each(s.identifiers) AS j
        CROSS JOIN LATERAL jsonb_array_elements_text(j.value) AS v (value)
        WHERE NOT EXISTS (SELECT FROM pg_temp.erased_subscriber n
                          WHERE n.is_named AND n.identifiers -> j.key ? v.value)
            OR EXISTS (SELECT FROM pg_temp.erased_subscriber o
                       WHERE NOT o.is_named AND o.old_id <> s.old_id
                           AND o.identifiers -> j.key ? v.value
                           AND o.identifiers ? 'attentive_external_id'));
    DELETE FROM pg_temp.erased_subscriber s USING pg_temp.erased_mate m
    WHERE m.subscriber_id = s.old_id;
END $$;
COMMENT ON FUNCTION gateway.find_subscribers IS
    'Makes temporary tables of who is erased, and who of their profile is not.';

-- The identifiers of those, in what spellings they are looked for, their events and bodies, and the
-- refused bodies that hold one, as temporary tables. What others have too names nobody: it is not
-- looked for. Nor are short ids, which would be found in everybody's.
DROP FUNCTION IF EXISTS gateway.find_erased(text, text, text);
CREATE OR REPLACE FUNCTION gateway.find_erased(
    p_company_id text, p_kind text, p_value text, p_only boolean)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_first_look text;
BEGIN
    PERFORM gateway.find_subscribers(p_company_id, p_kind, p_value, p_only);
    DROP TABLE IF EXISTS pg_temp.erased_identifier, pg_temp.erased_trace, pg_temp.erased_event,
        pg_temp.erased_delivery, pg_temp.erased_body;
    CREATE TEMP TABLE erased_identifier ON COMMIT DROP AS
    SELECT k.*, EXISTS (
        SELECT FROM gateway.subscribers_with(p_company_id, k.kind, k.value) w
        WHERE w.subscriber_id NOT IN (SELECT s.old_id FROM pg_temp.erased_subscriber s))
        AS is_shared
    FROM (SELECT p_kind AS kind, p_value AS value
          UNION
          SELECT j.key, v.value FROM pg_temp.erased_subscriber s
          CROSS JOIN LATERAL jsonb_each(s.identifiers) AS j
          CROSS JOIN LATERAL jsonb_array_elements_text(j.value) AS v (value)
          UNION
          SELECT j.key, v.value FROM pg_temp.erased_subscriber s
          JOIN gateway.source_event e ON e.company_id = p_company_id AND e.subscriber_id = s.old_id
          CROSS JOIN LATERAL jsonb_each(e.identifiers) AS j
          CROSS JOIN LATERAL jsonb_array_elements_text(j.value) AS v (value)) k;
    CREATE TEMP TABLE erased_trace ON COMMIT DROP AS
    SELECT t.pattern, t.pattern || '|' || gateway.escapes_of(t.pattern) AS first_look
    FROM (SELECT string_agg(gateway.spelling(i.kind, i.value), '|') AS pattern
          FROM pg_temp.erased_identifier i
          WHERE NOT i.is_shared
              AND (i.kind IN ('phone', 'email') OR octet_length(i.value) >= 6)) t;
    SELECT t.first_look INTO v_first_look FROM pg_temp.erased_trace t;

    CREATE TEMP TABLE erased_event ON COMMIT DROP AS
    SELECT e.occurred_at, e.event_id FROM pg_temp.erased_subscriber s
    JOIN gateway.source_event e ON e.company_id = p_company_id AND e.subscriber_id = s.old_id
    UNION -- of nobody, but they name the person; there may be a million to look at
    SELECT e.occurred_at, e.event_id FROM gateway.source_event e
    WHERE e.company_id = p_company_id AND e.subscriber_id IS NULL
      AND CASE WHEN lower(gateway.words_of(e)) ~ v_first_look
               THEN gateway.has_trace(gateway.words_of(e)) ELSE false END;

    CREATE TEMP TABLE erased_delivery ON COMMIT DROP AS
    SELECT e.intake_id, e.ordinal FROM pg_temp.erased_event s
    JOIN gateway.source_event e ON e.company_id = p_company_id AND e.occurred_at = s.occurred_at
        AND e.event_id = s.event_id
    JOIN gateway.intake i ON i.intake_id = e.intake_id AND i.lengths[e.ordinal] IS NOT NULL
    UNION -- what is not applied yet, and was not after a while
    SELECT d.intake_id, d.ordinal FROM gateway.intake_waiting w
    JOIN gateway.delivery d ON d.intake_id = w.intake_id
    WHERE gateway.names_erased(p_company_id, d.body)
    UNION
    SELECT i.intake_id, NULL FROM gateway.intake_waiting w
    JOIN gateway.intake i ON i.intake_id = w.intake_id AND i.endpoint IS NULL -- was recorded
    WHERE convert_from(i.bodies, 'UTF8')::json ->> 'company_id' = p_company_id
      AND gateway.has_trace(i.bodies);

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
    v_salt text := gen_random_uuid(); -- kept nowhere: an order stays one, under no number known
BEGIN
    PERFORM gateway.blank_deliveries(array_agg(b.intake_id), array_agg(b.ordinal))
    FROM pg_temp.erased_delivery b WHERE b.ordinal IS NOT NULL;
    DELETE FROM gateway.intake_waiting w USING pg_temp.erased_delivery b
    WHERE b.ordinal IS NULL AND b.intake_id = w.intake_id;
    DELETE FROM gateway.intake i USING pg_temp.erased_delivery b
    WHERE b.ordinal IS NULL AND b.intake_id = i.intake_id;
    -- The row stays, so that a retry of the same bytes only counts.
    UPDATE gateway.quarantine q SET body = '', replayed_at = p_at,
        detail = CASE WHEN gateway.has_trace(q.detail::text) THEN '[]' ELSE q.detail END
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
    CREATE TEMP TABLE erased_order ON COMMIT DROP AS -- under their old numbers, then the new ones
    SELECT e.company_id, e.source, e.order_id
    FROM pg_temp.erased_event x
    JOIN gateway.source_event e ON e.company_id = p_company_id AND e.occurred_at = x.occurred_at
        AND e.event_id = x.event_id
    WHERE e.order_id IS NOT NULL;
    INSERT INTO pg_temp.erased_order
    SELECT o.company_id, o.source, md5(v_salt || o.order_id) FROM pg_temp.erased_order o;
    UPDATE gateway.source_event e SET
        identifiers = gateway.erased_identifiers(e.identifiers, v_salt || s.profile_id),
        message_text = NULL, recipient_address = NULL, link_id = NULL, link_url = NULL,
        attribute_value = NULL, order_id = md5(v_salt || e.order_id), extra = NULL,
        message_id = CASE WHEN e.message_key IS NOT NULL THEN e.message_id END,
        quality_flags = array_append(e.quality_flags, 'erased')
    FROM pg_temp.erased_event x
    LEFT JOIN LATERAL (
        SELECT o.profile_id FROM pg_temp.erased_subscriber o
        JOIN gateway.source_event w ON w.company_id = p_company_id
            AND w.occurred_at = x.occurred_at AND w.event_id = x.event_id
            AND w.subscriber_id = o.old_id) s ON true
    WHERE e.company_id = p_company_id AND e.occurred_at = x.occurred_at
      AND e.event_id = x.event_id;
END $$;
COMMENT ON FUNCTION gateway.blank_erased IS
    'Blanks log, bodies and identifiers of what find_erased found.';

-- Whatever else an event says is for reports, unless it names the person. Returns whether read
-- models hold something of it.
CREATE OR REPLACE FUNCTION gateway.blank_words(p_company_id text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_column text;
    v_rows   bigint;
    v_read   bigint := 0;
BEGIN
    CREATE TEMP TABLE erased_words ON COMMIT DROP AS
    SELECT x.* FROM pg_temp.erased_event x
    JOIN gateway.source_event e ON e.company_id = p_company_id AND e.occurred_at = x.occurred_at
        AND e.event_id = x.event_id
    WHERE gateway.has_trace(gateway.words_of(e));
    FOR v_column IN
        SELECT a.attname FROM pg_attribute a
        WHERE a.attrelid = 'gateway.source_event'::regclass AND a.atttypid = 'text'::regtype
            AND a.attname NOT IN ('company_id', 'order_id') AND NOT a.attnotnull
            AND NOT a.attisdropped
    LOOP
        EXECUTE format('UPDATE gateway.source_event e SET %1$I = NULL
                        FROM pg_temp.erased_words x
                        WHERE e.company_id = $1 AND e.occurred_at = x.occurred_at
                            AND e.event_id = x.event_id AND gateway.has_trace(e.%1$I)', v_column)
        USING p_company_id;
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        v_read := v_read + CASE WHEN EXISTS (
            SELECT FROM pg_attribute p WHERE p.attrelid = 'gateway.projection_event'::regclass
                AND p.attname = v_column) THEN v_rows ELSE 0 END;
    END LOOP;
    DROP TABLE pg_temp.erased_words;
    RETURN v_read > 0;
END $$;
COMMENT ON FUNCTION gateway.blank_words IS
    'Blanks what names the person in any other column of the log.';

-- Whatever is kept by subscriber or profile, in the log and in every read model.
CREATE OR REPLACE FUNCTION gateway.rename_erased(p_company_id text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_table record;
BEGIN
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
END $$;
COMMENT ON FUNCTION gateway.rename_erased IS
    'Gives the subscribers that find_erased found random ids wherever they stand.';

-- Whom an erasure of p_only leaves of the profile is joined without those who go. Throws where
-- somebody would count as opted in because the opt-out that reached them is an erased one's.
CREATE OR REPLACE FUNCTION gateway.leave_mates(p_company_id text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_mates uuid[] := ARRAY(SELECT m.subscriber_id FROM pg_temp.erased_mate m);
BEGIN
    CREATE TEMP TABLE erased_state ON COMMIT DROP AS
    SELECT c.subscriber_id, c.channel, c.subscription_type FROM gateway.consent c
    WHERE c.company_id = p_company_id AND c.subscriber_id = ANY (v_mates)
        AND c.decision = 'revoked';
    PERFORM gateway.join_anew(p_company_id,
        v_mates || ARRAY(SELECT s.new_id FROM pg_temp.erased_subscriber s));
    IF EXISTS (SELECT FROM pg_temp.erased_state s
               JOIN gateway.consent c ON c.company_id = p_company_id
                   AND c.subscriber_id = s.subscriber_id AND c.channel = s.channel
                   AND c.subscription_type = s.subscription_type
               WHERE c.decision = 'granted') THEN
        RAISE EXCEPTION 'an opt-out of theirs reaches others with the same phone or address, who '
            'would be opted in again: opt those out first, or erase all of the profile'
            USING ERRCODE = 'restrict_violation';
    END IF;
    DROP TABLE pg_temp.erased_state;
END $$;
COMMENT ON FUNCTION gateway.leave_mates IS
    'Joins anew whom an erasure leaves of a profile.';

-- Erases the person of an identifier: everybody who is one profile with it, or with p_only who has
-- it. Returns what it found, and of each subscriber the identifiers, masked; nothing is written
-- when p_dry_run. What waits in the intake is applied before, if somebody does so within p_wait:
-- else bodies that name the person go. Nothing is applied meanwhile, so that no event slips past.
DROP FUNCTION IF EXISTS gateway.erase(text, text, text, boolean, integer, interval);
CREATE OR REPLACE FUNCTION gateway.erase(
    p_company_id text, p_kind text, p_value text, p_dry_run boolean DEFAULT false,
    p_profiles_max integer DEFAULT 1, p_wait interval DEFAULT interval '10 seconds',
    p_only boolean DEFAULT false,
    OUT profiles bigint, OUT subscribers bigint, OUT events bigint, OUT deliveries bigint,
    OUT quarantined bigint, OUT people text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET client_min_messages = 'warning'
AS $$
DECLARE
    v_id    uuid := gen_random_uuid();
    v_at    timestamptz;
    v_value text := gateway.normal_identifier(p_kind, p_value);
    v_words boolean;
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
    PERFORM gateway.hold_still();
    v_at := clock_timestamp();

    PERFORM gateway.find_erased(p_company_id, p_kind, v_value, p_only);
    SELECT count(*), count(DISTINCT s.profile_id), coalesce(array_agg(w.who ORDER BY w.who), '{}')
    INTO subscribers, profiles, people
    FROM pg_temp.erased_subscriber s
    CROSS JOIN LATERAL (SELECT gateway.masked_identifiers(s.identifiers) AS who) w;
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
          FROM pg_temp.erased_identifier WHERE NOT is_shared) d
    GROUP BY d.digest
    ON CONFLICT (company_id, digest) DO UPDATE SET erased_before = excluded.erased_before,
        erasure_id = excluded.erasure_id,
        evidence_id = CASE WHEN excluded.evidence_id IS NULL THEN t.evidence_id
                           ELSE excluded.evidence_id END;

    PERFORM gateway.blank_erased(p_company_id, v_at);
    v_words := gateway.blank_words(p_company_id);

    PERFORM gateway.rename_erased(p_company_id);
    IF EXISTS (SELECT FROM pg_temp.erased_mate) THEN
        PERFORM gateway.leave_mates(p_company_id);
    END IF;
    IF v_words THEN
        PERFORM gateway.forget_words();
    END IF;
    PERFORM gateway.renumber_orders();
    PERFORM gateway.forget_samples();
    INSERT INTO gateway.erasure VALUES (v_id, p_company_id, v_at, session_user, p_kind,
        subscribers, events, deliveries, quarantined);
END $$;
COMMENT ON FUNCTION gateway.erase IS
    'Erases everybody who is one profile with an identifier, or says with p_dry_run what that '
    'would reach. Counts stay what they were.';
