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

-- Which companies a role may see; a role without a row sees all.
CREATE TABLE gateway.company_access (
    role_name  text        NOT NULL,
    company_id text        NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (role_name, company_id)
);
