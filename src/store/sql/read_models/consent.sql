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
    ['is_current', 'Whether it is the last one of its recipient: of all subscribers who share the '
        'address.'],
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
CREATE OR REPLACE FUNCTION gateway.decided_at(
    p_action text, p_occurred_at timestamptz, p_received_at timestamptz)
RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN NOT gateway.is_ahead(p_occurred_at, p_received_at) THEN p_occurred_at
            WHEN p_action = 'subscribed' THEN p_received_at - interval '24 hours'
            ELSE p_received_at END;
COMMENT ON FUNCTION gateway.decided_at IS 'From when an opt-in or opt-out counts.';

CREATE OR REPLACE FUNCTION gateway.given_consent(p_events gateway.projection_event[])
RETURNS TABLE (
    company_id text, subscriber_id uuid, channel text, subscription_type text,
    occurred_at timestamptz, event_id uuid, decision text, creative_name text, creative_type text,
    creative_subtype text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT e.company_id, e.subscriber_id, e.channel, coalesce(e.subscription_type, 'UNSPECIFIED'),
           gateway.decided_at(e.action, e.occurred_at, e.received_at), e.event_id,
           CASE e.action WHEN 'subscribed' THEN 'granted' ELSE 'revoked' END,
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

-- Who is asked again: whoever is one recipient with a subscriber of these events or of those given.
CREATE OR REPLACE FUNCTION gateway.asked_recipients(
    p_events gateway.projection_event[], p_companies text[], p_subscribers uuid[])
RETURNS gateway.asked_recipient[]
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        WITH asked AS (
            SELECT g.company_id, g.subscriber_id, g.channel FROM gateway.given_consent(p_events) g
            UNION
            SELECT s.company_id, s.subscriber_id, c.channel
            FROM unnest(p_companies, p_subscribers) AS s (company_id, subscriber_id)
            CROSS JOIN (VALUES ('sms'), ('email')) AS c (channel)),
        found AS (
            SELECT a.*, i.profile_id, CASE a.channel WHEN 'sms' THEN i.sms_to
                                                     WHEN 'email' THEN i.email_to END AS shared
            FROM asked a
            LEFT JOIN identity i
                ON i.company_id = a.company_id AND i.subscriber_id = a.subscriber_id),
        reached AS (
            SELECT f.company_id, f.channel, f.subscriber_id AS recipient_id, f.subscriber_id
            FROM found f WHERE f.shared IS NULL
            UNION
            SELECT f.company_id, f.channel, f.shared, m.subscriber_id
            FROM (SELECT u.*, p.id FROM found u
                  CROSS JOIN LATERAL (
                      SELECT u.profile_id AS id
                      UNION ALL
                      SELECT o.subscriber_id FROM identity o WHERE o.company_id = u.company_id
                          AND o.profile_id = u.profile_id AND o.profile_id <> o.subscriber_id) p
                  OFFSET 0) f
            JOIN identity m ON m.company_id = f.company_id AND m.subscriber_id = f.id
            WHERE f.shared = CASE f.channel WHEN 'sms' THEN m.sms_to ELSE m.email_to END)
        SELECT coalesce(array_agg(ROW(
                   r.company_id, r.channel, r.recipient_id, r.subscriber_id,
                   array_remove(r.everybody, r.subscriber_id))::gateway.asked_recipient), '{}')
        FROM (SELECT *, array_agg(subscriber_id) OVER (
                  PARTITION BY company_id, channel, recipient_id) AS everybody
              FROM reached) r);
END $$;
COMMENT ON FUNCTION gateway.asked_recipients IS
    'The recipients, and their subscribers, whose consent these events or subscribers concern.';

-- For each recipient: all decisions of each subscription type. row_id is null for those that
-- consent_decision has not yet; is_gone are opt-outs that it has for a type that they end no more.
DROP FUNCTION IF EXISTS gateway.all_consent(gateway.projection_event[]);
CREATE OR REPLACE FUNCTION gateway.all_consent(
    p_events gateway.projection_event[], p_asked gateway.asked_recipient[])
