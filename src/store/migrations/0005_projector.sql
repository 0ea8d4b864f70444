-- From the log to the read models, batch by batch. The end state is a function of the log alone:
-- whatever depends on order (which opt-in an opt-out ends, what was sent last before it, which
-- subscribers are one person) is worked out again for the keys that a batch touches, and counts
-- change by the difference. One projector runs at a time, so the merges read first and write only
-- what changes. Tables of the read models stand here without a schema: `project` finds those of
-- schema gateway, `rebuild` finds fresh ones in pg_temp. Plans are pinned to nested loops over
-- indexes, because those of an empty table would be kept when it is large.

-- What the read models need of an event. Long texts are cut to what an index can hold.
CREATE TYPE gateway.projection_event AS (
    company_id        text,
    occurred_at       timestamptz,
    event_id          uuid,
    channel           text,
    action            text,
    company_name      text,
    subscriber_id     uuid,
    identifiers       jsonb,
    subscription_type text,
    creative_name     text,
    creative_type     text,
    creative_subtype  text,
    message_key       text,
    stat_key          text,
    message_type      text,
    message_name      text,
    message_subject   text,
    business_address  text,
    received_at       timestamptz
);
COMMENT ON TYPE gateway.projection_event IS 'What the read models need of an event of the log.';

CREATE FUNCTION gateway.stat_key(p_message_key text, p_subject text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(p_message_key, 'subject:' || left(p_subject, 200), 'unknown');
COMMENT ON FUNCTION gateway.stat_key(text, text) IS
    'What a message event is counted under: its message, else its subject line, else unknown.';

CREATE FUNCTION gateway.projection_lock() RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 4702111234474983746;
COMMENT ON FUNCTION gateway.projection_lock() IS
    'Number of the advisory lock (of a transaction, so that poolers do not matter) that whoever writes read models holds.';

CREATE FUNCTION gateway.project_company(p_events gateway.projection_event[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO company AS c
        (company_id, company_name, first_seen_at, last_seen_at, company_name_at)
    SELECT e.company_id,
           (array_agg(e.company_name ORDER BY e.occurred_at DESC, e.company_name DESC)
               FILTER (WHERE e.company_name IS NOT NULL))[1],
           min(e.occurred_at), max(e.occurred_at),
           max(e.occurred_at) FILTER (WHERE e.company_name IS NOT NULL)
    FROM unnest(p_events) AS e
    GROUP BY e.company_id
    ON CONFLICT (company_id) DO UPDATE SET
        first_seen_at = least(c.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(c.last_seen_at, excluded.last_seen_at),
        company_name_at = greatest(c.company_name_at, excluded.company_name_at),
        company_name = CASE
            WHEN c.company_name_at IS NULL OR (excluded.company_name_at, excluded.company_name)
                > (c.company_name_at, c.company_name)
            THEN excluded.company_name ELSE c.company_name END;
END $$;
COMMENT ON FUNCTION gateway.project_company(gateway.projection_event[]) IS
    'Merges events into company.';

-- Subscribers one shared identifier away from any of p_from, and that identifier. A value of more
-- subscribers than its rule allows joins nobody, also when a split took some of them out: a split
-- only ever divides.
CREATE FUNCTION gateway.identity_neighbours(p_company text, p_from uuid[])
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
COMMENT ON FUNCTION gateway.identity_neighbours(text, uuid[]) IS
    'Subscribers that share a linking identifier with one of the given ones, and which.';

-- Gives each of these subscribers, and whoever is joined to it, the profile of its component. Who
-- calls names both ends of every link that came or went; no other component can have changed.
CREATE FUNCTION gateway.resolve_identities(p_companies text[], p_subscribers uuid[])
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
COMMENT ON FUNCTION gateway.resolve_identities(text[], uuid[]) IS
    'Recomputes the profiles of the given subscribers and of whoever is joined to them.';

CREATE FUNCTION gateway.project_identity(p_events gateway.projection_event[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_companies   text[];
    v_subscribers uuid[];
    v_kinds       text[];
    v_values      text[];
    v_older       gateway.projection_event[]; -- company_id and subscriber_id only
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
COMMENT ON FUNCTION gateway.project_identity(gateway.projection_event[]) IS
    'Merges events into identifier and identity.';

-- For each key (subscriber, channel, subscription type) with a new decision: all its decisions in
-- order, an opt-out after an opt-in of the same millisecond.
CREATE FUNCTION gateway.project_consent(p_events gateway.projection_event[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_empty tid[];
BEGIN
    WITH given AS (
        SELECT e.company_id, e.subscriber_id, e.channel,
               coalesce(e.subscription_type, 'UNSPECIFIED') AS subscription_type,
               e.occurred_at, e.event_id,
               CASE e.action WHEN 'subscribed' THEN 'granted' ELSE 'revoked' END AS decision,
               e.creative_name, e.creative_type, e.creative_subtype
        FROM unnest(p_events) AS e
        WHERE e.action IN ('subscribed', 'unsubscribed') AND e.subscriber_id IS NOT NULL
            AND e.channel IS NOT NULL),
    known AS (
        SELECT d.*, d.ctid AS row
        FROM (SELECT DISTINCT company_id, subscriber_id, channel, subscription_type
              FROM given) k
        JOIN consent_decision d ON d.company_id = k.company_id
            AND d.subscriber_id = k.subscriber_id AND d.channel = k.channel
            AND d.subscription_type = k.subscription_type),
    merged AS (
        SELECT * FROM known
        UNION ALL
        SELECT g.company_id, g.subscriber_id, g.channel, g.subscription_type, g.occurred_at,
               g.event_id, g.decision, NULL, NULL, g.creative_name, g.creative_type,
               g.creative_subtype, NULL, NULL
        FROM given g
        WHERE (g.company_id, g.subscriber_id, g.channel, g.subscription_type, g.occurred_at,
               g.event_id) NOT IN (SELECT company_id, subscriber_id, channel, subscription_type,
                                          occurred_at, event_id FROM known)),
    ordered AS (
        SELECT k.*, lag(decision) OVER k AS previous, lead(decision) OVER k IS NULL AS now_current,
               count(*) FILTER (WHERE decision = 'granted') OVER k AS grants,
               min(occurred_at) FILTER (WHERE decision = 'granted') OVER k AS first_granted_at,
               max(occurred_at) FILTER (WHERE decision = 'revoked') OVER k AS last_revoked_at
        FROM merged k
        WINDOW k AS (PARTITION BY company_id, subscriber_id, channel, subscription_type
                     ORDER BY occurred_at, decision = 'revoked', event_id)),
    resolved AS (
        SELECT o.*,
               previous IS DISTINCT FROM decision
                   AND NOT (previous IS NULL AND decision = 'revoked') AS now_effective,
               CASE WHEN grants > 0 THEN first_value(creative_name) OVER g END AS now_name,
               CASE WHEN grants > 0 THEN first_value(creative_type) OVER g END AS now_type,
               CASE WHEN grants > 0 THEN first_value(creative_subtype) OVER g END AS now_subtype,
               CASE WHEN grants > 0 THEN first_value(occurred_at) OVER g END AS last_granted_at,
               CASE WHEN grants > 0 THEN first_value(event_id) OVER g END AS last_granted_by,
               coalesce(c.timezone, 'UTC') AS timezone
        FROM ordered o LEFT JOIN gateway.company c ON c.company_id = o.company_id
        WINDOW g AS (PARTITION BY o.company_id, subscriber_id, channel, subscription_type, grants
                     ORDER BY occurred_at, decision = 'revoked', event_id)),
    changed AS (
        SELECT r.*, CASE WHEN decision = 'revoked' THEN last_granted_at END AS now_granted_at
        FROM resolved r
        WHERE row IS NULL
            OR (is_effective, is_current, creative_name, creative_type, creative_subtype)
                IS DISTINCT FROM (now_effective, now_current, now_name, now_type, now_subtype)
            OR decision = 'revoked' AND granted_at IS DISTINCT FROM last_granted_at),
    inserted AS (
        INSERT INTO consent_decision
        SELECT company_id, subscriber_id, channel, subscription_type, occurred_at, event_id,
               decision, now_effective, now_current, now_name, now_type, now_subtype,
               now_granted_at
        FROM changed WHERE row IS NULL),
    updated AS (
        UPDATE consent_decision d SET is_effective = c.now_effective,
            is_current = c.now_current, creative_name = c.now_name, creative_type = c.now_type,
            creative_subtype = c.now_subtype, granted_at = c.now_granted_at
        FROM changed c WHERE d.ctid = c.row),
    state AS (
        INSERT INTO consent AS s
        SELECT company_id, subscriber_id, channel, subscription_type, decision, occurred_at,
               event_id, first_granted_at, last_granted_at, last_granted_by, last_revoked_at,
               now_name, now_type, now_subtype
        FROM resolved WHERE now_current
        ON CONFLICT (company_id, subscriber_id, channel, subscription_type) DO UPDATE SET
            decision = excluded.decision, decided_at = excluded.decided_at,
            decided_by = excluded.decided_by, first_granted_at = excluded.first_granted_at,
            last_granted_at = excluded.last_granted_at,
            last_granted_by = excluded.last_granted_by,
            last_revoked_at = excluded.last_revoked_at, creative_name = excluded.creative_name,
            creative_type = excluded.creative_type, creative_subtype = excluded.creative_subtype
        WHERE s IS DISTINCT FROM excluded),
    latest AS (
        INSERT INTO consent_latest AS l
        SELECT company_id, channel, subscription_type, max(occurred_at)
        FROM changed GROUP BY 1, 2, 3
        ON CONFLICT (company_id, channel, subscription_type) DO UPDATE SET
            occurred_at = excluded.occurred_at
        WHERE l.occurred_at < excluded.occurred_at),
    counted AS (
        INSERT INTO consent_daily AS c
        SELECT company_id, day, channel, subscription_type, name, type, subtype,
               sum(opt_ins), sum(opt_outs), sum(effective_opt_ins), sum(effective_opt_outs),
               sum(current_opt_ins), sum(current_opt_outs)
        FROM (SELECT company_id, (occurred_at AT TIME ZONE timezone)::date AS day, channel,
                     subscription_type, x.name, x.type, x.subtype,
                     x.sign * (decision = 'granted')::integer AS opt_ins,
                     x.sign * (decision = 'revoked')::integer AS opt_outs,
                     x.sign * (decision = 'granted' AND x.effective)::integer
                         AS effective_opt_ins,
                     x.sign * (decision = 'revoked' AND x.effective)::integer
                         AS effective_opt_outs,
                     x.sign * (decision = 'granted' AND x.current)::integer AS current_opt_ins,
                     x.sign * (decision = 'revoked' AND x.current)::integer AS current_opt_outs
              FROM changed
              CROSS JOIN LATERAL (VALUES
                  (1, now_effective, now_current, now_name, now_type, now_subtype),
                  (-1, is_effective, is_current, creative_name, creative_type,
                   creative_subtype)) AS x (sign, effective, current, name, type, subtype)
              WHERE x.sign = 1 OR row IS NOT NULL) d
        GROUP BY 1, 2, 3, 4, 5, 6, 7
        HAVING sum(opt_ins) <> 0 OR sum(opt_outs) <> 0 OR sum(effective_opt_ins) <> 0
            OR sum(effective_opt_outs) <> 0 OR sum(current_opt_ins) <> 0
            OR sum(current_opt_outs) <> 0
        ON CONFLICT (company_id, day, channel, subscription_type, creative_name, creative_type,
            creative_subtype) DO UPDATE SET
            opt_ins = c.opt_ins + excluded.opt_ins, opt_outs = c.opt_outs + excluded.opt_outs,
            effective_opt_ins = c.effective_opt_ins + excluded.effective_opt_ins,
            effective_opt_outs = c.effective_opt_outs + excluded.effective_opt_outs,
            current_opt_ins = c.current_opt_ins + excluded.current_opt_ins,
            current_opt_outs = c.current_opt_outs + excluded.current_opt_outs
        RETURNING c.ctid AS row, opt_ins + opt_outs AS decisions)
    SELECT array_agg(row) INTO v_empty FROM counted WHERE decisions = 0;
    IF v_empty IS NOT NULL THEN
        DELETE FROM consent_daily WHERE ctid = ANY (v_empty);
    END IF;
END $$;
COMMENT ON FUNCTION gateway.project_consent(gateway.projection_event[]) IS
    'Merges events into consent_decision, consent, consent_daily and consent_latest.';

-- Counts consent_daily again: a day is a matter of the company's time zone. Null: all companies.
CREATE FUNCTION gateway.recount_consent(p_company text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM consent_daily WHERE p_company IS NULL OR company_id = p_company;
    INSERT INTO consent_daily
    SELECT d.company_id, (d.occurred_at AT TIME ZONE c.timezone)::date, d.channel,
           d.subscription_type, d.creative_name, d.creative_type, d.creative_subtype,
           count(*) FILTER (WHERE d.decision = 'granted'),
           count(*) FILTER (WHERE d.decision = 'revoked'),
           count(*) FILTER (WHERE d.decision = 'granted' AND d.is_effective),
           count(*) FILTER (WHERE d.decision = 'revoked' AND d.is_effective),
           count(*) FILTER (WHERE d.decision = 'granted' AND d.is_current),
           count(*) FILTER (WHERE d.decision = 'revoked' AND d.is_current)
    FROM consent_decision d JOIN gateway.company c ON c.company_id = d.company_id
    WHERE p_company IS NULL OR d.company_id = p_company
    GROUP BY 1, 2, 3, 4, 5, 6, 7;
END $$;
COMMENT ON FUNCTION gateway.recount_consent(text) IS
    'Makes consent_daily again from consent_decision, for one company or (null) all.';

CREATE FUNCTION gateway.project_message(p_events gateway.projection_event[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO message AS m
        (company_id, message_key, channel, message_type, message_name, message_subject,
         business_address, first_seen_at, last_seen_at, message_type_at, message_name_at,
         message_subject_at, business_address_at)
    SELECT e.company_id, e.message_key, min(e.channel),
           (array_agg(e.message_type ORDER BY e.occurred_at DESC, e.message_type DESC)
               FILTER (WHERE e.message_type IS NOT NULL))[1],
           (array_agg(e.message_name ORDER BY e.occurred_at DESC, e.message_name DESC)
               FILTER (WHERE e.message_name IS NOT NULL))[1],
           (array_agg(e.message_subject ORDER BY e.occurred_at DESC, e.message_subject DESC)
               FILTER (WHERE e.message_subject IS NOT NULL))[1],
           (array_agg(e.business_address ORDER BY e.occurred_at DESC, e.business_address DESC)
               FILTER (WHERE e.business_address IS NOT NULL AND e.action = 'sent'))[1],
           min(e.occurred_at), max(e.occurred_at),
           max(e.occurred_at) FILTER (WHERE e.message_type IS NOT NULL),
           max(e.occurred_at) FILTER (WHERE e.message_name IS NOT NULL),
           max(e.occurred_at) FILTER (WHERE e.message_subject IS NOT NULL),
           max(e.occurred_at) FILTER (WHERE e.business_address IS NOT NULL AND e.action = 'sent')
    FROM unnest(p_events) AS e
    WHERE e.message_key IS NOT NULL
    GROUP BY e.company_id, e.message_key
    ON CONFLICT (company_id, message_key) DO UPDATE SET
        channel = least(m.channel, excluded.channel),
        first_seen_at = least(m.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(m.last_seen_at, excluded.last_seen_at),
        message_type_at = greatest(m.message_type_at, excluded.message_type_at),
        message_type = CASE
            WHEN m.message_type_at IS NULL OR (excluded.message_type_at, excluded.message_type)
                > (m.message_type_at, m.message_type)
            THEN excluded.message_type ELSE m.message_type END,
        message_name_at = greatest(m.message_name_at, excluded.message_name_at),
        message_name = CASE
            WHEN m.message_name_at IS NULL OR (excluded.message_name_at, excluded.message_name)
                > (m.message_name_at, m.message_name)
            THEN excluded.message_name ELSE m.message_name END,
        message_subject_at = greatest(m.message_subject_at, excluded.message_subject_at),
        message_subject = CASE
            WHEN m.message_subject_at IS NULL
                OR (excluded.message_subject_at, excluded.message_subject)
                > (m.message_subject_at, m.message_subject)
            THEN excluded.message_subject ELSE m.message_subject END,
        business_address_at = greatest(m.business_address_at, excluded.business_address_at),
        business_address = CASE
            WHEN m.business_address_at IS NULL
                OR (excluded.business_address_at, excluded.business_address)
                > (m.business_address_at, m.business_address)
            THEN excluded.business_address ELSE m.business_address END;

    WITH n AS (
        SELECT e.company_id, e.channel, e.stat_key, e.subscriber_id,
               count(*) FILTER (WHERE e.action = 'sent') AS sent,
               count(*) FILTER (WHERE e.action = 'opened') AS opens,
               count(*) FILTER (WHERE e.action = 'link_clicked') AS clicks,
               min(e.occurred_at) FILTER (WHERE e.action = 'sent') AS first_sent_at,
               max(e.occurred_at) FILTER (WHERE e.action = 'sent') AS last_sent_at
        FROM unnest(p_events) AS e
        WHERE e.action IN ('sent', 'opened', 'link_clicked') AND e.channel IS NOT NULL
        GROUP BY 1, 2, 3, 4),
    m AS (
        SELECT n.*, o.ctid AS row,
               n.sent > 0 AND NOT coalesce(o.was_sent, false) AS first_send,
               n.opens > 0 AND NOT coalesce(o.has_opened, false) AS first_open,
               n.clicks > 0 AND NOT coalesce(o.has_clicked, false) AS first_click
        FROM n LEFT JOIN message_member o ON o.company_id = n.company_id
            AND o.channel = n.channel AND o.stat_key = n.stat_key
            AND o.subscriber_id = n.subscriber_id),
    inserted AS (
        INSERT INTO message_member
        SELECT company_id, channel, stat_key, subscriber_id, first_send, first_open, first_click
        FROM m WHERE row IS NULL AND subscriber_id IS NOT NULL),
    updated AS (
        UPDATE message_member o SET was_sent = o.was_sent OR m.first_send,
            has_opened = o.has_opened OR m.first_open, has_clicked = o.has_clicked OR m.first_click
        FROM m
        WHERE (m.first_send OR m.first_open OR m.first_click) AND o.ctid = m.row)
    INSERT INTO message_stats AS s
        (company_id, channel, stat_key, sent, recipients, opens, unique_openers, clicks,
         unique_clickers, first_sent_at, last_sent_at)
    SELECT company_id, channel, stat_key, sum(sent),
           count(*) FILTER (WHERE first_send AND subscriber_id IS NOT NULL), sum(opens),
           count(*) FILTER (WHERE first_open AND subscriber_id IS NOT NULL), sum(clicks),
           count(*) FILTER (WHERE first_click AND subscriber_id IS NOT NULL),
           min(first_sent_at), max(last_sent_at)
    FROM m GROUP BY 1, 2, 3
    ON CONFLICT (company_id, channel, stat_key) DO UPDATE SET
        sent = s.sent + excluded.sent, recipients = s.recipients + excluded.recipients,
        opens = s.opens + excluded.opens,
        unique_openers = s.unique_openers + excluded.unique_openers,
        clicks = s.clicks + excluded.clicks,
        unique_clickers = s.unique_clickers + excluded.unique_clickers,
        first_sent_at = least(s.first_sent_at, excluded.first_sent_at),
        last_sent_at = greatest(s.last_sent_at, excluded.last_sent_at);
END $$;
COMMENT ON FUNCTION gateway.project_message(gateway.projection_event[]) IS
    'Merges events into message, message_member and message_stats.';

-- What was sent last before each opt-out, and before each open or click of an e-mail: worked out
-- for those of the batch and for those known already that a send of the batch may precede. The
-- log is asked, so it does not matter whether the send was projected yet.
CREATE FUNCTION gateway.project_last_send(p_events gateway.projection_event[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_no_votes tid[];
    v_no_stats tid[];
BEGIN
    WITH asked AS (
        SELECT e.company_id, e.subscriber_id, e.channel, e.occurred_at, e.event_id,
               CASE WHEN e.action <> 'unsubscribed' THEN e.message_key END AS message_key,
               NULL::text AS sent_key, NULL::timestamptz AS sent_at, NULL::tid AS row
        FROM unnest(p_events) AS e
        WHERE e.subscriber_id IS NOT NULL
            AND (e.action = 'unsubscribed' AND e.channel IS NOT NULL
                OR e.action IN ('opened', 'link_clicked') AND e.channel = 'email'
                    AND e.message_key IS NOT NULL)
            AND NOT EXISTS (SELECT FROM last_send k WHERE k.company_id = e.company_id
                AND k.subscriber_id = e.subscriber_id AND k.channel = e.channel
                AND k.occurred_at = e.occurred_at AND k.event_id = e.event_id)
        UNION
        SELECT k.company_id, k.subscriber_id, k.channel, k.occurred_at, k.event_id,
               k.message_key, k.sent_key, k.sent_at, k.ctid
        FROM unnest(p_events) AS e
        JOIN last_send k ON k.company_id = e.company_id AND k.subscriber_id = e.subscriber_id
            AND k.channel = e.channel AND k.occurred_at >= e.occurred_at
            AND k.occurred_at < e.occurred_at + interval '7 days'
        WHERE e.action = 'sent' AND (k.sent_at IS NULL OR k.sent_at <= e.occurred_at)),
    answered AS (
        SELECT a.*, s.key AS now_key, s.occurred_at AS now_at
        FROM asked a
        LEFT JOIN LATERAL (
            -- OFFSET: the primary key has this order, and would be walked through the company.
            SELECT gateway.stat_key(e.message_key, e.message_subject) AS key, e.occurred_at
            FROM (SELECT x.message_key, x.message_subject, x.occurred_at, x.event_id
                  FROM gateway.source_event x
                  WHERE x.company_id = a.company_id AND x.subscriber_id = a.subscriber_id
                      AND x.occurred_at <= a.occurred_at
                      AND x.occurred_at > a.occurred_at - interval '7 days'
                      AND x.channel = a.channel AND x.action = 'sent'
                  OFFSET 0) e
            ORDER BY e.occurred_at DESC, e.event_id DESC LIMIT 1) s ON true),
    changed AS (
        SELECT * FROM answered
        WHERE row IS NULL OR (sent_key, sent_at) IS DISTINCT FROM (now_key, now_at)),
    inserted AS (
        INSERT INTO last_send
        SELECT company_id, subscriber_id, channel, occurred_at, event_id, message_key, now_key,
               now_at
        FROM changed WHERE row IS NULL),
    updated AS (
        UPDATE last_send k SET sent_key = c.now_key, sent_at = c.now_at
        FROM changed c WHERE k.ctid = c.row),
    moved AS (
        SELECT company_id, channel, message_key, x.key, x.sign, occurred_at - x.at AS after
        FROM changed
        CROSS JOIN LATERAL (VALUES (1, now_key, now_at), (-1, sent_key, sent_at))
            AS x (sign, key, at)
        WHERE x.key IS NOT NULL),
    voted AS (
        INSERT INTO subject_vote AS v
        SELECT company_id, substr(key, 9), message_key, sum(sign)
        FROM moved
        WHERE message_key IS NOT NULL AND key LIKE 'subject:%' AND after < interval '3 days'
        GROUP BY 1, 2, 3 HAVING sum(sign) <> 0
        ON CONFLICT (company_id, message_subject, message_key) DO UPDATE SET
            votes = v.votes + excluded.votes
        RETURNING v.ctid AS row, votes),
    counted AS (
        INSERT INTO message_stats AS s
            (company_id, channel, stat_key, unsubscribed_1d, unsubscribed_3d, unsubscribed_7d)
        SELECT company_id, channel, key,
               coalesce(sum(sign) FILTER (WHERE after <= interval '1 day'), 0),
               coalesce(sum(sign) FILTER (WHERE after <= interval '3 days'), 0), sum(sign)
        FROM moved WHERE message_key IS NULL
        GROUP BY 1, 2, 3
        ON CONFLICT (company_id, channel, stat_key) DO UPDATE SET
            unsubscribed_1d = s.unsubscribed_1d + excluded.unsubscribed_1d,
            unsubscribed_3d = s.unsubscribed_3d + excluded.unsubscribed_3d,
            unsubscribed_7d = s.unsubscribed_7d + excluded.unsubscribed_7d
        RETURNING s.ctid AS row, sent + opens + clicks + unsubscribed_7d AS events)
    SELECT (SELECT array_agg(row) FROM voted WHERE votes = 0),
           (SELECT array_agg(row) FROM counted WHERE events = 0)
    INTO v_no_votes, v_no_stats;
    IF v_no_votes IS NOT NULL THEN
        DELETE FROM subject_vote WHERE ctid = ANY (v_no_votes);
    END IF;
    IF v_no_stats IS NOT NULL THEN
        DELETE FROM message_stats WHERE ctid = ANY (v_no_stats);
    END IF;
END $$;
COMMENT ON FUNCTION gateway.project_last_send(gateway.projection_event[]) IS
    'Merges events into last_send, subject_vote and the opt-outs of message_stats.';

-- The times of one kind with new ones, in order, without those that no report asks for any more.
CREATE FUNCTION gateway.add_times(p_known timestamptz[], p_new timestamptz[])
RETURNS timestamptz[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    v_all timestamptz[] := p_known || p_new;
BEGIN
    IF cardinality(p_new) > 1 OR p_new[1] < p_known[cardinality(p_known)] THEN
        v_all := ARRAY(SELECT t FROM unnest(v_all) AS t ORDER BY t);
    END IF;
    RETURN v_all[greatest(
        width_bucket(v_all[cardinality(v_all)] - interval '92 days', v_all) + 1,
        cardinality(v_all) - 999):];
END $$;
COMMENT ON FUNCTION gateway.add_times(timestamptz[], timestamptz[]) IS
    'Adds times to an array of gateway.engagement.';

-- A clock that runs more than a day ahead is not believed: its times would push out the true ones.
CREATE FUNCTION gateway.project_engagement(p_events gateway.projection_event[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    WITH n AS (
        SELECT e.company_id, e.subscriber_id, e.channel,
               array_agg(e.occurred_at) FILTER (WHERE e.action = 'sent') AS sent_at,
               array_agg(e.occurred_at) FILTER (WHERE e.action = 'opened') AS opened_at,
               array_agg(e.occurred_at) FILTER (WHERE e.action = 'link_clicked') AS clicked_at,
               array_agg(e.occurred_at) FILTER (WHERE e.action = 'inbound_received')
                   AS replied_at
        FROM unnest(p_events) AS e
        WHERE e.action IN ('sent', 'opened', 'link_clicked', 'inbound_received')
            AND e.subscriber_id IS NOT NULL AND e.channel IS NOT NULL
            AND e.occurred_at <= e.received_at + interval '1 day'
        GROUP BY 1, 2, 3),
    m AS (
        SELECT n.company_id, n.subscriber_id, n.channel, o.ctid AS row,
               CASE WHEN n.sent_at IS NULL THEN coalesce(o.sent_at, '{}')
                   ELSE gateway.add_times(o.sent_at, n.sent_at) END AS sent_at,
               CASE WHEN n.opened_at IS NULL THEN coalesce(o.opened_at, '{}')
                   ELSE gateway.add_times(o.opened_at, n.opened_at) END AS opened_at,
               CASE WHEN n.clicked_at IS NULL THEN coalesce(o.clicked_at, '{}')
                   ELSE gateway.add_times(o.clicked_at, n.clicked_at) END AS clicked_at,
               CASE WHEN n.replied_at IS NULL THEN coalesce(o.replied_at, '{}')
                   ELSE gateway.add_times(o.replied_at, n.replied_at) END AS replied_at
        FROM n LEFT JOIN engagement o ON o.company_id = n.company_id
            AND o.subscriber_id = n.subscriber_id AND o.channel = n.channel),
    inserted AS (
        INSERT INTO engagement
        SELECT company_id, subscriber_id, channel, sent_at, opened_at, clicked_at, replied_at
        FROM m WHERE row IS NULL)
    UPDATE engagement o SET sent_at = m.sent_at, opened_at = m.opened_at,
        clicked_at = m.clicked_at, replied_at = m.replied_at
    FROM m WHERE o.ctid = m.row;
END $$;
COMMENT ON FUNCTION gateway.project_engagement(gateway.projection_event[]) IS
    'Merges events into engagement.';

CREATE FUNCTION gateway.project_batches(p_batches bigint[], p_models text[]) RETURNS void
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
    END IF;
    IF 'message' = ANY (p_models) THEN
        PERFORM gateway.project_message(v_events);
        PERFORM gateway.project_last_send(v_events);
    END IF;
    IF 'engagement' = ANY (p_models) THEN
        PERFORM gateway.project_engagement(v_events);
    END IF;
    IF 'feed' = ANY (p_models) THEN
        PERFORM gateway.project_feed(p_batches);
    END IF;
END $$;
COMMENT ON FUNCTION gateway.project_batches(bigint[], text[]) IS
    'Merges the events of the given batches into the given read models.';

-- A value that a table refuses is a batch's own fault: the batch is found by halving and set
-- aside. Whatever else fails (a lock, space, a privilege, a time-out) is not, and is thrown.
CREATE FUNCTION gateway.project_or_set_aside(p_batches bigint[], p_models text[])
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
COMMENT ON FUNCTION gateway.project_or_set_aside(bigint[], text[]) IS
    'Projects the batches and returns how many it had to set aside.';

CREATE FUNCTION gateway.project(
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
    set_aside := gateway.project_or_set_aside(v_batches,
        ARRAY['company', 'identity', 'consent', 'message', 'engagement', 'feed']);
    SELECT coalesce(sum(n.events), 0) INTO arriving
    FROM (SELECT b.events, b.committed_at FROM batch b ORDER BY b.batch_id DESC LIMIT 1000) n
    WHERE n.committed_at > clock_timestamp() - interval '1 second';
END $$;
COMMENT ON FUNCTION gateway.project(integer) IS
    'One step: merges the oldest waiting batches, with about so many events, into all read models. is_active is false while another session projects; arriving: events that came in the last second.';

CREATE FUNCTION gateway.projection_lag(
    OUT batches bigint, OUT events bigint, OUT oldest interval, OUT failed bigint)
LANGUAGE sql STABLE SET enable_seqscan = off
BEGIN ATOMIC
    SELECT count(*), coalesce(sum(b.events), 0)::bigint,
           coalesce(greatest(clock_timestamp() - min(b.committed_at), interval '0'),
               interval '0'),
           (SELECT count(*) FROM gateway.batch f WHERE f.set_aside_at IS NOT NULL)
    FROM gateway.batch b WHERE b.projected_at IS NULL AND b.set_aside_at IS NULL;
END;
COMMENT ON FUNCTION gateway.projection_lag() IS
    'Batches and events that no read model has yet, the age of the oldest, and batches set aside.';

-- The read models of one name, so that rebuild and its test know them all.
CREATE FUNCTION gateway.read_model_tables(p_model text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE p_model
    WHEN 'company' THEN ARRAY['company']
    WHEN 'identity' THEN ARRAY['identifier', 'identity']
    WHEN 'consent' THEN ARRAY['consent_decision', 'consent', 'consent_daily', 'consent_latest']
    WHEN 'message' THEN ARRAY['message', 'message_member', 'message_stats', 'last_send',
                              'subject_vote']
    WHEN 'engagement' THEN ARRAY['engagement']
    WHEN 'feed' THEN ARRAY['feed_day'] END;
COMMENT ON FUNCTION gateway.read_model_tables(text) IS 'The tables of a read model.';

-- What an operator does to read models: make them again, move a company's days, take apart a
-- profile, ask why one is one. All of it holds the projector's lock while it changes them.

-- rebuild, step 1 of 3: fresh, empty tables of these models in pg_temp, and a list of batches done.
CREATE FUNCTION gateway.rebuild_begin(p_models text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_table text;
BEGIN
    FOR v_table IN SELECT t FROM unnest(p_models) AS m (model),
                       unnest(gateway.read_model_tables(m.model)) AS t
                   UNION ALL SELECT 'batch' LOOP
        EXECUTE format('DROP TABLE IF EXISTS pg_temp.%I', v_table);
        EXECUTE format('CREATE TEMP TABLE %I (LIKE gateway.%I INCLUDING ALL)', v_table, v_table);
    END LOOP;
END $$;
COMMENT ON FUNCTION gateway.rebuild_begin(text[]) IS
    'Makes empty tables of the given read models in pg_temp.';

-- Step 2, to be repeated until it returns 0: projects some of the batches that the projector has
-- had into the fresh tables. Finding none of them in pg_temp is an error, never a write to the
-- tables in use: their schema is not in the search_path.
CREATE FUNCTION gateway.rebuild_step(p_models text[], p_events_max integer) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_bitmapscan = off SET enable_memoize = off SET enable_material = off SET jit = off
SET plan_cache_mode = force_generic_plan SET max_parallel_workers_per_gather = 0
AS $$
DECLARE
    v_after   bigint;
    v_batches bigint[];
    v_events  bigint;
    v_aside   integer;
BEGIN
    SELECT coalesce(max(batch_id), 0) INTO v_after FROM batch;
    FOR v_attempt IN 1..2 LOOP -- the second time for batches that were projected out of order
        SELECT array_agg(w.batch_id), sum(w.events) INTO v_batches, v_events
        FROM (SELECT n.batch_id, n.events,
                     sum(n.events) OVER (ORDER BY n.batch_id) - n.events AS before
              FROM (SELECT b.batch_id, b.events FROM gateway.batch b
                    WHERE b.projected_at IS NOT NULL AND b.batch_id > v_after
                        AND NOT EXISTS (SELECT FROM batch d WHERE d.batch_id = b.batch_id)
                    ORDER BY b.batch_id LIMIT p_events_max) n) w
        WHERE w.before < p_events_max;
        EXIT WHEN v_batches IS NOT NULL;
        v_after := 0;
    END LOOP;
    IF v_batches IS NULL THEN
        RETURN 0;
    END IF;
    INSERT INTO batch SELECT b.* FROM unnest(v_batches) AS u (batch_id)
    JOIN gateway.batch b ON b.batch_id = u.batch_id;
    v_aside := gateway.project_or_set_aside(v_batches, p_models);
    IF v_aside > 0 THEN
        RAISE EXCEPTION 'a batch that was projected once cannot be projected again'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN cardinality(v_batches);
END $$;
COMMENT ON FUNCTION gateway.rebuild_step(text[], integer) IS
    'Projects about so many events into the tables of rebuild_begin; returns the batches taken, 0 when none is left.';

-- Step 3, in the transaction that also took the lock and the last rebuild_step: gives the tables in
-- use the contents of the fresh ones, by their difference. Nobody who reads waits or sees half of
-- it, and views, privileges and indexes stay what they are. Returns table and rows that differed.
CREATE FUNCTION gateway.rebuild_end(p_models text[])
RETURNS TABLE (table_name text, rows bigint, removed bigint, added bigint)
LANGUAGE plpgsql SET search_path = pg_temp SET enable_nestloop = off
AS $$
BEGIN
    IF 'company' = ANY (p_models) THEN -- a setting, not derived
        UPDATE company t SET timezone = g.timezone FROM gateway.company g
        WHERE g.company_id = t.company_id AND g.timezone <> t.timezone;
    END IF;
    IF 'consent' = ANY (p_models) THEN -- the time zone may have changed meanwhile
        PERFORM gateway.recount_consent(NULL);
    END IF;
    FOR table_name IN SELECT t FROM unnest(p_models) AS m (model),
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
    UPDATE gateway.batch SET set_aside_at = NULL, set_aside_error = NULL
    WHERE set_aside_at IS NOT NULL;
END $$;
COMMENT ON FUNCTION gateway.rebuild_end(text[]) IS
    'Replaces the given read models by those in pg_temp, and lets set-aside batches be tried again.';

CREATE FUNCTION gateway.set_timezone(p_company text, p_timezone text) RETURNS void
LANGUAGE plpgsql SET search_path = gateway, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = p_timezone) THEN
        RAISE EXCEPTION 'there is no time zone %: give an IANA name, such as America/New_York',
            quote_literal(p_timezone) USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(gateway.projection_lock());
    UPDATE company SET timezone = p_timezone WHERE company_id = p_company;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no event of company % has been projected', quote_literal(p_company)
            USING ERRCODE = 'no_data_found';
    END IF;
    PERFORM gateway.recount_consent(p_company);
END $$;
COMMENT ON FUNCTION gateway.set_timezone(text, text) IS
    'Sets the time zone that decides the local days of a company''s reports, and counts its days again.';

-- Takes a subscriber out of its profile: identifiers of this kind (*: of any) join it to nobody
-- from now on. p_undo takes that back. Returns the profiles of all who were together with it.
CREATE FUNCTION gateway.split_identity(
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
    FROM identity i JOIN identity mate USING (company_id, profile_id)
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
    PERFORM gateway.resolve_identities(
        array_fill(p_company, ARRAY[cardinality(v_mates)]), v_mates);
    RETURN QUERY SELECT i.subscriber_id, i.profile_id FROM identity i
    WHERE i.company_id = p_company AND i.subscriber_id = ANY (v_mates)
    ORDER BY i.profile_id, i.subscriber_id;
END $$;
COMMENT ON FUNCTION gateway.split_identity(text, uuid, text, boolean) IS
    'Un-merges a subscriber, or (p_undo) lets it be merged again; returns who was concerned.';

CREATE FUNCTION gateway.mask(p_kind text, p_value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN p_kind = 'email' AND p_value LIKE '_%@%'
        THEN left(p_value, 1) || '***@' || split_part(p_value, '@', 2)
    WHEN length(p_value) >= 8 THEN left(p_value, 2) || '***' || right(p_value, 2)
    ELSE '***' END;
COMMENT ON FUNCTION gateway.mask(text, text) IS 'An identifier''s value as it may be shown to an operator.';

-- The chain of shared identifiers that joins a profile: each row joins one more subscriber to one
-- that was there before, nearest to the survivor first. One row without linked_to for the survivor.
CREATE FUNCTION gateway.explain_identity(p_company text, p_subscriber uuid)
RETURNS TABLE (
    step integer, subscriber_id uuid, first_seen_at timestamptz, kind text, masked text,
    linked_to uuid)
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
                        NULL::uuid
    FROM identity i WHERE i.company_id = p_company AND i.subscriber_id = v_members[1];
    v_frontier := v_members;
    LOOP
        step := step + 1;
        RETURN QUERY
        SELECT step, l.to_id, i.first_seen_at::timestamptz, l.kind,
               gateway.mask(l.kind, l.value), l.from_id
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
END $$;
COMMENT ON FUNCTION gateway.explain_identity(text, uuid) IS
    'Why the subscribers of a profile are one: the shared identifier (masked) that joined each.';

-- Every function of the projector is for the daemon and the operator alone.
DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'gateway'::regnamespace LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
END $$;
