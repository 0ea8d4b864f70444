-- What happens on a shop's site: sessions, and the way from a click to an order.

-- The days of a company are asked one by one. The half hour before one says whether its first event
-- goes on with a session of the day before; the day behind it holds what its last sessions go on
-- with. Orders belong to a session, and make none: many are told by systems that see no visit.
CREATE OR REPLACE VIEW report.sessions WITH (security_invoker = true) AS
SELECT d.company_id, s.started_at, d.day, s.event_id, s.profile_id, s.ended_at,
       extract(epoch FROM s.ended_at - s.started_at)::double precision AS duration_s,
       s.page_views, s.product_views, s.cart_updates, s.checkouts, s.orders, s.link_host,
       s.link_path, s.utm_source, s.utm_medium, s.utm_campaign, s.utm_content, s.utm_term
FROM gateway.local_day d
CROSS JOIN LATERAL (
    SELECT n.profile_id, n.started_at, max(n.occurred_at) AS ended_at,
           count(*) FILTER (WHERE n.event_name = 'page.viewed') AS page_views,
           count(*) FILTER (WHERE n.event_name = 'product.viewed') AS product_views,
           count(*) FILTER (WHERE n.event_name = 'cart.updated') AS cart_updates,
           count(*) FILTER (WHERE n.event_name = 'checkout.started') AS checkouts,
           count(DISTINCT CASE WHEN n.event_name = 'order.completed'
                               THEN ROW(n.source, n.order_id) END) AS orders,
           (array_agg(n.event_id ORDER BY n.place))[1] AS event_id,
           (array_agg(n.link_host ORDER BY n.place))[1] AS link_host,
           (array_agg(n.link_path ORDER BY n.place))[1] AS link_path,
           (array_agg(n.utm_source ORDER BY n.place))[1] AS utm_source,
           (array_agg(n.utm_medium ORDER BY n.place))[1] AS utm_medium,
           (array_agg(n.utm_campaign ORDER BY n.place))[1] AS utm_campaign,
           (array_agg(n.utm_content ORDER BY n.place))[1] AS utm_content,
           (array_agg(n.utm_term ORDER BY n.place))[1] AS utm_term
    FROM (SELECT o.*, min(o.occurred_at) OVER (PARTITION BY o.profile_id, o.session) AS started_at,
                 row_number() OVER (PARTITION BY o.profile_id, o.session
                     ORDER BY o.occurred_at, o.is_order, o.event_id) AS place
          FROM (SELECT b.*, count(*) FILTER (
                           WHERE NOT b.is_order AND (b.before IS NULL
                               OR b.occurred_at - b.before > interval '30 minutes'))
                           OVER (PARTITION BY b.profile_id
                                 ORDER BY b.occurred_at, b.is_order, b.event_id) AS session
                FROM (SELECT a.*, max(CASE WHEN NOT a.is_order THEN a.occurred_at END)
                                 OVER (PARTITION BY a.profile_id
                                       ORDER BY a.occurred_at, a.is_order, a.event_id
                                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
                      FROM (SELECT e.event_id, e.event_name, e.occurred_at, e.source, e.order_id,
                                   e.link_host, e.link_path, e.utm_source, e.utm_medium,
                                   e.utm_campaign, e.utm_content, e.utm_term,
                                   e.event_name = 'order.completed' AS is_order,
                                   CASE WHEN i.profile_id IS NULL THEN e.subscriber_id
                                        ELSE i.profile_id END AS profile_id
                            FROM gateway.source_event e
                            LEFT JOIN gateway.identity i ON i.company_id = e.company_id
                                AND i.subscriber_id = e.subscriber_id
                            WHERE e.company_id = d.company_id AND e.channel = 'web'
                              AND e.event_name IN ('page.viewed', 'product.viewed', 'cart.updated',
                                                   'checkout.started', 'order.completed')
                              AND e.occurred_at >= d.starts_at - interval '30 minutes'
                              AND e.occurred_at < d.ends_at + interval '24 hours'
                              AND e.subscriber_id IS NOT NULL
                            OFFSET 0) a) b
                WHERE NOT b.is_order OR b.occurred_at - b.before <= interval '30 minutes') o) n
    WHERE n.occurred_at < n.started_at + interval '24 hours'
    GROUP BY n.profile_id, n.session, n.started_at) s
WHERE s.started_at >= d.starts_at AND s.started_at < d.ends_at;
SELECT gateway.describe('report.sessions',
    'What a visitor did on the site without a pause of more than 30 minutes (Google Analytics 4, '
    '"About Analytics sessions": it ends after 30 minutes of inactivity, and neither midnight nor '
    'another campaign ends it), the first 24 hours of it. Pages and more of an anonymous visitor '
    'are of the profile as soon as it is known. Orders are of the session they fall into, and make '
    'none. Filter on company_id and day.', ARRAY[
    ['started_at', 'Its first page.viewed, product.viewed, cart.updated or checkout.started.'],
    ['day', 'The company''s local date of started_at.'],
    ['event_id', 'Of its first event.'],
    ['ended_at', 'Its last event.'],
    ['duration_s', 'From its first event to its last, in seconds.'],
    ['page_views', 'page.viewed in it.'],
    ['product_views', 'product.viewed in it.'],
    ['cart_updates', 'cart.updated in it.'],
    ['checkouts', 'checkout.started in it.'],
    ['orders', 'Orders completed in it, each once.'],
    ['link_host', 'Where it began: host of its first page.'],
    ['link_path', 'Where it began: path of its first page.'],
    ['utm_source', 'utm_source of its first page, as in Google Analytics 4''s session scope.'],
    ['utm_medium', 'utm_medium of its first page.'],
    ['utm_campaign', 'utm_campaign of its first page.'],
    ['utm_content', 'utm_content of its first page.'],
    ['utm_term', 'utm_term of its first page.']],
    '{report.source_event}');

-- Since when a company's shop tells of each step: before, nobody knows how many took it.
CREATE OR REPLACE VIEW gateway.funnel_known WITH (security_invoker = true) AS
SELECT c.company_id,
       min(f.at) FILTER (WHERE n.name IN ('page.viewed', 'product.viewed')) AS pages_from,
       min(f.at) FILTER (WHERE n.name = 'cart.updated') AS carts_from,
       min(f.at) FILTER (WHERE n.name = 'checkout.started') AS checkouts_from,
       min(f.at) FILTER (WHERE n.name = 'order.completed') AS orders_from
FROM gateway.company c
CROSS JOIN unnest(ARRAY['page.viewed', 'product.viewed', 'cart.updated', 'checkout.started',
                        'order.completed']) AS n (name)
CROSS JOIN LATERAL (SELECT min(e.occurred_at) AS at FROM gateway.source_event e
                    WHERE e.company_id = c.company_id AND e.channel = 'web'
                      AND e.event_name = n.name OFFSET 0) f
GROUP BY c.company_id;
SELECT gateway.describe('gateway.funnel_known', 'Since when each step of report.funnel is told.',
    ARRAY[
    ['pages_from', 'The first page.viewed or product.viewed; null when there is none.'],
    ['carts_from', 'The first cart.updated; null when there is none.'],
    ['checkouts_from', 'The first checkout.started; null when there is none.'],
    ['orders_from', 'The first order.completed; null when there is none.']],
    '{gateway.company}');

-- A step that is not told is passed over: the next one follows the one before it.
CREATE OR REPLACE VIEW report.funnel WITH (security_invoker = true) AS
SELECT f.company_id, f.day, f.channel, f.message_key, f.utm_campaign, f.clickers, f.page_visitors,
       f.cart_visitors, f.checkout_visitors, f.buyers,
       round(f.page_visitors::numeric / nullif(f.clickers, 0), 4) AS page_rate,
       round(f.cart_visitors::numeric / nullif(f.page_visitors, 0), 4) AS cart_rate,
       round(f.checkout_visitors::numeric / nullif(f.cart_visitors, 0), 4) AS checkout_rate,
       round(f.buyers::numeric / nullif(f.checkout_visitors, 0), 4) AS order_rate,
       round(f.buyers::numeric / nullif(f.clickers, 0), 4) AS conversion_rate
FROM (SELECT d.company_id, d.day, k.channel, k.message_key, k.utm_campaign,
             count(DISTINCT k.profile_id) AS clickers,
             CASE WHEN n.pages_from < d.ends_at
                  THEN count(DISTINCT k.profile_id) FILTER (WHERE p.at IS NOT NULL) END
                 AS page_visitors,
             CASE WHEN n.carts_from < d.ends_at
                  THEN count(DISTINCT k.profile_id) FILTER (WHERE c.at IS NOT NULL) END
                 AS cart_visitors,
             CASE WHEN n.checkouts_from < d.ends_at
                  THEN count(DISTINCT k.profile_id) FILTER (WHERE t.at IS NOT NULL) END
                 AS checkout_visitors,
             CASE WHEN n.orders_from < d.ends_at
                  THEN count(DISTINCT k.profile_id) FILTER (WHERE o.at IS NOT NULL) END AS buyers
      FROM gateway.funnel_known n
      JOIN gateway.local_day d ON d.company_id = n.company_id
      CROSS JOIN LATERAL (
          SELECT e.channel, e.message_key, e.utm_campaign, e.occurred_at,
                 CASE WHEN i.profile_id IS NULL THEN e.subscriber_id ELSE i.profile_id END
                     AS profile_id
          FROM gateway.source_event e
          LEFT JOIN gateway.identity i
              ON i.company_id = e.company_id AND i.subscriber_id = e.subscriber_id
          LEFT JOIN gateway.last_send x ON x.company_id = e.company_id
              AND x.subscriber_id = e.subscriber_id AND x.channel = e.channel
              AND x.occurred_at = e.occurred_at AND x.event_id = e.event_id
          WHERE e.company_id = d.company_id AND e.action = 'link_clicked'
            AND e.occurred_at >= d.starts_at AND e.occurred_at < d.ends_at
            AND e.subscriber_id IS NOT NULL AND x.is_suspect IS NOT TRUE
          OFFSET 0) k
      CROSS JOIN LATERAL (
          SELECT array_agg(e.occurred_at) FILTER (
                     WHERE e.event_name IN ('page.viewed', 'product.viewed')
                       AND e.occurred_at <= k.occurred_at + interval '30 minutes') AS pages,
                 array_agg(e.occurred_at) FILTER (WHERE e.event_name = 'cart.updated') AS carts,
                 array_agg(e.occurred_at) FILTER (WHERE e.event_name = 'checkout.started')
                     AS checkouts,
                 array_agg(e.occurred_at) FILTER (WHERE e.event_name = 'order.completed') AS orders
          FROM gateway.subscribers_of(d.company_id, k.profile_id) m
          JOIN gateway.source_event e ON e.company_id = d.company_id
              AND e.subscriber_id = m.subscriber_id AND e.channel = 'web'
              AND e.occurred_at >= k.occurred_at
              AND e.occurred_at <= k.occurred_at + (
                  SELECT make_interval(hours => max(r.window_hours))
                  FROM gateway.attribution_rule r
                  WHERE r.channel = k.channel AND r.action = 'link_clicked')) s
      CROSS JOIN LATERAL (SELECT CASE WHEN n.pages_from < d.ends_at THEN (
          SELECT min(u.at) FROM unnest(s.pages) AS u (at)) ELSE k.occurred_at END AS at) p
      CROSS JOIN LATERAL (SELECT CASE WHEN n.carts_from < d.ends_at THEN (
          SELECT min(u.at) FROM unnest(s.carts) AS u (at) WHERE u.at >= p.at) ELSE p.at END AS at)
          c
      CROSS JOIN LATERAL (SELECT CASE WHEN n.checkouts_from < d.ends_at THEN (
          SELECT min(u.at) FROM unnest(s.checkouts) AS u (at) WHERE u.at >= c.at) ELSE c.at END
          AS at) t
      CROSS JOIN LATERAL (SELECT (
          SELECT min(u.at) FROM unnest(s.orders) AS u (at) WHERE u.at >= t.at) AS at) o
      GROUP BY d.company_id, d.day, d.ends_at, n.pages_from, n.carts_from, n.checkouts_from,
          n.orders_from, k.channel, k.message_key, k.utm_campaign) f;
SELECT gateway.describe('report.funnel',
    'Of the people who clicked a message on a day, how many came to a page within 30 minutes, then '
    'put something into the cart, then began to check out, then ordered: each step at or after the '
    'one before it, and within the window of a click (gateway.attribution_rule). A closed funnel '
    '(Google Analytics 4, "Funnel exploration"; Shopify''s is of sessions), so each number is of '
    'people of the one before it. A step that the shop does not tell of (yet) is null, and passed '
    'over by the next; a rate is null where what it would be a share of is. A machine''s clicks '
    '(gateway.suspect_rule) are left out. Filter on company_id and day.', ARRAY[
    ['day', 'The company''s local date of the click.'],
    ['clickers', 'Profiles who clicked.'],
    ['page_visitors', 'Of them: came to a page or product within 30 minutes.'],
    ['cart_visitors', 'Of them: changed the cart after that.'],
    ['checkout_visitors', 'Of them: began to check out after that.'],
    ['buyers', 'Of them: ordered after that; cancelled orders count.'],
    ['page_rate', 'page_visitors of clickers.'],
    ['cart_rate', 'cart_visitors of page_visitors.'],
    ['checkout_rate', 'checkout_visitors of cart_visitors.'],
    ['order_rate', 'buyers of checkout_visitors.'],
    ['conversion_rate', 'buyers of clickers.']],
    '{report.source_event}');