RETURNS TABLE (
    recipient_id uuid, company_id text, subscriber_id uuid, channel text, subscription_type text,
    occurred_at timestamptz, event_id uuid, decision text, is_effective boolean,
    is_current boolean, creative_name text, creative_type text, creative_subtype text,
    granted_at timestamptz, is_spread boolean, row_id tid, is_gone boolean)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH known AS (
        SELECT a.recipient_id, d.*, d.ctid AS row_id
        FROM unnest(p_asked) AS a
        JOIN consent_decision d ON d.company_id = a.company_id
            AND d.subscriber_id = a.subscriber_id AND d.channel = a.channel),
    -- Neither these arrays nor a WITH has an index, and no join is hashed here: so what belongs
    -- together meets in a sort.
    given AS (
        SELECT (array_agg(recipient_id) FILTER (WHERE recipient_id IS NOT NULL) OVER (
                   PARTITION BY company_id, subscriber_id, channel))[1] AS recipient_id,
               company_id, subscriber_id, channel, subscription_type, occurred_at, event_id,
               decision, creative_name, creative_type, creative_subtype
        FROM (SELECT NULL::uuid AS recipient_id, g.* FROM gateway.given_consent(p_events) g
              UNION ALL
              SELECT a.recipient_id, a.company_id, a.subscriber_id, a.channel, NULL, NULL, NULL,
                     NULL, NULL, NULL, NULL
              FROM unnest(p_asked) AS a) g),
    said AS (
        SELECT * FROM given WHERE decision IS NOT NULL
        UNION ALL
        SELECT recipient_id, company_id, subscriber_id, channel, subscription_type, occurred_at,
               event_id, decision, creative_name, creative_type, creative_subtype
        FROM known WHERE NOT is_spread),
    typed AS (
        SELECT s.*, array_agg(subscription_type) FILTER (WHERE is_first) OVER (
                   PARTITION BY recipient_id, company_id, channel) AS types
        FROM (SELECT *, row_number() OVER (PARTITION BY recipient_id, company_id, channel,
                                           subscription_type) = 1 AS is_first
              FROM said) s),
    meant AS (
        SELECT DISTINCT ON (s.company_id, s.subscriber_id, s.channel, t.type, s.occurred_at,
               s.event_id) s.*, t.type
        FROM typed s CROSS JOIN LATERAL unnest(s.types) AS t (type)
        WHERE gateway.decides_on(s.decision = 'revoked', s.subscription_type, t.type))
    SELECT k.recipient_id, k.company_id, k.subscriber_id, k.channel, k.subscription_type,
           k.occurred_at::timestamptz, k.event_id, k.decision, k.is_effective, k.is_current,
           k.creative_name, k.creative_type, k.creative_subtype, k.granted_at::timestamptz,
           k.is_spread, k.row_id,
           k.is_spread AND (k.company_id, k.subscriber_id, k.channel, k.subscription_type,
               k.occurred_at, k.event_id) NOT IN (
               SELECT m.company_id, m.subscriber_id, m.channel, m.type, m.occurred_at, m.event_id
               FROM meant m)
    FROM known k
    UNION ALL
    SELECT m.recipient_id, m.company_id, m.subscriber_id, m.channel, m.type, m.occurred_at,
           m.event_id, m.decision, NULL, NULL, m.creative_name, m.creative_type,
           m.creative_subtype, NULL, m.type <> m.subscription_type, NULL, false
    FROM meant m
    WHERE (m.company_id, m.subscriber_id, m.channel, m.type, m.occurred_at, m.event_id)
        NOT IN (SELECT company_id, subscriber_id, channel, subscription_type, occurred_at,
                       event_id FROM known);
END $$;
COMMENT ON FUNCTION gateway.all_consent IS
    'All decisions of the recipients that these events or subscribers concern, as they are known.';

-- The same in order, an opt-out after an opt-in of the same millisecond, with what they are to be.
-- A grant of what is granted changes nothing: an opt-out ends the first grant since the opt-out
-- before, and its source is what it counts for. So the net growth of a source is those of its
-- subscribers who are left.
DROP FUNCTION IF EXISTS gateway.resolved_consent(gateway.projection_event[]);
CREATE OR REPLACE FUNCTION gateway.resolved_consent(
    p_events gateway.projection_event[], p_asked gateway.asked_recipient[])
