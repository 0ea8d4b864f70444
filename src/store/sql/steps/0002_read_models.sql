-- Tables that the applier derives from the log, each by a merge that does not care for order and
-- takes the same event any number of times. Nothing in them is truth: `rebuild` makes them again.
-- Every key begins with company_id, so that they distribute with the log; but that of
-- identity_value, which has the company in its hash.

CREATE TABLE gateway.company (
    company_id      text           PRIMARY KEY,
    company_name    text,
    timezone        text           NOT NULL DEFAULT 'UTC',
    first_seen_at   timestamptz(3) NOT NULL,
    last_seen_at    timestamptz(3) NOT NULL,
    company_name_at timestamptz(3)
);

CREATE TABLE gateway.identity (
    company_id    text           NOT NULL,
    subscriber_id uuid           NOT NULL,
    profile_id    uuid           NOT NULL,
    first_seen_at timestamptz(3) NOT NULL,
    identifiers   jsonb          NOT NULL,
    sms_to        uuid,
    email_to      uuid,
    PRIMARY KEY (company_id, subscriber_id)
) WITH (fillfactor = 90);

-- Most profiles are one subscriber, and need no entry.
CREATE INDEX identity_profile ON gateway.identity (company_id, profile_id) INCLUDE (subscriber_id)
    WHERE profile_id <> subscriber_id;

-- Six rows for a subscriber who is well known: every byte of them counts.
CREATE TABLE gateway.identity_value (
    value_hash    bigint NOT NULL,
    subscriber_id uuid   NOT NULL
);

CREATE INDEX identity_value_hash ON gateway.identity_value (value_hash);

-- One index, which every step asks by: with a second one, a plan made for an empty table may take
-- the wrong one for good.
CREATE TABLE gateway.consent_decision (
    company_id        text           NOT NULL,
    subscriber_id     uuid           NOT NULL,
    channel           text           NOT NULL,
    subscription_type text           NOT NULL,
    occurred_at       timestamptz(3) NOT NULL,
    event_id          uuid           NOT NULL,
    decision          text           NOT NULL CHECK (decision IN ('granted', 'revoked')),
    is_effective      boolean        NOT NULL,
    is_current        boolean        NOT NULL,
    creative_name     text,
    creative_type     text,
    creative_subtype  text,
    granted_at        timestamptz(3),
    is_spread         boolean        NOT NULL,
    PRIMARY KEY (company_id, subscriber_id, channel, subscription_type, occurred_at, event_id)
) WITH (fillfactor = 85);

CREATE TABLE gateway.consent (
    company_id        text           NOT NULL,
    subscriber_id     uuid           NOT NULL,
    channel           text           NOT NULL,
    subscription_type text           NOT NULL,
    decision          text           NOT NULL,
    decided_at        timestamptz(3) NOT NULL,
    decided_by        uuid           NOT NULL,
    first_granted_at  timestamptz(3),
    last_granted_at   timestamptz(3),
    last_granted_by   uuid,
    last_revoked_at   timestamptz(3),
    creative_name     text,
    creative_type     text,
    creative_subtype  text,
    PRIMARY KEY (company_id, subscriber_id, channel, subscription_type)
) WITH (fillfactor = 85);

CREATE TABLE gateway.consent_daily (
    company_id         text    NOT NULL,
    day                date    NOT NULL,
    channel            text    NOT NULL,
    subscription_type  text    NOT NULL,
    creative_name      text,
    creative_type      text,
    creative_subtype   text,
    opt_ins            bigint  NOT NULL,
    opt_outs           bigint  NOT NULL,
    effective_opt_ins  bigint  NOT NULL,
    effective_opt_outs bigint  NOT NULL,
    current_opt_ins    bigint  NOT NULL,
    current_opt_outs   bigint  NOT NULL,
    UNIQUE NULLS NOT DISTINCT (company_id, day, channel, subscription_type, creative_name,
        creative_type, creative_subtype)
) WITH (fillfactor = 85);

CREATE TABLE gateway.consent_latest (
    company_id        text           NOT NULL,
    channel           text           NOT NULL,
    subscription_type text           NOT NULL,
    occurred_at       timestamptz(3) NOT NULL,
    PRIMARY KEY (company_id, channel, subscription_type)
) WITH (fillfactor = 50);

CREATE TABLE gateway.message (
    company_id       text           NOT NULL,
    message_key      text           NOT NULL,
    channel          text,
    message_type     text,
    message_name     text,
    business_address text,
    first_seen_at    timestamptz(3) NOT NULL,
    last_seen_at     timestamptz(3) NOT NULL,
    message_type_at     timestamptz(3),
    message_name_at     timestamptz(3),
    business_address_at timestamptz(3),
    PRIMARY KEY (company_id, message_key)
) WITH (fillfactor = 70);

CREATE TABLE gateway.message_member (
    company_id       text    NOT NULL,
    channel          text    NOT NULL,
    stat_key         text    NOT NULL,
    subscriber_id    uuid    NOT NULL,
    was_sent         boolean NOT NULL,
    has_opened       boolean NOT NULL,
    clicks           bigint  NOT NULL,
    recipient_opened boolean NOT NULL DEFAULT false,
    recipient_clicks bigint  NOT NULL DEFAULT 0,
    left_after       interval,
    suspect_opens    bigint  NOT NULL DEFAULT 0,
    suspect_clicks   bigint  NOT NULL DEFAULT 0,
    person_opened    boolean NOT NULL DEFAULT false,
    person_clicks    bigint  NOT NULL DEFAULT 0,
    PRIMARY KEY (company_id, channel, stat_key, subscriber_id)
) WITH (fillfactor = 85);

