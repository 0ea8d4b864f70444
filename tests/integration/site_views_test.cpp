// report.sessions and report.funnel against plain code, over visitors who are anonymous first: each
// has a browser, most sign in later, some never.
#include "gateway/store/read_models.hpp"
#include "gateway/store/record.hpp"
#include "support/cluster.hpp"
#include "support/reference.hpp"
#include "support/site.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace gateway {
namespace {

using namespace test;
using namespace std::chrono_literals;

constexpr int visitors = 40;
constexpr std::int64_t begin_at = 1'793'491'200'000; // 2026-11-01
constexpr std::int64_t minute = 60'000;
constexpr std::int64_t day = 24 * 60 * minute;

struct site_click {
    std::string visitor;
    std::int64_t at;
    std::string key;
};

struct journeys {
    std::vector<site_event> events;
    std::vector<recorded_event> recorded;
    std::vector<site_click> clicks;
};

bool signs_in(int visitor)
{
    return visitor % 5 != 0;
}

std::string mail(int visitor)
{
    return "a" + std::to_string(visitor) + "@maple-moss.com";
}

std::string browser(int visitor)
{
    return "z-browser-" + std::to_string(visitor);
}

// As the views are asked to call it: by its address once there is one.
std::string name_of(int visitor)
{
    return signs_in(visitor) ? mail(visitor) : browser(visitor);
}

recorded_event told(const site_event& e, int visitor, bool is_known)
{
    recorded_event out{.source = "shop",
                       .event_name = e.name,
                       .company_id = "C",
                       .occurred_at = timestamp{std::chrono::milliseconds{e.at}},
                       .identifiers = "{\"anonymous_id\": \"" + browser(visitor) + "\"" +
                                      (is_known ? ", \"email\": \"" + mail(visitor) + "\"" : "") +
                                      "}",
                       .page_url = {},
                       .order_id = e.order,
                       .order_value = {},
                       .currency = {}};
    if (!e.path.empty())
        out.page_url = "https://shop.org" + e.path + "?utm_campaign=" + e.campaign;
    if (!e.order.empty()) {
        out.order_value = "10";
        out.currency = "USD";
    }
    return out;
}

// Pauses on both sides of half an hour, and exactly one; some go on for more than a day.
journeys random_journeys(unsigned seed)
{
    std::mt19937 random{seed};
    const auto one_of = [&](auto... values) {
        const std::array all{values...};
        return all.at(random() % all.size());
    };
    std::map<std::int64_t, std::pair<site_event, int>> by_time; // one a millisecond
    journeys out;
    for (int v = 0; v < visitors; ++v) {
        std::int64_t at = begin_at + static_cast<std::int64_t>(random() % 1'000) * minute + v;
        const int steps = v == 7 ? 150 : 12; // for 25 hours without a pause
        for (int n = 0; n < steps; ++n) {
            at += v == 7 ? 10 * minute
                         : one_of(1, 4, 29, 30, 31, 90, 2'000) * minute + one_of(0, 0, 100);
            if (signs_in(v) && n % 4 == 0) {
                const std::string key = "Message:" + std::to_string(random() % 2);
                out.clicks.push_back({name_of(v), at - one_of(1, 29, 30, 31) * minute, key});
            }
            const std::string any = one_of("page.viewed", "page.viewed", "product.viewed",
                                           "cart.updated", "checkout.started", "order.completed");
            const std::string name = v == 7 ? "page.viewed" : any; // an order is no activity
            const bool is_page = name.ends_with("viewed");
            by_time[at] = {{name_of(v), at, name,
                            name == "order.completed" ? std::to_string(v * 100 + n / 3) : "",
                            is_page ? "/p" + std::to_string(n) : "",
                            is_page ? "week-" + std::to_string(n % 3) : ""},
                           v};
        }
    }
    std::map<int, int> told_of;
    for (const auto& [at, e] : by_time) {
        out.events.push_back(e.first);
        out.recorded.push_back(
            told(e.first, e.second, signs_in(e.second) && ++told_of[e.second] > 5));
    }
    return out;
}

// Clicks as Attentive's events, of subscribers with the visitors' addresses.
void insert_clicks(const std::string& url, const std::vector<site_click>& clicks)
{
    std::string rows;
    for (const auto& c : clicks)
        rows += (rows.empty() ? "('" : ", ('") + c.visitor + "', " + std::to_string(c.at) + ", '" +
                c.key + "', " + std::to_string(&c - clicks.data()) + ")";
    query(url,
          "WITH s AS (UPDATE gateway.log_state SET position = position + " +
              std::to_string(clicks.size()) +
              " RETURNING position), step AS (INSERT INTO gateway.step SELECT"
              " nextval('gateway.step_id'), position, 1, 0, 0, now() FROM s)"
              " INSERT INTO gateway.source_event (company_id, occurred_at, event_id, event_name,"
              " channel, action, source, source_event_type, subscriber_id, identifiers,"
              " message_key, utm_campaign, received_at, position, mapping_version, quality_flags)"
              " SELECT 'C', to_timestamp(c.at / 1000.0), md5(c.n::text)::uuid, 'sms.link_clicked',"
              " 'sms', 'link_clicked', 'attentive', 'x', md5(c.who)::uuid,"
              " jsonb_build_object('attentive_external_id', jsonb_build_array(md5(c.who)),"
              " 'email', jsonb_build_array(c.who)), c.key, 'week', now(), s.position - c.n, 1, '{}'"
              " FROM (VALUES " +
              rows + ") c (who, at, key, n), s");
}

class SiteViewsTest : public testing::Test {
protected:
    void SetUp() override
    {
        ASSERT_TRUE(record_events(url_, told_.recorded));
        apply_all(url_);
        insert_clicks(url_, told_.clicks);
        project_all();
    }

    void project_all() const
    {
        while (value(url_, "SELECT events FROM gateway.project(100000)") != "0") {
        }
    }

    // Visitors by name: that of the address, if any of the profile's subscribers has one.
    text_rows sessions() const
    {
        auto rows = query(
            url_, "WITH who AS (SELECT profile_id, min(coalesce(identifiers->'email'->>0,"
                  " identifiers->'anonymous_id'->>0)) AS name FROM gateway.identity GROUP BY 1)"
                  " SELECT w.name, (extract(epoch FROM s.started_at) * 1000)::bigint,"
                  " (extract(epoch FROM s.ended_at) * 1000)::bigint, page_views, product_views,"
                  " cart_updates, checkouts, orders, link_path, utm_campaign"
                  " FROM report.sessions s LEFT JOIN who w USING (profile_id)");
        std::sort(rows.begin(), rows.end());
        return rows;
    }

    text_rows expected_sessions() const
    {
        const auto or_null = [](const std::string& s) { return s.empty() ? "NULL" : s; };
        text_rows rows;
        for (const auto& s : sessions_of(told_.events))
            rows.push_back({s.first->visitor, std::to_string(s.first->at),
                            std::to_string(s.ended_at), std::to_string(s.counts[0]),
                            std::to_string(s.counts[1]), std::to_string(s.counts[2]),
                            std::to_string(s.counts[3]), std::to_string(s.orders),
                            or_null(s.first->path), or_null(s.first->campaign)});
        std::sort(rows.begin(), rows.end());
        return rows;
    }

    text_rows funnel() const
    {
        return query(url_, "SELECT (extract(epoch FROM day) / 86400)::integer, message_key,"
                           " clickers, page_visitors, cart_visitors, checkout_visitors, buyers,"
                           " page_rate, cart_rate, checkout_rate, order_rate, conversion_rate"
                           " FROM report.funnel ORDER BY day, message_key");
    }

    text_rows expected_funnel() const
    {
        struct group {
            std::set<std::string> clickers;
            std::array<std::set<std::string>, 4> came;
            std::array<bool, 4> told{}; // of that day
        };
        std::map<std::pair<std::int64_t, std::string>, group> groups;
        for (const auto& c : told_.clicks) {
            auto& g = groups[{c.at / day, c.key}];
            g.clickers.insert(c.visitor);
            const auto until = (c.at / day + 1) * day;
            const auto is_told = [&](const std::string& kind) {
                return std::any_of(told_.events.begin(), told_.events.end(), [&](const auto& e) {
                    return e.name.starts_with(kind) && e.at < until;
                });
            };
            g.told = {is_told("p"), is_told("cart"), is_told("checkout"), is_told("order")};
            const auto steps = steps_after(c.at, c.visitor, told_.events, g.told);
            for (std::size_t i = 0; i < steps.size(); ++i) {
                if (steps[i])
                    g.came[i].insert(c.visitor);
            }
        }
        text_rows rows;
        for (const auto& [key, g] : groups) {
            auto& row =
                rows.emplace_back(text_rows::value_type{std::to_string(key.first), key.second});
            row.push_back(std::to_string(g.clickers.size()));
            const auto count = [&g = g](std::size_t i) {
                return static_cast<std::int64_t>(i == 0 ? g.clickers.size() : g.came[i - 1].size());
            };
            for (std::size_t i = 1; i <= g.came.size(); ++i)
                row.push_back(g.told[i - 1] ? std::to_string(count(i)) : "NULL");
            for (std::size_t i = 1; i <= g.came.size(); ++i) {
                const bool is_known = g.told[i - 1] && (i == 1 || g.told[i - 2]);
                row.push_back(is_known ? share(count(i), count(i - 1)) : "NULL");
            }
            row.push_back(g.told[3] ? share(count(4), count(0)) : "NULL");
        }
        return rows;
    }

    journeys told_ = random_journeys(11);
    std::string url_ = fresh_database();
};

TEST_F(SiteViewsTest, SayWhatVisitorsDidAlsoWhenMadeAgain)
{
    ASSERT_EQ(value(url_, "SELECT count(*) FROM report.sessions WHERE profile_id IS NULL"), "0");
    EXPECT_EQ(sessions(), expected_sessions());
    EXPECT_EQ(funnel(), expected_funnel());
    EXPECT_EQ(value(url_, "SELECT count(*) FROM report.sessions"
                          " WHERE duration_s BETWEEN 23 * 3600 AND 24 * 3600"),
              "1")
        << "the one who never pauses";

    ASSERT_TRUE(rebuild({.database_url = url_}));
    EXPECT_EQ(sessions(), expected_sessions());
    EXPECT_EQ(funnel(), expected_funnel());
}

// A step before the shop told of it is no zero.
TEST_F(SiteViewsTest, AStepThatNobodyTellsOfIsNotKnown)
{
    query(url_, "DELETE FROM gateway.source_event WHERE event_name = 'cart.updated'");
    std::erase_if(told_.events, [](const site_event& e) { return e.name == "cart.updated"; });

    const auto rows = query(url_, "SELECT count(*), count(cart_visitors), count(cart_rate),"
                                  " count(checkout_rate), count(checkout_visitors) > 0,"
                                  " bool_and(buyers <= checkout_visitors AND checkout_visitors"
                                  " <= page_visitors AND page_visitors <= clickers)"
                                  " FROM report.funnel");

    ASSERT_EQ(rows.size(), 1U);
    EXPECT_NE(rows[0][0], "0");
    EXPECT_EQ(rows[0][1] + rows[0][2] + rows[0][3] + rows[0][4] + rows[0][5], "000tt");
}

TEST_F(SiteViewsTest, AreOfTheCompaniesOfWhoReads)
{
    query(url_, "DROP ROLE IF EXISTS site_reader, site_stranger;"
                " CREATE ROLE site_reader IN ROLE gateway_reader;"
                " CREATE ROLE site_stranger IN ROLE gateway_reader;"
                " SELECT gateway.grant_company('site_reader', 'C');"
                " SELECT gateway.grant_company('site_stranger', 'D')");
    const auto count = [&](const std::string& role) {
        return value(url_, "SET ROLE " + role +
                               "; SELECT (SELECT count(*) FROM report.sessions) || ' ' ||"
                               " (SELECT count(*) FROM report.funnel)");
    };

    EXPECT_EQ(count("site_reader"), std::to_string(expected_sessions().size()) + " " +
                                        std::to_string(expected_funnel().size()));
    EXPECT_EQ(count("site_stranger"), "0 0");
    query(url_, "DELETE FROM gateway.company_access; DROP ROLE site_reader, site_stranger");
}

// Also what the browser did before anybody knew whose it is.
TEST_F(SiteViewsTest, AnErasureReachesTheBrowser)
{
    const auto before = sessions().size();
    const auto left = [&] {
        return value(url_, "SELECT (SELECT count(*) FROM gateway.source_event e"
                           " WHERE e::text ~ 'z-browser-3\\M|a3@maple') || ' ' ||"
                           " (SELECT count(*) FROM gateway.identity i"
                           " WHERE i::text ~ 'z-browser-3\\M|a3@maple')");
    };
    ASSERT_NE(left(), "0 0");

    query(url_, "SELECT gateway.erase('C', 'email', '" + mail(3) + "')");
    EXPECT_EQ(left(), "0 0");
    EXPECT_EQ(sessions().size(), before);
    EXPECT_EQ(funnel(), expected_funnel());

    ASSERT_TRUE(rebuild({.database_url = url_}));
    EXPECT_EQ(left(), "0 0");
    EXPECT_EQ(sessions().size(), before);
    EXPECT_EQ(funnel(), expected_funnel());
}

} // namespace
} // namespace gateway
