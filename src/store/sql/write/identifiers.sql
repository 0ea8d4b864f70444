-- The rules of src/attentive/identifiers.cpp, said once more in SQL: a shop that knows a phone or
-- an e-mail meets the subscriber of the messages.

-- One identifier in its normal form, as the gateway stores it; null when it identifies nobody. One
-- expression, without a subquery and a setting of its own: the planner puts it in the place of the
-- call. And what has nothing to be taken away, as nearly all, is not asked for it: both because
-- events come by the thousand.
CREATE OR REPLACE FUNCTION gateway.normal_identifier(p_kind text, p_value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE p_kind
    WHEN 'phone' THEN
        CASE WHEN p_value ~ '^\+[1-9][0-9]{6,14}$' THEN p_value
        ELSE substring(translate(p_value, E' \t\n\v\f\r\u00a0().-', '')
                       FROM '^\+[1-9][0-9]{6,14}$') END
    WHEN 'email' THEN
        CASE WHEN p_value ~ '^[!-?A-~]+@[!-?A-~][!-,/-?A-~-]*\.[!-?A-~]+$'
             AND octet_length(p_value) <= 254
        THEN lower(p_value COLLATE "C")
        WHEN octet_length(btrim(p_value, E' \t\n\v\f\r\u00a0')) <= 254
             AND btrim(p_value, E' \t\n\v\f\r\u00a0') !~ E'[ \t\n\v\f\r\u00a0]'
             AND btrim(p_value, E' \t\n\v\f\r\u00a0') ~ '^[^@]+@[^@][^@.]*\.[^@]+$'
        THEN lower(btrim(p_value, E' \t\n\v\f\r\u00a0') COLLATE "C") END
    ELSE
        CASE WHEN p_value ~ '^[!-~]{10,200}$' AND p_value !~ '^[0-]*$'
        THEN p_value
        WHEN octet_length(btrim(p_value, E' \t\n\v\f\r\u00a0')) <= 200
             AND btrim(p_value, E' \t\n\v\f\r\u00a0') !~ '^[0-]*$'
             AND lower(btrim(p_value, E' \t\n\v\f\r\u00a0') COLLATE "C") NOT IN
                 ('null', 'none', 'undefined', 'anonymous', 'n/a', '-1')
        THEN btrim(p_value, E' \t\n\v\f\r\u00a0') END
    END;
COMMENT ON FUNCTION gateway.normal_identifier IS
    'The one form in which an identifier is stored; null when the value identifies nobody.';

-- One expression, for the same reason.
CREATE OR REPLACE FUNCTION gateway.id_of_digest(p_sha256 bytea) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN encode(set_byte(set_byte(substr(p_sha256, 1, 16),
    6, get_byte(p_sha256, 6) & 15 | 128), 8, get_byte(p_sha256, 8) & 63 | 128), 'hex')::uuid;
COMMENT ON FUNCTION gateway.id_of_digest IS
    'uuid version 8 of the first 122 bits of a SHA-256, as the gateway makes its ids.';

-- The id of an event or subscriber: 122 bits of the SHA-256 of its text, as uuid version 8.
CREATE OR REPLACE FUNCTION gateway.digest_id(p_text text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT gateway.id_of_digest(sha256(convert_to(p_text, 'UTF8')))
$$;
COMMENT ON FUNCTION gateway.digest_id IS
    'uuid version 8 of a text''s SHA-256, as the gateway makes its ids.';

CREATE OR REPLACE FUNCTION gateway.identifier_kinds() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{attentive_external_id,phone,email,client_user_id,shopify_id,klaviyo_id,anonymous_id}'
    ::text[];
COMMENT ON FUNCTION gateway.identifier_kinds IS
    'Kinds of identifiers but custom ones, the strongest first.';

-- The subscriber of normalised identifiers (kind to list of values).
CREATE OR REPLACE FUNCTION gateway.derive_subscriber_id(p_company_id text, p_identifiers jsonb)
RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT gateway.digest_id(p_company_id || chr(31) || k.kind || chr(31)
               || (SELECT min(v COLLATE "C") FROM jsonb_array_elements_text(k.list) AS v))
    FROM jsonb_each(p_identifiers) AS k (kind, list)
    ORDER BY array_position(gateway.identifier_kinds(), k.kind), k.kind COLLATE "C"
    LIMIT 1
$$;
COMMENT ON FUNCTION gateway.derive_subscriber_id IS
    'subscriber_id from company and strongest identifier, as the gateway derives it.';
