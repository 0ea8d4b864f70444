-- Who opted in and out, and what counts of it.

SELECT gateway.describe('gateway.consent_decision',
    'Evidence: every opt-in and opt-out of a known subscriber. An opt-out that names no type ends '
    'every type of its channel, one of MARKETING also what was granted without a type.', ARRAY[
    ['occurred_at', 'When it was decided: occurred_at of the event. Of an event dated more than a '
        'day ahead of its receipt: that receipt for an opt-out, a day before it for an opt-in.'],
    ['channel', 'sms or email.'],
    ['subscription_type', 'MARKETING, TRANSACTIONAL, ...; UNSPECIFIED when the event named '
        'none.'],
    ['decision', 'granted or revoked.'],
    ['is_effective', 'Whether it changed the state: a repeated decision does not, nor an opt-out '
        'of somebody never opted in.'],
    ['is_current', 'Whether it is the last one, which gateway.consent says.'],
    ['creative_name', 'Sign-up source; of an opt-out: that of the opt-in it ends, which is the one '
        'that changed the state.'],
    ['creative_type', 'As creative_name.'],
    ['creative_subtype', 'As creative_name.'],
    ['granted_at', 'Of an opt-out: when the opt-in it ends was given; null when there was none.'],
    ['is_spread', 'An opt-out whose event names another type, or none.']]);

SELECT gateway.describe('gateway.consent',
    'State now: the greatest of (occurred_at, revoked after granted, event_id), so that an '
    'opt-out wins a tie and the order of arrival does not matter.', ARRAY[
    ['decided_at', 'When it was decided.'],
    ['decided_by', 'event_id of the decision: the evidence.'],
    ['first_granted_at', 'First opt-in.'],
    ['last_granted_at', 'Last opt-in.'],
    ['last_granted_by', 'event_id of the last opt-in.'],
    ['last_revoked_at', 'Last opt-out.'],
    ['creative_name', 'Sign-up source of the last opt-in that changed the state.']],
    '{gateway.consent_decision}');

SELECT gateway.describe('gateway.consent_daily',
    'gateway.consent_decision counted by the company''s local day.', ARRAY[
    ['day', 'Day in the company''s time zone.'],
    ['creative_name', 'Sign-up source; an opt-out counts for the creative of the opt-in it ends, '
        'not for that of one repeated meanwhile.'],
    ['opt_ins', 'All opt-ins.'],
    ['opt_outs', 'All opt-outs.'],
    ['effective_opt_ins', 'Opt-ins that changed the state: repeated ones do not.'],
    ['effective_opt_outs', 'Opt-outs that changed the state: repeated ones do not, nor those of '
        'nobody opted in.'],
    ['current_opt_ins', 'Opt-ins that are still the last decision: subscribers.'],
    ['current_opt_outs', 'Opt-outs that are still the last decision.']],
    '{gateway.consent_decision}');

SELECT gateway.describe('gateway.consent_latest',
    'The time of the newest gateway.consent_decision.',
    p_like => '{gateway.consent_decision}');

