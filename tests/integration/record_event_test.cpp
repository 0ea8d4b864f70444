// gateway.record_event: what other sources record must meet the subscribers of Attentive's events,
// so its rules of identity are held against the normalizer's; and a call is safe to repeat.
#include "attentive/identifiers.hpp"
#include "attentive/masking.hpp"
#include "gateway/attentive/normalizer.hpp"
#include "gateway/store/record.hpp"
#include "support/cluster.hpp"
#include "support/reference.hpp"
#include "support/story_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include <array>
#include <random>
#include <thread>

namespace gateway {
namespace {

using namespace test;
using testing::HasSubstr;

// Text as a literal of SQL and of JSON: escapes stay as they are.
std::string sql_text(const std::string& text)
{
    std::string out = "'";
    for (const char c : text)
        out += c == '\'' ? std::string{"''"} : std::string{c};
    return out + "'";
}

const std::string order_call =
    "SELECT gateway.record_event('shop', 'order.completed', 'C', '2026-11-01T10:00:00.123Z',"
    " '{\"email\": \"jane@example.com\"}', p_order_id => 'A-1', p_order_value => 84.20,"
    " p_currency => 'USD')";

std::string message_of_refusal(const std::string& url, const std::string& sql)
{
    try {
        query(url, sql);
    } catch (const pqxx::sql_error& e) {
        return e.what();
    }
    return "accepted";
}

class IdentifiersInSqlTest : public testing::TestWithParam<const char*> {};

TEST_P(IdentifiersInSqlTest, MeetTheNormalizersSubscriber)
{
    static const std::string url = fresh_database();
    const std::string subscriber = GetParam();
    const std::string body = R"({"type":"sms.subscribed","timestamp":1767225600000,)"
                             R"("company":{"company_id":" MDc6Q29tcGFueTU "},"subscriber":)" +
                             subscriber + "}";
    // The payload's shape to that of record_event.
    const std::string given =
        "(SELECT jsonb_strip_nulls(jsonb_build_object('attentive_external_id', s->'external_id',"
        " 'phone', s->'phone', 'email', s->'email',"
        " 'client_user_id', s->'external_identifiers'->'client_user_id',"
        " 'shopify_id', s->'external_identifiers'->'shopify_id',"
        " 'custom:loyalty', s->'external_identifiers'->'custom_identifiers'->'loyalty'))"
        " FROM (VALUES (" +
        sql_text(subscriber) + "::jsonb)) x (s))";

    const auto what =
        normalize(body, {.north_america = false, .not_of_companies = {}}); // a shop knows its own
    query(url, "SELECT gateway.record_event('shop', 'page.viewed', ' MDc6Q29tcGFueTU ',"
               " '2026-01-01', " +
                   given + ", 'https://shop.example.com/')");

    ASSERT_TRUE(std::holds_alternative<source_event>(what));
    const auto& event = std::get<source_event>(what);
    const auto row = query(url, "SELECT subscriber_id, coalesce(identifiers, '{}')::text,"
                                " company_id, event_id FROM gateway.source_event");
    ASSERT_EQ(row.size(), 1U);
    EXPECT_EQ(row[0][0], event.subscriber_id ? to_string(*event.subscriber_id) : "NULL");
    EXPECT_EQ(row[0][2], event.company_id);
    std::string identifiers = "{";
    for (const auto& [kind, values] : event.identifiers) {
        for (const auto& value : values)
            EXPECT_THAT(row[0][1], HasSubstr(value)) << kind;
        EXPECT_THAT(row[0][1], HasSubstr("\"" + kind + "\""));
    }
    query(url, "TRUNCATE gateway.source_event");
}

INSTANTIATE_TEST_SUITE_P(
    Subscribers, IdentifiersInSqlTest,
    testing::Values(
        R"({"external_id":16467358,"phone":"+15555555555","email":"jane.doe@example.com"})",
        R"({"external_id":"16467358 "})", R"({"external_id":"null","phone":"+1 (206) 555-0100"})",
        R"({"external_id":"0","phone":"206 555 0100","email":" Jane.DOE@Example.COM "})",
        R"({"email":"ÄNNE@Example.com"})", R"({"email":"a@b"})", R"({"email":"a@b@c.d"})",
        R"({"email":"a b@c.de"})", R"({"email":"a@.c.d"})", R"({"email":"a@b."})",
        R"({"email":"a@b.."})", R"({"email":"@b.c"})", R"({"phone":"+0123456789"})",
        R"({"phone":"+123456"})", R"({"phone":"+1234567"})", R"({"phone":"+1234567890123456"})",
        "{\"phone\":\"\u00A0+1\u00A0206 555 0101\u00A0\"}",
        R"({"external_identifiers":{"client_user_id":["b","a","B"," a "]}})",
        R"({"external_identifiers":{"client_user_id":["anonymous","N/A","-1"],"shopify_id":[7]}})",
        R"({"external_identifiers":{"custom_identifiers":{"loyalty":["z","é","Z"]}}})",
        R"({"phone":"","email":null})"));

TEST(RecordEventTest, RecordsAnOrderOnceHoweverOften)
{
    const std::string url = fresh_database();

    const std::string first = value(url, order_call);
    const std::string again = value(url, order_call);

    EXPECT_EQ(first, again);
    const auto rows = query(url, "SELECT event_name, channel, action, source, order_id,"
                                 " order_value, currency, tableoid::regclass"
                                 " FROM gateway.source_event");
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_THAT(rows[0], testing::ElementsAre("order.completed", "web", "completed", "shop", "A-1",
                                              "84.2", "USD", "gateway.source_event_2026_11"));
    EXPECT_EQ(value(url, "SELECT sum(events) || ' ' || sum(duplicates) FROM gateway.step"), "1 1");
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.intake"), "0") << "what it was is the event";
}

std::string tell_order(const std::string& url, const std::string& name, const std::string& at,
                       const std::string& number, const std::string& amount,
                       const std::string& source = "shop")
{
    return value(url, "SELECT gateway.record_event('" + source + "', 'order." + name + "', 'C', '" +
                          at + "Z', '{\"email\": \"jane@maple-moss.com\"}', p_order_id => '" +
                          number + "'" + amount + ")");
}

std::string usd(const std::string& amount)
{
    return ", p_order_value => " + amount + ", p_currency => 'USD'";
}

// Shopify, "Order": discount_codes and the quantities of line_items are of the order as it is now.
TEST(RecordEventTest, AnOrderHasItsDiscountCodeAndItems)
{
    const std::string url = fresh_database();
    const auto tell = [&](const std::string& more) {
        return tell_order(url, "completed", "2026-11-21T10:00:00", "A-1", usd("50") + more);
    };
    const auto plain = tell("");
    const auto first = tell(", p_discount_code => 'WELCOME15', p_items_count => 3");
    EXPECT_EQ(tell(", p_discount_code => 'WELCOME15', p_items_count => 3"), first);
    EXPECT_NE(first, plain);
    EXPECT_NE(tell(", p_items_count => 2"), first);
    tell(", p_discount_code => '+12065550144', p_items_count => 2");
    apply_all(url);
    project_all(url);

    EXPECT_EQ(query(url, "SET ROLE gateway_reader; SELECT order_value, discount_code, items_count"
                         " FROM report.attributed_orders"),
              (std::vector<std::vector<std::string>>{{"50", "***", "2"}}));
    EXPECT_EQ(value(url, "SELECT string_agg(coalesce(discount_code, '-'), ' ' ORDER BY position)"
                         " FROM report.source_event"),
              "- WELCOME15 - ***");
    for (const std::string wrong : {"p_items_count => -1", "p_discount_code => repeat('x', 201)"})
        EXPECT_THAT(message_of_refusal(url, "SELECT gateway.record_event('shop',"
                                            " 'order.completed', 'C', now(), '{}', p_order_id =>"
                                            " 'A-1'" +
                                                usd("1") + ", " + wrong + ")"),
                    HasSubstr("are of order.completed"));
}

// Shopify: an order keeps its id whatever is edited, and its total is the one after the last edit.
TEST(RecordEventTest, AnOrderIsWhatWasToldOfItLast)
{
    const std::string url = fresh_database();
    const auto orders = [&url] {
        project_all(url);
        return value(url, "SELECT string_agg(concat_ws(' ', source, order_id, order_value), ', '"
                          " ORDER BY source, order_id) FROM report.attributed_orders");
    };
    const auto tell = [&url](const std::string& at, const std::string& amount,
                             const std::string& more = "") {
        return tell_order(url, "completed", "2026-11-01 " + at, "T-1", usd(amount) + more);
    };

    const auto first = tell("17:00", "80");
    const auto edited = tell("17:00", "60");
    EXPECT_EQ(tell("17:00", "60.0"), edited);
    EXPECT_EQ(orders(), "shop T-1 60");
    tell("17:00:07", "60");                // paid_at was touched
    EXPECT_EQ(tell("17:00", "80"), first); // a retry that comes late, or all of it a second time
    EXPECT_EQ(orders(), "shop T-1 60");

    const std::string undone = ", p_updated_at => '2026-11-01 19:00Z'";
    const auto back = tell("17:00", "80", undone);
    EXPECT_EQ(tell("17:00", "80", undone), back);
    EXPECT_EQ(orders(), "shop T-1 80");
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event"), "4");

    tell_order(url, "completed", "2026-11-01 17:00", "T-1", usd("5"), "pos"); // another till
    tell_order(url, "completed", "2026-11-01 17:00", "T-2", usd("7"));
    EXPECT_EQ(orders(), "pos T-1 5, shop T-1 80, shop T-2 7");
    project_all(url);
    EXPECT_EQ(query(url, "SELECT currency, sum(orders), sum(revenue), sum(buyers)"
                         " FROM report.revenue_by_message GROUP BY 1"),
              (text_rows{{"USD", "3", "92", "1"}}));
}

// Shopify, "Net sales": gross sales less returns; cancelled orders are in gross and taken back.
TEST(RecordEventTest, RefundsAndCancellationsLeaveNetBesideGross)
{
    const std::string url = fresh_database();
    tell_order(url, "completed", "2026-11-01 10:00", "A", usd("80"));
    tell_order(url, "refunded", "2026-11-03 10:00", "A", usd("20"));
    tell_order(url, "refunded", "2026-11-03 10:00", "A", usd("20")); // the same
    tell_order(url, "refunded", "2026-11-04 10:00", "A", usd("5"));
    tell_order(url, "refunded", "2026-11-04 10:00", "A", usd("10")); // corrected
    tell_order(url, "completed", "2026-11-02 10:00", "B", usd("50"));
    tell_order(url, "refunded", "2026-11-03 10:00", "B", usd("10"));
    tell_order(url, "cancelled", "2026-11-05 10:00", "B", "");
    tell_order(url, "completed", "2026-11-02 12:00", "C",
               ", p_order_value => 1000, p_currency => 'JPY'");
    tell_order(url, "refunded", "2026-11-03 10:00", "C", usd("3")); // none of the order's yen
    project_all(url);

    EXPECT_EQ(query(url, "SELECT order_id, order_value, refunds, net_value, currency, is_cancelled,"
                         " customer_order_number, is_first_order FROM report.attributed_orders"
                         " ORDER BY 1"),
              (text_rows{{"A", "80", "30", "50", "USD", "f", "1", "t"},
                         {"B", "50", "50", "0", "USD", "t", "2", "f"},
                         {"C", "1000", "0", "1000", "JPY", "f", "3", "f"}}));
    EXPECT_EQ(
        query(url, "SELECT currency, sum(orders), sum(gross_revenue), sum(refunds),"
                   " sum(revenue), sum(cancelled_orders) FROM report.revenue_by_message"
                   " GROUP BY 1 ORDER BY 1"),
        (text_rows{{"JPY", "1", "1000", "0", "1000", "0"}, {"USD", "2", "130", "80", "50", "1"}}));
}

TEST(RecordEventTest, TakesManyInOneTransaction)
{
    const std::string url = fresh_database();

    query(url, "SELECT gateway.record_event('shop', 'page.viewed', 'C', '2026-11-01'::timestamptz"
               " + n * interval '1 day', '{\"phone\": \"+12065550100\"}',"
               " 'https://u@Shop.example.com:443/a/b?email=x#y') FROM generate_series(1, 50) n");
    query(url, order_call);

    EXPECT_EQ(value(url, "SELECT count(*) || ' ' || max(position) FROM gateway.source_event"),
              "51 51");
    EXPECT_EQ(value(url,
                    "SELECT string_agg(DISTINCT concat_ws(' ', link_host, link_path, link_url),"
                    " ',') FROM gateway.source_event WHERE action = 'viewed'"),
              "shop.example.com /a/b");
}

TEST(RecordEventTest, CountsAnEventOnceForCallersThatRace)
{
    const std::string url = fresh_database();
    std::vector<std::thread> callers;

    for (int n = 0; n < 4; ++n)
        callers.emplace_back([&url] {
            for (int i = 0; i < 20; ++i)
                query(url, order_call);
        });
    for (auto& caller : callers)
        caller.join();

    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event"), "1");
    EXPECT_EQ(value(url, "SELECT sum(events) FROM gateway.step"), "1");
}

TEST(RecordEventTest, SaysWhatIsWrong)
{
    const std::string url = fresh_database();
    const auto refusal = [&](const std::string& arguments) {
        return message_of_refusal(url, "SELECT gateway.record_event(" + arguments + ")");
    };
    const std::string who = ", '{}'";

    EXPECT_THAT(refusal("'attentive', 'page.viewed', 'C', now()" + who + ", 'https://a/'"),
                HasSubstr("source must name"));
    EXPECT_THAT(refusal("'shop', 'page.seen', 'C', now()" + who), HasSubstr("event_name must be"));
    EXPECT_THAT(refusal("'shop', 'page.viewed', ' ', now()" + who), HasSubstr("company_id must"));
    EXPECT_THAT(refusal("'shop', 'page.viewed', 'C', '1970-01-01'" + who),
                HasSubstr("occurred_at must"));
    EXPECT_THAT(refusal("'shop', 'page.viewed', 'C', NULL" + who), HasSubstr("occurred_at must"));
    EXPECT_THAT(refusal("'shop', 'page.viewed', 'C', now()" + who), HasSubstr("page_url"));
    EXPECT_THAT(refusal("'shop', 'page.viewed', 'C', now()" + who + ", 'ftp://a/'"),
                HasSubstr("page_url must begin"));
    EXPECT_THAT(refusal("'shop', 'order.completed', 'C', now()" + who + ", NULL, 'A-1', -1, 'USD'"),
                HasSubstr("order_value (0 or more)"));
    EXPECT_THAT(refusal("'shop', 'order.completed', 'C', now()" + who + ", NULL, 'A-1', 1, 'usd'"),
                HasSubstr("ISO 4217"));
    EXPECT_THAT(refusal("'shop', 'order.cancelled', 'C', now()" + who),
                HasSubstr("order.cancelled needs order_id"));
    EXPECT_THAT(refusal("'shop', 'order.refunded', 'C', now()" + who + ", NULL, 'A-1'"),
                HasSubstr("order.refunded needs order_id, order_value"));
    EXPECT_THAT(refusal("'shop', 'page.viewed', 'C', now(), '[]', 'https://a/'"),
                HasSubstr("must be a JSON object"));
    EXPECT_THAT(refusal("'shop', 'page.viewed', 'C', now(), '{\"mail\": \"a\"}', 'https://a/'"),
                HasSubstr("unknown kind mail"));
    EXPECT_THAT(refusal("'shop', 'page.viewed', 'C', now(), '{\"email\": {}}', 'https://a/'"),
                HasSubstr("email must be a string"));
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.intake"), "0");
}

// Whoever reads a path cannot tell which of the two masked it.
TEST(RecordEventTest, MasksAsTheNormalizerDoes)
{
    const std::string url = fresh_database();
    const std::vector<std::string> phones = {"+12065550144", "+4915112345678"};
    std::vector<std::string> texts = {"/unsubscribe/kim@lindenpost.net",
                                      "/u/jane.roe%2Bshop%40lindenpost.net/profile",
                                      "/u/%6aane%2540lindenpost.net",
                                      "/of/%2B12065550144/x",
                                      "a@b.c",
                                      "a@.c",
                                      "a@b.",
                                      "@b.c",
                                      "a@b@c.d",
                                      "+1@b.c",
                                      "+123456",
                                      "+1234567",
                                      "+123456789012345",
                                      "+1234567890123456",
                                      "%E9kim%40lindenpost.net%FF",
                                      "/caf%C3%A9//x?y=1&z",
                                      "100 %",
                                      "%4",
                                      "Kim@Lindenpost.NET",
                                      "Kim, kim@lindenpost.net!",
                                      "/call%20206%20555%200144",
                                      "4915112345678",
                                      "015112345678"};
    const std::array<std::string, 15> pieces = {"206", "555",    "0144", " ",  "-",
                                                "(",   "1",      "+",    "49", "15112345678",
                                                "/",   "@b.org", "%20",  "0",  "\u00e9,"};
    std::mt19937 random{7};
    while (texts.size() < 3'000) {
        texts.emplace_back();
        for (auto left = 1 + random() % 9; left > 0; --left)
            texts.back() += pieces.at(random() % pieces.size());
    }
    std::string all;
    std::vector<std::vector<std::string>> expected;
    std::size_t changed = 0;
    for (const auto& text : texts) {
        all += (all.empty() ? "" : ", ") + sql_text(text);
        expected.push_back({text, masked(text, phones)});
        changed += expected.back()[1] == text ? 0 : 1;
    }

    EXPECT_EQ(query(url, "SELECT t, gateway.masked(t, '[\"" + phones[0] + "\", \"" + phones[1] +
                             "\"]') FROM unnest(ARRAY[" + all +
                             "]) WITH ORDINALITY AS x (t, n) ORDER BY n"),
              expected);
    EXPECT_GT(changed, 300U);
    EXPECT_LT(changed, 2'000U);
}

// A German number without plus is an id as good as any, but when it is the visitor's own.
TEST(RecordEventTest, MasksTheOwnNumberOfAVisitor)
{
    const std::string url = fresh_database();

    query(url, "SELECT gateway.record_event('shop', 'page.viewed', 'C', now(),"
               " '{\"phone\": \"+4915112345678\"}', 'https://s.example.com/u/4915112345678/x')");
    apply_all(url);

    EXPECT_EQ(value(url, "SELECT link_path FROM gateway.source_event"), "/u/***/x");
}

} // namespace
} // namespace gateway
