-- Tables that the projector derives from the log, each by a merge that does not care for order and
-- takes the same event any number of times. Nothing in them is truth: `rebuild` makes them again.
-- Every key begins with company_id, so that they distribute with the log.

CREATE TABLE gateway.company (
    company_id    text           PRIMARY KEY,
    company_name  text,
    timezone      text           NOT NULL DEFAULT 'UTC',
    first_seen_at timestamptz(3) NOT NULL,
    last_seen_at  timestamptz(3) NOT NULL
);

COMMENT ON TABLE gateway.company IS 'One row for each company (tenant) that the log has seen.';
COMMENT ON COLUMN gateway.company.company_name IS 'Display name of the newest event that gave one.';
COMMENT ON COLUMN gateway.company.timezone IS 'IANA name; decides the local day of every report. Set with gateway.set_timezone.';
COMMENT ON COLUMN gateway.company.first_seen_at IS 'occurred_at of the oldest event.';
COMMENT ON COLUMN gateway.company.last_seen_at IS 'occurred_at of the newest event.';

CREATE TABLE gateway.identifier (
    company_id    text           NOT NULL,
    subscriber_id uuid           NOT NULL,
    kind          text           NOT NULL,
    value         text           NOT NULL,
    first_seen_at timestamptz(3) NOT NULL,
    last_seen_at  timestamptz(3) NOT NULL,
    PRIMARY KEY (company_id, subscriber_id, kind, value)
);

CREATE INDEX identifier_value ON gateway.identifier (company_id, kind, value);

COMMENT ON TABLE gateway.identifier IS
    'Which identifiers were seen with which subscriber; beside log and raw bodies the only place with personal data in clear.';
COMMENT ON COLUMN gateway.identifier.subscriber_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.identifier.kind IS 'attentive_external_id, phone, email, client_user_id, klaviyo_id, shopify_id, custom:<name>.';
COMMENT ON COLUMN gateway.identifier.value IS 'Normalised value. Personal data.';
COMMENT ON COLUMN gateway.identifier.first_seen_at IS 'occurred_at of the oldest event with it.';
COMMENT ON COLUMN gateway.identifier.last_seen_at IS 'occurred_at of the newest event with it.';

CREATE TABLE gateway.identity (
    company_id    text NOT NULL,
    subscriber_id uuid NOT NULL,
    profile_id    uuid NOT NULL,
    PRIMARY KEY (company_id, subscriber_id)
);

CREATE INDEX identity_profile ON gateway.identity (company_id, profile_id) INCLUDE (subscriber_id);

COMMENT ON TABLE gateway.identity IS
    'Profile of every subscriber: the connected component over shared identifiers. One row for each subscriber of the log, merged or not.';
COMMENT ON COLUMN gateway.identity.subscriber_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.identity.profile_id IS 'subscriber_id of the profile''s first seen subscriber (ties: the smaller id).';

CREATE TABLE gateway.consent_decision (
    company_id        text           NOT NULL,
    occurred_at       timestamptz(3) NOT NULL,
    event_id          uuid           NOT NULL,
    subscriber_id     uuid           NOT NULL,
    channel           text           NOT NULL,
    subscription_type text           NOT NULL,
    decision          text           NOT NULL CHECK (decision IN ('granted', 'revoked')),
    is_effective      boolean        NOT NULL,
    creative_name     text,
    creative_type     text,
    creative_subtype  text,
    granted_at        timestamptz(3),
    PRIMARY KEY (company_id, occurred_at, event_id)
);

CREATE INDEX consent_decision_subscriber ON gateway.consent_decision
    (company_id, subscriber_id, channel, subscription_type, occurred_at);

COMMENT ON TABLE gateway.consent_decision IS
    'Evidence: every opt-in and opt-out of a known subscriber.';
COMMENT ON COLUMN gateway.consent_decision.channel IS 'sms or email.';
COMMENT ON COLUMN gateway.consent_decision.subscription_type IS 'As in gateway.source_event; UNSPECIFIED when the event named none.';
COMMENT ON COLUMN gateway.consent_decision.decision IS 'granted or revoked.';
COMMENT ON COLUMN gateway.consent_decision.is_effective IS 'Whether it changed the state: a repeated decision does not, nor an opt-out of somebody never opted in.';
COMMENT ON COLUMN gateway.consent_decision.creative_name IS 'Sign-up source; of an opt-out: that of the grant it ends.';
COMMENT ON COLUMN gateway.consent_decision.creative_type IS 'As creative_name.';
COMMENT ON COLUMN gateway.consent_decision.creative_subtype IS 'As creative_name.';
COMMENT ON COLUMN gateway.consent_decision.granted_at IS 'Of an opt-out: when the grant it ends was given; null when there was none.';

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
);

COMMENT ON TABLE gateway.consent IS
    'State now: the greatest of (occurred_at, revoked after granted, event_id), so that an opt-out wins a tie and the order of arrival does not matter.';
COMMENT ON COLUMN gateway.consent.decision IS 'granted or revoked.';
COMMENT ON COLUMN gateway.consent.decided_at IS 'occurred_at of the decision.';
COMMENT ON COLUMN gateway.consent.decided_by IS 'event_id of the decision: the evidence.';
COMMENT ON COLUMN gateway.consent.first_granted_at IS 'First opt-in.';
COMMENT ON COLUMN gateway.consent.last_granted_at IS 'Last opt-in.';
COMMENT ON COLUMN gateway.consent.last_granted_by IS 'event_id of the last opt-in.';
COMMENT ON COLUMN gateway.consent.last_revoked_at IS 'Last opt-out.';
COMMENT ON COLUMN gateway.consent.creative_name IS 'Sign-up source of the last opt-in.';
COMMENT ON COLUMN gateway.consent.creative_type IS 'As creative_name.';
COMMENT ON COLUMN gateway.consent.creative_subtype IS 'As creative_name.';

CREATE TABLE gateway.message (
    company_id       text           NOT NULL,
    message_key      text           NOT NULL,
    channel          text,
    message_type     text,
    message_name     text,
    message_subject  text,
    business_address text,
    first_seen_at    timestamptz(3) NOT NULL,
    last_seen_at     timestamptz(3) NOT NULL,
    PRIMARY KEY (company_id, message_key)
);

COMMENT ON TABLE gateway.message IS
    'What the events of one message told of it; a name or subject is the newest one given.';
COMMENT ON COLUMN gateway.message.message_key IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.message.channel IS 'sms or email.';
COMMENT ON COLUMN gateway.message.message_type IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.message.message_name IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.message.message_subject IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.message.business_address IS 'As in gateway.source_event, of what was sent.';
COMMENT ON COLUMN gateway.message.first_seen_at IS 'occurred_at of its oldest event.';
COMMENT ON COLUMN gateway.message.last_seen_at IS 'occurred_at of its newest event.';
