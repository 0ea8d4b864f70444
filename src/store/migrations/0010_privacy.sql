-- Erasing a person, and retention. What is left of an erased person are rows that count and lead to
-- nobody, and tombstones: digests that only somebody who knows the phone number or address, and the
-- database's key, could make again. The key lives in the database, where no role may read it: the
-- tombstone is checked in the transaction that writes, on whichever replica, and a key that gets
-- lost elsewhere would let people come back.

CREATE TABLE gateway.digest_key (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    key      bytea   NOT NULL
);
INSERT INTO gateway.digest_key (key)
SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
COMMENT ON TABLE gateway.digest_key IS 'Key of the digests in gateway.tombstone; read by functions of this schema only.';
COMMENT ON COLUMN gateway.digest_key.only_one IS 'There is one row.';
COMMENT ON COLUMN gateway.digest_key.key IS '32 random bytes, made with the schema. Secret.';

CREATE TABLE gateway.erasure (
    erasure_id   uuid        PRIMARY KEY,
    company_id   text        NOT NULL,
    erased_at    timestamptz NOT NULL,
    requested_by text        NOT NULL,
    kind         text        NOT NULL,
    subscribers  bigint      NOT NULL,
    events       bigint      NOT NULL,
    deliveries   bigint      NOT NULL,
    quarantined  bigint      NOT NULL
);
COMMENT ON TABLE gateway.erasure IS 'Audit: every erasure, without whom it removed.';
COMMENT ON COLUMN gateway.erasure.erasure_id IS 'Random.';
COMMENT ON COLUMN gateway.erasure.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.erasure.erased_at IS 'Events up to then are gone for good; later ones are a new beginning.';
COMMENT ON COLUMN gateway.erasure.requested_by IS 'The database user.';
COMMENT ON COLUMN gateway.erasure.kind IS 'By which kind of identifier the person was named.';
COMMENT ON COLUMN gateway.erasure.subscribers IS 'Subscribers that were the person.';
COMMENT ON COLUMN gateway.erasure.events IS 'Events of the log that were blanked.';
COMMENT ON COLUMN gateway.erasure.deliveries IS 'Raw bodies deleted.';
COMMENT ON COLUMN gateway.erasure.quarantined IS 'Bodies in quarantine blanked.';

CREATE TABLE gateway.tombstone (
    company_id    text        NOT NULL,
    digest        bytea       NOT NULL,
    erased_before timestamptz NOT NULL,
    erasure_id    uuid        NOT NULL,
    evidence_id   uuid,
    PRIMARY KEY (company_id, digest)
);
COMMENT ON TABLE gateway.tombstone IS
    'Who was erased, as keyed digests: keeps a replayed delivery from bringing them back, and leads whoever knows the identifier to the consent evidence.';
COMMENT ON COLUMN gateway.tombstone.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.tombstone.digest IS 'Keyed digest of a subscriber_id that the person had, or could have by one of the identifiers.';
COMMENT ON COLUMN gateway.tombstone.erased_before IS 'Events that happened up to then are dropped.';
COMMENT ON COLUMN gateway.tombstone.erasure_id IS 'gateway.erasure.';
COMMENT ON COLUMN gateway.tombstone.evidence_id IS 'The random subscriber_id under which log and consent evidence go on; null for an identifier that was no subscriber of its own.';

CREATE FUNCTION gateway.keyed_digest(p_text text) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT sha256(k.key || sha256(k.key || convert_to(p_text, 'UTF8'))) FROM gateway.digest_key k
$$;
COMMENT ON FUNCTION gateway.keyed_digest(text) IS 'SHA-256 twice, keyed both times. For tombstones.';
REVOKE ALL ON FUNCTION gateway.keyed_digest(text) FROM PUBLIC;

CREATE FUNCTION gateway.has_erased() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'SELECT EXISTS (SELECT FROM gateway.tombstone)';
COMMENT ON FUNCTION gateway.has_erased() IS 'Whether anybody was ever erased.';

CREATE FUNCTION gateway.is_erased(p_company_id text, p_subscriber_id uuid, p_at timestamptz)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p_subscriber_id IS NOT NULL AND gateway.has_erased() AND EXISTS (
        SELECT FROM gateway.tombstone t
        WHERE t.company_id = p_company_id AND t.erased_before >= p_at
          AND t.digest = gateway.keyed_digest(p_subscriber_id::text))
$$;
COMMENT ON FUNCTION gateway.is_erased(text, uuid, timestamptz) IS
    'Whether an event of this subscriber and time belongs to somebody who was erased.';
REVOKE ALL ON FUNCTION gateway.is_erased(text, uuid, timestamptz) FROM PUBLIC;

