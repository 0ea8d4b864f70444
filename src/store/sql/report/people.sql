-- The views of schema report_pii: phone, e-mail and texts in clear.

-- Of several phones or addresses the one that the newest event has, which the log knows.
CREATE OR REPLACE FUNCTION gateway.newest_identifier(i gateway.identity, p_kind text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_array_length((i).identifiers -> p_kind) > 1
        THEN coalesce(
            (SELECT e.identifiers -> p_kind ->> -1 FROM gateway.source_event e
             WHERE e.company_id = (i).company_id AND e.subscriber_id = (i).subscriber_id
               AND e.identifiers ? p_kind
             ORDER BY e.occurred_at DESC, e.event_id DESC LIMIT 1),
            (i).identifiers -> p_kind ->> -1)
        ELSE (i).identifiers -> p_kind ->> 0 END;
END;
COMMENT ON FUNCTION gateway.newest_identifier IS
    'The phone or e-mail of a subscriber''s newest event with one; the last by alphabet once the '
    'log has none of them any more.';

CREATE OR REPLACE FUNCTION gateway.text_array(p_list jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_list IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(p_list)) END;
COMMENT ON FUNCTION gateway.text_array IS 'A JSON array of strings as an array; null of null.';

CREATE OR REPLACE VIEW report_pii.subscriber WITH (security_invoker = true) AS
SELECT i.company_id, i.profile_id, i.subscriber_id,
       i.identifiers -> 'attentive_external_id' ->> -1 AS external_id,
       gateway.newest_identifier(i, 'phone') AS phone,
       gateway.newest_identifier(i, 'email') AS email,
       gateway.text_array(i.identifiers -> 'client_user_id') AS client_user_ids,
       gateway.text_array(i.identifiers -> 'shopify_id') AS shopify_ids,
       gateway.text_array(i.identifiers -> 'klaviyo_id') AS klaviyo_ids,
       i.first_seen_at,
       (SELECT e.occurred_at FROM gateway.source_event e
        WHERE e.company_id = i.company_id AND e.subscriber_id = i.subscriber_id
        ORDER BY e.occurred_at DESC LIMIT 1) AS last_seen_at
FROM gateway.identity i
WHERE EXISTS (SELECT FROM jsonb_object_keys(i.identifiers) AS k (kind)
              WHERE k.kind NOT LIKE 'erased:%');
SELECT gateway.describe('report_pii.subscriber',
    'Who a subscriber is: the newest phone and e-mail, and the ids of other systems. Personal '
    'data.', ARRAY[
    ['external_id', 'Attentive''s external_id. Personal data.'],
    ['phone', 'Phone number of the newest event with one, E.164. Personal data.'],
    ['email', 'E-mail address of the newest event with one. Personal data.'],
    ['client_user_ids', 'Ids that the client gave. Personal data.'],
    ['shopify_ids', 'Ids of Shopify. Personal data.'],
    ['klaviyo_ids', 'Ids of Klaviyo. Personal data.'],
    ['first_seen_at', 'occurred_at of the oldest event.'],
    ['last_seen_at', 'occurred_at of the newest event.']],
    '{report.source_event}');

-- Whoever has one address decided on it. Of whoever has several an opt-out is one of them all, and
-- an opt-in of what its event gives, which the log knows.
CREATE OR REPLACE VIEW report_pii.address_consent WITH (security_invoker = true) AS
WITH owner AS (
    SELECT i.company_id, i.subscriber_id, i.profile_id, k.channel, k.kind, k.recipient_id,
           i.identifiers -> k.kind AS addresses
    FROM gateway.identity i
    CROSS JOIN LATERAL (VALUES ('sms', 'phone', i.sms_to), ('email', 'email', i.email_to))
        AS k (channel, kind, recipient_id)
    WHERE i.identifiers ? k.kind)
SELECT DISTINCT ON (o.company_id, o.channel, d.address, d.subscription_type)
       o.company_id, o.channel, d.address, d.subscription_type,
       d.decision = 'granted' AS is_subscribed, d.decided_at, o.profile_id, o.subscriber_id,
       d.decided_by AS evidence_event_id
FROM owner o
CROSS JOIN LATERAL (
    SELECT o.addresses ->> 0 AS address, c.subscription_type, c.decision, c.decided_at,
           c.decided_by
    FROM gateway.consent c
    WHERE jsonb_array_length(o.addresses) = 1 AND c.company_id = o.company_id
        AND c.subscriber_id = o.subscriber_id AND c.channel = o.channel
    UNION ALL
    SELECT a.address, k.subscription_type, k.decision, k.occurred_at, k.event_id
    FROM gateway.subscribers_of(o.company_id, o.profile_id) n
    CROSS JOIN LATERAL (
        SELECT x.* FROM gateway.consent_decision x
        WHERE x.company_id = o.company_id AND x.subscriber_id = n.subscriber_id
            AND x.channel = o.channel
            AND (x.decision = 'revoked' OR x.subscriber_id = o.subscriber_id)
        OFFSET 0) k -- a join would walk the company
    CROSS JOIN LATERAL jsonb_array_elements_text(o.addresses) AS a (address)
    WHERE jsonb_array_length(o.addresses) > 1
        AND CASE WHEN k.decision = 'granted' THEN EXISTS (
                   SELECT FROM (SELECT e.event_id, e.identifiers FROM gateway.source_event e
                                WHERE e.company_id = o.company_id
                                    AND e.subscriber_id = o.subscriber_id
                                    AND e.action = 'subscribed' OFFSET 0) e
                   WHERE e.event_id = k.event_id
                       AND (e.identifiers -> o.kind ? a.address) IS NOT FALSE)
               ELSE k.subscriber_id = o.subscriber_id OR o.recipient_id = (
                   SELECT CASE o.channel WHEN 'sms' THEN m.sms_to ELSE m.email_to END
                   FROM gateway.identity m
                   WHERE m.company_id = o.company_id AND m.subscriber_id = k.subscriber_id) END) d
ORDER BY o.company_id, o.channel, d.address, d.subscription_type, d.decided_at DESC,
         d.decision DESC, d.decided_by DESC, o.subscriber_id;
SELECT gateway.describe('report_pii.address_consent',
    'Whether a phone number or e-mail address may be written to: the last decision that concerns '
    'it, of any subscriber who was seen with it. An opt-in is one of the address that its event '
    'gives, or of all when it gives none; an opt-out one of all addresses of those whom it '
    'reaches. Of whoever has several, an opt-in that the log has no more is one of none. Join an '
    'export on the address. Personal data.', ARRAY[
    ['address', 'Phone number (E.164) or e-mail address. Personal data.'],
    ['is_subscribed', 'Whether that decision is an opt-in; an opt-out wins a tie.'],
    ['decided_at', 'When it was decided.'],
    ['subscriber_id', 'A subscriber whom it reaches.'],
    ['evidence_event_id', 'event_id of that decision: the proof in the log.']],
    '{gateway.consent,report.source_event}');

-- A function, because its arguments are looked up by their hash.
CREATE OR REPLACE FUNCTION report_pii.timeline_of(p_company_id text, p_kind text, p_value text)
RETURNS TABLE (
    profile_id uuid, subscriber_id uuid, occurred_at timestamptz, event_name text, channel text,
    source text, message_key text, message_subject text, message_text text, keyword_class text,
    link_url text, utm_campaign text, attribute_name text, attribute_value text, order_id text,
    order_value numeric, currency text, event_id uuid)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT p.profile_id, e.subscriber_id, e.occurred_at, e.event_name, e.channel, e.source,
           e.message_key, e.message_subject, e.message_text, e.keyword_class, e.link_url,
           e.utm_campaign, e.attribute_name, e.attribute_value, e.order_id, e.order_value,
           e.currency, e.event_id
    FROM (SELECT DISTINCT w.profile_id
          FROM gateway.subscribers_with(p_company_id, p_kind,
                   gateway.normal_identifier(p_kind, p_value)) w) p
    CROSS JOIN LATERAL gateway.subscribers_of(p_company_id, p.profile_id) n
    JOIN gateway.source_event e
        ON e.company_id = p_company_id AND e.subscriber_id = n.subscriber_id;
END;
COMMENT ON FUNCTION report_pii.timeline_of IS
    'Everything of the person with a phone, e-mail or id, with texts. Personal data.';

CREATE OR REPLACE VIEW report_pii.inbound_messages WITH (security_invoker = true) AS
SELECT r.*, e.message_text
FROM report.inbound_messages r
JOIN gateway.source_event e ON e.company_id = r.company_id AND e.occurred_at = r.occurred_at
    AND e.event_id = r.event_id;
SELECT gateway.describe('report_pii.inbound_messages',
    'report.inbound_messages with what was written. Personal data.');
