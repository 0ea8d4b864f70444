// README's questions and commands, asked of the demonstration's data: each has an answer in the
// columns that it shows.
#include "e2e/readme_blocks.hpp"
#include "gateway/attentive/event_catalog.hpp"
#include "gateway/demo/samples.hpp"
#include "gateway/store/embedded_cluster.hpp"
#include "gateway/store/spool.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <sstream>

namespace gateway {
namespace {

namespace fs = std::filesystem;
using std::chrono::minutes;
using test::block;
using test::block_of;
using test::blocks;
using test::is_table;
using test::lines_of;
using test::replace_all;
using testing::HasSubstr;
using testing::Not;

// The demo's data, as the commands that README shows find them.
class ReadmeDemoTest : public testing::Test {
protected:
    static void SetUpTestSuite()
    {
        const test::machine_lock port{"demo"};
        demo_ = std::make_unique<test::temporary_directory>();
        told_ = test::run({GATEWAY_BINARY, "demo", "--once", "--directory", demo_->path()}, {},
                          minutes{4});
        auto started = embedded_cluster::start(demo_->path() / "postgres");
        ASSERT_TRUE(started) << started.error().detail;
        server_.emplace(std::move(started).value());
    }

    static void TearDownTestSuite()
    {
        server_.reset();
        demo_.reset();
    }

    void SetUp() override { ASSERT_EQ(told_.exit_code, 0) << told_.errors; }

    static test::run_result type(std::string text)
    {
        replace_all(text, "attentive-gateway ", GATEWAY_BINARY " ");
        text = std::regex_replace(text, std::regex{"postgresql://[a-z]+@127.0.0.1/attentive"},
                                  "'" + server_->url() + "'");
        const auto config = "ATTENTIVE_GATEWAY_CONFIG=" + (demo_->path() / "gateway.toml").string();
        auto done = test::run({"bash", "-euo", "pipefail", "-c", text},
                              {.input = {}, .environment = {config}}, minutes{3});
        EXPECT_EQ(done.exit_code, 0) << text << done.output << done.errors;
        return done;
    }

    // Types each "$ command" of a block, and expects what begins README's lines of its output:
    // numbers and times are others.
    static void follow(const std::string& text)
    {
        std::string output;
        for (const auto& line : lines_of(text)) {
            if (line.starts_with("$ ")) {
                output = type(line.substr(2)).output;
                continue;
            }
            std::smatch first;
            if (!std::regex_search(line, first, std::regex{"^ *(?:[0-9]+ )?([^ ]+)"}))
                continue;
            const auto word = first[1].str();
            const std::regex of_that_day{"[0-9a-f]{8}-.*|[0-9a-f]{64}|spool-[0-9].*"};
            if (!std::regex_match(word, of_that_day)) {
                EXPECT_THAT(output, HasSubstr(word)) << text;
            }
        }
    }

    static test::run_result ask(const std::string& sql)
    {
        return test::run({"psql", server_->url(), "-X", "-v", "ON_ERROR_STOP=1"},
                         {.input = sql, .environment = {}}, minutes{2});
    }

    static inline std::unique_ptr<test::temporary_directory> demo_;
    static inline std::optional<embedded_cluster> server_;
    static inline test::run_result told_;
};

std::vector<std::string> columns_of(const std::string& table)
{
    std::vector<std::string> columns;
    std::istringstream header{table.substr(0, table.find('\n'))};
    for (std::string name; std::getline(header, name, '|');) {
        const auto begin = name.find_first_not_of(' ');
        columns.push_back(name.substr(begin, name.find_last_not_of(' ') + 1 - begin));
    }
    return columns;
}

TEST_F(ReadmeDemoTest, EveryQuestionHasAnAnswerAsItIsShown)
{
    const auto somebody =
        test::value(server_->url(), "SELECT profile_id FROM report.attributed_orders LIMIT 1");
    ask("CREATE SCHEMA shop; CREATE TABLE shop.customers (id int, email text, phone text);"
        "INSERT INTO shop.customers VALUES (1, 'jane@maple-moss.com', '+12065550100');"
        "CREATE TABLE shop.orders (customer_id int, number text, total numeric, currency text,"
        " paid_at timestamptz, updated_at timestamptz);"
        "INSERT INTO shop.orders VALUES (1, 'MM-1', 9.99, 'USD', now(), now())");
    std::size_t asked = 0;

    const auto all = blocks();
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].language != "sql")
            continue;
        auto sql = all[i].text;
        replace_all(sql, "'…'", "'" + somebody + "'");
        const auto answer = ask(sql);
        ++asked;
        EXPECT_EQ(answer.exit_code, 0) << sql << answer.errors;
        EXPECT_THAT(answer.output, Not(HasSubstr("(0 rows)"))) << sql;
        if (is_table(all[i + 1])) {
            EXPECT_EQ(columns_of(answer.output), columns_of(all[i + 1].text)) << sql;
        }
    }

    EXPECT_GE(asked, 10U);
}

TEST_F(ReadmeDemoTest, CommandsOnTheDatabaseSayWhatIsShown)
{
    type(block_of("attentive-gateway explain-identity"));
    follow(block_of("$ attentive-gateway audience"));
    follow(block_of("$ attentive-gateway erase"));
    spool_settings settings;
    settings.directory = demo_->path() / "spool";
    settings.any_file_system = true;
    {
        auto waiting = spool::open(settings);
        ASSERT_TRUE(waiting) << waiting.error().detail;
        for (const auto sample : event_type_names()) {
            const auto d = test::delivery_of(std::string{documented_sample(sample)});
            ASSERT_TRUE(waiting.value().append({&d}));
        }
        const auto unknown = test::delivery_of(R"({"type":"sms.new_kind","timestamp":1,)"
                                               R"("company":{"company_id":"c"}})");
        const auto malformed = test::delivery_of("{");
        ASSERT_TRUE(waiting.value().append({&unknown, &malformed}));
    }
    follow(block_of("$ attentive-gateway spool status"));
    follow(block_of("$ attentive-gateway spool drain"));
    test::apply_all(server_->url());
    follow(block_of("$ attentive-gateway quarantine list"));
    follow(block_of("$ attentive-gateway quarantine replay"));
}

} // namespace
} // namespace gateway
