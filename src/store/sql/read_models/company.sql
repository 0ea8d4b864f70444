-- Which companies the log has seen, and where their days begin.

SELECT gateway.describe('gateway.company',
    'One row for each company (tenant) that the log has seen.', ARRAY[
    ['company_name', 'Display name of the newest event that gave one.'],
    ['timezone', 'IANA name; decides the local day of every report. Set with '
        'gateway.set_timezone.'],
    ['first_seen_at', 'occurred_at of the oldest event.'],
    ['last_seen_at', 'occurred_at of the newest event.'],
    ['company_name_at', 'occurred_at of the newest event that gave a name.']]);

CREATE OR REPLACE FUNCTION gateway.project_company(p_events gateway.projection_event[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO company AS c
        (company_id, company_name, first_seen_at, last_seen_at, company_name_at)
    SELECT e.company_id,
           (array_agg(e.company_name ORDER BY e.occurred_at DESC, e.company_name DESC)
               FILTER (WHERE e.company_name IS NOT NULL))[1],
           min(e.occurred_at), max(e.occurred_at),
           max(e.occurred_at) FILTER (WHERE e.company_name IS NOT NULL)
    FROM unnest(p_events) AS e
    GROUP BY e.company_id
    ON CONFLICT (company_id) DO UPDATE SET
        first_seen_at = least(c.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(c.last_seen_at, excluded.last_seen_at),
        company_name_at = greatest(c.company_name_at, excluded.company_name_at),
        company_name = CASE
            WHEN c.company_name_at IS NULL OR (excluded.company_name_at, excluded.company_name)
                > (c.company_name_at, c.company_name)
            THEN excluded.company_name ELSE c.company_name END;
END $$;
COMMENT ON FUNCTION gateway.project_company IS 'Merges events into company.';

CREATE OR REPLACE FUNCTION gateway.set_timezone(p_company text, p_timezone text) RETURNS void
LANGUAGE plpgsql SET search_path = gateway, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = p_timezone) THEN
        RAISE EXCEPTION 'there is no time zone %: give an IANA name, such as America/New_York',
            quote_literal(p_timezone) USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(gateway.projection_lock());
    UPDATE company SET timezone = p_timezone WHERE company_id = p_company;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no event of company % has been projected', quote_literal(p_company)
            USING ERRCODE = 'no_data_found';
    END IF;
    PERFORM gateway.recount_consent(p_company);
END $$;
COMMENT ON FUNCTION gateway.set_timezone IS
    'Sets the time zone that decides the local days of a company''s reports, and counts its days '
    'again.';