CREATE TABLE gateway.message_stats (
    company_id         text   NOT NULL,
    channel            text   NOT NULL,
    stat_key           text   NOT NULL,
    sent               bigint NOT NULL DEFAULT 0,
    recipients         bigint NOT NULL DEFAULT 0,
    opens              bigint NOT NULL DEFAULT 0,
    unique_openers     bigint NOT NULL DEFAULT 0,
    clicks             bigint NOT NULL DEFAULT 0,
    unique_clickers    bigint NOT NULL DEFAULT 0,
    recipients_opened  bigint NOT NULL DEFAULT 0,
    recipients_clicked bigint NOT NULL DEFAULT 0,
    recipient_clicks   bigint NOT NULL DEFAULT 0,
    unsubscribed_1d    bigint NOT NULL DEFAULT 0,
    unsubscribed_3d    bigint NOT NULL DEFAULT 0,
    unsubscribed_7d    bigint NOT NULL DEFAULT 0,
    suspect_opens      bigint NOT NULL DEFAULT 0,
    suspect_clicks     bigint NOT NULL DEFAULT 0,
    people_opened      bigint NOT NULL DEFAULT 0,
    people_clicked     bigint NOT NULL DEFAULT 0,
    person_clicks      bigint NOT NULL DEFAULT 0,
    first_sent_at      timestamptz(3),
    last_sent_at       timestamptz(3),
    PRIMARY KEY (company_id, channel, stat_key)
) WITH (fillfactor = 50);

CREATE TABLE gateway.last_send (
    company_id    text           NOT NULL,
    subscriber_id uuid           NOT NULL,
    channel       text           NOT NULL,
    occurred_at   timestamptz(3) NOT NULL,
    event_id      uuid           NOT NULL,
    action        text           NOT NULL,
    is_of_other   boolean        NOT NULL,
    stat_key      text,
    sent_key      text,
    sent_at       timestamptz(3),
    is_suspect    boolean        NOT NULL,
    PRIMARY KEY (company_id, subscriber_id, channel, occurred_at, event_id)
) WITH (fillfactor = 85);

CREATE INDEX last_send_suspect ON gateway.last_send (company_id, occurred_at) WHERE is_suspect;

CREATE TABLE gateway.subject_vote (
    company_id      text   NOT NULL,
    message_subject text   NOT NULL,
    message_key     text   NOT NULL,
    votes           bigint NOT NULL,
    PRIMARY KEY (company_id, message_subject, message_key)
) WITH (fillfactor = 70);

CREATE TABLE gateway.engagement (
    company_id    text             NOT NULL,
    subscriber_id uuid             NOT NULL,
    channel       text             NOT NULL,
    sent_at       timestamptz(3)[] NOT NULL,
    opened_at     timestamptz(3)[] NOT NULL,
    clicked_at    timestamptz(3)[] NOT NULL,
    replied_at    timestamptz(3)[] NOT NULL,
    PRIMARY KEY (company_id, subscriber_id, channel)
) WITH (fillfactor = 70);

CREATE TABLE gateway.feed_day (
    company_id        text           NOT NULL,
    event_name        text           NOT NULL,
    day               date           NOT NULL,
    first_received_at timestamptz(3) NOT NULL,
    last_received_at  timestamptz(3) NOT NULL,
    minutes           bit(1440)      NOT NULL,
    hours             integer        NOT NULL,
    pause_minutes     integer        NOT NULL,
    PRIMARY KEY (company_id, event_name, day)
) WITH (fillfactor = 70);

-- What the read models need of an event. Long texts are cut to what an index can hold.
CREATE TYPE gateway.projection_event AS (
    company_id        text,
    occurred_at       timestamptz,
    event_id          uuid,
    channel           text,
    action            text,
    company_name      text,
    subscriber_id     uuid,
    identifiers       jsonb,
    subscription_type text,
    creative_name     text,
    creative_type     text,
    creative_subtype  text,
    message_key       text,
    stat_key          text,
    message_type      text,
    message_name      text,
    business_address  text,
    received_at       timestamptz
);
COMMENT ON TYPE gateway.projection_event IS 'What the read models need of an event of the log.';

CREATE TYPE gateway.asked_recipient AS (
    company_id    text,
    channel       text,
    recipient_id  uuid,
    subscriber_id uuid,
    mates         uuid[]
);
COMMENT ON TYPE gateway.asked_recipient IS
    'A subscriber whose consent is worked out anew, and the others who share its address of the '
    'channel: together they are one recipient.';

-- Orders are rare in the log, and what is asked of one is asked over all of its months.
CREATE INDEX source_event_order ON gateway.source_event (company_id, order_id)
    WHERE order_id IS NOT NULL;
CREATE INDEX source_event_ordered ON gateway.source_event (position) WHERE order_id IS NOT NULL;

CREATE TABLE gateway.current_order (
    company_id    text           NOT NULL,
    occurred_at   timestamptz(3) NOT NULL,
    event_id      uuid           NOT NULL,
    source        text           NOT NULL,
    order_id      text           NOT NULL,
    subscriber_id uuid,
    order_value   numeric,
    currency      text,
    refunds       numeric,
    net_value     numeric,
    is_cancelled  boolean        NOT NULL,
    discount_code text,
    items_count   integer,
    PRIMARY KEY (company_id, source, order_id)
) WITH (fillfactor = 85);

CREATE INDEX current_order_time ON gateway.current_order (company_id, occurred_at);
CREATE INDEX current_order_subscriber ON gateway.current_order (company_id, subscriber_id);
