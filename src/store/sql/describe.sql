-- What tables and views mean, said once. A column without a text of its own means what the column
-- of its name means where it comes from: in what p_like names, then, for a view, in what it
-- reads, and for a table in the event log; or what the step that made it said. A column that nobody
-- explained is an error.
CREATE OR REPLACE FUNCTION gateway.describe(
    p_relation regclass, p_meaning text, p_own text[] DEFAULT '{}', p_like regclass[] DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_log     CONSTANT regclass := 'gateway.source_event';
    v_is_view CONSTANT boolean := relkind = 'v' FROM pg_class WHERE oid = p_relation;
    v_from    regclass[];
    v_column  record;
BEGIN
    EXECUTE format('COMMENT ON %s %s IS %L',
        CASE WHEN v_is_view THEN 'VIEW' ELSE 'TABLE' END, p_relation, p_meaning);
    SELECT p_like || array_agg(s.oid::regclass ORDER BY s.oid <> v_log, s.oid::regclass::text)
    INTO v_from
    FROM (SELECT v_log::oid AS oid WHERE NOT v_is_view
          UNION
          SELECT d.refobjid FROM pg_rewrite r JOIN pg_depend d ON d.objid = r.oid
          WHERE r.ev_class = p_relation AND d.refclassid = 'pg_class'::regclass
              AND d.refobjid <> p_relation) s;
    FOR v_column IN
        SELECT a.attname AS name, coalesce(
            (SELECT p_own[i][2] FROM generate_subscripts(p_own, 1) AS i
             WHERE p_own[i][1] = a.attname),
            (SELECT col_description(f.relation, b.attnum)
             FROM unnest(v_from) WITH ORDINALITY AS f (relation, place)
             JOIN pg_attribute b ON b.attrelid = f.relation AND b.attname = a.attname
             WHERE f.relation <> p_relation AND col_description(f.relation, b.attnum) IS NOT NULL
             ORDER BY f.place LIMIT 1),
            col_description(a.attrelid, a.attnum)) AS meaning
        FROM pg_attribute a
        WHERE a.attrelid = p_relation AND a.attnum > 0 AND NOT a.attisdropped
    LOOP
        IF v_column.meaning IS NULL THEN
            RAISE EXCEPTION 'nobody says what column % of % means', v_column.name, p_relation;
        END IF;
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', p_relation, v_column.name,
            v_column.meaning);
    END LOOP;
END $$;
COMMENT ON FUNCTION gateway.describe IS
    'Says what a table or view and its columns mean; a column without a text of its own takes that '
    'of where it comes from.';
