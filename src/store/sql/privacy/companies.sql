-- Roles that may see single companies only: an agency's clients in one database.
--
-- The policies are there from the beginning and sleep: only gateway.grant_company switches
-- row-level security on, so that who needs none of it pays nothing for it. They name no role,
-- because a dump is restored before its roles are made; a role without a row in
-- gateway.company_access sees all.

SELECT gateway.describe('gateway.company_access',
    'Which companies a role, and whoever is a member of it, may see. A role without a row here '
    'sees all.', ARRAY[
    ['role_name', 'A role of PostgreSQL.'],
    ['granted_at', 'When that was said.']],
    '{gateway.source_event}');

-- SECURITY DEFINER, with the caller's name as an argument: who may see what is nobody's business.
CREATE OR REPLACE FUNCTION gateway.allowed_companies(p_user name) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(a.company_id) FROM gateway.company_access a
    WHERE pg_has_role(p_user, to_regrole(quote_ident(a.role_name)), 'MEMBER')
        AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = p_user)
$$;
COMMENT ON FUNCTION gateway.allowed_companies IS
    'The companies that a user may see; null for all of them.';

-- For functions that work with their owner's rights: whoever called them.
CREATE OR REPLACE FUNCTION gateway.check_company(p_company text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF p_company <> ALL (gateway.allowed_companies(session_user)) THEN
        RAISE EXCEPTION '% may not see company %', session_user, quote_literal(p_company)
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'SELECT gateway.grant_company(role, company), as the owner of the schema.';
    END IF;
END $$;
COMMENT ON FUNCTION gateway.check_company IS
    'Throws when the session''s user is kept to other companies.';

-- Every table that a company stands in, and what was refused, which may be anybody's.
CREATE OR REPLACE FUNCTION gateway.tables_of_companies()
RETURNS TABLE (name regclass, of_company boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.oid::regclass, c.relname <> 'quarantine'
    FROM pg_class c
    WHERE c.relnamespace = 'gateway'::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT c.relispartition AND c.relname <> 'company_access'
      AND (c.relname = 'quarantine' OR EXISTS (
          SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'company_id'))
$$;
COMMENT ON FUNCTION gateway.tables_of_companies IS 'What gateway.grant_company protects.';

DO $$
DECLARE
    v_table record;
BEGIN
    FOR v_table IN SELECT t.name, t.of_company FROM gateway.tables_of_companies() t LOOP
        EXECUTE format('DROP POLICY IF EXISTS by_company ON %s', v_table.name);
        EXECUTE format('CREATE POLICY by_company ON %s USING (
                (SELECT gateway.allowed_companies(current_user)) IS NULL %s)', v_table.name,
            CASE WHEN v_table.of_company
                 THEN 'OR company_id = ANY (
                     (SELECT gateway.allowed_companies(current_user))::text[])'
                 ELSE '' END);
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION gateway.grant_company(p_role text, p_company text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_table regclass;
BEGIN
    IF to_regrole(quote_ident(p_role)) IS NULL THEN
        RAISE EXCEPTION 'no role %', quote_ident(p_role) USING ERRCODE = 'undefined_object';
    END IF;
    INSERT INTO gateway.company_access (role_name, company_id) VALUES (p_role, p_company)
    ON CONFLICT DO NOTHING;
    FOR v_table IN SELECT t.name FROM gateway.tables_of_companies() t
                   JOIN pg_class c ON c.oid = t.name WHERE NOT c.relrowsecurity LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', v_table);
    END LOOP;
END $$;
COMMENT ON FUNCTION gateway.grant_company IS
    'Keeps a role, and its members, to this company and those it was granted before.';

-- When the last one is gone, the role would see all: so it is kept to none instead.
CREATE OR REPLACE FUNCTION gateway.revoke_company(p_role text, p_company text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO gateway.company_access (role_name, company_id)
    SELECT p_role, '' WHERE EXISTS (SELECT FROM gateway.company_access a
                                    WHERE a.role_name = p_role AND a.company_id = p_company)
    ON CONFLICT DO NOTHING;
    DELETE FROM gateway.company_access a WHERE a.role_name = p_role AND a.company_id = p_company;
$$;
COMMENT ON FUNCTION gateway.revoke_company IS
    'Takes a company from a role. Without any it sees none; delete its rows of '
    'gateway.company_access for it to see all again.';
