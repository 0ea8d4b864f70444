-- Whom `erase` removed, asked in the transaction that writes.

SELECT gateway.describe('gateway.digest_key',
    'Key of the digests in gateway.tombstone; read by functions of this schema only.', ARRAY[
    ['only_one', 'There is one row.'],
    ['key', '32 random bytes, made with the schema. Secret.']]);

SELECT gateway.describe('gateway.erasure',
    'Audit: every erasure, without whom it removed.', ARRAY[
    ['erasure_id', 'Random.'],
    ['erased_at', 'Events up to then are gone for good; later ones are a new beginning.'],
    ['requested_by', 'The database user.'],
    ['kind', 'By which kind of identifier the person was named.'],
    ['subscribers', 'Subscribers that were the person.'],
    ['events', 'Events of the log that were blanked.'],
    ['deliveries', 'Raw bodies deleted.'],
    ['quarantined', 'Bodies in quarantine blanked.']]);

SELECT gateway.describe('gateway.tombstone',
    'Who was erased, as keyed digests: keeps a replayed delivery from bringing them back, and '
    'leads whoever knows the identifier to the consent evidence.', ARRAY[
    ['digest', 'Keyed digest of a subscriber_id that the person had, or could have by one of the '
        'identifiers.'],
    ['erased_before', 'Events that happened up to then are dropped.'],
    ['erasure_id', 'gateway.erasure.'],
    ['evidence_id', 'The random subscriber_id under which log and consent evidence go on; null '
        'for an identifier that was no subscriber of its own.']]);

SELECT gateway.describe('gateway.erased_value',
    'Who of the erased had an identifier that others have, too: they go on to count where too many '
    'share it to be one person.', ARRAY[
    ['digest', 'Keyed digest of kind and value.'],
    ['subscriber_id', 'Random, as in the log.']],
    '{gateway.source_event}');

CREATE OR REPLACE FUNCTION gateway.keyed_digest(p_text text) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT sha256(k.key || sha256(k.key || convert_to(p_text, 'UTF8'))) FROM gateway.digest_key k
$$;
COMMENT ON FUNCTION gateway.keyed_digest IS 'SHA-256 twice, keyed both times. For tombstones.';

CREATE OR REPLACE FUNCTION gateway.has_erased() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'SELECT EXISTS (SELECT FROM gateway.tombstone)';
COMMENT ON FUNCTION gateway.has_erased IS 'Whether anybody was ever erased.';

CREATE OR REPLACE FUNCTION gateway.is_erased(
    p_company_id text, p_subscriber_id uuid, p_at timestamptz)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p_subscriber_id IS NOT NULL AND gateway.has_erased() AND EXISTS (
        SELECT FROM gateway.tombstone t
        WHERE t.company_id = p_company_id AND t.erased_before >= p_at
          AND t.digest = gateway.keyed_digest(p_subscriber_id::text))
$$;
COMMENT ON FUNCTION gateway.is_erased IS
    'Whether an event of this subscriber and time belongs to somebody who was erased.';

CREATE OR REPLACE FUNCTION gateway.without_erased(p_events gateway.event_row[])
RETURNS gateway.event_row[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(array_agg(e ORDER BY e.company_id COLLATE "C", e.occurred_at, e.event_id), '{}')
    FROM unnest(p_events) AS e
    WHERE NOT gateway.is_erased(e.company_id, e.subscriber_id, e.occurred_at)
$$;
COMMENT ON FUNCTION gateway.without_erased IS
    'The events that belong to nobody who was erased, in key order.';
