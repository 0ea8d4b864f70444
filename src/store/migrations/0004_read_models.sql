-- Tables that the projector derives from the log, each by a merge that does not care for order and
-- takes the same event any number of times. Nothing in them is truth: `rebuild` makes them again.
-- Every key begins with company_id, so that they distribute with the log.

CREATE TABLE gateway.company (
    company_id      text           PRIMARY KEY,
    company_name    text,
    timezone        text           NOT NULL DEFAULT 'UTC',
    first_seen_at   timestamptz(3) NOT NULL,
    last_seen_at    timestamptz(3) NOT NULL,
    company_name_at timestamptz(3)
);

COMMENT ON TABLE gateway.company IS 'One row for each company (tenant) that the log has seen.';
COMMENT ON COLUMN gateway.company.company_name IS 'Display name of the newest event that gave one.';
COMMENT ON COLUMN gateway.company.timezone IS 'IANA name; decides the local day of every report. Set with gateway.set_timezone.';
COMMENT ON COLUMN gateway.company.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.company.company_name_at IS 'occurred_at of the newest event that gave a name.';
COMMENT ON COLUMN gateway.company.first_seen_at IS 'occurred_at of the oldest event.';
COMMENT ON COLUMN gateway.company.last_seen_at IS 'occurred_at of the newest event.';

CREATE TABLE gateway.identifier (
    company_id    text           NOT NULL,
    subscriber_id uuid           NOT NULL,
    kind          text           NOT NULL,
    value         text           NOT NULL,
    first_seen_at timestamptz(3) NOT NULL,
    last_seen_at  timestamptz(3) NOT NULL,
    links         boolean        NOT NULL,
    PRIMARY KEY (company_id, subscriber_id, kind, value)
) WITH (fillfactor = 85);

-- With the subscriber, so that a value that millions share is no slower to look up than another.
CREATE INDEX identifier_value ON gateway.identifier (company_id, kind, value, subscriber_id);

COMMENT ON TABLE gateway.identifier IS
    'Which identifiers were seen with which subscriber; beside log and raw bodies the only place with personal data in clear.';
COMMENT ON COLUMN gateway.identifier.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.identifier.subscriber_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.identifier.kind IS 'attentive_external_id, phone, email, client_user_id, klaviyo_id, shopify_id, custom:<name>.';
COMMENT ON COLUMN gateway.identifier.value IS 'Normalised value. Personal data.';
COMMENT ON COLUMN gateway.identifier.first_seen_at IS 'occurred_at of the oldest event with it.';
COMMENT ON COLUMN gateway.identifier.last_seen_at IS 'Start of the UTC day of the newest event with it: an exact time would rewrite the row with each event.';
COMMENT ON COLUMN gateway.identifier.links IS 'Whether it may join subscribers: its kind has a rule and its value is not blocked.';

CREATE TABLE gateway.identity (
    company_id    text           NOT NULL,
    subscriber_id uuid           NOT NULL,
    profile_id    uuid           NOT NULL,
    first_seen_at timestamptz(3) NOT NULL,
    PRIMARY KEY (company_id, subscriber_id)
);

CREATE INDEX identity_profile ON gateway.identity (company_id, profile_id) INCLUDE (subscriber_id);

COMMENT ON TABLE gateway.identity IS
    'Profile of every subscriber: the connected component over shared identifiers. One row for each subscriber of the log, merged or not.';
COMMENT ON COLUMN gateway.identity.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.identity.first_seen_at IS 'occurred_at of the subscriber''s oldest event.';
COMMENT ON COLUMN gateway.identity.subscriber_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.identity.profile_id IS 'subscriber_id of the profile''s first seen subscriber (ties: the smaller id).';

-- What may join subscribers. These three are settings, not derived: rebuild keeps and obeys them.
CREATE TABLE gateway.identity_rule (
    kind            text    PRIMARY KEY,
    subscribers_max integer NOT NULL CHECK (subscribers_max >= 1)
);

INSERT INTO gateway.identity_rule (kind, subscribers_max) VALUES
    ('attentive_external_id', 5), ('client_user_id', 5), ('shopify_id', 5), ('klaviyo_id', 5),
    ('email', 5), ('phone', 5);

COMMENT ON TABLE gateway.identity_rule IS
    'Kinds of identifiers that join subscribers into one profile; a kind without a row (custom:<name>) joins nobody. After a change: attentive-gateway rebuild --model identity.';
COMMENT ON COLUMN gateway.identity_rule.kind IS 'As in gateway.identifier.';
COMMENT ON COLUMN gateway.identity_rule.subscribers_max IS 'A value shared by more subscribers is a hub (a shop''s phone, a family''s mailbox) and joins none of them.';

