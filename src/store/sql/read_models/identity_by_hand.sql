-- What an operator does to a profile: find it, take it apart, and ask why it is one.

CREATE OR REPLACE FUNCTION gateway.subscribers_with(p_company text, p_kind text, p_value text)
RETURNS TABLE (subscriber_id uuid, profile_id uuid) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT i.subscriber_id, i.profile_id
    FROM gateway.identity_value v
    JOIN gateway.identity i ON i.company_id = p_company AND i.subscriber_id = v.subscriber_id
    WHERE v.value_hash = gateway.value_hash(p_company, p_kind, p_value)
        AND i.identifiers -> p_kind ? p_value;
END;
COMMENT ON FUNCTION gateway.subscribers_with IS
    'The subscribers that were seen with an identifier, which is in its normal form.';

-- Gives these subscribers, and whoever is joined to them, their profiles anew, and consent and
-- messages what follows of that. Returns all whom it concerned.
CREATE OR REPLACE FUNCTION gateway.join_anew(p_company text, p_subscribers uuid[]) RETURNS uuid[]
LANGUAGE plpgsql SET search_path = gateway, pg_temp SET enable_seqscan = off
AS $$
DECLARE
    v_joined record;
    v_asked  gateway.asked_recipient[];
BEGIN
    SELECT * INTO v_joined FROM gateway.resolve_identities(
        array_fill(p_company, ARRAY[cardinality(p_subscribers)]), p_subscribers);
    v_asked := gateway.asked_recipients('{}', v_joined.companies, v_joined.subscribers);
    PERFORM gateway.project_consent('{}', v_asked);
    PERFORM gateway.project_consent_latest(v_asked);
    PERFORM gateway.project_last_send('{}', v_asked);
    RETURN v_joined.subscribers;
END $$;
COMMENT ON FUNCTION gateway.join_anew IS
    'Makes profiles, consent and messages of the given subscribers again, and of whoever is joined '
    'to them.';

-- Takes a subscriber out of its profile: identifiers of this kind (*: of any) join it to nobody
-- from now on. p_undo takes that back. Returns the profiles of all who were together with it.
CREATE OR REPLACE FUNCTION gateway.split_identity(
    p_company text, p_subscriber uuid, p_kind text DEFAULT '*', p_undo boolean DEFAULT false)
RETURNS TABLE (subscriber_id uuid, profile_id uuid)
LANGUAGE plpgsql SET search_path = gateway, pg_temp SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    v_mates uuid[];
BEGIN
    PERFORM pg_advisory_xact_lock(gateway.projection_lock());
    IF NOT EXISTS (SELECT FROM identity i WHERE i.company_id = p_company
                    AND i.subscriber_id = p_subscriber) THEN
        RAISE EXCEPTION 'no subscriber % of company %', p_subscriber, quote_literal(p_company)
            USING ERRCODE = 'no_data_found';
    END IF;
    SELECT array_agg(mate.subscriber_id) INTO v_mates
    FROM identity i
    CROSS JOIN LATERAL gateway.subscribers_of(i.company_id, i.profile_id) AS mate
    WHERE i.company_id = p_company AND i.subscriber_id = p_subscriber;
    IF p_undo THEN
        DELETE FROM identity_split s WHERE s.company_id = p_company
            AND s.subscriber_id = p_subscriber AND (p_kind = '*' OR s.kind = p_kind);
        SELECT v_mates || array_agg(n.to_id) INTO v_mates
        FROM gateway.identity_neighbours(p_company, ARRAY[p_subscriber]) n;
    ELSE
        INSERT INTO identity_split (company_id, subscriber_id, kind)
        VALUES (p_company, p_subscriber, p_kind) ON CONFLICT DO NOTHING;
    END IF;
    v_mates := gateway.join_anew(p_company, v_mates);
    RETURN QUERY SELECT i.subscriber_id, i.profile_id FROM identity i
    WHERE i.company_id = p_company AND i.subscriber_id = ANY (v_mates)
    ORDER BY i.profile_id, i.subscriber_id;
