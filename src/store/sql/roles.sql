-- Who may do what. The daemon runs as a member of gateway_writer and needs nothing else; analysts
-- are members of gateway_reader, and of gateway_pii to see people, a shop's own pipeline of
-- gateway_source, whoever erases people of gateway_privacy, whoever exports audiences of
-- gateway_audience. Roles belong to the whole cluster and need CREATEROLE, which not everybody who
-- migrates has: what can be granted is granted, and `migrate` calls gateway.grant_roles() each
-- time, so that roles made later get theirs.

-- The columns that a table has in common with a view or row type: what that shows may be read.
CREATE OR REPLACE FUNCTION gateway.grant_shown(p_table regclass, p_shown regclass, p_role regrole)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('GRANT SELECT (%s) ON %s TO %s',
        (SELECT string_agg(quote_ident(t.attname), ', ' ORDER BY t.attnum)
         FROM pg_attribute t JOIN pg_attribute s ON s.attname = t.attname
         WHERE t.attrelid = p_table AND s.attrelid = p_shown AND t.attnum > 0
             AND NOT t.attisdropped AND NOT s.attisdropped), p_table, p_role);
END $$;
COMMENT ON FUNCTION gateway.grant_shown IS
    'Grants a role the columns of a table that a view or row type shows.';

-- A function without SECURITY DEFINER can do no more than whoever calls it, so the writer may call
-- all of them but those of this file; what works with its owner's rights is granted one by one.
-- Everybody may call what views call: they show what the caller may read.
CREATE OR REPLACE FUNCTION gateway.grant_functions() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_function record;
BEGIN
    FOR v_function IN
        SELECT p.oid::regprocedure AS name,
               p.proname IN ('subscribers_of', 'touch_before', 'sentence', 'value_hash',
                             'subscribers_with', 'normal_identifier', 'newest_identifier',
                             'text_array', 'order_now', 'order_number', 'is_ahead',
                             'allowed_companies') AS is_of_views,
               NOT p.prosecdef AND p.proname <> 'describe'
                   AND p.proname !~ '^(grant|revoke)_'
                   AND to_regrole('gateway_writer') IS NOT NULL AS is_writers
        FROM pg_proc p WHERE p.pronamespace = 'gateway'::regnamespace
    LOOP
        IF NOT v_function.is_of_views THEN
            EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function.name);
        END IF;
        IF v_function.is_writers THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO gateway_writer', v_function.name);
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION gateway.grant_functions IS
    'Takes functions from everybody, and gives the writer those that use its own rights.';

CREATE OR REPLACE FUNCTION gateway.grant_writer() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_table text;
BEGIN
    GRANT USAGE ON SCHEMA gateway, report TO gateway_writer;
    GRANT USAGE ON SEQUENCE gateway.intake_id, gateway.step_id TO gateway_writer;
    GRANT SELECT ON gateway.schema_migration, gateway.schema_file, gateway.dropped_month
        TO gateway_writer;
    GRANT EXECUTE ON FUNCTION gateway.ensure_partitions, gateway.make_ahead,
        gateway.empty_default, gateway.default_rows, gateway.has_erased,
        gateway.without_erased, gateway.is_erased, gateway.erased_with,
        gateway.projected_until, gateway.apply_retention TO gateway_writer;
    GRANT INSERT, SELECT, UPDATE (lengths, bodies), DELETE ON gateway.intake TO gateway_writer;
    GRANT SELECT ON gateway.delivery, gateway.subscriber_event TO gateway_writer;
    GRANT INSERT, SELECT, UPDATE, DELETE ON gateway.intake_waiting, gateway.set_aside
        TO gateway_writer;
    GRANT INSERT ON gateway.source_event TO gateway_writer;
    GRANT SELECT, UPDATE (position) ON gateway.log_state TO gateway_writer;
    GRANT SELECT, UPDATE (projected) ON gateway.projection_state TO gateway_writer;
    GRANT INSERT, SELECT ON gateway.step TO gateway_writer;
    -- SELECT of all, for whoever replays: the bytes are mapped again.
    GRANT INSERT, SELECT,
        UPDATE (deliveries, intake_id, ordinal, last_received_at, replayed_at)
        ON gateway.quarantine TO gateway_writer;

    -- The applier, and the operator's rebuild.
    PERFORM gateway.grant_shown('gateway.source_event', 'gateway.projection_event',
        'gateway_writer');
    PERFORM gateway.grant_shown('gateway.source_event', 'gateway.current_order', 'gateway_writer');
    GRANT SELECT (event_name, message_subject, position, intake_id, ordinal)
        ON gateway.source_event TO gateway_writer;
    FOR v_table IN SELECT t FROM unnest(gateway.read_models()) AS m (model),
                       unnest(gateway.read_model_tables(m.model)) AS t
                   UNION ALL SELECT 'identity_split' LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON gateway.%I TO gateway_writer',
            v_table);
    END LOOP;
    GRANT SELECT ON gateway.identity_rule, gateway.identity_block, gateway.subject_bridge,
        gateway.subject_line, gateway.suspect_rule TO gateway_writer;

    -- The admin port's page and the daemon's alarms.
    GRANT SELECT ON report.consent_movement_daily, report.message_performance,
        report.feed_silence, report.opt_outs_of_nobody TO gateway_writer;
