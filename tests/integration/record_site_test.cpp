// What a shop's site records through gateway.record_event: pages with their campaign, carts and
// checkouts.
#include "attentive/link.hpp"
#include "attentive/masking.hpp"
#include "support/cluster.hpp"
#include "support/reference.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pqxx/pqxx>

namespace gateway {
namespace {

using namespace test;
using testing::HasSubstr;

std::string in_quotes(const std::string& text)
{
    return "'" + text + "'"; // there is no quote in it
}

std::string refusal_of(const std::string& url, const std::string& sql)
{
    try {
        query(url, sql);
    } catch (const pqxx::sql_error& e) {
        return e.what();
    }
    return "accepted";
}

// Google Analytics' campaign parameters, read by the rules of a click's.
TEST(RecordSiteTest, APageKeepsItsUtmValuesAsAClickDoes)
{
    const std::string url = fresh_database();
    const std::vector<std::string> queries = {
        "utm_source=attentive&utm_medium=sms&utm_campaign=week-1&utm_content=a&utm_term=b",
        "UTM_Source=a+b%20c&utm_source=z",
        "uTm_Source=a&utm_source=z",
        "xutm_source=a",
        "utm_source=&utm_source=x",
        "utm_campaign=2065550144",
        "utm_term=a=b&utm_term=c",
        "utm_source=&utm_source=%20&utm_source=third",
        "%75tm_term=x%2By&utm_campaign",
        "utm_campaign=kim%40lindenpost.net&utm_content=+12065550144",
        "utm_campaign=%E9&utm_medium=caf%C3%A9&email=kim@lindenpost.net",
        "utm_campaign=a#utm_source=b",
        "x=1?utm_source=b",
        "utm_campaign=%22%7D,%7B\\"};
    std::vector<std::vector<std::string>> expected;
    std::string calls;
    for (const auto& q : queries) {
        const auto parts = parse_link("https://s.org/a?" + q);
        ASSERT_TRUE(parts) << q;
        expected.emplace_back();
        for (const auto& utm : parts->utm)
            expected.back().push_back(utm.empty() ? "NULL" : masked(utm));
        calls += "SELECT gateway.record_event('shop', 'page.viewed', 'C', now(), '{}', " +
                 in_quotes("https://s.org/a?" + q) + ");";
    }
    query(url, calls);

    EXPECT_EQ(query(url, "SELECT utm_source, utm_medium, utm_campaign, utm_content, utm_term"
                         " FROM gateway.source_event ORDER BY position"),
              expected);
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event WHERE link_url IS NOT NULL"),
              "0");
}

// Segment, "Ecommerce Spec": a cart has a value and a currency, and no order yet.
TEST(RecordSiteTest, ACartHasAValueAndNoOrder)
{
    const std::string url = fresh_database();
    const auto call = [](const std::string& name, const std::string& more) {
        return "SELECT gateway.record_event('shop', '" + name +
               "', 'C', now(), '{\"anonymous_id\": \"b-1\"}'" + more + ")";
    };

    query(url, call("product.viewed", ", 'https://s.org/p/1'"));
    query(url, call("cart.updated", ", p_items_count => 2"));
    query(url, call("cart.updated", ", p_order_value => 12.50, p_currency => 'EUR'"));
    query(url, call("checkout.started", ", p_order_id => 'c-1', p_order_value => 12.50,"
                                        " p_currency => 'EUR', p_discount_code => 'SAVE10'"));
    apply_all(url);

    EXPECT_EQ(query(url, "SELECT summary FROM report.subscriber_timeline ORDER BY occurred_at"),
              (text_rows{{"Viewed s.org/p/1"},
                         {"Changed the cart"},
                         {"Changed the cart to 12.5 EUR"},
                         {"Began to check out 12.5 EUR"}}));
    EXPECT_EQ(value(url, "SELECT count(*) FROM report.attributed_orders"), "0");
    for (const auto& [name, more] : std::vector<std::pair<std::string, std::string>>{
             {"cart.updated", ", p_order_id => 'o'"},
             {"cart.updated", ", p_order_value => 1"},
             {"checkout.started", ", p_currency => 'EUR'"},
             {"checkout.started", ", p_order_value => -1, p_currency => 'EUR'"},
             {"checkout.started", ", p_order_value => 1, p_currency => 'eur'"}})
        EXPECT_THAT(refusal_of(url, call(name, more)), HasSubstr("or neither")) << more;
    EXPECT_THAT(refusal_of(url, call("product.viewed", "")), HasSubstr("takes a page_url"));
}

} // namespace
} // namespace gateway
