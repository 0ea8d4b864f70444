-- Who is one person: the connected components of subscribers over shared identifiers.

SELECT gateway.describe('gateway.identifier',
    'Which identifiers were seen with which subscriber; beside log and raw bodies the only place '
    'with personal data in clear.', ARRAY[
    ['kind', 'attentive_external_id, phone, email, client_user_id, klaviyo_id, shopify_id, '
        'custom:<name>.'],
    ['value', 'Normalised value. Personal data.'],
    ['first_seen_at', 'occurred_at of the oldest event with it.'],
    ['last_seen_at', 'Start of the UTC day of the newest event with it: an exact time would '
        'rewrite the row with each event.'],
    ['links', 'Whether it may join subscribers: its kind has a rule and its value is not '
        'blocked.']]);

SELECT gateway.describe('gateway.identity',
    'Profile of every subscriber: the connected component over shared identifiers. One row for '
    'each subscriber of the log, merged or not.', ARRAY[
    ['profile_id', 'subscriber_id of the profile''s first seen subscriber (ties: the smaller '
        'id).'],
    ['first_seen_at', 'occurred_at of the subscriber''s oldest event.']]);

SELECT gateway.describe('gateway.identity_rule',
    'Kinds of identifiers that join subscribers into one profile; a kind without a row '
    '(custom:<name>) joins nobody. After a change: attentive-gateway rebuild --model '
    'identity.', ARRAY[
    ['subscribers_max', 'A value shared by more subscribers is a hub (a shop''s phone, a '
        'family''s mailbox) and joins none of them.']],
    '{gateway.identifier}');

SELECT gateway.describe('gateway.identity_block',
    'Values that never identify anybody: blanks, place-holders, values of documentation. After a '
    'change: attentive-gateway rebuild --model identity.', ARRAY[
    ['kind', 'As in gateway.identifier; * for every kind.'],
    ['pattern', 'Regular expression, in any case of letters.']]);

SELECT gateway.describe('gateway.identity_split',
    'Un-merges decided by a person: identifiers of this kind join this subscriber to nobody. Made '
    'with attentive-gateway identity split.', ARRAY[
    ['kind', 'As in gateway.identifier; * for every kind.'],
    ['split_at', 'When it was decided.']]);

-- Subscribers one shared identifier away from any of p_from, and that identifier. A value of more
-- subscribers than its rule allows joins nobody, also when a split took some of them out: a split
-- only ever divides.
CREATE OR REPLACE FUNCTION gateway.identity_neighbours(p_company text, p_from uuid[])
RETURNS TABLE (from_id uuid, kind text, value text, to_id uuid)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT i.subscriber_id, i.kind, i.value, n.subscriber_id
    FROM unnest(array_fill(p_company, ARRAY[cardinality(p_from)]), p_from)
        AS f (company_id, subscriber_id)
    JOIN identifier i ON i.company_id = f.company_id AND i.subscriber_id = f.subscriber_id
        AND i.links
    JOIN gateway.identity_rule r ON r.kind = i.kind
    CROSS JOIN LATERAL (
        SELECT array_agg(x.subscriber_id) AS ids
        FROM (SELECT o.subscriber_id FROM identifier o
              WHERE o.company_id = i.company_id AND o.kind = i.kind AND o.value = i.value
              LIMIT r.subscribers_max + 1) x) s
    CROSS JOIN LATERAL unnest(s.ids) AS n (subscriber_id)
    WHERE cardinality(s.ids) BETWEEN 2 AND r.subscribers_max
        AND n.subscriber_id <> i.subscriber_id
        AND NOT EXISTS (SELECT FROM gateway.identity_split t
                        WHERE t.company_id = p_company
                            AND t.subscriber_id IN (i.subscriber_id, n.subscriber_id)
                            AND t.kind IN ('*', i.kind));
END $$;
COMMENT ON FUNCTION gateway.identity_neighbours IS
    'Subscribers that share a linking identifier with one of the given ones, and which.';

