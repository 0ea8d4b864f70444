-- Where a person is written, however it is spelt: escaped in a URL or in JSON, once or again.

-- Bytes as text, a byte beyond ASCII as \303, in lower case, without the escapes of URLs (%40) and
-- JSON (\u0040), be they escaped in turn.
CREATE OR REPLACE FUNCTION gateway.plain_text(p_bytes bytea) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_text  text := replace(encode(p_bytes, 'escape'), '\\', '\');
    v_plain text;
BEGIN
    FOR i IN 1..5 LOOP
        EXIT WHEN v_text !~* '%[0-9a-f]{2}|\\u[0-9a-f]{4}';
        SELECT string_agg(CASE
                   WHEN m.part[1] ~* '^%[0-9a-f]{2}$' AND right(m.part[1], 2) <> '00'
                       THEN encode(decode(right(m.part[1], 2), 'hex'), 'escape')
                   WHEN m.part[1] ~* '^\\+u[0-9a-f]{4}$' AND m.part[1] !~* '(0000|d[89a-f]..)$'
                       THEN encode(convert_to(chr(('x' || right(m.part[1], 4))::bit(16)::integer),
                                              'UTF8'), 'escape')
                   ELSE m.part[1] END, '' ORDER BY m.n)
        INTO v_plain
        FROM regexp_matches(v_text, '(%[0-9a-f]{2}|\\+u[0-9a-f]{4}|[^%\\]+|.)', 'gi')
            WITH ORDINALITY AS m (part, n);
        v_plain := replace(v_plain, '\\', '\');
        EXIT WHEN v_plain = v_text;
        v_text := v_plain;
    END LOOP;
    RETURN lower(v_text);
END $$;
COMMENT ON FUNCTION gateway.plain_text IS
    'A text without the escapes of URLs and JSON, in lower case, to look for somebody in.';

-- The company that a refused body names; null when it names none. What PostgreSQL cannot read as
-- JSON (a NUL, half of a body) is asked for its first company_id.
CREATE OR REPLACE FUNCTION gateway.company_of_body(p_body bytea) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN btrim(convert_from(p_body, 'UTF8')::json #>> '{company,company_id}');
EXCEPTION
    WHEN OTHERS THEN
        RETURN btrim(substring(encode(p_body, 'escape') FROM '"company_id"\s*:\s*"([^"\\]+)"'));
END $$;
COMMENT ON FUNCTION gateway.company_of_body IS
    'The company_id that the body of a refused delivery names.';

-- The rule of src/attentive/masking.cpp: whether a text is a phone number, be it without its plus.
CREATE OR REPLACE FUNCTION gateway.is_number(p_text text, p_phones jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p_text ~ '^[-0-9+(). ]+$'
        AND (gateway.normal_identifier('phone', p_text) IS NOT NULL
            OR x.digits ~ '^1?[2-9](?!11)[0-9]{2}[2-9](?!11)[0-9]{6}$'
            OR length(ltrim(x.digits, '0')) >= 7 AND EXISTS (
                SELECT FROM jsonb_array_elements_text(p_phones) AS p (phone)
                WHERE right(p.phone, length(ltrim(x.digits, '0'))) = ltrim(x.digits, '0')))
    FROM translate(p_text, ' ().-', '') AS x (digits)
$$;
COMMENT ON FUNCTION gateway.is_number IS
    'Whether a text is a phone number: with plus, of North America, or the end of one of p_phones.';

DROP FUNCTION IF EXISTS gateway.masked(text);
CREATE OR REPLACE FUNCTION gateway.masked(p_text text, p_phones jsonb DEFAULT '[]') RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_out   text := '';
    v_rest  text := p_text;
    v_part  text;
    v_plain text;
    v_named integer; -- length of the address or number that v_rest begins with
BEGIN
    IF p_text !~ '[@%]' AND p_text !~ '([0-9][^0-9]*){7}' THEN
        RETURN p_text;
    END IF;
    WHILE v_rest <> '' LOOP
        v_part := substring(v_rest FROM '^[^/?&= ,;:!]*');
        v_plain := CASE WHEN v_part LIKE '%\%%'
            THEN gateway.plain_text(convert_to(v_part, 'UTF8')) END;
        v_named := CASE WHEN CASE WHEN v_plain <> lower(v_part)
                THEN gateway.masked(v_plain, p_phones) <> v_plain
            WHEN v_part LIKE '%@%' THEN gateway.normal_identifier('email', v_part) IS NOT NULL
            ELSE gateway.is_number(v_part, p_phones) END THEN length(v_part) ELSE 0 END;
        WHILE v_part ~ '^[-0-9+(). ]{1,39}$'
            AND substr(v_rest, length(v_part) + 1, 1) = ' ' LOOP -- it may go on behind a blank
            v_part := v_part || ' '
                || substring(substr(v_rest, length(v_part) + 2) FROM '^[^/?&= ,;:!]*');
            IF gateway.is_number(v_part, p_phones) THEN
                v_named := length(v_part);
            END IF;
        END LOOP;
        v_part := CASE v_named WHEN 0 THEN substring(v_rest FROM '^[^/?&= ,;:!]*')
                               ELSE left(v_rest, v_named) END;
        v_out := v_out || CASE v_named WHEN 0 THEN v_part ELSE '***' END
            || substr(v_rest, length(v_part) + 1, 1);
        v_rest := substr(v_rest, length(v_part) + 2);
    END LOOP;
    RETURN v_out;
END $$;
COMMENT ON FUNCTION gateway.masked IS
    'A text with *** for what is an e-mail address or phone number in it; p_phones are whose '
    'digits without plus are one, too.';

-- How an identifier may be written: a phone number with separators, and one of North America also
-- without its country code.
CREATE OR REPLACE FUNCTION gateway.spelling(p_kind text, p_value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE p_kind
    WHEN 'phone' THEN regexp_replace(regexp_replace(p_value, '^\+1?', ''), '(\d)(?=\d)',
                                     '\1[^0-9a-z"'',;:]{0,3}', 'g')
    ELSE regexp_replace(lower(replace(encode(convert_to(p_value, 'UTF8'), 'escape'), '\\', '\')),
                        '([^a-z0-9@ _-])', '\\\1', 'g') END;
COMMENT ON FUNCTION gateway.spelling IS
    'A regular expression that finds an identifier in a gateway.plain_text.';

-- Whether a text holds an identifier of those who are erased.
CREATE OR REPLACE FUNCTION gateway.has_trace(p_bytes bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    RETURN gateway.plain_text(p_bytes) ~ t.pattern FROM pg_temp.erased_trace t;
END $$;
COMMENT ON FUNCTION gateway.has_trace(bytea) IS
    'Whether a text holds an identifier that find_erased found, in any escape.';

CREATE OR REPLACE FUNCTION gateway.has_trace(p_text text) RETURNS boolean
LANGUAGE sql STABLE
RETURN gateway.has_trace(convert_to(p_text, 'UTF8'));
COMMENT ON FUNCTION gateway.has_trace(text) IS 'As that of bytes.';

-- What an identifier may hide behind: escapes of ASCII, and of more where it has more. A space is
-- in no identifier but between the digits of a phone number, and most URLs have no other.
CREATE OR REPLACE FUNCTION gateway.escapes_of(p_pattern text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_pattern ~ '\\\\[0-7]{3}' THEN '%[0-9a-f]{2}|[^\x01-\x7f]'
            ELSE '%2[1-9a-e]|%[3-7][0-9a-f]|[0-9]{3}\)?%20' END || '|\\u[0-9a-f]{4}';
COMMENT ON FUNCTION gateway.escapes_of IS
    'A regular expression of escapes in which a gateway.spelling may be written.';

-- What an event says in its own words: every column of text.
DROP FUNCTION IF EXISTS gateway.words_of(gateway.source_event);
CREATE FUNCTION gateway.words_of(e gateway.source_event) RETURNS text
LANGUAGE sql STABLE
RETURN concat_ws(' ', e.order_id, e.company_name, e.subscription_type, e.creative_name,
    e.creative_type, e.creative_subtype, e.message_id, e.message_type, e.message_name,
    e.message_subject, e.message_text, e.message_channel, e.business_address,
    e.recipient_address, e.link_id, e.link_url, e.link_host, e.link_path, e.utm_source,
    e.utm_medium, e.utm_campaign, e.utm_content, e.utm_term, e.attribute_id, e.attribute_name,
    e.attribute_value, e.discount_code, e.extra::text);
COMMENT ON FUNCTION gateway.words_of IS 'All of an event that may name a person.';

-- The planner's samples of a column may hold who was erased, and autovacuum comes to no old month
-- again. Tables whose samples do are sampled anew.
CREATE OR REPLACE FUNCTION gateway.forget_samples() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_table text;
BEGIN
    FOR v_table IN
        SELECT DISTINCT s.tablename
        FROM pg_stats s
        CROSS JOIN LATERAL concat_ws(' ', s.most_common_vals::text, s.histogram_bounds::text,
                                     s.most_common_elems::text) AS sampled
        WHERE s.schemaname = 'gateway'
          AND (gateway.has_trace(sampled) OR EXISTS (
              SELECT FROM pg_temp.erased_subscriber o
              WHERE position(o.old_id::text IN sampled) > 0))
    LOOP
        EXECUTE format('ANALYZE gateway.%I', v_table);
    END LOOP;
END $$;
COMMENT ON FUNCTION gateway.forget_samples IS
    'Lets the planner forget those whom find_erased found.';

-- What is left of identifiers: whether two of one erased profile were the same, for whatever joined
-- them has to join them still when the read models are made again. The salt is kept nowhere.
CREATE OR REPLACE FUNCTION gateway.erased_identifiers(p_identifiers jsonb, p_salt text)
RETURNS jsonb LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT jsonb_object_agg('erased:' || t.kind, t.tokens)
    FROM (SELECT j.key AS kind,
                 jsonb_agg(md5(p_salt || j.key || v.value)
                           ORDER BY md5(p_salt || j.key || v.value) COLLATE "C") AS tokens
          FROM jsonb_each(p_identifiers) AS j
          CROSS JOIN jsonb_array_elements_text(j.value) AS v (value)
          WHERE EXISTS (SELECT FROM gateway.identity_rule r WHERE r.kind = 'erased:' || j.key)
          GROUP BY j.key) t;
END;
COMMENT ON FUNCTION gateway.erased_identifiers IS
    'Tokens in the place of identifiers, by a salt of the profile.';

-- SECURITY DEFINER: who projects may not know the key.
DROP FUNCTION IF EXISTS gateway.erased_with(text, text, text);
CREATE FUNCTION gateway.erased_with(p_company text, p_kind text, p_value text)
RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN gateway.has_erased() THEN ARRAY(
    SELECT v.subscriber_id FROM gateway.erased_value v
    WHERE v.company_id = p_company
      AND v.digest = gateway.keyed_digest(p_kind || chr(31) || p_value))
    ELSE '{}' END;
COMMENT ON FUNCTION gateway.erased_with IS
    'Those of a value''s subscribers who were erased while others had it, too.';
