-- Events of other sources by the thousand, and the one path of them into the intake. What is asked
-- of each is asked of all at once: a query of its own for each event's identifiers costs twice as
-- much as all the rest.

-- Takes %41 for A and + for a blank, as the query of a URL is written; the text itself when that is
-- no UTF-8.
CREATE OR REPLACE FUNCTION gateway.query_decoded(p_text text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF p_text !~ '%[0-9A-Fa-f]{2}' THEN
        RETURN replace(p_text, '+', ' ');
    END IF;
    RETURN (SELECT convert_from(string_agg(CASE
                WHEN m.part[1] ~ '^%[0-9A-Fa-f]{2}$' THEN decode(right(m.part[1], 2), 'hex')
                ELSE convert_to(m.part[1], 'UTF8') END, '' ORDER BY m.n), 'UTF8')
            FROM regexp_matches(replace(p_text, '+', ' '), '%[0-9A-Fa-f]{2}|[^%]+|%', 'g')
                WITH ORDINALITY AS m (part, n));
EXCEPTION
    WHEN character_not_in_repertoire OR untranslatable_character THEN
        RETURN p_text;
END $$;
COMMENT ON FUNCTION gateway.query_decoded IS 'A value of a URL''s query without its escapes.';

-- The rule of src/attentive/link.cpp: of each utm parameter the first that is not empty, whatever
-- the case of its name. Addresses and numbers are masked.
CREATE OR REPLACE FUNCTION gateway.utm_of(p_query text, p_phones jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT jsonb_object_agg(u.name, gateway.masked(u.value, p_phones))
        FROM (SELECT DISTINCT ON (d.name) d.name, d.value
              FROM unnest(string_to_array(p_query, '&')) WITH ORDINALITY AS q (pair, n)
              CROSS JOIN LATERAL (
                  SELECT lower(gateway.query_decoded(split_part(q.pair, '=', 1))) AS name,
                         btrim(gateway.query_decoded(substr(q.pair,
                             length(split_part(q.pair, '=', 1)) + 2)), E' \t\n\v\f\r\u00a0')
                             AS value) d
              WHERE d.value <> '' AND d.name IN ('utm_source', 'utm_medium', 'utm_campaign',
                                                 'utm_content', 'utm_term')
              ORDER BY d.name, q.n) u);
END $$;
COMMENT ON FUNCTION gateway.utm_of IS 'The utm parameters of a URL''s query, by name.';

-- The same as members of a JSON object, with a comma before each. A query without escapes and
-- without what may have to be masked, as nearly all, needs no more than a look for each.
CREATE OR REPLACE FUNCTION gateway.utm_members(p_query text, p_phones jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    IF p_query ~ '^[!#-$&-*,-?A-[\]-~]*$'
        AND p_query !~ '([0-9][^0-9]*){7}|utm_[a-z]+=(&|$)|U[Tt][Mm]_|uT[Mm]_|utM_'
            '|utm_[a-z]*[A-Z][A-Za-z]*=' THEN
        RETURN (SELECT concat(
            ',"utm_source":"' || nullif(split_part(split_part(q, '&utm_source=', 2), '&', 1), '')
                || '"',
            ',"utm_medium":"' || nullif(split_part(split_part(q, '&utm_medium=', 2), '&', 1), '')
                || '"',
            ',"utm_campaign":"'
                || nullif(split_part(split_part(q, '&utm_campaign=', 2), '&', 1), '') || '"',
            ',"utm_content":"' || nullif(split_part(split_part(q, '&utm_content=', 2), '&', 1), '')
                || '"',
            ',"utm_term":"' || nullif(split_part(split_part(q, '&utm_term=', 2), '&', 1), '')
                || '"')
            FROM (VALUES ('&' || p_query)) AS v (q));
    END IF;
    RETURN ',' || nullif(btrim(gateway.utm_of(p_query, p_phones)::text, '{}'), '');
END $$;
COMMENT ON FUNCTION gateway.utm_members IS 'gateway.utm_of as the members of a JSON object.';

-- What is asked of the rows themselves. This and the two after it are put in the place of their
-- calls, and named for what they answer.
CREATE OR REPLACE FUNCTION gateway.rows_read(p_rows gateway.recorded_row[])
RETURNS TABLE (n bigint, line bigint, source text, event_name text, company text,
               at timestamptz(3), identifiers jsonb, page_url text, host text, path text,
               query text, order_id text, value numeric, currency text, updated_at timestamptz,
               discount_code text, items_count integer)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT p.n, p.line, p.source, p.event_name, p.company, p.at, p.identifiers, p.page_url,
           nullif(split_part(substr(p.authority, position('@' IN p.authority) + 1), ':', 1), ''),
           CASE WHEN p.behind LIKE '/%' THEN split_part(translate(p.behind, '#', '?'), '?', 1) END,
           nullif(split_part(split_part(p.behind, '#', 1), '?', 2), ''),
           p.order_id, p.value, p.currency, p.updated_at, p.discount_code, p.items_count
    FROM (SELECT a.*, substr(a.rest, length(a.authority) + 1) AS behind
          FROM (SELECT g.*, split_part(translate(g.rest, '?#', '//'), '/', 1) AS authority
                FROM (SELECT r.*, CASE WHEN r.company_id ~ '^[!-~]*$' THEN r.company_id
                                  ELSE btrim(r.company_id, E' \t\n\v\f\r\u00a0') END AS company,
                             date_trunc('milliseconds', r.occurred_at)::timestamptz(3) AS at,
                             trim_scale(r.order_value) AS value,
                             CASE WHEN r.page_url ~ '^[hH][tT][tT][pP][sS]?://'
                                  THEN substr(r.page_url, position('//' IN r.page_url) + 2) END
                                 AS rest
                      FROM unnest(p_rows) WITH ORDINALITY AS r (
                          line, source, event_name, company_id, occurred_at, identifiers, page_url,
                          order_id, order_value, currency, updated_at, discount_code, items_count,
                          n)
                      OFFSET 0) g
                OFFSET 0) a
          OFFSET 0) p;
END;
COMMENT ON FUNCTION gateway.rows_read IS 'Rows of record_rows, numbered, with the parts of URLs.';

-- Identifiers as a caller gives them, {"email": "a@b.c", "phone": ["+1...", "+1..."]}, in their
-- normal form and order; what the subscriber is derived from; a flag for each kind with a value
-- that identifies nobody; and what is wrong with them. No row for one that has none.
CREATE OR REPLACE FUNCTION gateway.rows_identified(p_rows gateway.recorded_row[])
RETURNS TABLE (n bigint, identifiers jsonb, strongest text, flags text[], wrong text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH given AS (
        SELECT o.n, o.kind,
               o.list -> generate_series(0, greatest(jsonb_array_length(o.list), 1) - 1) AS value
        FROM (SELECT k.n, k.kind, CASE jsonb_typeof(k.identifiers -> k.kind)
                         WHEN 'array' THEN k.identifiers -> k.kind
                         ELSE jsonb_build_array(k.identifiers -> k.kind) END AS list
              FROM (SELECT r.n, r.identifiers, jsonb_object_keys(r.identifiers) AS kind
                    FROM unnest(p_rows) WITH ORDINALITY AS r (
                        line, source, event_name, company_id, occurred_at, identifiers, page_url,
                        order_id, order_value, currency, updated_at, discount_code, items_count, n)
                    WHERE jsonb_typeof(r.identifiers) = 'object') k) o),
    identifier AS ( -- in order, so that lists are
        SELECT DISTINCT w.n, array_position(gateway.identifier_kinds(), w.kind) AS rank,
               w.kind COLLATE "C" AS kind,
               gateway.normal_identifier(w.kind, w.value) COLLATE "C" AS value,
               w.value ~ E'[^ \t\n\v\f\r\u00a0]' AS is_given,
               CASE WHEN array_position(gateway.identifier_kinds(), w.kind) IS NULL
                        AND w.kind !~ '^custom:.+'
                    THEN 'identifiers: unknown kind ' || left(w.kind, 50) || ' (known: '
                        || array_to_string(gateway.identifier_kinds(), ', ') || ', custom:<name>)'
                    WHEN w.type NOT IN ('string', 'null')
                        AND (w.type <> 'number' OR w.value !~ '^-?[0-9]+$')
                    THEN 'identifiers: ' || w.kind || ' must be a string, an integer or a list of '
                        'them' END AS wrong
        FROM (SELECT g.n, g.kind, g.value #>> '{}' AS value, jsonb_typeof(g.value) AS type
              FROM given g OFFSET 0) w
        ORDER BY 1, 2, 3, 4),
    kind AS (
        SELECT i.n, i.rank, i.kind, jsonb_agg(i.value) FILTER (WHERE i.value IS NOT NULL) AS list,
               min(i.value) AS least, bool_or(i.is_given AND i.value IS NULL) AS has_invalid,
               min(i.wrong) AS wrong
        FROM identifier i GROUP BY i.n, i.rank, i.kind)
    SELECT k.n, jsonb_object_agg(k.kind, k.list) FILTER (WHERE k.list IS NOT NULL),
           (array_agg(k.kind || chr(31) || k.least) FILTER (WHERE k.list IS NOT NULL))[1],
           array_agg(DISTINCT split_part(k.kind, ':', 1) || '_invalid')
               FILTER (WHERE k.has_invalid),
           min(k.wrong)
    FROM kind k GROUP BY k.n;
END;
COMMENT ON FUNCTION gateway.rows_identified IS
    'The identifiers of rows of record_rows, and what is wrong with them.';

CREATE OR REPLACE FUNCTION gateway.rows_judged(
    p_rows gateway.recorded_row[], p_companies text[])
RETURNS TABLE (n bigint, line bigint, source text, event_name text, company text,
               at timestamptz(3), host text, path text, query text, order_id text, value numeric,
               currency text, discount_code text, items_count integer, ids jsonb, flags text[],
               event_id uuid, subscriber_id uuid, wrong text[])
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT d.n, d.line, d.source, d.event_name, d.company, d.at, d.host, d.path, d.query,
           d.order_id, d.value, d.currency, d.discount_code, d.items_count, d.ids, d.flags,
           gateway.id_of_digest(d.digest), CASE WHEN d.subscriber_digest IS NOT NULL
               THEN gateway.id_of_digest(d.subscriber_digest) END,
           CASE WHEN d.wrong_rule IS NOT NULL THEN d.wrong_rule
                WHEN d.company <> ALL (p_companies)
                THEN ARRAY['company_id', session_user || ' may not see this company']
                WHEN jsonb_typeof(d.identifiers) IS DISTINCT FROM 'object'
                THEN ARRAY['identifiers', 'identifiers must be a JSON object, such as '
                    '{"email": "jane@example.com"}']
                WHEN d.wrong_identifiers IS NOT NULL
                THEN ARRAY['identifiers', d.wrong_identifiers] END
    FROM (SELECT j.*, sha256(convert_to(j.company || chr(31) || j.strongest, 'UTF8'))
                     AS subscriber_digest,
                 sha256(convert_to(ARRAY[
                     j.source, j.event_name, j.company, extract(epoch FROM j.at)::text,
                     j.ids::text, j.page_url, j.order_id, j.value::text, j.currency,
                     extract(epoch FROM j.updated_at)::text, j.discount_code,
                     j.items_count::text]::text, 'UTF8')) AS digest
          FROM (SELECT g.*, coalesce(i.identifiers, '{}') AS ids, i.strongest,
                       coalesce(i.flags, '{}') AS flags, i.wrong AS wrong_identifiers,
                       gateway.wrong_in_recorded(
                           g.source, g.event_name, g.company, g.at, g.page_url, g.host,
                           g.order_id, g.value, g.currency, g.discount_code, g.items_count)
                           AS wrong_rule
                FROM gateway.rows_read(p_rows) g
                LEFT JOIN gateway.rows_identified(p_rows) i ON i.n = g.n
                OFFSET 0) j
          OFFSET 0) d;
END;
COMMENT ON FUNCTION gateway.rows_judged IS
    'Rows of record_rows with their ids, or the field that is wrong and why.';

-- Records events, in their order, and says of each: its id, or the field that is wrong and why. One
-- that is refused keeps none from being recorded. The id is a digest of the content: the same event
-- again changes nothing. With p_skip_known one that the log has is told and not appended again;
-- one that still waits in the intake is noticed when it is applied. SECURITY DEFINER: callers need
-- this function and no table.
CREATE OR REPLACE FUNCTION gateway.record_rows(
    p_rows gateway.recorded_row[], p_skip_known boolean DEFAULT true)
RETURNS TABLE (line bigint, event_id uuid, is_known boolean, field text, reason text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET enable_seqscan = off SET enable_nestloop = off SET enable_hashagg = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_now       timestamptz(3) := date_trunc('milliseconds', clock_timestamp());
    v_companies text[] := gateway.allowed_companies(session_user);
    v_lines     bigint[];
    v_events    uuid[];
    v_known     boolean[];
    v_fields    text[];
    v_reasons   text[];
    v_rows      gateway.intake_row[];
BEGIN
    WITH known AS (
        SELECT r.*, k.is_known IS TRUE AS is_known
        FROM (SELECT * FROM gateway.rows_judged(p_rows, v_companies) OFFSET 0) r
        LEFT JOIN LATERAL (
            SELECT true AS is_known FROM gateway.source_event s
            WHERE p_skip_known AND s.company_id = r.company AND s.occurred_at = r.at
                AND s.event_id = r.event_id
            LIMIT 1) k ON true
        OFFSET 0),
    made AS (
        SELECT e.n, e.line, e.event_id, e.is_known, e.wrong,
               CASE WHEN e.wrong IS NULL AND NOT e.is_known THEN convert_to(
                   concat( -- what is null drops out; json_build_object costs five times as much
                       '{"company_id":', to_json(e.company), ',"occurred_at":', to_json(e.at),
                       ',"event_id":"', e.event_id, '","event_name":"', e.event_name,
                       '","channel":"web","action":"', split_part(e.event_name, '.', 2),
                       '","source":"', e.source, '","source_event_type":"', e.event_name,
                       '","received_at":', to_json(v_now), ',"mapping_version":1',
                       ',"quality_flags":' || to_json(e.flags || CASE WHEN e.subscriber_id IS NULL
                           THEN ARRAY['subscriber_missing'] ELSE '{}' END)::text,
                       ',"subscriber_id":"' || e.subscriber_id || '"',
                       ',"identifiers":' || nullif(e.ids, '{}')::text,
                       ',"link_host":' || to_json(lower(e.host))::text,
                       ',"link_path":' || to_json(CASE
                           WHEN e.path ~ '[@%]|([0-9][^0-9]*){7}' -- else there is nothing to mask
                           THEN gateway.masked(e.path, coalesce(e.ids -> 'phone', '[]'))
                           ELSE e.path END)::text,
                       CASE WHEN e.query ~* 'utm|%' THEN gateway.utm_members(
                           e.query, coalesce(e.ids -> 'phone', '[]')) END,
                       ',"order_id":' || to_json(e.order_id)::text,
                       ',"order_value":' || e.value, ',"currency":' || to_json(e.currency)::text,
                       ',"discount_code":' || CASE WHEN btrim(e.discount_code) <> ''
                           THEN to_json(btrim(gateway.masked(e.discount_code))) END,
                       ',"items_count":' || e.items_count, '}'), 'UTF8')
               END AS body
        FROM known e)
    SELECT array_agg(m.line), array_agg(CASE WHEN m.wrong IS NULL THEN m.event_id END),
           array_agg(m.is_known), array_agg(m.wrong[1]), array_agg(m.wrong[2]),
           array_agg(ROW(NULL, NULL, ARRAY[v_now], ARRAY[octet_length(m.body)],
                         m.body)::gateway.intake_row) FILTER (WHERE m.body IS NOT NULL)
    INTO v_lines, v_events, v_known, v_fields, v_reasons, v_rows
    FROM (SELECT * FROM made ORDER BY n) m; -- once for all of the arrays
    IF v_rows IS NOT NULL THEN
        PERFORM gateway.append_rows('record_event/' || session_user, v_rows);
    END IF;
    RETURN QUERY SELECT * FROM unnest(v_lines, v_events, v_known, v_fields, v_reasons);
END $$;
COMMENT ON FUNCTION gateway.record_rows IS
    'Records events of another source, many at once: each with what gateway.record_event takes. '
    'Says of each its id, or which field is wrong and why; is_known: the log had it before.';