CREATE TABLE gateway.identity_block (
    kind    text NOT NULL,
    pattern text NOT NULL,
    PRIMARY KEY (kind, pattern)
);

INSERT INTO gateway.identity_block (kind, pattern) VALUES
    ('*', '^[\s0-]*$'), ('*', '^(null|none|nil|undefined|anonymous|unknown|n/a|test|-1)$'),
    ('email', '(^|[^a-z])protected\]?$'), ('email', '@([^@]+\.)?example\.(com|org|net)$'),
    ('email', '\.(example|invalid|test)$'), ('phone', '^\+1555');

COMMENT ON TABLE gateway.identity_block IS
    'Values that never identify anybody: blanks, place-holders, values of documentation. After a change: attentive-gateway rebuild --model identity.';
COMMENT ON COLUMN gateway.identity_block.kind IS 'As in gateway.identifier; * for every kind.';
COMMENT ON COLUMN gateway.identity_block.pattern IS 'Regular expression, in any case of letters.';

CREATE TABLE gateway.identity_split (
    company_id    text        NOT NULL,
    subscriber_id uuid        NOT NULL,
    kind          text        NOT NULL,
    split_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (company_id, subscriber_id, kind)
);

COMMENT ON TABLE gateway.identity_split IS
    'Un-merges decided by a person: identifiers of this kind join this subscriber to nobody. Made with attentive-gateway identity split.';
COMMENT ON COLUMN gateway.identity_split.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.identity_split.subscriber_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.identity_split.kind IS 'As in gateway.identifier; * for every kind.';
COMMENT ON COLUMN gateway.identity_split.split_at IS 'When it was decided.';

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
    PRIMARY KEY (company_id, subscriber_id, channel, subscription_type, occurred_at, event_id)
) WITH (fillfactor = 85);

COMMENT ON TABLE gateway.consent_decision IS
    'Evidence: every opt-in and opt-out of a known subscriber.';
COMMENT ON COLUMN gateway.consent_decision.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.consent_decision.subscriber_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.consent_decision.occurred_at IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.consent_decision.event_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.consent_decision.channel IS 'sms or email.';
COMMENT ON COLUMN gateway.consent_decision.subscription_type IS 'As in gateway.source_event; UNSPECIFIED when the event named none.';
COMMENT ON COLUMN gateway.consent_decision.decision IS 'granted or revoked.';
COMMENT ON COLUMN gateway.consent_decision.is_effective IS 'Whether it changed the state: a repeated decision does not, nor an opt-out of somebody never opted in.';
COMMENT ON COLUMN gateway.consent_decision.is_current IS 'Whether it is the last one, which gateway.consent says.';
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
) WITH (fillfactor = 85);

COMMENT ON TABLE gateway.consent IS
    'State now: the greatest of (occurred_at, revoked after granted, event_id), so that an opt-out wins a tie and the order of arrival does not matter.';
COMMENT ON COLUMN gateway.consent.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.consent.subscriber_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.consent.channel IS 'As in gateway.consent_decision.';
COMMENT ON COLUMN gateway.consent.subscription_type IS 'As in gateway.consent_decision.';
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

COMMENT ON TABLE gateway.consent_daily IS 'gateway.consent_decision counted by the company''s local day.';
COMMENT ON COLUMN gateway.consent_daily.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.consent_daily.day IS 'Day in the company''s time zone.';
COMMENT ON COLUMN gateway.consent_daily.channel IS 'sms or email.';
COMMENT ON COLUMN gateway.consent_daily.subscription_type IS 'As in gateway.consent_decision.';
COMMENT ON COLUMN gateway.consent_daily.creative_name IS 'Sign-up source; an opt-out counts for the creative of the grant it ends.';
COMMENT ON COLUMN gateway.consent_daily.creative_type IS 'As creative_name.';
COMMENT ON COLUMN gateway.consent_daily.creative_subtype IS 'As creative_name.';
COMMENT ON COLUMN gateway.consent_daily.opt_ins IS 'All opt-ins.';
COMMENT ON COLUMN gateway.consent_daily.opt_outs IS 'All opt-outs.';
COMMENT ON COLUMN gateway.consent_daily.effective_opt_ins IS 'Opt-ins that changed the state.';
COMMENT ON COLUMN gateway.consent_daily.effective_opt_outs IS 'Opt-outs that changed the state.';
COMMENT ON COLUMN gateway.consent_daily.current_opt_ins IS 'Opt-ins that are still the last decision: subscribers.';
COMMENT ON COLUMN gateway.consent_daily.current_opt_outs IS 'Opt-outs that are still the last decision.';

CREATE TABLE gateway.consent_latest (
    company_id        text           NOT NULL,
    channel           text           NOT NULL,
    subscription_type text           NOT NULL,
    occurred_at       timestamptz(3) NOT NULL,
    PRIMARY KEY (company_id, channel, subscription_type)
) WITH (fillfactor = 50);

