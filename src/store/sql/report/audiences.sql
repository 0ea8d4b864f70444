-- Whom a company may write to, as a list for another system: who fits a rule, only with consent
-- that counts now, and never without a record of it.

SELECT gateway.describe('gateway.audience',
    'Rules for audiences: each condition that is not null has to hold. Add rows and change them; '
    'one of a company replaces that of * with the same name.', ARRAY[
    ['for_company', 'A company_id, or * for all.'],
    ['name', 'What `attentive-gateway audience` calls it.'],
    ['meaning', 'In words, for whoever chooses.'],
    ['segments', 'Segments of report.audience_quality, any of them.'],
    ['orders_min', 'Orders ever, cancelled ones not counted, at least.'],
    ['orders_max', 'Orders ever at most.'],
    ['last_order_days_min', 'The last order was at least so many days ago.'],
    ['last_order_days_max', 'The last order was at most so many days ago.'],
    ['value_min', 'Net value of all orders in currency, at least.'],
    ['currency', 'Of value_min: currencies are never compared.']]);

SELECT gateway.describe('gateway.audience_export',
    'One row for each audience that was taken out: who, when, how many, by which rule.', ARRAY[
    ['export_id', 'In order.'],
    ['exported_at', 'When.'],
    ['exported_by', 'The user of the database that asked.'],
    ['audience', 'Name of the rule.'],
    ['rule', 'The rule as it was.'],
    ['channel', 'sms or email.'],
    ['subscription_type', 'Whose consent was asked for.'],
    ['hashed_for', 'Whose form the addresses were hashed in; null: they were clear.'],
    ['people', 'Addresses in it.'],
    ['projected', 'How far the read models knew the log: opt-outs behind this are not in it.']],
    '{gateway.source_event}');

CREATE OR REPLACE VIEW report.audiences WITH (security_invoker = true) AS
SELECT for_company, name, meaning, segments, orders_min, orders_max, last_order_days_min,
       last_order_days_max, value_min, currency
FROM gateway.audience;
SELECT gateway.describe('report.audiences',
    'The audiences that may be exported; a row of a company replaces that of * with its name.');

CREATE OR REPLACE VIEW report.audience_exports WITH (security_invoker = true) AS
SELECT export_id, exported_at, exported_by, company_id, audience, rule, channel,
       subscription_type, hashed_for, people, projected
FROM gateway.audience_export;
SELECT gateway.describe('report.audience_exports',
    'Every audience that was taken out: who, when, how many, by which rule.');

CREATE OR REPLACE VIEW report_pii.audience WITH (security_invoker = true) AS
WITH bought AS (
    SELECT o.company_id,
           CASE WHEN i.profile_id IS NULL THEN o.subscriber_id ELSE i.profile_id END AS profile_id,
           o.currency, count(*) AS orders, max(o.occurred_at) AS last_order_at,
           sum(o.net_value) AS net_value
    FROM gateway.current_order o
    LEFT JOIN gateway.identity i
        ON i.company_id = o.company_id AND i.subscriber_id = o.subscriber_id
    WHERE NOT o.is_cancelled AND o.subscriber_id IS NOT NULL
    GROUP BY 1, 2, 3),
customer AS (
    SELECT b.company_id, b.profile_id, sum(b.orders)::bigint AS orders,
           max(b.last_order_at) AS last_order_at,
           jsonb_object_agg(b.currency, b.net_value) FILTER (
               WHERE b.currency IS NOT NULL AND b.net_value IS NOT NULL) AS order_values
    FROM bought b GROUP BY 1, 2)
SELECT a.company_id, a.channel, a.subscription_type, a.address, a.profile_id, a.subscriber_id,
       a.decided_at AS consented_at, a.evidence_event_id, q.creative_name, q.segment,
       q.last_active_at, coalesce(c.orders, 0) AS orders, c.last_order_at, c.order_values
FROM report_pii.address_consent a
LEFT JOIN report.audience_quality q ON q.company_id = a.company_id AND q.channel = a.channel
    AND q.subscription_type = a.subscription_type AND q.subscriber_id = a.subscriber_id
LEFT JOIN customer c ON c.company_id = a.company_id AND c.profile_id = a.profile_id
WHERE a.is_subscribed;
SELECT gateway.describe('report_pii.audience',
    'Every phone number and e-mail address that may be written to, with the proof, and what is '
    'known of the person behind it. Filter on company_id and channel. Personal data.', ARRAY[
    ['consented_at', 'When the opt-in that counts was given.'],
    ['evidence_event_id', 'event_id of that opt-in: the proof in the log.'],
    ['orders', 'Orders of the person, cancelled ones not counted.'],
    ['last_order_at', 'When the last of them was placed.'],
    ['order_values', 'Net value of all of them, by currency.']]);

