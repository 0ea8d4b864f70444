-- What became of each message.

SELECT gateway.describe('gateway.message',
    'What the events of one message told of it; a name is the newest one given.', ARRAY[
    ['channel', 'sms or email.'],
    ['business_address', 'As in gateway.source_event, of what was sent.'],
    ['first_seen_at', 'occurred_at of its oldest event.'],
    ['last_seen_at', 'occurred_at of its newest event.'],
    ['message_type_at', 'occurred_at of the newest event that gave message_type.'],
    ['message_name_at', 'occurred_at of the newest event that gave message_name.'],
    ['business_address_at', 'occurred_at of the newest send that gave business_address.']]);

SELECT gateway.describe('gateway.message_stats',
    'Counts of each message, and of each subject line of e-mail sends, which name no '
    'message.', ARRAY[
    ['stat_key', 'message_key; subject:<subject line> where the event names none; unknown without '
        'either.'],
    ['sent', 'Sends. Not deliveries: the provider does not tell.'],
    ['recipients', 'Subscribers it was sent to.'],
    ['opens', 'Opens (e-mail), those of machines included.'],
    ['unique_openers', 'Subscribers who opened.'],
    ['clicks', 'Clicks.'],
    ['unique_clickers', 'Subscribers who clicked.'],
    ['recipients_opened', 'Recipients who opened it: of e-mail sends, which name no message, those '
        'who opened an e-mail within 7 days and were sent no other one between.'],
    ['recipients_clicked', 'Recipients who clicked a link of it, told as recipients_opened.'],
    ['recipient_clicks', 'The clicks of these.'],
    ['suspect_opens', 'Of opens those that a machine made, by gateway.suspect_rule.'],
    ['suspect_clicks', 'Of clicks those that a machine made.'],
    ['people_opened', 'recipients_opened without those for whom machines alone did.'],
    ['people_clicked', 'recipients_clicked without those for whom machines alone did.'],
    ['person_clicks', 'recipient_clicks without suspect_clicks.'],
    ['unsubscribed_1d', 'Recipients who opted out of its channel within 1 day of it, if it was the '
        'last message before; each once, and none who had opted out already.'],
    ['unsubscribed_3d', 'The same within 3 days.'],
    ['unsubscribed_7d', 'The same within 7 days.'],
    ['first_sent_at', 'occurred_at of the first send.'],
    ['last_sent_at', 'occurred_at of the last send.']],
    '{gateway.message}');

-- Lines of fewer people carry names: "Ann, your cart waits".
CREATE OR REPLACE VIEW gateway.subject_line WITH (security_invoker = true) AS
SELECT company_id, channel, stat_key, substr(stat_key, 9) AS message_subject
FROM gateway.message_stats
WHERE stat_key LIKE 'subject:%' AND recipients >= 3;
SELECT gateway.describe('gateway.subject_line',
    'Subject lines that three people or more were sent: those that readers may see.', ARRAY[
    ['message_subject', 'The line; of a long one the first 200 characters.']],
    '{gateway.message_stats}');

SELECT gateway.describe('gateway.message_member',
    'Who got, opened and clicked a message: what makes counts of people cheap.', ARRAY[
    ['was_sent', 'It was sent to the subscriber.'],
    ['has_opened', 'The subscriber opened it.'],
    ['clicks', 'How often the subscriber clicked a link of it.'],
    ['recipient_opened', 'The subscriber opened what was sent: see gateway.message_stats.'],
    ['recipient_clicks', 'Clicks of it by the subscriber, once it was sent.'],
    ['suspect_opens', 'Opens of it that a machine made for the subscriber.'],
    ['suspect_clicks', 'Clicks of it that a machine made for the subscriber.'],
    ['person_opened', 'recipient_opened, by more than machines.'],
    ['person_clicks', 'recipient_clicks without those of machines.'],
    ['left_after', 'How long after it the subscriber opted out, if within 7 days.']],
    '{gateway.message_stats}');