COMMENT ON TABLE gateway.consent_latest IS 'The time of the newest gateway.consent_decision.';
COMMENT ON COLUMN gateway.consent_latest.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.consent_latest.channel IS 'sms or email.';
COMMENT ON COLUMN gateway.consent_latest.subscription_type IS 'As in gateway.consent_decision.';
COMMENT ON COLUMN gateway.consent_latest.occurred_at IS 'As in gateway.consent_decision.';

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
    message_type_at     timestamptz(3),
    message_name_at     timestamptz(3),
    message_subject_at  timestamptz(3),
    business_address_at timestamptz(3),
    PRIMARY KEY (company_id, message_key)
) WITH (fillfactor = 70);

COMMENT ON TABLE gateway.message IS
    'What the events of one message told of it; a name or subject is the newest one given.';
COMMENT ON COLUMN gateway.message.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.message.message_key IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.message.channel IS 'sms or email.';
COMMENT ON COLUMN gateway.message.message_type IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.message.message_name IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.message.message_subject IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.message.business_address IS 'As in gateway.source_event, of what was sent.';
COMMENT ON COLUMN gateway.message.first_seen_at IS 'occurred_at of its oldest event.';
COMMENT ON COLUMN gateway.message.last_seen_at IS 'occurred_at of its newest event.';
COMMENT ON COLUMN gateway.message.message_type_at IS 'occurred_at of the newest event that gave message_type.';
COMMENT ON COLUMN gateway.message.message_name_at IS 'occurred_at of the newest event that gave message_name.';
COMMENT ON COLUMN gateway.message.message_subject_at IS 'occurred_at of the newest event that gave message_subject.';
COMMENT ON COLUMN gateway.message.business_address_at IS 'occurred_at of the newest send that gave business_address.';

CREATE TABLE gateway.message_member (
    company_id    text    NOT NULL,
    channel       text    NOT NULL,
    stat_key      text    NOT NULL,
    subscriber_id uuid    NOT NULL,
    was_sent      boolean NOT NULL,
    has_opened    boolean NOT NULL,
    has_clicked   boolean NOT NULL,
    PRIMARY KEY (company_id, channel, stat_key, subscriber_id)
) WITH (fillfactor = 85);

COMMENT ON TABLE gateway.message_member IS
    'Who got, opened and clicked a message at all: what makes unique counts cheap.';
COMMENT ON COLUMN gateway.message_member.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.message_member.channel IS 'sms or email.';
COMMENT ON COLUMN gateway.message_member.stat_key IS 'As in gateway.message_stats.';
COMMENT ON COLUMN gateway.message_member.subscriber_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.message_member.was_sent IS 'It was sent to the subscriber.';
COMMENT ON COLUMN gateway.message_member.has_opened IS 'The subscriber opened it.';
COMMENT ON COLUMN gateway.message_member.has_clicked IS 'The subscriber clicked a link of it.';

CREATE TABLE gateway.message_stats (
    company_id      text   NOT NULL,
    channel         text   NOT NULL,
    stat_key        text   NOT NULL,
    sent            bigint NOT NULL DEFAULT 0,
    recipients      bigint NOT NULL DEFAULT 0,
    opens           bigint NOT NULL DEFAULT 0,
    unique_openers  bigint NOT NULL DEFAULT 0,
    clicks          bigint NOT NULL DEFAULT 0,
    unique_clickers bigint NOT NULL DEFAULT 0,
    unsubscribed_1d bigint NOT NULL DEFAULT 0,
    unsubscribed_3d bigint NOT NULL DEFAULT 0,
    unsubscribed_7d bigint NOT NULL DEFAULT 0,
    first_sent_at   timestamptz(3),
    last_sent_at    timestamptz(3),
    PRIMARY KEY (company_id, channel, stat_key)
) WITH (fillfactor = 50);

