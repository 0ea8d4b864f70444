-- Who is one person: the connected components of subscribers over shared identifiers.

SELECT gateway.describe('gateway.identity',
    'Every subscriber of the log, merged or not: the identifiers it was seen with, and its '
    'profile, the connected component over shared ones. Beside log and raw bodies the only place '
    'with personal data in clear.', ARRAY[
    ['profile_id', 'subscriber_id of the profile''s first seen subscriber (ties: the smaller '
        'id).'],
    ['first_seen_at', 'occurred_at of the subscriber''s oldest event.'],
    ['identifiers', 'As in gateway.source_event: those of all its events. Personal data.'],
    ['sms_to', 'The first seen of the profile''s subscribers with whom it shares a phone number, '
        'from one to the next: who is one recipient of SMS. Null when it shares none.'],
    ['email_to', 'The same of e-mail addresses.']]);

SELECT gateway.describe('gateway.identity_value',
    'Which subscribers have an identifier: an index of gateway.identity, with as few bytes as '
    'can be.', ARRAY[
    ['value_hash', 'gateway.value_hash of company, kind and value.']]);

SELECT gateway.describe('gateway.identity_rule',
    'Kinds of identifiers that join subscribers into one profile; a kind without a row '
    '(custom:<name>) joins nobody. After a change: attentive-gateway rebuild --model '
    'identity.', ARRAY[
    ['subscribers_max', 'A value shared by more subscribers is a hub (a shop''s phone, a '
        'family''s mailbox) and joins none of them.'],
    ['kind', 'Of identifiers: attentive_external_id, phone, email, client_user_id, klaviyo_id, '
        'shopify_id, anonymous_id (Segment''s anonymousId: a visitor''s browser before anybody '
        'signed in there), custom:<name>.'],
    ['passes_after', 'A phone number is another person''s once it is opted in to SMS under another '
        'external_id, this long or longer after it was opted out: it joins those before to nobody '
        'after. 45 days is how long a number of North America lies idle at least before it is '
        'given again (FCC, 47 CFR 52.15(f)(1)(ii)). Null: values of this kind pass to nobody.']]);

SELECT gateway.describe('gateway.identity_block',
    'Values that never identify anybody: blanks, place-holders, values of documentation. After a '
    'change: attentive-gateway rebuild --model identity.', ARRAY[
    ['kind', 'As in gateway.identity_rule; * for every kind.'],
    ['pattern', 'Regular expression, in any case of letters.']]);

SELECT gateway.describe('gateway.identity_split',
    'Un-merges decided by a person: identifiers of this kind join this subscriber to nobody. Made '
    'with attentive-gateway identity split.', ARRAY[
    ['kind', 'As in gateway.identity_rule; * for every kind.'],
    ['split_at', 'When it was decided.']]);

CREATE OR REPLACE FUNCTION gateway.value_hash(p_company text, p_kind text, p_value text)
RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hashtextextended(p_value, hashtextextended(p_company || chr(31) || p_kind, 0));
COMMENT ON FUNCTION gateway.value_hash IS
    'Under which number gateway.identity_value has an identifier of a company.';

-- Which of the subscribers with a number lost it to another. Only who opted out of all that was
-- opted in to with it: else a STOP of the new owner would leave the old one opted in. Asked of the
-- log, projected or not, and of those with an external_id, who are people of their own: whoever is
-- known by the number alone goes with its newest owner.
CREATE OR REPLACE FUNCTION gateway.passed_on(
    p_company text, p_kind text, p_value text, p_subscribers uuid[], p_after interval)
