-- Where a person is written, however it is spelt: escaped in a URL or in JSON, once or again.

-- Bytes as text, a character a byte, in lower case, without the escapes of URLs (%40) and of ASCII
-- in JSON (\u0040), be they escaped in turn.
CREATE OR REPLACE FUNCTION gateway.plain_text(p_bytes bytea) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_text  text := replace(encode(p_bytes, 'escape'), '\\', '\');
    v_plain text;
BEGIN
    FOR i IN 1..5 LOOP
        EXIT WHEN v_text !~* '%[0-7][0-9a-f]|\\u00[0-7][0-9a-f]';
        SELECT string_agg(CASE
                   WHEN m.part[1] ~* '^(%[0-7][0-9a-f]|\\+u00[0-7][0-9a-f])$'
                       AND right(m.part[1], 2) <> '00'
                       THEN chr(('x' || right(m.part[1], 2))::bit(8)::integer)
                   ELSE m.part[1] END, '' ORDER BY m.n)
        INTO v_plain
        FROM regexp_matches(v_text, '(%[0-7][0-9a-f]|\\+u00[0-7][0-9a-f]|[^%\\]+|.)', 'gi')
            WITH ORDINALITY AS m (part, n);
        EXIT WHEN v_plain = v_text;
        v_text := v_plain;
    END LOOP;
    RETURN lower(v_text);
END $$;
COMMENT ON FUNCTION gateway.plain_text IS
    'A text without the escapes of URLs and JSON, in lower case, to look for somebody in.';

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

-- Whether a text holds an identifier of those who are erased. Short ids would be found in
-- everybody's.
CREATE OR REPLACE FUNCTION gateway.has_trace(p_bytes bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_text text := gateway.plain_text(p_bytes);
BEGIN
    RETURN EXISTS (
        SELECT FROM pg_temp.erased_identifier i
        WHERE (i.kind IN ('phone', 'email') OR octet_length(i.value) >= 6)
          AND position(lower(encode(convert_to(ltrim(i.value, '+'), 'UTF8'), 'escape'))
                       IN v_text) > 0);
END $$;
COMMENT ON FUNCTION gateway.has_trace IS
    'Whether a text holds an identifier that find_erased found, in any escape.';

-- What an event says in its own words.
CREATE OR REPLACE FUNCTION gateway.words_of(e gateway.source_event) RETURNS bytea
LANGUAGE sql STABLE
RETURN convert_to(concat_ws(' ', e.recipient_address, e.link_url, e.link_path, e.utm_source,
    e.utm_medium, e.utm_campaign, e.utm_content, e.utm_term, e.message_text, e.message_subject,
    e.attribute_value, e.discount_code, e.extra::text), 'UTF8');
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
          AND (gateway.has_trace(convert_to(sampled, 'UTF8')) OR EXISTS (
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

-- How many of a value's subscribers were erased. SECURITY DEFINER: who projects may not know the
-- key.
CREATE OR REPLACE FUNCTION gateway.erased_with(p_company text, p_kind text, p_value text)
RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN gateway.has_erased() THEN (
    SELECT count(*) FROM gateway.erased_value v
    WHERE v.company_id = p_company
      AND v.digest = gateway.keyed_digest(p_kind || chr(31) || p_value))
    ELSE 0 END;
COMMENT ON FUNCTION gateway.erased_with IS
    'How many erased subscribers had an identifier that others have, too.';