-- In the destination's normal form, which the log's is already but for a number's plus (Meta,
-- Conversions API, "Customer information parameters"; TikTok, "Create a Custom Audience with a
-- customer file"; Google Ads API, "Customer Match": E.164 with the plus).
CREATE OR REPLACE FUNCTION gateway.hashed_address(p_address text, p_destination text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN encode(sha256(convert_to(CASE WHEN p_destination = 'google' THEN lower(p_address)
    ELSE lower(ltrim(p_address, '+')) END, 'UTF8')), 'hex');
COMMENT ON FUNCTION gateway.hashed_address IS
    'SHA-256 of a phone number (E.164) or e-mail address as meta, google or tiktok compares it.';

-- With its owner's rights: whoever may export sees nothing else, and nothing without a record.
CREATE OR REPLACE FUNCTION gateway.export_audience(
    p_company text, p_audience text, p_channel text, p_hash text DEFAULT NULL,
    p_subscription_type text DEFAULT 'MARKETING')
RETURNS TABLE (
    address text, consented_at timestamptz, evidence_event_id uuid, segment text, orders bigint,
    last_order_at timestamptz, order_values jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_rule   gateway.audience;
    v_lag    record;
    v_people bigint;
BEGIN
    PERFORM gateway.check_company(p_company);
    IF p_channel NOT IN ('sms', 'email') THEN
        RAISE EXCEPTION 'channel % is neither sms nor email', quote_literal(p_channel)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF p_hash NOT IN ('meta', 'google', 'tiktok') THEN
        RAISE EXCEPTION '% takes no hashes that are known here', quote_literal(p_hash)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'meta, google or tiktok.';
    END IF;
    SELECT r.* INTO v_rule FROM gateway.audience r
    WHERE r.name = p_audience AND r.for_company IN (p_company, '*')
    ORDER BY r.for_company = '*' LIMIT 1;
    IF v_rule IS NULL THEN
        RAISE EXCEPTION 'there is no audience %', quote_literal(p_audience)
            USING ERRCODE = 'undefined_object',
                  HINT = 'SELECT name, meaning FROM report.audiences.';
    END IF;
    -- An opt-out that is acknowledged has to be known.
    SELECT l.* INTO v_lag FROM gateway.projection_lag() l;
    IF v_lag.oldest > interval '1 minute' OR v_lag.failed + v_lag.refused > 0 THEN
        RAISE EXCEPTION 'opt-outs may be missing: % deliveries and % events are not in the read '
            'models yet, and % are refused', v_lag.deliveries, v_lag.events,
            v_lag.failed + v_lag.refused
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Try again once report.freshness says that they are in step.';
    END IF;
    RETURN QUERY
    SELECT CASE WHEN p_hash IS NULL THEN a.address
                ELSE gateway.hashed_address(a.address, p_hash) END,
           a.consented_at, a.evidence_event_id, a.segment, a.orders, a.last_order_at,
           a.order_values
    FROM report_pii.audience a
    WHERE a.company_id = p_company AND a.channel = p_channel
        AND a.subscription_type = p_subscription_type
        AND (v_rule.segments IS NULL OR a.segment = ANY (v_rule.segments))
        AND (v_rule.orders_min IS NULL OR a.orders >= v_rule.orders_min)
        AND (v_rule.orders_max IS NULL OR a.orders <= v_rule.orders_max)
        AND (v_rule.last_order_days_min IS NULL
            OR a.last_order_at <= now() - make_interval(hours => 24 * v_rule.last_order_days_min))
        AND (v_rule.last_order_days_max IS NULL
            OR a.last_order_at >= now() - make_interval(hours => 24 * v_rule.last_order_days_max))
        AND (v_rule.value_min IS NULL
            OR (a.order_values ->> v_rule.currency)::numeric >= v_rule.value_min)
    ORDER BY 1;
    GET DIAGNOSTICS v_people = ROW_COUNT;
    INSERT INTO gateway.audience_export (exported_by, company_id, audience, rule, channel,
        subscription_type, hashed_for, people, projected)
    SELECT session_user, p_company, v_rule.name, jsonb_strip_nulls(to_jsonb(v_rule)), p_channel,
           p_subscription_type, p_hash, v_people, s.projected
    FROM gateway.projection_state s;
END $$;
COMMENT ON FUNCTION gateway.export_audience IS
    'The addresses of an audience (report.audiences) that may be written to now, and a row of '
    'gateway.audience_export. p_hash: null, meta, google or tiktok.';