-- Gives each of these subscribers, and whoever is joined to it, the profile of its component. Who
-- calls names both ends of every link that came or went; no other component can have changed.
CREATE OR REPLACE FUNCTION gateway.resolve_identities(p_companies text[], p_subscribers uuid[])
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_company  text;
    v_start    uuid;
    v_last     text;
    v_seen     uuid[] := '{}';
    v_members  uuid[];
    v_frontier uuid[];
    v_companies text[];
    v_survivor uuid;
BEGIN
    FOR v_company, v_start IN
        SELECT DISTINCT s.company_id, s.subscriber_id
        FROM unnest(p_companies, p_subscribers) AS s (company_id, subscriber_id)
        ORDER BY 1, 2
    LOOP
        IF v_company IS DISTINCT FROM v_last THEN
            v_seen := '{}';
            v_last := v_company;
        END IF;
        CONTINUE WHEN v_start = ANY (v_seen);
        v_members := ARRAY[v_start];
        v_frontier := v_members;
        LOOP
            SELECT array_agg(DISTINCT n.to_id) INTO v_frontier
            FROM gateway.identity_neighbours(v_company, v_frontier) n
            WHERE n.to_id <> ALL (v_members);
            EXIT WHEN v_frontier IS NULL;
            v_members := v_members || v_frontier;
        END LOOP;
        v_seen := v_seen || v_members;
        -- Company and subscriber as pairs: a constant company is an invitation to scan all of it.
        v_companies := array_fill(v_company, ARRAY[cardinality(v_members)]);
        SELECT i.subscriber_id INTO v_survivor
        FROM unnest(v_companies, v_members) AS m (company_id, subscriber_id)
        JOIN identity i ON i.company_id = m.company_id AND i.subscriber_id = m.subscriber_id
        ORDER BY i.first_seen_at, i.subscriber_id LIMIT 1;
        UPDATE identity i SET profile_id = v_survivor
        FROM unnest(v_companies, v_members) AS m (company_id, subscriber_id)
        WHERE i.company_id = m.company_id AND i.subscriber_id = m.subscriber_id
            AND i.profile_id <> v_survivor;
    END LOOP;
END $$;
COMMENT ON FUNCTION gateway.resolve_identities IS
    'Recomputes the profiles of the given subscribers and of whoever is joined to them.';

