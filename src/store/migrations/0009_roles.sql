-- Who may do what. The daemon runs as a member of gateway_writer and needs nothing else; analysts
-- are members of gateway_reader, a shop's own pipeline of gateway_source, whoever erases people of
-- gateway_privacy. Roles belong to the whole cluster and need CREATEROLE, which not
-- everybody who migrates has: what can be granted is granted, and `migrate` calls this function
-- each time, so that roles made later get theirs.

CREATE FUNCTION gateway.grant_roles() RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_missing text[] := '{}';
    v_role    text;
    v_function regprocedure;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['gateway_writer', 'gateway_reader', 'gateway_source',
                                   'gateway_privacy'] LOOP
        IF to_regrole(v_role) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
            EXCEPTION
                WHEN insufficient_privilege THEN v_missing := v_missing || v_role;
                WHEN duplicate_object OR unique_violation THEN NULL; -- another database's migrate
            END;
        END IF;
    END LOOP;

    IF to_regrole('gateway_writer') IS NOT NULL THEN
        GRANT USAGE ON SCHEMA gateway TO gateway_writer;
        GRANT USAGE ON SEQUENCE gateway.batch_id TO gateway_writer;
        GRANT SELECT ON gateway.schema_migration TO gateway_writer;
        GRANT INSERT, SELECT (company_id, occurred_at, event_id)
            ON gateway.source_event TO gateway_writer;
        GRANT INSERT ON gateway.delivery, gateway.batch TO gateway_writer;
        -- SELECT of all, for whoever replays: the bytes are mapped again.
        GRANT INSERT, SELECT, UPDATE (deliveries, last_received_at, replayed_at)
            ON gateway.quarantine TO gateway_writer;
        GRANT EXECUTE ON FUNCTION gateway.ensure_partitions(text, timestamptz[]) TO gateway_writer;
        GRANT EXECUTE ON FUNCTION gateway.write_batch(text, text, gateway.event_row[],
            gateway.delivery_row[], gateway.quarantine_row[]) TO gateway_writer;

        -- The projector, and the operator's rebuild.
        GRANT SELECT (channel, action, event_name, company_name, subscriber_id, identifiers,
            subscription_type, creative_name, creative_type, creative_subtype, message_key,
            message_type, message_name, message_subject, business_address, received_at,
            batch_id) ON gateway.source_event TO gateway_writer;
        GRANT SELECT, UPDATE (projected_at, set_aside_at, set_aside_error)
            ON gateway.batch TO gateway_writer;
        GRANT SELECT, INSERT, UPDATE, DELETE ON gateway.company, gateway.identifier,
            gateway.identity, gateway.identity_split, gateway.consent_decision, gateway.consent,
            gateway.consent_daily, gateway.consent_latest, gateway.message,
            gateway.message_member, gateway.message_stats, gateway.last_send,
            gateway.subject_vote, gateway.engagement, gateway.feed_day TO gateway_writer;
        GRANT SELECT ON gateway.identity_rule, gateway.identity_block, gateway.subject_bridge
            TO gateway_writer;
        FOR v_function IN
            SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'gateway'::regnamespace
                AND p.proname IN ('stat_key', 'projection_lock', 'project_company',
                    'identity_neighbours', 'resolve_identities', 'project_identity',
                    'project_consent', 'recount_consent', 'project_message',
                    'project_last_send', 'add_times', 'project_engagement',
                    'project_batches', 'project_or_set_aside', 'project',
                    'projection_lag', 'read_model_tables', 'rebuild_begin', 'rebuild_step',
                    'rebuild_end', 'set_timezone', 'split_identity', 'mask',
                    'explain_identity', 'longest_pause', 'project_feed',
                    'projected_until') LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO gateway_writer', v_function);
        END LOOP;
        GRANT EXECUTE ON FUNCTION gateway.apply_retention(interval, interval, interval)
            TO gateway_writer;

        -- The admin port's page and the daemon's alarms.
        GRANT USAGE ON SCHEMA report TO gateway_writer;
        GRANT SELECT ON report.consent_movement_daily, report.message_performance,
            report.feed_silence TO gateway_writer;
        GRANT EXECUTE ON FUNCTION gateway.count_members(text, text, text[]) TO gateway_writer;
    END IF;

    IF to_regrole('gateway_privacy') IS NOT NULL THEN
        GRANT USAGE ON SCHEMA gateway TO gateway_privacy;
        GRANT SELECT ON gateway.schema_migration, gateway.erasure TO gateway_privacy;
        GRANT EXECUTE ON FUNCTION gateway.erase(text, text, text, boolean, integer)
            TO gateway_privacy;
    END IF;

    IF to_regrole('gateway_source') IS NOT NULL THEN
        GRANT USAGE ON SCHEMA gateway TO gateway_source;
        GRANT EXECUTE ON FUNCTION gateway.record_event(text, text, text, timestamptz, jsonb, text,
            text, numeric, text) TO gateway_source;
    END IF;

    IF to_regrole('gateway_reader') IS NOT NULL THEN
        GRANT USAGE ON SCHEMA report TO gateway_reader;
        GRANT SELECT ON ALL TABLES IN SCHEMA report TO gateway_reader;
        -- security_invoker needs what is below; schema gateway itself stays closed to readers.
        GRANT SELECT (company_id, occurred_at, event_id, event_name, channel, action, source,
            source_event_type, company_name, subscriber_id, subscription_type, creative_name,
            creative_type, creative_subtype, message_id, message_key, message_type, message_name,
            message_subject, business_address, keyword_class, link_id, link_host, link_path,
            utm_source, utm_medium, utm_campaign, utm_content, utm_term, attribute_name, order_id,
            order_value, currency, received_at, batch_id, mapping_version, quality_flags)
            ON gateway.source_event TO gateway_reader;
        GRANT SELECT (quarantine_id, endpoint, reason, detail, http_status, key_id, version,
            batch_id, received_at, last_received_at, deliveries, replayed_at)
            ON gateway.quarantine TO gateway_reader;

        GRANT SELECT (batch_id, committed_at, events, duplicates, quarantined, projected_at,
            set_aside_at) ON gateway.batch TO gateway_reader;
        GRANT SELECT ON gateway.company, gateway.identity, gateway.consent_decision,
            gateway.consent, gateway.consent_daily, gateway.consent_latest, gateway.message,
            gateway.message_member, gateway.message_stats, gateway.subject_vote,
            gateway.subject_bridge, gateway.engagement, gateway.feed_day, gateway.local_day,
            gateway.attribution_rule
            TO gateway_reader;
        GRANT EXECUTE ON FUNCTION gateway.count_members(text, text, text[]),
            gateway.projected_until() TO gateway_reader;
    END IF;
    RETURN v_missing;
END $$;

COMMENT ON FUNCTION gateway.grant_roles() IS
    'Makes the roles that are missing and grants them what they need; returns those it may not make.';
REVOKE ALL ON FUNCTION gateway.grant_roles() FROM PUBLIC;