RETURNS TABLE (subscriber_id uuid, passed_at timestamptz)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    v_subscribers uuid[];
BEGIN
    SELECT array_agg(i.subscriber_id) INTO v_subscribers
    FROM unnest(array_fill(p_company, ARRAY[cardinality(p_subscribers)]), p_subscribers)
        AS s (company_id, subscriber_id)
    JOIN identity i ON i.company_id = s.company_id AND i.subscriber_id = s.subscriber_id
    WHERE i.identifiers ?| '{attentive_external_id,erased:attentive_external_id}';
    v_subscribers := v_subscribers || gateway.erased_with(p_company, p_kind, p_value);
    IF cardinality(v_subscribers) < 2 THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH decided AS (
        SELECT s.id, d.*
        FROM unnest(v_subscribers) AS s (id)
        CROSS JOIN LATERAL (
            SELECT e.action = 'unsubscribed' AS is_out,
                   coalesce(e.subscription_type, 'UNSPECIFIED') AS type,
                   gateway.decided_at(e.action, e.occurred_at, e.received_at) AS at
            FROM gateway.subscriber_event e
            WHERE e.company_id = p_company AND e.subscriber_id = s.id AND e.channel = 'sms'
                AND e.action IN ('subscribed', 'unsubscribed')
                AND (e.identifiers -> p_kind ? p_value) IS NOT FALSE) d),
    owner AS (
        SELECT d.id, min(d.at) AS first_at, max(d.at) AS last_at,
               (array_agg(d.is_out ORDER BY d.at, d.is_out DESC))[1] AS began_out,
               bool_and(d.is_out OR EXISTS (
                   SELECT FROM decided o WHERE o.id = d.id AND o.is_out AND o.at >= d.at
                       AND gateway.decides_on(true, o.type, d.type))) AS is_out
        FROM decided d GROUP BY d.id)
    SELECT o.id, min(n.first_at)
    FROM owner o JOIN owner n ON n.id <> o.id
    WHERE o.is_out AND NOT n.began_out AND n.first_at >= o.last_at + p_after
    GROUP BY o.id;
END $$;
COMMENT ON FUNCTION gateway.passed_on IS
    'Whose number it is no more, and since when.';

-- Subscribers one shared identifier away from any of p_from, and that identifier. A value of more
-- subscribers than its rule allows joins nobody, also when a split took some of them out: a split
-- only ever divides. Patterns are asked here, where a value is shared, and not of each value. With
-- p_ended those whom it joins no more, because it passed from one to the other.
DROP FUNCTION IF EXISTS gateway.identity_neighbours(text, uuid[]);
CREATE OR REPLACE FUNCTION gateway.identity_neighbours(
    p_company text, p_from uuid[], p_ended boolean DEFAULT false)
RETURNS TABLE (from_id uuid, kind text, value text, to_id uuid, ended_at timestamptz)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT l.from_id, l.kind, l.value, l.to_id, l.ended_at
    FROM (SELECT i.subscriber_id AS from_id, r.kind, v.value, n.subscriber_id AS to_id,
                 CASE WHEN r.passes_after IS NOT NULL THEN (
                     SELECT CASE WHEN count(*) = 1 OR min(p.passed_at) <> max(p.passed_at)
                                 THEN min(p.passed_at) END
                     FROM gateway.passed_on(p_company, r.kind, v.value, s.ids, r.passes_after) p
                     WHERE p.subscriber_id IN (i.subscriber_id, n.subscriber_id))
                 END AS ended_at
          FROM unnest(array_fill(p_company, ARRAY[cardinality(p_from)]), p_from)
              AS f (company_id, subscriber_id)
          JOIN identity i ON i.company_id = f.company_id AND i.subscriber_id = f.subscriber_id
          JOIN gateway.identity_rule r ON i.identifiers ? r.kind
          CROSS JOIN LATERAL jsonb_array_elements_text(i.identifiers -> r.kind) AS v (value)
          CROSS JOIN LATERAL (
              SELECT array_agg(x.subscriber_id) AS ids
              FROM (SELECT o.subscriber_id FROM identity_value o
                    WHERE o.value_hash = gateway.value_hash(p_company, r.kind, v.value)
                    LIMIT r.subscribers_max + 1) x) s
          CROSS JOIN LATERAL unnest(s.ids) AS u (subscriber_id)
          JOIN identity n ON n.company_id = p_company AND n.subscriber_id = u.subscriber_id
              AND n.identifiers -> r.kind ? v.value -- a hash alone proves nothing
          WHERE cardinality(s.ids) BETWEEN 2 AND r.subscribers_max
              AND n.subscriber_id <> i.subscriber_id
              AND cardinality(s.ids)
                  + cardinality(gateway.erased_with(p_company, r.kind, v.value))
                  <= r.subscribers_max
              AND NOT EXISTS (SELECT FROM gateway.identity_block b
                              WHERE b.kind IN ('*', r.kind) AND v.value ~* b.pattern)
              AND NOT EXISTS (SELECT FROM gateway.identity_split t
                              WHERE t.company_id = p_company
                                  AND t.subscriber_id IN (i.subscriber_id, n.subscriber_id)
                                  AND t.kind IN ('*', r.kind))
          OFFSET 0) l
    WHERE (l.ended_at IS NOT NULL) = p_ended;
