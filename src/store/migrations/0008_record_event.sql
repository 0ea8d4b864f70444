-- Events of other sources (a shop's site, its order system) in the same log, through one function.
-- Identifiers go through the rules of src/attentive/identifiers.cpp, said once more in SQL: a shop
-- that knows a phone or an e-mail meets the subscriber of the messages.

-- One identifier in its normal form, as the gateway stores it; null when it identifies nobody.
CREATE FUNCTION gateway.normal_identifier(p_kind text, p_value text) RETURNS text
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
COMMENT ON FUNCTION gateway.normal_identifier(text, text) IS
    'The one form in which an identifier is stored; null when the value identifies nobody.';

-- The id of an event or subscriber: 122 bits of the SHA-256 of its text, as uuid version 8.
CREATE FUNCTION gateway.digest_id(p_text text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT encode(set_byte(set_byte(d, 6, get_byte(d, 6) & 15 | 128), 8,
                           get_byte(d, 8) & 63 | 128), 'hex')::uuid
    FROM substr(sha256(convert_to(p_text, 'UTF8')), 1, 16) AS d
$$;
COMMENT ON FUNCTION gateway.digest_id(text) IS 'uuid version 8 of a text''s SHA-256, as the gateway makes its ids.';

-- The subscriber of normalised identifiers (kind to list of values).
CREATE FUNCTION gateway.derive_subscriber_id(p_company_id text, p_identifiers jsonb) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT gateway.digest_id(p_company_id || chr(31) || k.kind || chr(31)
               || (SELECT min(v COLLATE "C") FROM jsonb_array_elements_text(k.list) AS v))
    FROM jsonb_each(p_identifiers) AS k (kind, list)
    ORDER BY array_position(ARRAY['attentive_external_id', 'phone', 'email', 'client_user_id',
                                  'shopify_id', 'klaviyo_id'], k.kind), k.kind COLLATE "C"
    LIMIT 1
$$;
COMMENT ON FUNCTION gateway.derive_subscriber_id(text, jsonb) IS
    'subscriber_id from company and strongest identifier, as the gateway derives it.';

-- Identifiers as a caller gives them, {"email": "a@b.c", "phone": ["+1...", "+1..."]}, in their
-- normal form and order; flags names the kinds of values that identify nobody.
CREATE FUNCTION gateway.normal_identifiers(p_given jsonb, OUT identifiers jsonb, OUT flags text[])
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
                      HINT = 'Known: attentive_external_id, phone, email, client_user_id, shopify_id, klaviyo_id, custom:<name>.';
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
COMMENT ON FUNCTION gateway.normal_identifiers(jsonb) IS
    'Identifiers in their normal form, and flags for those that identify nobody.';

-- Records one event and returns its id. The id is a digest of the content: the same call again
-- changes nothing, so callers may retry whatever they are not sure of. All calls of a transaction
-- are one batch. SECURITY DEFINER: callers need this function and no table.
CREATE FUNCTION gateway.record_event(
    p_source text, p_event_name text, p_company_id text, p_occurred_at timestamptz,
    p_identifiers jsonb, p_page_url text DEFAULT NULL, p_order_id text DEFAULT NULL,
    p_order_value numeric DEFAULT NULL, p_currency text DEFAULT NULL)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
    v_at         timestamptz(3) := date_trunc('milliseconds', p_occurred_at);
    v_company    text := btrim(p_company_id, E' \t\n\v\f\r\u00a0');
    v_value      numeric := trim_scale(p_order_value);
    v_url        text[] := regexp_match(p_page_url, '^https?://(?:[^/?#@]*@)?([^/?#:]+)(?::[0-9]*)?(/[^?#]*)?', 'i');
    v_ids        jsonb;
    v_flags      text[];
    v_event      uuid;
    v_subscriber uuid;
    v_batch      bigint := nullif(current_setting('gateway.recorded_batch', true), '')::bigint;
BEGIN
    IF p_source IS NULL OR p_source !~ '^[a-z][a-z0-9_.-]{0,49}$' OR p_source = 'attentive' THEN
        RAISE EXCEPTION 'source must name the recording system in lower case, such as shop; attentive is the gateway''s own'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF p_event_name IS NULL OR p_event_name NOT IN ('page.viewed', 'order.completed') THEN
        RAISE EXCEPTION 'event_name must be page.viewed or order.completed'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF v_company IS NULL OR octet_length(v_company) NOT BETWEEN 1 AND 200 THEN
        RAISE EXCEPTION 'company_id must be the company_id of Attentive''s events, 1 to 200 bytes'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF v_at IS NULL OR v_at < '2012-01-01' OR v_at >= '2100-01-01' THEN
        RAISE EXCEPTION 'occurred_at must be a time from 2012 to 2099'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF p_page_url IS NOT NULL AND v_url IS NULL THEN
        RAISE EXCEPTION 'page_url must begin with http:// or https:// and a host'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF p_event_name = 'page.viewed' AND (p_page_url IS NULL OR p_order_id IS NOT NULL
            OR p_order_value IS NOT NULL OR p_currency IS NOT NULL) THEN
        RAISE EXCEPTION 'page.viewed takes a page_url, and no order'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF p_event_name = 'order.completed' AND (coalesce(btrim(p_order_id), '') = ''
            OR octet_length(p_order_id) > 200 OR v_value IS NULL OR v_value < 0
            OR v_value >= 1e15 OR v_value = 'NaN' OR coalesce(p_currency, '') !~ '^[A-Z]{3}$') THEN
        RAISE EXCEPTION 'order.completed needs order_id, order_value (0 or more) and currency (ISO 4217, such as USD)'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    SELECT n.identifiers, n.flags INTO v_ids, v_flags FROM gateway.normal_identifiers(p_identifiers) n;
    IF v_ids = '{}' THEN
        v_flags := v_flags || 'subscriber_missing'::text;
    ELSE
        v_subscriber := gateway.derive_subscriber_id(v_company, v_ids);
    END IF;
    v_event := gateway.digest_id(jsonb_build_array(p_source, p_event_name, v_company,
        (extract(epoch FROM v_at) * 1000)::bigint, v_ids, p_page_url, p_order_id, v_value,
        p_currency)::text);

    IF gateway.is_erased(v_company, v_subscriber, v_at) THEN
        RETURN v_event;
    END IF;

    IF to_regclass('gateway.source_event_' || to_char(v_at, 'YYYY_MM')) IS NULL THEN
        PERFORM gateway.ensure_partitions('source_event', ARRAY[v_at]);
    END IF;
    IF NOT EXISTS (SELECT FROM gateway.batch b WHERE b.batch_id = v_batch
                   AND b.xmin = pg_current_xact_id()::xid) THEN
        v_batch := nextval('gateway.batch_id');
    END IF;
    INSERT INTO gateway.source_event (
        company_id, occurred_at, event_id, event_name, channel, action, source,
        source_event_type, subscriber_id, identifiers, link_host, link_path, order_id,
        order_value, currency, received_at, batch_id, mapping_version, quality_flags)
    VALUES (v_company, v_at, v_event, p_event_name, 'web', split_part(p_event_name, '.', 2),
        p_source, p_event_name, v_subscriber, nullif(v_ids, '{}'), lower(v_url[1]), v_url[2],
        p_order_id, v_value, p_currency, clock_timestamp(), v_batch, 1, v_flags)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        INSERT INTO gateway.batch AS b (batch_id, writer, events, duplicates, quarantined)
        VALUES (v_batch, 'record_event/' || session_user, 1, 0, 0)
        ON CONFLICT (batch_id) DO UPDATE SET events = b.events + 1,
            committed_at = clock_timestamp();
        PERFORM set_config('gateway.recorded_batch', v_batch::text, true);
    END IF;
    RETURN v_event;
END $$;
COMMENT ON FUNCTION gateway.record_event(text, text, text, timestamptz, jsonb, text, text, numeric,
    text) IS
    'Records page.viewed or order.completed of another source and returns the event''s id; the same content again changes nothing. Keeps host and path of the page, not its query.';

REVOKE ALL ON FUNCTION gateway.record_event(text, text, text, timestamptz, jsonb, text, text,
    numeric, text) FROM PUBLIC;
