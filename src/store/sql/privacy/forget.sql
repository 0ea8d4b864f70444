-- What is made again of the log once a person has gone from it.

-- Read models that hold words of the person as a key, which is rare, are made again from the log.
CREATE OR REPLACE FUNCTION gateway.forget_words() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_models text[] := gateway.made_with('{company,consent,message}');
    v_model  text;
    v_table  text;
BEGIN
    PERFORM gateway.rebuild_begin(v_models);
    WHILE gateway.rebuild_step(v_models, 5000) > 0 LOOP
    END LOOP;
    PERFORM gateway.rebuild_end(v_models);
    FOREACH v_model IN ARRAY v_models LOOP
        FOREACH v_table IN ARRAY gateway.read_model_tables(v_model) LOOP
            EXECUTE format('DROP TABLE pg_temp.%I', v_table);
        END LOOP;
    END LOOP;
    DROP TABLE pg_temp.rebuilt;
END $$;
COMMENT ON FUNCTION gateway.forget_words IS
    'Makes those read models again that are keyed by words of events.';

CREATE OR REPLACE FUNCTION gateway.renumber_orders() RETURNS void
LANGUAGE plpgsql SET search_path = gateway, pg_temp
AS $$
BEGIN
    PERFORM gateway.project_orders(array_agg(o.company_id), array_agg(o.source),
                                   array_agg(o.order_id))
    FROM pg_temp.erased_order o;
    DROP TABLE pg_temp.erased_order;
END $$;
COMMENT ON FUNCTION gateway.renumber_orders IS
    'Keeps orders of the erased under the numbers that blank_erased gave them.';
