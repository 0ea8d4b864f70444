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
AS $$
DECLARE
    v_now       timestamptz(3) := date_trunc('milliseconds', clock_timestamp());
    v_companies text[] := gateway.allowed_companies(session_user);
    v_kinds     text[] := gateway.identifier_kinds();
    v_lines     bigint[];
    v_events    uuid[];
    v_known     boolean[];
    v_fields    text[];
    v_reasons   text[];
    v_rows      gateway.intake_row[];
BEGIN
    WITH given AS MATERIALIZED (
        SELECT l.*, CASE WHEN substr(l.rest, length(l.authority) + 1, 1) = '/'
                         THEN split_part(translate(substr(l.rest, length(l.authority) + 1),
                                                   '#', '?'), '?', 1) END AS path,
               nullif(split_part(substr(l.authority, position('@' IN l.authority) + 1), ':', 1),
                      '') AS host
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
              OFFSET 0) l),
    identifier AS ( -- in order, so that lists are
        SELECT DISTINCT w.n, array_position(v_kinds, w.kind) AS rank, w.kind COLLATE "C" AS kind,
               gateway.normal_identifier(w.kind, w.value) COLLATE "C" AS value,
               w.value ~ E'[^ \t\n\v\f\r\u00a0]' AS is_given,
               CASE WHEN array_position(v_kinds, w.kind) IS NULL AND w.kind !~ '^custom:.+'
                    THEN 'identifiers: unknown kind ' || left(w.kind, 50) || ' (known: '
                        || array_to_string(v_kinds, ', ') || ', custom:<name>)'
                    WHEN w.type NOT IN ('string', 'null')
                        AND (w.type <> 'number' OR w.value !~ '^-?[0-9]+$')
                    THEN 'identifiers: ' || w.kind || ' must be a string, an integer or a list of '
                        'them' END AS wrong
        FROM (SELECT e.n, e.kind, e.given #>> '{}' AS value, jsonb_typeof(e.given) AS type
              FROM (SELECT o.n, o.kind,
                           o.list -> generate_series(0, greatest(jsonb_array_length(o.list), 1) - 1)
                               AS given
                    FROM (SELECT k.n, k.kind, CASE jsonb_typeof(k.identifiers -> k.kind)
                                     WHEN 'array' THEN k.identifiers -> k.kind
                                     ELSE jsonb_build_array(k.identifiers -> k.kind) END AS list
                          FROM (SELECT g.n, g.identifiers, jsonb_object_keys(g.identifiers) AS kind
                                FROM given g
                                WHERE jsonb_typeof(g.identifiers) = 'object') k) o) e
              OFFSET 0) w
        ORDER BY 1, 2, 3, 4),
    kind AS (
        SELECT i.n, i.rank, i.kind, jsonb_agg(i.value) FILTER (WHERE i.value IS NOT NULL) AS list,
               min(i.value) AS least, bool_or(i.is_given AND i.value IS NULL) AS has_invalid,
               min(i.wrong) AS wrong
        FROM identifier i GROUP BY i.n, i.rank, i.kind),
    identity AS (
        SELECT k.n, jsonb_object_agg(k.kind, k.list) FILTER (WHERE k.list IS NOT NULL)
                   AS identifiers,
               (array_agg(k.kind || chr(31) || k.least) FILTER (WHERE k.list IS NOT NULL))[1]
                   AS strongest,
               array_agg(DISTINCT split_part(k.kind, ':', 1) || '_invalid')
                   FILTER (WHERE k.has_invalid) AS flags, min(k.wrong) AS wrong
        FROM kind k GROUP BY k.n),
    known AS (
        SELECT e.*, k.is_known IS TRUE AS is_known
        FROM (SELECT c.*, gateway.id_of_digest(c.digest) AS event_id
              FROM (SELECT j.*, sha256(convert_to(j.subscriber, 'UTF8')) AS subscriber_digest,
                       sha256(convert_to(ARRAY[j.source, j.event_name, j.company,
                           extract(epoch FROM j.at)::text, j.ids::text, j.page_url, j.order_id,
                           j.value::text, j.currency, extract(epoch FROM j.updated_at)::text,
                           j.discount_code, j.items_count::text]::text, 'UTF8')) AS digest,
                       CASE WHEN j.wrong_rule IS NOT NULL THEN j.wrong_rule
                            WHEN j.company <> ALL (v_companies)
                            THEN ARRAY['company_id', session_user || ' may not see this company']
                            WHEN jsonb_typeof(j.identifiers) IS DISTINCT FROM 'object'
                            THEN ARRAY['identifiers', 'identifiers must be a JSON object, such as '
                                '{"email": "jane@example.com"}']
                            WHEN j.wrong_identifiers IS NOT NULL
                            THEN ARRAY['identifiers', j.wrong_identifiers] END AS wrong
                    FROM (SELECT g.*, coalesce(i.identifiers, '{}') AS ids,
                                 g.company || chr(31) || i.strongest AS subscriber,
                                 coalesce(i.flags, '{}') AS flags, i.wrong AS wrong_identifiers,
                                 gateway.wrong_in_recorded(
                                     g.source, g.event_name, g.company, g.at, g.page_url, g.host,
                                     g.order_id, g.value, g.currency, g.discount_code,
                                     g.items_count) AS wrong_rule
                          FROM given g LEFT JOIN identity i ON i.n = g.n
                          OFFSET 0) j
                    OFFSET 0) c
              OFFSET 0) e
        LEFT JOIN LATERAL (
            SELECT true AS is_known FROM gateway.source_event s
            WHERE p_skip_known AND s.company_id = e.company AND s.occurred_at = e.at
                AND s.event_id = e.event_id
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
                       ',"quality_flags":' || to_json(e.flags || CASE WHEN e.subscriber IS NULL
                           THEN ARRAY['subscriber_missing'] ELSE '{}' END)::text,
                       ',"subscriber_id":"' || CASE WHEN e.subscriber IS NOT NULL
                           THEN gateway.id_of_digest(e.subscriber_digest) END || '"',
                       ',"identifiers":' || nullif(e.ids, '{}')::text,
                       ',"link_host":' || to_json(lower(e.host))::text,
                       ',"link_path":' || to_json(CASE
                           WHEN e.path ~ '[@%]|([0-9][^0-9]*){7}' -- else there is nothing to mask
                           THEN gateway.masked(e.path, coalesce(e.ids -> 'phone', '[]'))
                           ELSE e.path END)::text,
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
