// `record` with the real binary: a file's good lines are stored once, each bad one is told with its
// line, and a kill costs nothing.
#include "e2e/readme_blocks.hpp"
#include "support/cluster.hpp"
#include "support/process.hpp"
#include "support/reference.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <thread>

namespace gateway {
namespace {

using namespace test;
using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr auto patience = 120s;

class RecordCommandTest : public testing::Test {
protected:
    std::vector<std::string> words(const std::vector<std::string>& more) const
    {
        std::vector<std::string> all{GATEWAY_BINARY, "record", "--url", url_};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }

    run_result record(const std::vector<std::string>& more, const std::string& input = {}) const
    {
        return run(words(more), {.input = input, .environment = {}}, patience);
    }

    std::string file(const std::string& name, const std::string& text) const
    {
        write_file(home_ / name, text);
        return (home_ / name).string();
    }

    std::string stored() const { return value(url_, "SELECT count(*) FROM gateway.source_event"); }

    temporary_directory home_;
    std::string url_ = fresh_database();
};

const std::string header = "source,event_name,company_id,occurred_at,email,page_url,order_id,"
                           "order_value,currency,discount_code\r\n";

TEST_F(RecordCommandTest, StoresTheGoodOnceAndTellsEachBadOneByItsLine)
{
    const auto csv = file(
        "shop.csv",
        "\xEF\xBB\xBF" + header +
            "shop,order.completed,C,2026-11-01T10:00:00Z,j@maple-moss.com,,\"A\n1\",84.20,USD,\r\n"
            "shop,page.viewed,C,2026-11-01T09:00:00Z,j@maple-moss.com,https://s.org/a,,,,\r\n"
            "shop,page.viewed,C,2026-11-01T09:00:00Z,j@maple-moss.com,https://s.org/a,,,,\r\n"
            "shop,page.viewed,C,2026-11-31T09:00:00Z,j@maple-moss.com,https://s.org/a,,,,\r\n"
            "shop,page.viewed,C,2026-11-01T09:00:00Z,j@maple-moss.com,ftp://s.org/a,,,,\r\n"
            "shop,order.completed,C,2026-11-01T10:00:00Z,,,\"A-2,1,USD,\r\n"
            "shop,order.completed,C,2026-11-01T10:00:00Z,,,A-3,1,US,\r\n"
            "\"pos\",order.completed,C,2026-11-01T11:00:00+01:00,,,A-4,1,USD,SAVE10\r\n");

    const auto first = record({"--csv", csv});
    const auto again =
        record({"--csv", "-", "--rejects", (home_ / "no.csv").string()}, read_file(csv));

    EXPECT_EQ(first.exit_code, 3) << first.errors;
    EXPECT_EQ(first.output, "recorded  4\nknown     0\nrefused   4\n");
    EXPECT_EQ(first.errors,
              "line 6: occurred_at: must be a time with its zone, such as 2026-11-21T10:00:00Z\n"
              "line 7: page_url: page_url must begin with http:// or https:// and a host\n"
              "line 8: text behind the quote that closes a cell\n"
              "line 9: currency: order.completed needs order_id, order_value (0 or more) and "
              "currency (ISO 4217, such as USD)\n");
    EXPECT_EQ(
        query(url_, "SELECT source, event_name, order_id, order_value, discount_code,"
                    " occurred_at = '2026-11-01 10:00Z', identifiers->>'email'"
                    " FROM gateway.source_event ORDER BY position"),
        (text_rows{
            {"shop", "order.completed", "A\n1", "84.2", "NULL", "t", "[\"j@maple-moss.com\"]"},
            {"shop", "page.viewed", "NULL", "NULL", "NULL", "f", "[\"j@maple-moss.com\"]"},
            {"pos", "order.completed", "A-4", "1", "SAVE10", "t", "NULL"}}));
    EXPECT_EQ(again.exit_code, 3) << again.errors;
    EXPECT_EQ(again.errors, "");
    EXPECT_THAT(read_file(home_ / "no.csv"),
                HasSubstr("\r\n8,,text behind the quote that closes a cell\r\n"));
    EXPECT_EQ(stored(), "3") << again.output;
}

// The same content key, whatever way an event came.
TEST_F(RecordCommandTest, CsvAndJsonAndTheFunctionMeanTheSame)
{
    query(url_, "SELECT gateway.record_event('shop', 'order.completed', 'C',"
                " '2026-11-01T10:00:00.123Z', '{\"email\": \"J@maple-moss.com\"}',"
                " p_order_id => 'A-1', p_order_value => 84.20, p_currency => 'USD',"
                " p_updated_at => '2026-11-02 10:00Z', p_items_count => 2)");
    ASSERT_EQ(stored(), "1");
    const auto csv = record(
        {"--csv", "-", "--company", "C"},
        "source,event_name,occurred_at,email,order_id,order_value,currency,updated_at,items_count\n"
        "shop,order.completed,2026-11-01T11:00:00.123+01:00,j@maple-moss.com,A-1,84.2,USD,"
        "2026-11-02 10:00Z,2\n");
    const auto json = record({"--ndjson", "-", "--source", "shop"},
                             R"({"company_id":"C","event_name":"order.completed",)"
                             R"("occurred_at":"2026-11-01T10:00:00.123Z","order_id":"A-1",)"
                             R"("identifiers":{"email":["j@maple-moss.com"]},"order_value":84.20,)"
                             R"("currency":"USD","updated_at":"2026-11-02T10:00Z",)"
                             "\"items_count\":2}\n");

    EXPECT_EQ(csv.exit_code, 0) << csv.errors;
    EXPECT_EQ(csv.output, "recorded  0\nknown     1\nrefused   0\n");
    EXPECT_EQ(json.output, csv.output) << json.errors;
    EXPECT_EQ(stored(), "1");
}

// An order is what was told of it last, and a file is told from its beginning to its end.
TEST_F(RecordCommandTest, TellsInTheOrderOfTheFile)
{
    std::string text = header;
    for (int version = 1; version <= 12'000; ++version) // three chunks
        text += "shop,order.completed,C,2026-11-01T10:00:00Z,,,A-" + std::to_string(version % 7) +
                "," + std::to_string(version) + ",USD,\n";

    const auto done = record({"--csv", "-"}, text);

    EXPECT_EQ(done.exit_code, 0) << done.errors;
    EXPECT_EQ(value(url_, "SELECT string_agg(n.order_value::text, ' ' ORDER BY n.order_value)"
                          " FROM (SELECT DISTINCT ON (order_id) order_value"
                          "       FROM gateway.source_event"
                          "       ORDER BY order_id, received_at DESC, position DESC) n"),
              "11994 11995 11996 11997 11998 11999 12000");
}

TEST_F(RecordCommandTest, GoesOnAfterAKill)
{
    std::string text = header;
    for (int n = 1; n <= 12'000; ++n)
        text += n % 100 == 50 ? "Shop,page.viewed,C,2026-11-01T10:00:00Z,,https://s.org/,,,,\n"
                              : "shop,page.viewed,C,2026-11-01T10:00:00Z,,https://s.org/" +
                                    std::to_string(n) + ",,,,\n";
    const auto csv = file("shop.csv", text);
    {
        process killed{words({"--csv", csv, "--rejects", (home_ / "no.csv").string()})};
        const auto until = std::chrono::steady_clock::now() + patience;
        while (value(url_, "SELECT count(*) FROM gateway.intake_waiting") == "0" &&
               std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(2ms);
        killed.signal(SIGKILL);
        EXPECT_EQ(killed.wait(patience), 128 + SIGKILL);
    }
    EXPECT_EQ(query(url_, "SELECT FROM gateway.intake_waiting LIMIT 1").size(), 1U);

    const auto rest = record({"--csv", csv, "--rejects", (home_ / "no.csv").string()});

    EXPECT_EQ(rest.exit_code, 3) << rest.errors;
    EXPECT_EQ(stored(), "11880") << rest.output;
    EXPECT_EQ(value(url_, "SELECT count(DISTINCT link_path) FROM gateway.source_event"), "11880");
    const std::string told = read_file(home_ / "no.csv");
    EXPECT_EQ(std::count(told.begin(), told.end(), '\n'), 121);
    EXPECT_THAT(told, HasSubstr("\n11951,source,"));
}

TEST_F(RecordCommandTest, IsOfTheSourcesRole)
{
    query(url_, "DROP ROLE IF EXISTS record_nobody, record_one; CREATE ROLE record_nobody LOGIN;"
                " CREATE ROLE record_one LOGIN IN ROLE gateway_source;"
                " SELECT gateway.grant_company('record_one', 'C')");
    const std::string text = "source,event_name,company_id,occurred_at,page_url\n"
                             "shop,page.viewed,C,2026-11-01T10:00:00Z,https://s.org/\n"
                             "shop,page.viewed,D,2026-11-01T10:00:00Z,https://s.org/\n";
    const auto as = [&](const std::string& user) {
        return run({GATEWAY_BINARY, "record", "--url", as_user(url_, user), "--csv", "-"},
                   {.input = text, .environment = {}}, patience);
    };

    const auto nobody = as("record_nobody");
    const auto one = as("record_one");

    EXPECT_EQ(nobody.exit_code, 1);
    EXPECT_THAT(nobody.errors, HasSubstr("GRANT gateway_source TO \"record_nobody\""));
    EXPECT_THAT(nobody.errors, HasSubstr("run it again"));
    EXPECT_EQ(one.exit_code, 3) << one.errors;
    EXPECT_EQ(one.errors, "line 3: company_id: record_one may not see this company\n");
    EXPECT_EQ(value(url_, "SELECT string_agg(company_id, ',') FROM gateway.source_event"), "C");
    query(url_, "DELETE FROM gateway.company_access; DROP ROLE record_nobody, record_one");
}

// README's file, by the command that stands below it.
TEST_F(RecordCommandTest, ReadmesFileIsRecordedAsItIsShown)
{
    const auto shown = lines_of(block_of("$ cat shop.csv"));
    const auto typed = std::find_if(shown.begin(), shown.end(), [](const auto& line) {
        return line.starts_with("$ attentive-gateway record");
    });
    ASSERT_NE(typed, shown.end());
    std::string csv;
    std::string answer;
    for (auto line = shown.begin() + 1; line != typed; ++line)
        csv += *line + "\n";
    for (auto line = typed + 1; line != shown.end(); ++line)
        answer += *line + "\n";

    const auto done = record(
        {"--csv", file("shop.csv", csv), "--source", "shop", "--company", "MDc6Q29tcGFueTkw"});

    EXPECT_EQ(done.exit_code, 3);
    EXPECT_EQ(done.errors + done.output, answer);
    EXPECT_THAT(*typed, HasSubstr("--csv shop.csv --source shop --company MDc6Q29tcGFueTkw"));
}

// Shopify's REST Admin API: a cart, its checkout, its order and what became of it.
TEST_F(RecordCommandTest, ShopifysWebhooksBecomeOneCustomersEvents)
{
    const std::string example = GATEWAY_SOURCE_DIR "/config/shopify/";
    const auto read = run({"jq", "-c", "-f", example + "events.jq", example + "webhooks.ndjson"});
    ASSERT_EQ(read.exit_code, 0) << read.errors;

    const auto done =
        record({"--ndjson", "-", "--source", "shopify", "--company", "C"}, read.output);
    EXPECT_EQ(done.output, "recorded  7\nknown     0\nrefused   0\n") << done.errors;
    ASSERT_EQ(stored(), "7");
    while (value(url_, "SELECT events FROM gateway.project(1000)") != "0") {
    }

    EXPECT_EQ(query(url_, "SELECT order_id, order_value, refunds, net_value, is_cancelled,"
                          " discount_code, items_count FROM report.attributed_orders ORDER BY 1"),
              (text_rows{{"5820982911946", "84.2", "42.1", "42.1", "f", "WELCOME15", "2"},
                         {"5820982911947", "12.5", "12.5", "0", "t", "NULL", "1"}}));
    EXPECT_EQ(query(url_, "SELECT cart_updates, checkouts, orders, ended_at - started_at"
                          " FROM report.sessions"),
              (text_rows{{"1", "1", "1", "00:08:00"}}))
        << "the cart of nobody is hers who checked out";
    EXPECT_EQ(value(url_, "SELECT count(DISTINCT profile_id) FROM report.source_event"), "2");
    EXPECT_NE(run({"jq", "-c", "-f", example + "events.jq"},
                  {.input = R"({"topic":"orders/create","payload":{"id":820982911946154508}})",
                   .environment = {}})
                  .exit_code,
              0)
        << "an id that jq rounds is another order's";
}

} // namespace
} // namespace gateway