END $$;
COMMENT ON FUNCTION gateway.identity_neighbours IS
    'Subscribers that share a linking identifier with one of the given ones, and which; with '
    'p_ended those that share one which passed from one to the other, and when.';

-- Who of a profile is one recipient of a channel: those who share an address of its kind, and whom
-- that joins through others. Null: nobody else.
CREATE OR REPLACE FUNCTION gateway.recipients(
    p_companies text[], p_members uuid[], p_kind text)
RETURNS TABLE (subscriber_id uuid, recipient_id uuid)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE has AS (
        SELECT i.subscriber_id, i.first_seen_at, v.value
        FROM unnest(p_companies, p_members) AS m (company_id, subscriber_id)
        JOIN identity i ON i.company_id = m.company_id AND i.subscriber_id = m.subscriber_id
        CROSS JOIN LATERAL jsonb_array_elements_text(coalesce(
            i.identifiers -> p_kind, i.identifiers -> ('erased:' || p_kind))) AS v (value)),
    joined AS (
        SELECT h.subscriber_id AS one, h.subscriber_id AS other FROM has h
        UNION
        SELECT j.one, o.subscriber_id FROM joined j
        JOIN has h ON h.subscriber_id = j.other JOIN has o ON o.value = h.value)
    SELECT m.subscriber_id, r.first
    FROM unnest(p_members) AS m (subscriber_id)
    LEFT JOIN LATERAL (
        SELECT (array_agg(h.subscriber_id ORDER BY h.first_seen_at, h.subscriber_id))[1] AS first
        FROM joined j JOIN has h ON h.subscriber_id = j.other
        WHERE j.one = m.subscriber_id
        HAVING count(DISTINCT j.other) > 1) r ON true;
END $$;
COMMENT ON FUNCTION gateway.recipients IS
    'For each member of a profile the first of those it shares an address of a kind with.';

-- Gives each of these subscribers, and whoever is joined to it, the profile of its component. Who
-- calls names both ends of every link that came or went; no other component can have changed.
-- Returns all of the components.
DROP FUNCTION IF EXISTS gateway.resolve_identities(text[], uuid[]);
CREATE FUNCTION gateway.resolve_identities(
    p_companies text[], p_subscribers uuid[], OUT companies text[], OUT subscribers uuid[])
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
        UPDATE identity i SET profile_id = v_survivor, sms_to = p.recipient_id,
            email_to = e.recipient_id
        FROM gateway.recipients(v_companies, v_members, 'phone') p
        JOIN gateway.recipients(v_companies, v_members, 'email') e
            ON e.subscriber_id = p.subscriber_id
        WHERE i.company_id = v_company AND i.subscriber_id = p.subscriber_id
            AND (i.profile_id, i.sms_to, i.email_to)
                IS DISTINCT FROM (v_survivor, p.recipient_id, e.recipient_id);
        companies := companies || v_companies;
        subscribers := subscribers || v_members;
    END LOOP;
END $$;
COMMENT ON FUNCTION gateway.resolve_identities IS
    'Recomputes the profiles of the given subscribers and of whoever is joined to them.';