END $$;
COMMENT ON FUNCTION gateway.grant_writer IS 'Grants the daemon''s role what it needs.';

CREATE OR REPLACE FUNCTION gateway.grant_reader() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    GRANT USAGE ON SCHEMA report TO gateway_reader;
    GRANT SELECT ON ALL TABLES IN SCHEMA report TO gateway_reader;
    -- security_invoker needs what is below; schema gateway itself stays closed to readers.
    PERFORM gateway.grant_shown('gateway.source_event', 'report.source_event', 'gateway_reader');
    GRANT SELECT (business_address, attribute_value) ON gateway.source_event TO gateway_reader;
    PERFORM gateway.grant_shown('gateway.quarantine', 'report.quarantine', 'gateway_reader');
    PERFORM gateway.grant_shown('gateway.step', 'report.steps', 'gateway_reader');
    GRANT SELECT (company_id, subscriber_id, profile_id, first_seen_at, sms_to, email_to)
        ON gateway.identity TO gateway_reader;
    GRANT SELECT (company_id, subscriber_id, channel, occurred_at, event_id, action, is_suspect)
        ON gateway.last_send TO gateway_reader;
    GRANT SELECT ON gateway.company, gateway.attribute_history, gateway.shown_attribute,
        gateway.audience, gateway.audience_export, gateway.holdout, gateway.holdout_member,
        gateway.consent_decision,
        gateway.consent, gateway.consent_daily, gateway.consent_latest, gateway.message,
        gateway.message_member, gateway.message_stats, gateway.subject_vote,
        gateway.subject_bridge, gateway.subject_line, gateway.engagement, gateway.feed_day,
        gateway.current_order, gateway.local_day, gateway.timeline, gateway.attribution_rule,
        gateway.funnel_known,
        gateway.suspect_rule TO gateway_reader;
    GRANT EXECUTE ON FUNCTION gateway.count_members, gateway.projected_until TO gateway_reader;
END $$;
COMMENT ON FUNCTION gateway.grant_reader IS 'Grants the analysts'' role what it needs.';

-- What the views of report_pii need beyond what a reader may read: its members are readers, too.
CREATE OR REPLACE FUNCTION gateway.grant_pii() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    GRANT USAGE ON SCHEMA report_pii TO gateway_pii;
    GRANT SELECT ON ALL TABLES IN SCHEMA report_pii TO gateway_pii;
    GRANT SELECT ON gateway.identity, gateway.identity_value TO gateway_pii;
    GRANT SELECT (identifiers, message_text, link_url) ON gateway.source_event TO gateway_pii;
END $$;
COMMENT ON FUNCTION gateway.grant_pii IS
    'Grants the role of those who may see phone, e-mail and texts what it needs.';

CREATE OR REPLACE FUNCTION gateway.grant_roles() RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_missing text[] := '{}';
    v_role    text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['gateway_writer', 'gateway_reader', 'gateway_pii',
                                  'gateway_source', 'gateway_privacy', 'gateway_audience'] LOOP
        IF to_regrole(v_role) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
            EXCEPTION
                WHEN insufficient_privilege THEN v_missing := v_missing || v_role;
                WHEN duplicate_object OR unique_violation THEN NULL; -- another database's migrate
            END;
        END IF;
    END LOOP;

    PERFORM gateway.grant_functions();
    IF to_regrole('gateway_writer') IS NOT NULL THEN
        PERFORM gateway.grant_writer();
    END IF;
    IF to_regrole('gateway_reader') IS NOT NULL THEN
        PERFORM gateway.grant_reader();
    END IF;
    IF to_regrole('gateway_pii') IS NOT NULL THEN
        PERFORM gateway.grant_pii();
    END IF;
    IF to_regrole('gateway_privacy') IS NOT NULL THEN
        GRANT USAGE ON SCHEMA gateway TO gateway_privacy;
        GRANT SELECT ON gateway.schema_migration, gateway.schema_file, gateway.erasure
            TO gateway_privacy;
        GRANT EXECUTE ON FUNCTION gateway.erase TO gateway_privacy;
    END IF;
    IF to_regrole('gateway_audience') IS NOT NULL THEN
        GRANT USAGE ON SCHEMA gateway, report TO gateway_audience;
        GRANT SELECT ON gateway.schema_migration, gateway.schema_file, gateway.audience,
            report.audiences TO gateway_audience;
        GRANT EXECUTE ON FUNCTION gateway.export_audience TO gateway_audience;
    END IF;
    IF to_regrole('gateway_source') IS NOT NULL THEN
        GRANT USAGE ON SCHEMA gateway TO gateway_source;
        GRANT EXECUTE ON FUNCTION gateway.record_event, gateway.record_rows
            TO gateway_source;
    END IF;
    RETURN v_missing;
END $$;
COMMENT ON FUNCTION gateway.grant_roles IS
    'Makes the roles that are missing and grants them what they need; returns those it may not '
    'make.';
