-- What an operator may change, with the values it begins with: none of it is derived, so `rebuild`
-- keeps and obeys it.

-- What may join subscribers. These three are settings, not derived: rebuild keeps and obeys them.
CREATE TABLE gateway.identity_rule (
    kind            text    PRIMARY KEY,
    subscribers_max integer NOT NULL CHECK (subscribers_max >= 1),
    passes_after    interval
);
INSERT INTO gateway.identity_rule (kind, subscribers_max) VALUES
    ('attentive_external_id', 5), ('client_user_id', 5), ('shopify_id', 5), ('klaviyo_id', 5),
    ('email', 5), ('phone', 5), ('anonymous_id', 5), ('erased:anonymous_id', 5),
    ('erased:attentive_external_id', 5), ('erased:client_user_id', 5), ('erased:shopify_id', 5),
    ('erased:klaviyo_id', 5), ('erased:email', 5), ('erased:phone', 5);
UPDATE gateway.identity_rule SET passes_after = '45 days' WHERE kind IN ('phone', 'erased:phone');

CREATE TABLE gateway.identity_block (
    kind    text NOT NULL,
    pattern text NOT NULL,
    PRIMARY KEY (kind, pattern)
);
INSERT INTO gateway.identity_block (kind, pattern) VALUES
    ('*', '^[\s0-]*$'), ('*', '^(null|none|nil|undefined|anonymous|unknown|n/a|test|-1)$'),
    ('email', '(^|[^a-z])protected\]?$'), ('email', '@([^@]+\.)?example\.(com|org|net)$'),
    ('email', '\.(example|invalid|test)$'), ('phone', '^\+1555');

CREATE TABLE gateway.identity_split (
    company_id    text        NOT NULL,
    subscriber_id uuid        NOT NULL,
    kind          text        NOT NULL,
    split_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (company_id, subscriber_id, kind)
);

CREATE TABLE gateway.attribution_rule (
    channel       text     NOT NULL,
    action        text     NOT NULL,
    touch         text     NOT NULL CHECK (touch IN ('click', 'view')),
    touch_rank    integer  NOT NULL,
    window_hours  integer  NOT NULL CHECK (window_hours > 0),
    PRIMARY KEY (channel, action)
);
INSERT INTO gateway.attribution_rule VALUES
    ('sms', 'link_clicked', 'click', 1, 120),
    ('email', 'link_clicked', 'click', 1, 120),
    ('email', 'opened', 'view', 2, 120),
    ('sms', 'sent', 'view', 2, 24);

-- What no person can have done: the row of a company, else that of '*'.
CREATE TABLE gateway.suspect_rule (
    for_company        text    PRIMARY KEY,
    seconds_after_send integer NOT NULL CHECK (seconds_after_send >= 0),
    links_per_second   integer NOT NULL CHECK (links_per_second >= 1)
);
INSERT INTO gateway.suspect_rule VALUES ('*', 5, 3);

-- Whom to export: the row of a company, else that of '*'.
CREATE TABLE gateway.audience (
    for_company         text    NOT NULL,
    name                text    NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]*$'),
    meaning             text    NOT NULL,
    segments            text[],
    orders_min          integer,
    orders_max          integer,
    last_order_days_min integer,
    last_order_days_max integer,
    value_min           numeric,
    currency            text,
    PRIMARY KEY (for_company, name),
    CHECK ((value_min IS NULL) = (currency IS NULL))
);
INSERT INTO gateway.audience (for_company, name, meaning, segments, orders_min, orders_max,
    last_order_days_min, last_order_days_max) VALUES
    ('*', 'everybody', 'All who may be written to.', NULL, NULL, NULL, NULL, NULL),
    ('*', 'engaged', 'Replied or clicked within 30 days.', '{active,loyal}', NULL, NULL, NULL,
        NULL),
    ('*', 'cooling', 'Engaged within 90 days, not within 30.', '{cooling}', NULL, NULL, NULL, NULL),
    ('*', 'never_engaged', 'Was written to within 90 days and never replied, clicked or opened.',
        '{never_engaged}', NULL, NULL, NULL, NULL),
    ('*', 'never_bought', 'Has no order.', NULL, NULL, 0, NULL, NULL),
    ('*', 'customers', 'Has an order.', NULL, 1, NULL, NULL, NULL),
    ('*', 'vip', 'Has three orders or more, the last within a year.', NULL, 3, NULL, NULL, 365),
    ('*', 'lapsed', 'Has an order, but none within 180 days.', NULL, 1, NULL, 180, NULL);

-- Whose values analysts may see.
CREATE TABLE gateway.shown_attribute (
    company_id     text        NOT NULL,
    attribute_name text        NOT NULL,
    shown_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (company_id, attribute_name)
);

-- Who is not written to, to see what it brings.
CREATE TABLE gateway.holdout (
    company_id text        NOT NULL,
    holdout    text        NOT NULL,
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL CHECK (ends_at > starts_at),
    PRIMARY KEY (company_id, holdout)
);

CREATE TABLE gateway.holdout_member (
    company_id    text    NOT NULL,
    holdout       text    NOT NULL,
    subscriber_id uuid    NOT NULL,
    is_held_out   boolean NOT NULL,
    PRIMARY KEY (company_id, holdout, subscriber_id),
    FOREIGN KEY (company_id, holdout) REFERENCES gateway.holdout ON DELETE CASCADE
);

-- Which companies a role may see; a role without a row sees all.
CREATE TABLE gateway.company_access (
    role_name  text        NOT NULL,
    company_id text        NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (role_name, company_id)
);