CREATE FUNCTION gateway.without_erased(p_events gateway.event_row[]) RETURNS gateway.event_row[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(array_agg(e ORDER BY e.company_id COLLATE "C", e.occurred_at, e.event_id), '{}')
    FROM unnest(p_events) AS e
    WHERE NOT gateway.is_erased(e.company_id, e.subscriber_id, e.occurred_at)
$$;
COMMENT ON FUNCTION gateway.without_erased(gateway.event_row[]) IS
    'The events that belong to nobody who was erased, in key order.';

-- Erases the person of an identifier: everybody who is one profile with it. Returns what it found;
-- nothing is written when p_dry_run. Blocks writers for a moment, so that no event slips past.
CREATE FUNCTION gateway.erase(
    p_company_id text, p_kind text, p_value text, p_dry_run boolean DEFAULT false,
    p_profiles_max integer DEFAULT 1,
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
    v_part  text;
BEGIN
    IF v_value IS NULL THEN
        RAISE EXCEPTION 'that is no % that could identify anybody', p_kind
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF to_regproc('gateway.projection_lock') IS NOT NULL THEN -- read models hold still
        EXECUTE 'SELECT pg_advisory_xact_lock(gateway.projection_lock())';
    END IF;
    LOCK TABLE gateway.source_event IN SHARE ROW EXCLUSIVE MODE;
    v_at := clock_timestamp();

    DROP TABLE IF EXISTS pg_temp.erased_subscriber, pg_temp.erased_identifier,
        pg_temp.erased_body;
    CREATE TEMP TABLE erased_subscriber ON COMMIT DROP AS
    WITH named AS (
        SELECT k.subscriber_id FROM gateway.identifier k
        WHERE k.company_id = p_company_id AND k.kind = p_kind AND k.value = v_value
        UNION
        SELECT e.subscriber_id
        FROM gateway.derive_subscriber_id(p_company_id,
                 jsonb_build_object(p_kind, jsonb_build_array(v_value))) AS d (subscriber_id)
        JOIN gateway.source_event e ON e.company_id = p_company_id
            AND e.subscriber_id = d.subscriber_id
        UNION -- what no read model has seen yet
        SELECT e.subscriber_id
        FROM gateway.batch b JOIN gateway.source_event e ON e.batch_id = b.batch_id
        WHERE b.projected_at IS NULL AND e.company_id = p_company_id
          AND e.subscriber_id IS NOT NULL
          AND e.identifiers @> jsonb_build_object(p_kind, jsonb_build_array(v_value))),
    profile AS (
        SELECT DISTINCT CASE WHEN i.profile_id IS NULL THEN n.subscriber_id
                             ELSE i.profile_id END AS profile_id
        FROM named n LEFT JOIN gateway.identity i
            ON i.company_id = p_company_id AND i.subscriber_id = n.subscriber_id)
    SELECT s.subscriber_id AS old_id, gen_random_uuid() AS new_id, p.profile_id
    FROM profile p CROSS JOIN LATERAL gateway.subscribers_of(p_company_id, p.profile_id) s;

    SELECT count(*), count(DISTINCT profile_id) INTO subscribers, profiles
    FROM pg_temp.erased_subscriber;
    IF profiles > p_profiles_max THEN
        RAISE EXCEPTION 'the % belongs to % profiles: name the one by another identifier', p_kind,
            profiles USING ERRCODE = 'cardinality_violation',
            HINT = 'SELECT gateway.erase(..., p_profiles_max => n) erases all of them.';
    END IF;

    CREATE TEMP TABLE erased_identifier ON COMMIT DROP AS
    SELECT p_kind AS kind, v_value AS value
    UNION
    SELECT k.kind, k.value FROM gateway.identifier k
    JOIN pg_temp.erased_subscriber s ON k.company_id = p_company_id AND k.subscriber_id = s.old_id
    UNION
    SELECT j.key, v.value FROM pg_temp.erased_subscriber s
    JOIN gateway.source_event e ON e.company_id = p_company_id AND e.subscriber_id = s.old_id
    CROSS JOIN LATERAL jsonb_each(e.identifiers) AS j
    CROSS JOIN LATERAL jsonb_array_elements_text(j.value) AS v (value);

    SELECT count(*) INTO events FROM pg_temp.erased_subscriber s
    JOIN gateway.source_event e ON e.company_id = p_company_id AND e.subscriber_id = s.old_id;
    SELECT count(*) INTO deliveries FROM pg_temp.erased_subscriber s
    JOIN gateway.source_event e ON e.company_id = p_company_id AND e.subscriber_id = s.old_id
    JOIN gateway.delivery d ON d.company_id = e.company_id AND d.received_at = e.received_at
        AND d.event_id = e.event_id;
    -- Bodies there are no events: searched for the identifiers as bytes. Short ids would be found
    -- in everybody's.
    CREATE TEMP TABLE erased_body ON COMMIT DROP AS
    SELECT q.quarantine_id FROM gateway.quarantine q
    WHERE EXISTS (
        SELECT FROM pg_temp.erased_identifier i
        WHERE (i.kind IN ('phone', 'email') OR octet_length(i.value) >= 6)
          AND position(lower(encode(convert_to(ltrim(i.value, '+'), 'UTF8'), 'escape'))
                       IN lower(encode(q.body, 'escape'))) > 0);
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

    DELETE FROM gateway.delivery d
    USING pg_temp.erased_subscriber s, gateway.source_event e
    WHERE e.company_id = p_company_id AND e.subscriber_id = s.old_id
      AND d.company_id = e.company_id AND d.received_at = e.received_at
      AND d.event_id = e.event_id;
    -- The row stays, so that a retry of the same bytes only counts.
    UPDATE gateway.quarantine q SET body = '', replayed_at = v_at
    FROM pg_temp.erased_body b WHERE b.quarantine_id = q.quarantine_id;
    DELETE FROM gateway.identifier k USING pg_temp.erased_subscriber s
    WHERE k.company_id = p_company_id AND k.subscriber_id = s.old_id;
    UPDATE gateway.source_event e SET identifiers = NULL, message_text = NULL,
        recipient_address = NULL, link_id = NULL, link_url = NULL, attribute_value = NULL,
        order_id = NULL, extra = NULL,
        message_id = CASE WHEN e.message_key IS NOT NULL THEN e.message_id END,
        business_address = CASE WHEN e.business_address IN (
            SELECT value FROM pg_temp.erased_identifier) THEN NULL ELSE e.business_address END,
        quality_flags = array_append(e.quality_flags, 'erased')
    FROM pg_temp.erased_subscriber s
    WHERE e.company_id = p_company_id AND e.subscriber_id = s.old_id;

    -- The rest of a link is for counting clicks, unless it names the person.
    FOREACH v_part IN ARRAY ARRAY['link_path', 'utm_source', 'utm_medium', 'utm_campaign',
                                  'utm_content', 'utm_term'] LOOP
        EXECUTE format('UPDATE gateway.source_event e SET %1$I = NULL
                        FROM pg_temp.erased_subscriber s
                        WHERE e.company_id = $1 AND e.subscriber_id = s.old_id AND EXISTS (
                            SELECT FROM pg_temp.erased_identifier i
                            WHERE (i.kind IN (''phone'', ''email'') OR octet_length(i.value) >= 6)
                              AND position(lower(ltrim(i.value, ''+''))
                                  IN replace(lower(e.%1$I), ''%%40'', ''@'')) > 0)', v_part)
        USING p_company_id;
    END LOOP;

    -- Whatever is kept by subscriber or profile, in the log and in every read model.
    FOR v_table IN
        SELECT c.oid::regclass AS name, a.attname AS id
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('subscriber_id', 'profile_id')
        JOIN pg_attribute k ON k.attrelid = c.oid AND k.attname = 'company_id'
        WHERE c.relnamespace = 'gateway'::regnamespace AND c.relkind IN ('r', 'p')
          AND NOT c.relispartition
    LOOP
        EXECUTE format('UPDATE %s t SET %I = s.new_id FROM pg_temp.erased_subscriber s
                        WHERE t.company_id = %L AND t.%I = s.old_id',
            v_table.name, v_table.id, p_company_id, v_table.id);
    END LOOP;
    INSERT INTO gateway.erasure VALUES (v_id, p_company_id, v_at, session_user, p_kind,
        subscribers, events, deliveries, quarantined);
END $$;
COMMENT ON FUNCTION gateway.erase(text, text, text, boolean, integer) IS
    'Erases everybody who is one profile with an identifier, or says with p_dry_run what that would reach. Counts stay what they were.';
REVOKE ALL ON FUNCTION gateway.erase(text, text, text, boolean, integer) FROM PUBLIC;

-- Drops partitions that lie wholly before an age, and deletes refused deliveries that came last
-- before theirs. A null age keeps everything. Returns what went, by name.
CREATE FUNCTION gateway.apply_retention(
    p_source_event interval, p_delivery interval, p_quarantine interval)
RETURNS TABLE (what text, rows bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET lock_timeout = '2s'
AS $$
DECLARE
    v_partition record;
BEGIN
    FOR v_partition IN
        SELECT c.relname AS name, c.reltuples::bigint AS estimate, p.relname AS parent
        FROM pg_class p
        JOIN pg_inherits i ON i.inhparent = p.oid
        JOIN pg_class c ON c.oid = i.inhrelid
        CROSS JOIN LATERAL (SELECT CASE p.relname WHEN 'delivery' THEN p_delivery
                                                  ELSE p_source_event END AS age) a
        CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''([^'']+)''\)')
            AS ends (at)
        WHERE p.relnamespace = 'gateway'::regnamespace
          AND p.relname IN ('delivery', 'source_event')
          AND ends.at[1]::timestamptz <= now() - a.age
        ORDER BY 1
    LOOP
        EXECUTE format('DROP TABLE gateway.%I', v_partition.name);
        what := 'gateway.' || v_partition.name;
        rows := greatest(v_partition.estimate, 0);
        RETURN NEXT;
    END LOOP;
    IF p_quarantine IS NOT NULL THEN
        DELETE FROM gateway.quarantine q WHERE q.last_received_at < now() - p_quarantine;
        GET DIAGNOSTICS rows = ROW_COUNT;
        IF rows > 0 THEN
            what := 'rows of gateway.quarantine';
            RETURN NEXT;
        END IF;
    END IF;
END $$;
COMMENT ON FUNCTION gateway.apply_retention(interval, interval, interval) IS
    'Drops what is older than its age; rows of dropped partitions are estimates.';
REVOKE ALL ON FUNCTION gateway.apply_retention(interval, interval, interval) FROM PUBLIC;