CREATE OR REPLACE FUNCTION gateway.project_identity(p_events gateway.projection_event[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_companies   text[];
    v_subscribers uuid[];
BEGIN
    WITH n AS (
        SELECT e.company_id, e.subscriber_id, min(e.occurred_at) AS first_seen_at
        FROM unnest(p_events) AS e WHERE e.subscriber_id IS NOT NULL
        GROUP BY 1, 2),
    m AS (
        SELECT n.*, i.first_seen_at AS known_at, i.ctid AS row
        FROM n LEFT JOIN identity i
            ON i.company_id = n.company_id AND i.subscriber_id = n.subscriber_id),
    inserted AS (
        INSERT INTO identity (company_id, subscriber_id, profile_id, first_seen_at)
        SELECT m.company_id, m.subscriber_id, m.subscriber_id, m.first_seen_at
        FROM m WHERE m.known_at IS NULL),
    updated AS (
        UPDATE identity i SET first_seen_at = m.first_seen_at
        FROM m WHERE m.known_at > m.first_seen_at AND i.ctid = m.row
        RETURNING i.company_id, i.subscriber_id, i.profile_id)
    -- An older event can change who is the survivor, where there is more than one.
    SELECT array_agg(u.company_id), array_agg(u.subscriber_id)
    INTO v_companies, v_subscribers
    FROM updated u
    WHERE EXISTS (SELECT FROM identity o WHERE o.company_id = u.company_id
                    AND o.profile_id = u.profile_id AND o.subscriber_id <> u.subscriber_id);
    IF v_companies IS NOT NULL THEN
        PERFORM gateway.resolve_identities(v_companies, v_subscribers);
    END IF;
END $$;
COMMENT ON FUNCTION gateway.project_identity IS 'Merges events into identity.';

CREATE OR REPLACE FUNCTION gateway.project_identifier(p_events gateway.projection_event[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_companies   text[];
    v_subscribers uuid[];
    v_kinds       text[];
    v_values      text[];
BEGIN
    WITH n AS (
        SELECT e.company_id, e.subscriber_id, k.kind, v.value,
               min(e.occurred_at) AS first_seen_at,
               date_trunc('day', max(e.occurred_at), 'UTC') AS last_seen_at
        FROM unnest(p_events) AS e
        CROSS JOIN LATERAL jsonb_each(e.identifiers) AS k (kind, list)
        CROSS JOIN LATERAL jsonb_array_elements_text(k.list) AS v (value)
        WHERE e.subscriber_id IS NOT NULL AND octet_length(k.kind) <= 400
            AND octet_length(v.value) <= 1000
        GROUP BY 1, 2, 3, 4),
    m AS (
        SELECT n.*, i.first_seen_at AS known_from, i.last_seen_at AS known_to, i.ctid AS row
        FROM n LEFT JOIN identifier i ON i.company_id = n.company_id
            AND i.subscriber_id = n.subscriber_id AND i.kind = n.kind AND i.value = n.value),
    updated AS (
        UPDATE identifier i SET first_seen_at = least(i.first_seen_at, m.first_seen_at),
            last_seen_at = greatest(i.last_seen_at, m.last_seen_at)
        FROM m
        WHERE (m.first_seen_at < m.known_from OR m.last_seen_at > m.known_to)
            AND i.ctid = m.row),
    inserted AS (
        INSERT INTO identifier
            (company_id, subscriber_id, kind, value, first_seen_at, last_seen_at, links)
        SELECT m.company_id, m.subscriber_id, m.kind, m.value, m.first_seen_at, m.last_seen_at,
               EXISTS (SELECT FROM gateway.identity_rule r WHERE r.kind = m.kind)
                   AND NOT EXISTS (SELECT FROM gateway.identity_block b
                                   WHERE b.kind IN ('*', m.kind) AND m.value ~* b.pattern)
        FROM m WHERE m.known_from IS NULL
        RETURNING company_id, kind, value, links)
    SELECT array_agg(i.company_id), array_agg(i.kind), array_agg(i.value)
    INTO v_companies, v_kinds, v_values
    FROM inserted i WHERE i.links;

    -- Only a value that others share, and that was no hub before, changes a component.
    SELECT array_agg(d.company_id), array_agg(d.subscriber_id)
    INTO v_companies, v_subscribers
    FROM (SELECT DISTINCT v.company_id, s.subscriber_id
          FROM (SELECT u.company_id, u.kind, u.value, count(*) AS fresh
                FROM unnest(v_companies, v_kinds, v_values) AS u (company_id, kind, value)
                GROUP BY 1, 2, 3) v
          JOIN gateway.identity_rule r ON r.kind = v.kind
          CROSS JOIN LATERAL (
              SELECT array_agg(x.subscriber_id) AS ids
              FROM (SELECT o.subscriber_id FROM identifier o
                    WHERE o.company_id = v.company_id AND o.kind = v.kind AND o.value = v.value
                    LIMIT r.subscribers_max + v.fresh + 1) x) a
          CROSS JOIN LATERAL unnest(a.ids) AS s (subscriber_id)
          WHERE cardinality(a.ids) BETWEEN 2 AND r.subscribers_max + v.fresh) d;
    IF v_companies IS NOT NULL THEN
        PERFORM gateway.resolve_identities(v_companies, v_subscribers);
    END IF;
END $$;
COMMENT ON FUNCTION gateway.project_identifier IS
    'Merges events into identifier, and joins subscribers in identity, which has them all.';
