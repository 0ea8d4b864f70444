-- One batch is one call of one function: one round trip and, in autocommit, one transaction. No
-- session state and no prepared statement, so it works behind a transaction pooler; the plans stay
-- cached in the function.

-- Returns how many are new; one that was there before counts the new deliveries.
CREATE OR REPLACE FUNCTION gateway.keep_refused(
    p_batch bigint, p_version text, p_quarantine gateway.quarantine_row[])
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    v_new integer;
BEGIN
    WITH kept AS (
        INSERT INTO gateway.quarantine AS q (
            quarantine_id, endpoint, reason, detail, http_status, body, body_sha256, key_id,
            version, batch_id, received_at, last_received_at, deliveries)
        SELECT
            quarantine_id, endpoint, reason, detail, http_status, body, body_sha256, key_id,
            p_version, p_batch, received_at, last_received_at, deliveries
        FROM unnest(p_quarantine)
        ON CONFLICT (quarantine_id) DO UPDATE SET
            deliveries = q.deliveries + excluded.deliveries,
            last_received_at = greatest(q.last_received_at, excluded.last_received_at)
        RETURNING q.batch_id)
    SELECT count(*) INTO v_new FROM kept WHERE kept.batch_id = p_batch;
    RETURN v_new;
END $$;
COMMENT ON FUNCTION gateway.keep_refused IS 'Writes the quarantine rows of a batch.';

-- Writes one batch. p_deliveries[i] is the delivery that brought p_events[i]; no two events share
-- a key, and each array is in key order: two writers with the same rows would deadlock otherwise.
-- stored is how many events were new; fresh lists their positions in p_events, from 1, and is null
-- when all of them were. batch_id is null when there was nothing new.
--
-- Events of a month that retention has dropped are duplicates. What was of it and came once was
-- counted once, for the read models keep their counts; whether an event that comes now is one of
-- those, nobody can tell any more. So one that never came, late by the whole age of the log, is
-- left out as well: that is less of a lie than to count others twice, and the log would not have
-- kept it for more than a day. A month that is as old and was never dropped, since there was
-- nothing of it, takes events as any other, until retention drops it.
CREATE OR REPLACE FUNCTION gateway.write_batch(
    p_writer text, p_version text, p_events gateway.event_row[],
    p_deliveries gateway.delivery_row[], p_quarantine gateway.quarantine_row[],
    OUT batch_id bigint, OUT stored integer, OUT fresh bigint[])
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    v_given       integer := cardinality(p_events);
    -- An empty batch, which asks whether others would be taken, needs the same right and no number.
    v_batch       bigint := CASE
        WHEN v_given + cardinality(p_quarantine) > 0 THEN nextval('gateway.batch_id')
        ELSE pg_sequence_last_value('gateway.batch_id') END;
    v_quarantined integer := 0;
    v_companies   text[];
    v_times       timestamptz[];
    v_ids         uuid[];
    v_kept        gateway.event_row[];
    v_dropped     timestamptz[] := ARRAY(SELECT d.month FROM gateway.dropped_month d);
BEGIN
    -- A role or database whose commits wait for less than all of the cluster's disks is overruled.
    PERFORM set_config('synchronous_commit', 'on', true)
    WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');
    -- Behind a pooler the session's own setting is not ours to make.
    PERFORM set_config('lock_timeout', '1s', true);

    -- Whom `erase` removed comes back by no retry, replay or spool: such rows count as repeated.
    IF gateway.has_erased() THEN
        v_kept := gateway.without_erased(p_events);
    END IF;

    WITH inserted AS (
        INSERT INTO gateway.source_event
        SELECT v_batch, NULL, NULL, NULL, e.*
        FROM unnest(CASE WHEN v_kept IS NULL THEN p_events ELSE v_kept END) AS e
        WHERE cardinality(v_dropped) = 0
           OR date_trunc('month', e.occurred_at, 'UTC') <> ALL (v_dropped)
        ON CONFLICT DO NOTHING
        RETURNING company_id, occurred_at, event_id)
    SELECT count(*), array_agg(company_id), array_agg(occurred_at), array_agg(event_id)
    INTO stored, v_companies, v_times, v_ids FROM inserted;

    IF stored = v_given THEN
        INSERT INTO gateway.delivery SELECT d.* FROM unnest(p_deliveries) AS d
        ON CONFLICT DO NOTHING;
    ELSE
        SELECT coalesce(array_agg(e.ordinality), '{}') INTO fresh
        FROM unnest(p_events) WITH ORDINALITY AS e
        JOIN unnest(v_companies, v_times, v_ids) AS n (company_id, occurred_at, event_id)
            USING (company_id, occurred_at, event_id);

        INSERT INTO gateway.delivery
        SELECT d.company_id, d.received_at, d.event_id, d.endpoint, d.key_id, d.body
        FROM unnest(p_deliveries) WITH ORDINALITY AS d
        JOIN unnest(fresh) AS f (ordinality) USING (ordinality)
        ORDER BY d.ordinality ON CONFLICT DO NOTHING;
    END IF;

    IF cardinality(p_quarantine) > 0 THEN
        v_quarantined := gateway.keep_refused(v_batch, p_version, p_quarantine);
    END IF;

    IF stored > 0 OR v_quarantined > 0 THEN
        INSERT INTO gateway.batch (batch_id, writer, events, duplicates, quarantined)
        VALUES (v_batch, p_writer, stored, v_given - stored, v_quarantined);
        batch_id := v_batch;
    ELSIF v_given > 0 AND cardinality(p_quarantine) = 0 THEN
        -- All were there before, perhaps on no standby yet: the answer waits for a commit, too.
        PERFORM pg_logical_emit_message(true, 'attentive-gateway', 'duplicates');
    END IF;
END $$;
COMMENT ON FUNCTION gateway.write_batch IS
    'Writes events, their bytes and quarantine rows as one batch; what was there before is left '
    'alone.';
