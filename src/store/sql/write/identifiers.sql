-- The rules of src/attentive/identifiers.cpp, said once more in SQL: a shop that knows a phone or
-- an e-mail meets the subscriber of the messages.

-- One identifier in its normal form, as the gateway stores it; null when it identifies nobody.
CREATE OR REPLACE FUNCTION gateway.normal_identifier(p_kind text, p_value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN p_kind = 'phone' THEN (
            SELECT CASE WHEN x ~ '^\+[1-9][0-9]{6,14}$' THEN x END
            FROM translate(p_value, E' \t\n\v\f\r\u00a0().-', '') AS x)
        WHEN p_kind = 'email' THEN (
            SELECT CASE WHEN octet_length(x) <= 254 AND x !~ E'[ \t\n\v\f\r\u00a0]'
                         AND x ~ '^[^@]+@[^@][^@.]*\.[^@]+$' THEN x END
            FROM lower(btrim(p_value, E' \t\n\v\f\r\u00a0') COLLATE "C") AS x)
        ELSE (
            SELECT CASE WHEN octet_length(x) <= 200 AND x !~ '^[0-]*$'
                         AND lower(x COLLATE "C") NOT IN
                             ('null', 'none', 'undefined', 'anonymous', 'n/a', '-1') THEN x END
            FROM btrim(p_value, E' \t\n\v\f\r\u00a0') AS x)
        END
$$;
COMMENT ON FUNCTION gateway.normal_identifier IS
    'The one form in which an identifier is stored; null when the value identifies nobody.';

-- The id of an event or subscriber: 122 bits of the SHA-256 of its text, as uuid version 8.
CREATE OR REPLACE FUNCTION gateway.digest_id(p_text text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT encode(set_byte(set_byte(d, 6, get_byte(d, 6) & 15 | 128), 8,
                           get_byte(d, 8) & 63 | 128), 'hex')::uuid
    FROM substr(sha256(convert_to(p_text, 'UTF8')), 1, 16) AS d
$$;
COMMENT ON FUNCTION gateway.digest_id IS
    'uuid version 8 of a text''s SHA-256, as the gateway makes its ids.';

-- The subscriber of normalised identifiers (kind to list of values).
CREATE OR REPLACE FUNCTION gateway.derive_subscriber_id(p_company_id text, p_identifiers jsonb)
RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT gateway.digest_id(p_company_id || chr(31) || k.kind || chr(31)
               || (SELECT min(v COLLATE "C") FROM jsonb_array_elements_text(k.list) AS v))
    FROM jsonb_each(p_identifiers) AS k (kind, list)
    ORDER BY array_position(ARRAY['attentive_external_id', 'phone', 'email', 'client_user_id',
                                  'shopify_id', 'klaviyo_id'], k.kind), k.kind COLLATE "C"
    LIMIT 1
$$;
COMMENT ON FUNCTION gateway.derive_subscriber_id IS
    'subscriber_id from company and strongest identifier, as the gateway derives it.';

-- Identifiers as a caller gives them, {"email": "a@b.c", "phone": ["+1...", "+1..."]}, in their
-- normal form and order; flags names the kinds of values that identify nobody.
CREATE OR REPLACE FUNCTION gateway.normal_identifiers(
    p_given jsonb, OUT identifiers jsonb, OUT flags text[])
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_kind  text;
    v_given jsonb;
    v_list  jsonb;
    v_value text;
    v_good  text[];
BEGIN
    identifiers := '{}';
    flags := '{}';
    IF jsonb_typeof(p_given) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'identifiers must be a JSON object, such as {"email": "jane@example.com"}'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR v_kind, v_given IN SELECT key, value FROM jsonb_each(p_given) LOOP
        IF v_kind NOT IN ('attentive_external_id', 'phone', 'email', 'client_user_id',
                          'shopify_id', 'klaviyo_id') AND v_kind !~ '^custom:.+' THEN
            RAISE EXCEPTION 'identifiers: unknown kind %', v_kind
                USING ERRCODE = 'invalid_parameter_value',
                      HINT = 'Known: attentive_external_id, phone, email, client_user_id, '
                          'shopify_id, klaviyo_id, custom:<name>.';
        END IF;
        v_list := CASE jsonb_typeof(v_given) WHEN 'array' THEN v_given
                                             ELSE jsonb_build_array(v_given) END;
        v_good := '{}';
        FOR v_given IN SELECT value FROM jsonb_array_elements(v_list) LOOP
            v_value := v_given #>> '{}';
            CONTINUE WHEN v_value IS NULL OR btrim(v_value, E' \t\n\v\f\r\u00a0') = '';
            IF jsonb_typeof(v_given) NOT IN ('string', 'number')
                OR (jsonb_typeof(v_given) = 'number' AND v_value !~ '^-?[0-9]+$') THEN
                RAISE EXCEPTION 'identifiers: % must be a string, an integer or a list of them',
                    v_kind USING ERRCODE = 'invalid_parameter_value';
            END IF;
            v_value := gateway.normal_identifier(v_kind, v_value);
            IF v_value IS NULL THEN
                flags := flags || (split_part(v_kind, ':', 1) || '_invalid');
            ELSE
                v_good := v_good || v_value;
            END IF;
        END LOOP;
        IF cardinality(v_good) > 0 THEN
            identifiers := identifiers || jsonb_build_object(v_kind,
                (SELECT to_jsonb(array_agg(DISTINCT v COLLATE "C")) FROM unnest(v_good) AS v));
        END IF;
    END LOOP;
    flags := ARRAY(SELECT DISTINCT f COLLATE "C" FROM unnest(flags) AS f ORDER BY 1);
END $$;
COMMENT ON FUNCTION gateway.normal_identifiers IS
    'Identifiers in their normal form, and flags for those that identify nobody.';