RETURNS TABLE (
    recipient_id uuid, company_id text, subscriber_id uuid, channel text, subscription_type text,
    occurred_at timestamptz, event_id uuid, decision text, is_effective boolean,
    is_current boolean, creative_name text, creative_type text, creative_subtype text,
    granted_at timestamptz, is_spread boolean, row_id tid, is_gone boolean,
    now_effective boolean, now_current boolean, now_granted_at timestamptz, now_name text,
    now_type text, now_subtype text, is_changed boolean)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH ordered AS (
        SELECT k.*, lag(decision) OVER k AS previous, lead(decision) OVER k IS NULL AS now_current
        FROM gateway.all_consent(p_events, p_asked) k
        WINDOW k AS (PARTITION BY company_id, recipient_id, channel, subscription_type, is_gone
                     ORDER BY occurred_at, decision = 'revoked', event_id)),
    effective AS (
        SELECT o.*, previous IS DISTINCT FROM decision
                   AND NOT (previous IS NULL AND decision = 'revoked') AS now_effective,
               count(*) FILTER (WHERE decision = 'granted' AND previous IS DISTINCT FROM decision)
                   OVER k AS spans
        FROM ordered o
        WINDOW k AS (PARTITION BY company_id, recipient_id, channel, subscription_type, is_gone
                     ORDER BY occurred_at, decision = 'revoked', event_id)),
    resolved AS (
        SELECT e.*, spans > 0 AND decision = 'revoked' AS ends,
               first_value(creative_name) OVER s AS source_name,
               first_value(creative_type) OVER s AS source_type,
               first_value(creative_subtype) OVER s AS source_subtype,
               first_value(occurred_at) OVER s AS source_at
        FROM effective e
        WINDOW s AS (PARTITION BY company_id, recipient_id, channel, subscription_type, is_gone,
                         spans
                     ORDER BY occurred_at, decision = 'revoked', event_id))
    SELECT recipient_id, company_id, subscriber_id, channel, subscription_type, occurred_at,
           event_id, decision, is_effective, is_current, creative_name, creative_type,
           creative_subtype, granted_at, is_spread, row_id, is_gone, now_effective, now_current,
           n.*, is_gone OR row_id IS NULL
               OR (is_effective, is_current, creative_name, creative_type, creative_subtype,
                   granted_at)
                   IS DISTINCT FROM (now_effective, now_current, n.name, n.type, n.subtype, n.at)
    FROM resolved
    CROSS JOIN LATERAL (SELECT -- of a grant its own, also when it repeats
        CASE WHEN ends THEN source_at END AS at,
        CASE WHEN ends THEN source_name WHEN decision = 'granted' THEN creative_name END AS name,
        CASE WHEN ends THEN source_type WHEN decision = 'granted' THEN creative_type END AS type,
        CASE WHEN ends THEN source_subtype WHEN decision = 'granted' THEN creative_subtype END
            AS subtype) n;
END $$;
COMMENT ON FUNCTION gateway.resolved_consent IS
    'All decisions of the recipients that these events or subscribers concern: as they are known, '
    'and as they are to be.';

DROP FUNCTION IF EXISTS gateway.project_consent(gateway.projection_event[]);
CREATE OR REPLACE FUNCTION gateway.project_consent(
    p_events gateway.projection_event[], p_asked gateway.asked_recipient[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_empty tid[];
    v_gone  text[]; -- companies
BEGIN
    WITH changed AS (
        SELECT * FROM gateway.resolved_consent(p_events, p_asked) WHERE is_changed),
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
        FROM changed c WHERE d.ctid = c.row_id AND NOT c.is_gone),
    removed AS (
        DELETE FROM consent_decision d USING changed c WHERE d.ctid = c.row_id AND c.is_gone),
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
        WHERE CASE x.sign WHEN 1 THEN NOT d.is_gone ELSE d.row_id IS NOT NULL END
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
    SELECT (SELECT array_agg(row) FROM counted WHERE decisions = 0),
           (SELECT array_agg(DISTINCT company_id) FROM changed WHERE is_gone)
    INTO v_empty, v_gone;
    IF v_empty IS NOT NULL THEN
        DELETE FROM consent_daily WHERE ctid = ANY (v_empty);
    END IF;
    PERFORM gateway.project_consent_state(p_asked);
    IF v_gone IS NOT NULL THEN
        DELETE FROM consent_latest l WHERE l.company_id = ANY (v_gone);
        INSERT INTO consent_latest
        SELECT c.company_id, c.channel, c.subscription_type, max(c.decided_at) FROM consent c
        WHERE c.company_id = ANY (v_gone) GROUP BY 1, 2, 3;
    END IF;
END $$;
COMMENT ON FUNCTION gateway.project_consent IS
    'Merges events, and whom identity joined anew or took apart, into consent_decision, consent '
    'and consent_daily, for asked_recipients().';

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