-- A clock that runs more than a day ahead says nothing of when. Such an opt-in counts from a day
-- before it was received, so that it loses to an opt-out dated within that day: which of the two
-- came last is not known then, and in doubt nobody is written to.
CREATE OR REPLACE FUNCTION gateway.given_consent(p_events gateway.projection_event[])
RETURNS TABLE (
    company_id text, subscriber_id uuid, channel text, subscription_type text,
    occurred_at timestamptz, event_id uuid, decision text, creative_name text, creative_type text,
    creative_subtype text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT e.company_id, e.subscriber_id, e.channel, coalesce(e.subscription_type, 'UNSPECIFIED'),
           CASE WHEN NOT gateway.is_ahead(e.occurred_at, e.received_at) THEN e.occurred_at
                WHEN e.action = 'subscribed' THEN e.received_at - interval '24 hours'
                ELSE e.received_at END,
           e.event_id, CASE e.action WHEN 'subscribed' THEN 'granted' ELSE 'revoked' END,
           e.creative_name, e.creative_type, e.creative_subtype
    FROM unnest(p_events) AS e
    WHERE e.action IN ('subscribed', 'unsubscribed') AND e.subscriber_id IS NOT NULL
        AND e.channel IS NOT NULL;
END;
COMMENT ON FUNCTION gateway.given_consent IS 'The decisions that these events are.';

-- What names no type is in doubt, and in doubt nobody is written to.
CREATE OR REPLACE FUNCTION gateway.decides_on(p_is_opt_out boolean, p_named text, p_type text)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN p_named = p_type OR p_is_opt_out
    AND (p_named = 'UNSPECIFIED' OR p_named = 'MARKETING' AND p_type = 'UNSPECIFIED');
COMMENT ON FUNCTION gateway.decides_on IS
    'Whether a decision that names a subscription type concerns another; UNSPECIFIED: none named.';

-- For each subscriber and channel with a new decision: all decisions of each subscription type, as
-- consent_decision has them; row_id is null for those it has not yet.
CREATE OR REPLACE FUNCTION gateway.all_consent(p_events gateway.projection_event[])
RETURNS TABLE (
    company_id text, subscriber_id uuid, channel text, subscription_type text,
    occurred_at timestamptz, event_id uuid, decision text, is_effective boolean,
    is_current boolean, creative_name text, creative_type text, creative_subtype text,
    granted_at timestamptz, is_spread boolean, row_id tid)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH given AS (
        SELECT * FROM gateway.given_consent(p_events)),
    known AS (
        SELECT d.*, d.ctid AS row_id
        FROM (SELECT DISTINCT company_id, subscriber_id, channel FROM given) k
        JOIN consent_decision d ON d.company_id = k.company_id
            AND d.subscriber_id = k.subscriber_id AND d.channel = k.channel),
    said AS (
        SELECT g.*, false AS is_spread FROM given g
        UNION ALL
        SELECT company_id, subscriber_id, channel, subscription_type, occurred_at, event_id,
               decision, NULL, NULL, NULL, false
        FROM known WHERE NOT is_spread),
    -- With the types of its subscriber and channel. No join: nothing here has an index.
    typed AS (
        SELECT n.*, array_agg(subscription_type) FILTER (WHERE is_first) OVER (
                   PARTITION BY company_id, subscriber_id, channel) AS types
        FROM (SELECT s.*, row_number() OVER (PARTITION BY company_id, subscriber_id, channel,
                                             subscription_type) = 1 AS is_first
              FROM said s) n)
    SELECT DISTINCT ON (a.company_id, a.subscriber_id, a.channel, a.subscription_type,
           a.occurred_at, a.event_id) a.*
    FROM (SELECT * FROM known
          UNION ALL
          SELECT s.company_id, s.subscriber_id, s.channel, t.type, s.occurred_at, s.event_id,
                 s.decision, NULL, NULL, s.creative_name, s.creative_type, s.creative_subtype,
                 NULL, t.type <> s.subscription_type, NULL
          FROM typed s CROSS JOIN LATERAL unnest(s.types) AS t (type)
          WHERE gateway.decides_on(s.decision = 'revoked', s.subscription_type, t.type)) a
    ORDER BY a.company_id, a.subscriber_id, a.channel, a.subscription_type, a.occurred_at,
             a.event_id, a.row_id NULLS LAST;
END $$;
COMMENT ON FUNCTION gateway.all_consent IS
    'All decisions of the keys that these events touch, as they are known.';

-- The same in order, an opt-out after an opt-in of the same millisecond, with what they are to be.
-- A grant of what is granted changes nothing: an opt-out ends the first grant since the opt-out
-- before, and its source is what it counts for. So the net growth of a source is those of its
-- subscribers who are left.
CREATE OR REPLACE FUNCTION gateway.resolved_consent(p_events gateway.projection_event[])
RETURNS TABLE (
    company_id text, subscriber_id uuid, channel text, subscription_type text,
    occurred_at timestamptz, event_id uuid, decision text, is_effective boolean,
    is_current boolean, creative_name text, creative_type text, creative_subtype text,
    granted_at timestamptz, is_spread boolean, row_id tid, now_effective boolean,
    now_current boolean, source_name text, source_type text, source_subtype text,
    first_granted_at timestamptz, last_revoked_at timestamptz, last_granted_at timestamptz,
    last_granted_by uuid, now_granted_at timestamptz, now_name text, now_type text,
    now_subtype text, is_changed boolean)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH ordered AS (
        SELECT k.*, lag(decision) OVER k AS previous, lead(decision) OVER k IS NULL AS now_current,
               count(*) FILTER (WHERE decision = 'granted') OVER k AS grants,
               min(occurred_at) FILTER (WHERE decision = 'granted') OVER k AS first_granted_at,
               max(occurred_at) FILTER (WHERE decision = 'revoked') OVER k AS last_revoked_at
        FROM gateway.all_consent(p_events) k
        WINDOW k AS (PARTITION BY company_id, subscriber_id, channel, subscription_type
                     ORDER BY occurred_at, decision = 'revoked', event_id)),
    effective AS (
        SELECT o.*, previous IS DISTINCT FROM decision
                   AND NOT (previous IS NULL AND decision = 'revoked') AS now_effective,
               count(*) FILTER (WHERE decision = 'granted' AND previous IS DISTINCT FROM decision)
                   OVER k AS spans
        FROM ordered o
        WINDOW k AS (PARTITION BY company_id, subscriber_id, channel, subscription_type
                     ORDER BY occurred_at, decision = 'revoked', event_id)),
    resolved AS (
        SELECT company_id, subscriber_id, channel, subscription_type, occurred_at, event_id,
               decision, is_effective, is_current, creative_name, creative_type,
               creative_subtype, granted_at, is_spread, row_id, now_effective, now_current,
               CASE WHEN spans > 0 THEN first_value(creative_name) OVER s END AS source_name,
               CASE WHEN spans > 0 THEN first_value(creative_type) OVER s END AS source_type,
               CASE WHEN spans > 0 THEN first_value(creative_subtype) OVER s END AS source_subtype,
               first_granted_at, last_revoked_at,
               CASE WHEN grants > 0 THEN first_value(occurred_at) OVER g END AS last_granted_at,
               CASE WHEN grants > 0 THEN first_value(event_id) OVER g END AS last_granted_by,
               CASE WHEN spans > 0 AND decision = 'revoked'
                    THEN first_value(occurred_at) OVER s END AS now_granted_at
        FROM effective
        WINDOW s AS (PARTITION BY company_id, subscriber_id, channel, subscription_type, spans
                     ORDER BY occurred_at, decision = 'revoked', event_id),
               g AS (PARTITION BY company_id, subscriber_id, channel, subscription_type, grants
                     ORDER BY occurred_at, decision = 'revoked', event_id))
    SELECT r.*, n.*, row_id IS NULL
        OR (is_effective, is_current, creative_name, creative_type, creative_subtype, granted_at)
            IS DISTINCT FROM (now_effective, now_current, n.name, n.type, n.subtype, now_granted_at)
    FROM resolved r
    CROSS JOIN LATERAL (SELECT -- of a grant its own, also when it repeats
        CASE decision WHEN 'granted' THEN creative_name ELSE source_name END AS name,
        CASE decision WHEN 'granted' THEN creative_type ELSE source_type END AS type,
        CASE decision WHEN 'granted' THEN creative_subtype ELSE source_subtype END AS subtype) n;
END $$;
COMMENT ON FUNCTION gateway.resolved_consent IS
    'All decisions of the keys that these events touch: as they are known, and as they are to be.';

CREATE OR REPLACE FUNCTION gateway.project_consent(p_events gateway.projection_event[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_empty tid[];
BEGIN
    WITH resolved AS (
        SELECT * FROM gateway.resolved_consent(p_events)),
    changed AS (
        SELECT * FROM resolved WHERE is_changed),
    inserted AS (
        INSERT INTO consent_decision
        SELECT company_id, subscriber_id, channel, subscription_type, occurred_at, event_id,
               decision, now_effective, now_current, now_name, now_type, now_subtype,
               now_granted_at, is_spread
        FROM changed WHERE row_id IS NULL),
    updated AS (
        UPDATE consent_decision d SET is_effective = c.now_effective,
            is_current = c.now_current, creative_name = c.now_name, creative_type = c.now_type,
            creative_subtype = c.now_subtype, granted_at = c.now_granted_at
        FROM changed c WHERE d.ctid = c.row_id),
    state AS (
        INSERT INTO consent AS s
        SELECT company_id, subscriber_id, channel, subscription_type, decision, occurred_at,
               event_id, first_granted_at, last_granted_at, last_granted_by, last_revoked_at,
               source_name, source_type, source_subtype
        FROM resolved WHERE now_current
        ON CONFLICT (company_id, subscriber_id, channel, subscription_type) DO UPDATE SET
            decision = excluded.decision, decided_at = excluded.decided_at,
            decided_by = excluded.decided_by, first_granted_at = excluded.first_granted_at,
            last_granted_at = excluded.last_granted_at,
            last_granted_by = excluded.last_granted_by,
            last_revoked_at = excluded.last_revoked_at, creative_name = excluded.creative_name,
            creative_type = excluded.creative_type, creative_subtype = excluded.creative_subtype
        WHERE s IS DISTINCT FROM excluded),
    counted AS (
        INSERT INTO consent_daily AS c
        SELECT d.company_id, (d.occurred_at AT TIME ZONE coalesce(z.timezone, 'UTC'))::date,
               d.channel, d.subscription_type, x.name, x.type, x.subtype,
               sum(g.granted), sum(g.revoked), sum(g.granted * x.effective),
               sum(g.revoked * x.effective), sum(g.granted * x.current),
               sum(g.revoked * x.current)
        FROM changed d LEFT JOIN gateway.company z ON z.company_id = d.company_id
        CROSS JOIN LATERAL (VALUES
            (1, now_effective::integer, now_current::integer, now_name, now_type, now_subtype),
            (-1, is_effective::integer, is_current::integer, creative_name, creative_type,
             creative_subtype)) AS x (sign, effective, current, name, type, subtype)
        CROSS JOIN LATERAL (SELECT x.sign * (d.decision = 'granted')::integer AS granted,
                                   x.sign * (d.decision = 'revoked')::integer AS revoked) g
        WHERE x.sign = 1 OR d.row_id IS NOT NULL
        GROUP BY 1, 2, 3, 4, 5, 6, 7
        HAVING (sum(g.granted), sum(g.revoked), sum(g.granted * x.effective),
                sum(g.revoked * x.effective), sum(g.granted * x.current),
                sum(g.revoked * x.current)) <> (0, 0, 0, 0, 0, 0)
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
COMMENT ON FUNCTION gateway.project_consent IS
    'Merges events into consent_decision, consent and consent_daily.';

CREATE OR REPLACE FUNCTION gateway.project_consent_latest(p_events gateway.projection_event[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO consent_latest AS l
    SELECT c.company_id, c.channel, c.subscription_type, max(c.decided_at)
    FROM (SELECT DISTINCT e.company_id, e.subscriber_id, e.channel
          FROM unnest(p_events) AS e
          WHERE e.action IN ('subscribed', 'unsubscribed')) k
    JOIN consent c ON c.company_id = k.company_id AND c.subscriber_id = k.subscriber_id
        AND c.channel = k.channel
    GROUP BY 1, 2, 3
    ON CONFLICT (company_id, channel, subscription_type) DO UPDATE SET
        occurred_at = excluded.occurred_at
    WHERE l.occurred_at < excluded.occurred_at;
END $$;
COMMENT ON FUNCTION gateway.project_consent_latest IS
    'Merges what project_consent made of the events into consent_latest.';

-- Counts consent_daily again: a day is a matter of the company's time zone. Null: all companies.
CREATE OR REPLACE FUNCTION gateway.recount_consent(p_company text) RETURNS void
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
COMMENT ON FUNCTION gateway.recount_consent IS
    'Makes consent_daily again from consent_decision, for one company or (null) all.';