END $$;
COMMENT ON FUNCTION gateway.split_identity IS
    'Un-merges a subscriber, or (p_undo) lets it be merged again; returns who was concerned.';

CREATE OR REPLACE FUNCTION gateway.mask(p_kind text, p_value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN p_kind = 'email' AND p_value LIKE '_%@%'
        THEN left(p_value, 1) || '***@' || split_part(p_value, '@', 2)
    WHEN length(p_value) >= 8 THEN left(p_value, 2) || '***' || right(p_value, 2)
    ELSE '***' END;
COMMENT ON FUNCTION gateway.mask IS 'An identifier''s value as it may be shown to an operator.';

CREATE OR REPLACE FUNCTION gateway.masked_identifiers(p_identifiers jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT coalesce(string_agg(j.key || ' ' || gateway.mask(j.key, v.value), ', '
                               ORDER BY j.key, v.value), 'no identifier')
    FROM jsonb_each(p_identifiers) AS j
    CROSS JOIN LATERAL jsonb_array_elements_text(j.value) AS v (value)
$$;
COMMENT ON FUNCTION gateway.masked_identifiers IS
    'Identifiers in a line for an operator, masked.';

-- The chain of shared identifiers that joins a profile: each row joins one more subscriber to one
-- that was there before, nearest to the survivor first. One row without linked_to for the survivor.
-- Last, without a step, those who shared a number with one of them that passed on since.
DROP FUNCTION IF EXISTS gateway.explain_identity(text, uuid);
CREATE FUNCTION gateway.explain_identity(p_company text, p_subscriber uuid)
RETURNS TABLE (
    step integer, subscriber_id uuid, first_seen_at timestamptz, kind text, masked text,
    linked_to uuid, passed_at timestamptz)
LANGUAGE plpgsql STABLE SET search_path = gateway, pg_temp SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    v_members  uuid[];
    v_frontier uuid[];
BEGIN
    step := 0;
    SELECT ARRAY[i.profile_id] INTO v_members FROM identity i
    WHERE i.company_id = p_company AND i.subscriber_id = p_subscriber;
    IF v_members IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT 0, i.subscriber_id, i.first_seen_at::timestamptz, NULL::text, NULL::text,
                        NULL::uuid, NULL::timestamptz
    FROM identity i WHERE i.company_id = p_company AND i.subscriber_id = v_members[1];
    v_frontier := v_members;
    LOOP
        step := step + 1;
        RETURN QUERY
        SELECT step, l.to_id, i.first_seen_at::timestamptz, l.kind,
               gateway.mask(l.kind, l.value), l.from_id, NULL::timestamptz
        FROM (SELECT DISTINCT ON (n.to_id) n.* FROM
                  gateway.identity_neighbours(p_company, v_frontier) n
              WHERE n.to_id <> ALL (v_members)
              ORDER BY n.to_id, n.kind, n.value, n.from_id) l
        JOIN identity i ON i.company_id = p_company AND i.subscriber_id = l.to_id
        ORDER BY i.first_seen_at, l.to_id;
        SELECT array_agg(DISTINCT n.to_id) INTO v_frontier
        FROM gateway.identity_neighbours(p_company, v_frontier) n
        WHERE n.to_id <> ALL (v_members);
        EXIT WHEN v_frontier IS NULL;
        v_members := v_members || v_frontier;
    END LOOP;
    RETURN QUERY
    SELECT NULL::integer, n.to_id, i.first_seen_at::timestamptz, n.kind,
           gateway.mask(n.kind, n.value), n.from_id, n.ended_at
    FROM gateway.identity_neighbours(p_company, v_members, true) n
    JOIN identity i ON i.company_id = p_company AND i.subscriber_id = n.to_id
    WHERE n.to_id <> ALL (v_members)
    ORDER BY n.ended_at, n.to_id, n.kind, n.value, n.from_id;
END $$;
COMMENT ON FUNCTION gateway.explain_identity IS
    'Why the subscribers of a profile are one: the shared identifier (masked) that joined each; '
    'and whom one joins to it no more, because it passed on.';