COMMENT ON TABLE gateway.message_stats IS 'Counts of each message, and of each subject line of e-mail sends, which name no message.';
COMMENT ON COLUMN gateway.message_stats.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.message_stats.channel IS 'sms or email.';
COMMENT ON COLUMN gateway.message_stats.stat_key IS 'message_key; subject:<subject line> where the event names none; unknown without either.';
COMMENT ON COLUMN gateway.message_stats.sent IS 'Sends.';
COMMENT ON COLUMN gateway.message_stats.recipients IS 'Subscribers it was sent to.';
COMMENT ON COLUMN gateway.message_stats.opens IS 'Opens.';
COMMENT ON COLUMN gateway.message_stats.unique_openers IS 'Subscribers who opened.';
COMMENT ON COLUMN gateway.message_stats.clicks IS 'Clicks.';
COMMENT ON COLUMN gateway.message_stats.unique_clickers IS 'Subscribers who clicked.';
COMMENT ON COLUMN gateway.message_stats.unsubscribed_1d IS 'Opt-outs of its channel within 1 day of it, if it was the last message before them.';
COMMENT ON COLUMN gateway.message_stats.unsubscribed_3d IS 'The same within 3 days.';
COMMENT ON COLUMN gateway.message_stats.unsubscribed_7d IS 'The same within 7 days.';
COMMENT ON COLUMN gateway.message_stats.first_sent_at IS 'occurred_at of the first send.';
COMMENT ON COLUMN gateway.message_stats.last_sent_at IS 'occurred_at of the last send.';

CREATE TABLE gateway.last_send (
    company_id    text           NOT NULL,
    subscriber_id uuid           NOT NULL,
    channel       text           NOT NULL,
    occurred_at   timestamptz(3) NOT NULL,
    event_id      uuid           NOT NULL,
    message_key   text,
    sent_key      text,
    sent_at       timestamptz(3),
    PRIMARY KEY (company_id, subscriber_id, channel, occurred_at, event_id)
) WITH (fillfactor = 85);

COMMENT ON TABLE gateway.last_send IS
    'What was sent last to the subscriber in the 7 days before each opt-out (to charge it) and each open or click of an e-mail (evidence of which subject line is which message).';
COMMENT ON COLUMN gateway.last_send.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.last_send.subscriber_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.last_send.channel IS 'sms or email.';
COMMENT ON COLUMN gateway.last_send.occurred_at IS 'Of the opt-out, open or click.';
COMMENT ON COLUMN gateway.last_send.event_id IS 'Of the opt-out, open or click.';
COMMENT ON COLUMN gateway.last_send.message_key IS 'The message opened or clicked; null: an opt-out.';
COMMENT ON COLUMN gateway.last_send.sent_key IS 'stat_key of the last send of the channel before it; null when there was none.';
COMMENT ON COLUMN gateway.last_send.sent_at IS 'When that was sent.';

CREATE TABLE gateway.subject_vote (
    company_id      text   NOT NULL,
    message_subject text   NOT NULL,
    message_key     text   NOT NULL,
    votes           bigint NOT NULL,
    PRIMARY KEY (company_id, message_subject, message_key)
) WITH (fillfactor = 70);

COMMENT ON TABLE gateway.subject_vote IS
    'How often a subscriber''s last e-mail in the 3 days before an open or click of this message had this subject line.';
COMMENT ON COLUMN gateway.subject_vote.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.subject_vote.message_subject IS 'Subject line of e-mail sends that name no message.';
COMMENT ON COLUMN gateway.subject_vote.message_key IS 'The message opened or clicked.';
COMMENT ON COLUMN gateway.subject_vote.votes IS 'Number of opens and clicks.';

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

COMMENT ON TABLE gateway.engagement IS
    'When each subscriber was written to and reacted, oldest first: of each kind the last 92 days before the newest, and 1000 times at most. report.audience_quality counts any 90 days of it by binary search.';
COMMENT ON COLUMN gateway.engagement.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.engagement.subscriber_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.engagement.channel IS 'sms or email.';
COMMENT ON COLUMN gateway.engagement.sent_at IS 'Sends.';
COMMENT ON COLUMN gateway.engagement.opened_at IS 'Opens.';
COMMENT ON COLUMN gateway.engagement.clicked_at IS 'Clicks.';
COMMENT ON COLUMN gateway.engagement.replied_at IS 'Replies.';

CREATE VIEW gateway.subject_bridge WITH (security_invoker = true) AS
SELECT company_id, message_subject, message_key, votes, share
FROM (SELECT company_id, message_subject, message_key, votes,
             votes / sum(votes) OVER (PARTITION BY company_id, message_subject) AS share
      FROM gateway.subject_vote) v
WHERE votes >= 3 AND share >= 0.6;

COMMENT ON VIEW gateway.subject_bridge IS
    'Subject lines whose message is known by strong evidence: 3 votes or more, and 60 % of all. An inference: e-mail sends carry no message id.';
COMMENT ON COLUMN gateway.subject_bridge.company_id IS 'As in gateway.source_event.';
COMMENT ON COLUMN gateway.subject_bridge.message_subject IS 'Subject line of e-mail sends that name no message.';
COMMENT ON COLUMN gateway.subject_bridge.message_key IS 'The message they belong to.';
COMMENT ON COLUMN gateway.subject_bridge.votes IS 'Opens and clicks that say so.';
COMMENT ON COLUMN gateway.subject_bridge.share IS 'Their share of all votes of the subject line.';