CREATE OR REPLACE FUNCTION gateway.stat_key(p_message_key text, p_subject text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(p_message_key, 'subject:' || left(p_subject, 200), 'unknown');
COMMENT ON FUNCTION gateway.stat_key IS
    'What a message event is counted under: its message, else its subject line, else unknown.';

CREATE OR REPLACE FUNCTION gateway.project_message(p_events gateway.projection_event[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO message AS m
        (company_id, message_key, channel, message_type, message_name, business_address,
         first_seen_at, last_seen_at, message_type_at, message_name_at, business_address_at)
    SELECT e.company_id, e.message_key, min(e.channel),
           (array_agg(e.message_type ORDER BY e.occurred_at DESC, e.message_type DESC)
               FILTER (WHERE e.message_type IS NOT NULL))[1],
           (array_agg(e.message_name ORDER BY e.occurred_at DESC, e.message_name DESC)
               FILTER (WHERE e.message_name IS NOT NULL))[1],
           (array_agg(e.business_address ORDER BY e.occurred_at DESC, e.business_address DESC)
               FILTER (WHERE e.business_address IS NOT NULL AND e.action = 'sent'))[1],
           min(e.occurred_at), max(e.occurred_at),
           max(e.occurred_at) FILTER (WHERE e.message_type IS NOT NULL),
           max(e.occurred_at) FILTER (WHERE e.message_name IS NOT NULL),
           max(e.occurred_at) FILTER (WHERE e.business_address IS NOT NULL AND e.action = 'sent')
    FROM unnest(p_events) AS e
    WHERE e.message_key IS NOT NULL
    GROUP BY e.company_id, e.message_key
    ON CONFLICT (company_id, message_key) DO UPDATE SET
        channel = least(m.channel, excluded.channel),
        first_seen_at = least(m.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(m.last_seen_at, excluded.last_seen_at),
        message_type_at = greatest(m.message_type_at, excluded.message_type_at),
        message_type = CASE
            WHEN m.message_type_at IS NULL OR (excluded.message_type_at, excluded.message_type)
                > (m.message_type_at, m.message_type)
            THEN excluded.message_type ELSE m.message_type END,
        message_name_at = greatest(m.message_name_at, excluded.message_name_at),
        message_name = CASE
            WHEN m.message_name_at IS NULL OR (excluded.message_name_at, excluded.message_name)
                > (m.message_name_at, m.message_name)
            THEN excluded.message_name ELSE m.message_name END,
        business_address_at = greatest(m.business_address_at, excluded.business_address_at),
        business_address = CASE
            WHEN m.business_address_at IS NULL
                OR (excluded.business_address_at, excluded.business_address)
                > (m.business_address_at, m.business_address)
            THEN excluded.business_address ELSE m.business_address END;
END $$;
COMMENT ON FUNCTION gateway.project_message IS 'Merges events into message.';

CREATE OR REPLACE FUNCTION gateway.project_message_stats(p_events gateway.projection_event[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH n AS (
        SELECT e.company_id, e.channel, e.stat_key, e.subscriber_id,
               count(*) FILTER (WHERE e.action = 'sent') AS sent,
               count(*) FILTER (WHERE e.action = 'opened') AS opens,
               count(*) FILTER (WHERE e.action = 'link_clicked') AS clicks,
               min(e.occurred_at) FILTER (WHERE e.action = 'sent') AS first_sent_at,
               max(e.occurred_at) FILTER (WHERE e.action = 'sent') AS last_sent_at
        FROM unnest(p_events) AS e
        WHERE e.action IN ('sent', 'opened', 'link_clicked') AND e.channel IS NOT NULL
        GROUP BY 1, 2, 3, 4),
    k AS (
        SELECT n.*, o.ctid AS row,
               n.sent > 0 AND NOT coalesce(o.was_sent, false) AS first_send,
               n.opens > 0 AND NOT coalesce(o.has_opened, false) AS first_open,
               n.clicks > 0 AND coalesce(o.clicks, 0) = 0 AS first_click,
               coalesce(o.recipient_clicks, 0) AS known_clicks,
               -- Those of an e-mail name another key than its send: see project_reactions.
               CASE WHEN n.channel <> 'email' AND (n.sent > 0 OR o.was_sent)
                    THEN coalesce(o.clicks, 0) + n.clicks
                    ELSE coalesce(o.recipient_clicks, 0) END AS now_clicks,
               coalesce(o.suspect_clicks, 0) AS suspects, coalesce(o.person_clicks, 0) AS by_person
        FROM n LEFT JOIN message_member o ON o.company_id = n.company_id
            AND o.channel = n.channel AND o.stat_key = n.stat_key
            AND o.subscriber_id = n.subscriber_id),
    m AS (
        SELECT *, CASE WHEN channel <> 'email' AND now_clicks > 0 THEN now_clicks - suspects
                       ELSE by_person END AS now_by_person
        FROM k),
    inserted AS (
        INSERT INTO message_member (company_id, channel, stat_key, subscriber_id, was_sent,
            has_opened, clicks, recipient_clicks, person_clicks)
        SELECT company_id, channel, stat_key, subscriber_id, first_send, first_open, clicks,
               now_clicks, now_by_person
        FROM m WHERE row IS NULL AND subscriber_id IS NOT NULL),
    updated AS (
        UPDATE message_member o SET was_sent = o.was_sent OR m.first_send,
            has_opened = o.has_opened OR m.first_open, clicks = o.clicks + m.clicks,
            recipient_clicks = m.now_clicks, person_clicks = m.now_by_person
        FROM m
        WHERE (m.first_send OR m.first_open OR m.clicks > 0) AND o.ctid = m.row)
    INSERT INTO message_stats AS s
        (company_id, channel, stat_key, sent, recipients, opens, unique_openers, clicks,
         unique_clickers, recipients_clicked, recipient_clicks, people_clicked, person_clicks,
         first_sent_at, last_sent_at)
    SELECT company_id, channel, stat_key, sum(sent),
           count(subscriber_id) FILTER (WHERE first_send), sum(opens),
           count(subscriber_id) FILTER (WHERE first_open), sum(clicks),
           count(subscriber_id) FILTER (WHERE first_click),
           count(subscriber_id) FILTER (WHERE known_clicks = 0 AND now_clicks > 0),
           coalesce(sum(now_clicks - known_clicks) FILTER (WHERE subscriber_id IS NOT NULL), 0),
           count(subscriber_id) FILTER (WHERE by_person = 0 AND now_by_person > 0),
           coalesce(sum(now_by_person - by_person) FILTER (WHERE subscriber_id IS NOT NULL), 0),
           min(first_sent_at), max(last_sent_at)
    FROM m GROUP BY 1, 2, 3
    ON CONFLICT (company_id, channel, stat_key) DO UPDATE SET
        sent = s.sent + excluded.sent, recipients = s.recipients + excluded.recipients,
        opens = s.opens + excluded.opens,
        unique_openers = s.unique_openers + excluded.unique_openers,
        clicks = s.clicks + excluded.clicks,
        unique_clickers = s.unique_clickers + excluded.unique_clickers,
        recipients_clicked = s.recipients_clicked + excluded.recipients_clicked,
        recipient_clicks = s.recipient_clicks + excluded.recipient_clicks,
        people_clicked = s.people_clicked + excluded.people_clicked,
        person_clicks = s.person_clicks + excluded.person_clicks,
        first_sent_at = least(s.first_sent_at, excluded.first_sent_at),
        last_sent_at = greatest(s.last_sent_at, excluded.last_sent_at);
END $$;
COMMENT ON FUNCTION gateway.project_message_stats IS
    'Merges events into message_member and message_stats.';
