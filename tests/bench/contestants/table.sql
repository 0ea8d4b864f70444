-- What every contestant but the gateway writes: the signed bytes and the few columns that a
-- reader needs first, once. No schedule of partitions, no read models.
CREATE TABLE event (
    event_id bytea PRIMARY KEY, -- first half of the body's SHA-256
    company_id text NOT NULL,
    type text NOT NULL,
    occurred_at timestamptz NOT NULL,
    subscriber text NOT NULL,
    body bytea NOT NULL
);
CREATE INDEX event_subscriber ON event (company_id, subscriber, occurred_at);