-- The identifiers of any of these, as gateway.source_event has them: each list in order, once.
CREATE OR REPLACE FUNCTION gateway.merged_identifiers(p_identifiers jsonb[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(jsonb_object_agg(m.kind, m.list), '{}')
    FROM (SELECT k.kind, jsonb_agg(DISTINCT v.value COLLATE "C") AS list
          FROM unnest(p_identifiers) AS i (identifiers)
          CROSS JOIN LATERAL jsonb_each(i.identifiers) AS k (kind, list)
          CROSS JOIN LATERAL jsonb_array_elements_text(k.list) AS v (value)
          GROUP BY k.kind) m;
END;
COMMENT ON FUNCTION gateway.merged_identifiers IS 'The union of identifiers.';

-- Who decided on SMS and has a number together with others who have an external_id: those whom it
-- joins no more, or may join again.
CREATE OR REPLACE FUNCTION gateway.sharing_owners(p_events gateway.projection_event[])
RETURNS TABLE (company_id text, ids uuid[])
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    v_rules gateway.identity_rule[] := ARRAY(SELECT r FROM gateway.identity_rule r
                                             WHERE r.passes_after IS NOT NULL);
BEGIN
    RETURN QUERY
    SELECT g.company_id, g.ids
    FROM (SELECT d.company_id, k.kind, k.passes_after, v.value,
                 array_agg(o.subscriber_id) AS ids
          FROM (SELECT e.company_id, e.subscriber_id FROM unnest(p_events) AS e
                WHERE e.channel = 'sms' AND e.action IN ('subscribed', 'unsubscribed')
                GROUP BY 1, 2) d
          CROSS JOIN LATERAL ( -- OFFSET: a join would walk the company
              SELECT o.identifiers FROM identity o
              WHERE o.company_id = d.company_id AND o.subscriber_id = d.subscriber_id
                  AND o.identifiers ?| '{attentive_external_id,erased:attentive_external_id}'
              OFFSET 0) i
          CROSS JOIN LATERAL unnest(v_rules) AS k
          CROSS JOIN LATERAL jsonb_array_elements_text(i.identifiers -> k.kind) AS v (value)
          JOIN identity_value o
              ON o.value_hash = gateway.value_hash(d.company_id, k.kind, v.value)
          GROUP BY d.company_id, d.subscriber_id, k.kind, k.passes_after, k.subscribers_max,
              v.value
          HAVING count(*) BETWEEN 2 AND k.subscribers_max
          OFFSET 0) g
    CROSS JOIN LATERAL (
        SELECT count(DISTINCT n.profile_id) AS profiles,
               count(*) FILTER (WHERE n.identifiers
                   ?| '{attentive_external_id,erased:attentive_external_id}') AS owners
        FROM unnest(array_fill(g.company_id, ARRAY[cardinality(g.ids)]), g.ids)
            AS u (company_id, subscriber_id)
        JOIN identity n ON n.company_id = u.company_id AND n.subscriber_id = u.subscriber_id
        OFFSET 0) m
    WHERE m.owners > 1 AND (m.profiles > 1 OR EXISTS (
        SELECT FROM gateway.passed_on(g.company_id, g.kind, g.value, g.ids, g.passes_after)));
END $$;
COMMENT ON FUNCTION gateway.sharing_owners IS
    'Groups of subscribers who share a number that a decision of these events may pass on.';

-- A known subscriber with known identifiers costs one look at its row. Components change where a
-- fresh value is shared (those who had it are left alone where too many share it), where an opt-in
-- or opt-out may have passed a shared number on, and where somebody who is not the survivor turns
-- out to be older. Returns all of these components.
DROP FUNCTION IF EXISTS gateway.project_identity(gateway.projection_event[]);
CREATE FUNCTION gateway.project_identity(
    p_events gateway.projection_event[], OUT companies text[], OUT subscribers uuid[])
LANGUAGE plpgsql AS $$
DECLARE
    v_companies   text[];
    v_subscribers uuid[];
BEGIN
    WITH news AS (
        SELECT e.company_id, e.subscriber_id, min(e.occurred_at) AS at,
               array_agg(e.identifiers) AS given, min(i.ctid) AS row,
               (array_agg(i.profile_id))[1] AS profile_id, min(i.first_seen_at) AS known_at,
               (array_agg(i.identifiers))[1] AS known
        FROM unnest(p_events) AS e
        LEFT JOIN identity i
            ON i.company_id = e.company_id AND i.subscriber_id = e.subscriber_id
        WHERE e.subscriber_id IS NOT NULL
            AND (i.first_seen_at IS NULL OR e.occurred_at < i.first_seen_at
                OR NOT i.identifiers @> e.identifiers)
        GROUP BY 1, 2),
    merged AS (
        SELECT n.*, CASE WHEN row IS NULL AND cardinality(given) = 1 AND given[1] IS NOT NULL
                         THEN given[1]
                         ELSE gateway.merged_identifiers(given || known) END AS identifiers
        FROM news n),
    inserted AS (
        INSERT INTO identity
        SELECT company_id, subscriber_id, subscriber_id, at, identifiers
        FROM merged WHERE row IS NULL),
    updated AS (
        UPDATE identity i SET first_seen_at = least(m.at, m.known_at), identifiers = m.identifiers
        FROM merged m
        WHERE (m.at < m.known_at OR m.identifiers <> m.known) AND i.ctid = m.row),
    fresh AS (
        SELECT h.*, count(*) OVER (PARTITION BY hash) AS together
        FROM (SELECT v.*, gateway.value_hash(v.company_id, v.kind, v.value) AS hash
              FROM (SELECT k.company_id, k.subscriber_id, k.kind, k.known,
                           k.list ->> generate_series(0, jsonb_array_length(k.list) - 1) AS value
                    FROM (SELECT o.*, o.identifiers -> o.kind AS list
                          FROM (SELECT m.*, jsonb_object_keys(m.identifiers) AS kind
                                FROM merged m) o) k) v
              WHERE (v.known -> v.kind ? v.value) IS NOT TRUE) h),
    noted AS ( -- in the order of the index, which costs a third less
        INSERT INTO identity_value SELECT hash, subscriber_id FROM fresh ORDER BY hash),
    shared AS (
        SELECT f.company_id, f.kind, f.hash, array_agg(f.subscriber_id) AS ids
        FROM fresh f
        LEFT JOIN LATERAL ( -- EXISTS would be a hash of the whole table
            SELECT true AS known FROM identity_value o WHERE o.value_hash = f.hash LIMIT 1) o
            ON true
        WHERE f.together > 1 OR o.known
        GROUP BY 1, 2, 3),
    concerned AS (
        SELECT s.company_id, unnest(s.ids || CASE WHEN cardinality(o.ids) <= r.subscribers_max
                                                  THEN o.ids END) AS subscriber_id
        FROM shared s
        JOIN gateway.identity_rule r ON r.kind = s.kind
        CROSS JOIN LATERAL (
            SELECT array_agg(x.subscriber_id) AS ids
            FROM (SELECT o.subscriber_id FROM identity_value o WHERE o.value_hash = s.hash
                  LIMIT r.subscribers_max + 1) x) o
        UNION ALL
        SELECT company_id, subscriber_id FROM merged
        WHERE at < known_at AND profile_id <> subscriber_id
        UNION ALL
        SELECT o.company_id, unnest(o.ids) FROM gateway.sharing_owners(p_events) o)
    SELECT array_agg(company_id), array_agg(subscriber_id)
    INTO v_companies, v_subscribers FROM concerned;
    IF v_companies IS NOT NULL THEN
        SELECT r.companies, r.subscribers INTO companies, subscribers
        FROM gateway.resolve_identities(v_companies, v_subscribers) r;
    END IF;
END $$;
COMMENT ON FUNCTION gateway.project_identity IS
    'Merges events into identity and identity_value, and joins who shares an identifier.';
