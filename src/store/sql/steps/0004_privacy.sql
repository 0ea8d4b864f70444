-- What is left of an erased person are rows that count and lead to nobody, and tombstones: digests
-- that only somebody who knows the phone number or address, and the database's key, could make
-- again. The key lives in the database, where no role may read it: the tombstone is checked in the
-- transaction that writes, on whichever replica, and a key that gets lost elsewhere would let
-- people come back.

CREATE TABLE gateway.digest_key (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    key      bytea   NOT NULL
);
INSERT INTO gateway.digest_key (key)
SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

CREATE TABLE gateway.erasure (
    erasure_id   uuid        PRIMARY KEY,
    company_id   text        NOT NULL,
    erased_at    timestamptz NOT NULL,
    requested_by text        NOT NULL,
    kind         text        NOT NULL,
    subscribers  bigint      NOT NULL,
    events       bigint      NOT NULL,
    deliveries   bigint      NOT NULL,
    quarantined  bigint      NOT NULL
);

CREATE TABLE gateway.audience_export (
    export_id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    exported_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    exported_by       text        NOT NULL,
    company_id        text        NOT NULL,
    audience          text        NOT NULL,
    rule              jsonb       NOT NULL,
    channel           text        NOT NULL,
    subscription_type text        NOT NULL,
    hashed_for        text,
    people            bigint      NOT NULL,
    projected         bigint      NOT NULL
);

CREATE TABLE gateway.tombstone (
    company_id    text        NOT NULL,
    digest        bytea       NOT NULL,
    erased_before timestamptz NOT NULL,
    erasure_id    uuid        NOT NULL,
    evidence_id   uuid,
    PRIMARY KEY (company_id, digest)
);

-- Who was erased still counts where too many share a value: else those who are left would be one.
CREATE TABLE gateway.erased_value (
    company_id    text  NOT NULL,
    digest        bytea NOT NULL,
    subscriber_id uuid  NOT NULL,
    PRIMARY KEY (company_id, digest, subscriber_id)
);
