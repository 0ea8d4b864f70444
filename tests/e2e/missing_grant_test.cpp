// Every command, run as a role without any right: the GRANT that it prints is what it needs.
#include "support/cluster.hpp"
#include "support/process.hpp"

#include "gateway/listener/tls.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <regex>

namespace gateway {
namespace {

using namespace test;
using namespace std::chrono_literals;

struct command_case {
    const char* name;
    std::vector<std::string> words;
    int exit_code = 0; // once it has its rights
};

const std::vector<command_case>& commands_with_rights()
{
    static const std::string nobody = "00000000-0000-8000-8000-000000000001";
    static const std::vector<command_case> all = {
        {"Report", {"report", "source_event"}},
        {"Erase", {"erase", "--company", "C", "--phone", "+12065550100", "--dry-run"}},
        {"Audience", {"audience", "vip", "--company", "C", "--channel", "sms"}},
        {"Retention", {"retention"}},
        {"QuarantineList", {"quarantine", "list"}},
        {"QuarantineReplay", {"quarantine", "replay"}},
        {"SpoolDrain", {"spool", "drain"}},
        {"Rebuild", {"rebuild"}},
        {"IdentitySplit", {"identity", "split", "--company", "C", "--subscriber", nobody}, 1},
        {"ExplainIdentity", {"explain-identity", "--company", "C", "--subscriber", nobody}, 1},
        {"Migrate", {"migrate"}},
        {"Doctor", {"doctor"}},
    };
    return all;
}

// The statement in `text`, as it stands there.
std::string grant_in(const std::string& text)
{
    static const std::regex grant{"GRANT \"?[a-z_]+\"? TO \"(?:[^\"]|\"\")+\";"};
    std::smatch found;
    return std::regex_search(text, found, grant) ? found[0].str() : std::string{};
}

class MissingGrantTest : public testing::Test {
protected:
    MissingGrantTest()
    {
        static std::atomic<int> number{0};
        const std::string n = std::to_string(++number);
        query(url_, "CREATE ROLE \"no \"\"rights\"\" " + n + "\" LOGIN");
        const auto made = make_self_signed_certificate();
        write_file(home_ / "certificate.pem", made.certificate);
        write_file(home_ / "private-key.pem", made.private_key);
        std::filesystem::create_directory(home_ / "spool");
        write_file(home_ / "spool" / "spool.lock", "");
        write_file(home_ / "key", "missing-grant-key-0123456789\n");
        write_file(home_ / "gateway.toml",
                   "[listener]\naddress = '127.0.0.1:0'\ntls_certificate = '" +
                       (home_ / "certificate.pem").string() + "'\ntls_private_key = '" +
                       (home_ / "private-key.pem").string() +
                       "'\n[[endpoint]]\nname = 'a'\npath = '/webhooks/attentive'\nsigning_keys = "
                       "[ { id = 'a', file = '" +
                       (home_ / "key").string() + "' } ]\n[database]\nurl = '" +
                       as_user(url_, "no%20%22rights%22%20" + n) +
                       "'\n[admin]\naddress = '127.0.0.1:0'\n[spool]\ndirectory = '" +
                       (home_ / "spool").string() + "'\nany_file_system = true\n");
    }

    std::vector<std::string> line(std::vector<std::string> words) const
    {
        words.insert(words.begin(), GATEWAY_BINARY);
        words.insert(words.end(), {"--config", (home_ / "gateway.toml").string()});
        return words;
    }

    const std::string url_ = fresh_database();
    temporary_directory home_;
};

class MissingGrantOfCommandTest : public MissingGrantTest,
                                  public testing::WithParamInterface<command_case> {};

TEST_P(MissingGrantOfCommandTest, IsPrintedAndIsEnough)
{
    const auto refused = run(line(GetParam().words), {}, 90s);

    EXPECT_NE(refused.exit_code, 0) << refused.output;
    const std::string grant = grant_in(refused.errors + refused.output);
    ASSERT_NE(grant, "") << refused.errors << refused.output;
    query(url_, grant);
    const auto done = run(line(GetParam().words), {}, 90s);
    EXPECT_EQ(done.exit_code, GetParam().exit_code) << grant << done.errors << done.output;
    EXPECT_EQ(grant_in(done.errors), "") << done.errors;
}

std::string name_of_command(const testing::TestParamInfo<command_case>& each)
{
    return each.param.name;
}

INSTANTIATE_TEST_SUITE_P(Commands, MissingGrantOfCommandTest,
                         testing::ValuesIn(commands_with_rights()), name_of_command);

TEST_F(MissingGrantTest, OfServe)
{
    process serve{line({"serve"})};

    ASSERT_TRUE(serve.wait_for_output("GRANT gateway_writer TO", 90s)) << serve.errors();
    const std::string log = std::regex_replace(serve.errors(), std::regex{R"(\\")"}, "\"");
    const std::string grant = grant_in(log); // JSON escapes its quotes
    ASSERT_NE(grant, "") << log;
    query(url_, grant);
    const auto done = run(line({"doctor"}), {}, 90s);
    EXPECT_EQ(done.exit_code, 0) << done.output;
}

TEST_F(MissingGrantTest, OfServeThatLosesItsRightsWhileItRuns)
{
    const auto refused = run(line({"report", "source_event"}), {}, 90s);
    const std::string user = refused.errors.substr(refused.errors.find(" TO \"") + 4);
    const std::string quoted = user.substr(0, user.find(';'));
    query(url_, "GRANT gateway_writer TO " + quoted);
    process serve{line({"serve"})};
    ASSERT_TRUE(serve.wait_for_output("listening on", 90s)) << serve.errors();

    query(url_, "REVOKE gateway_writer FROM " + quoted);
    query(url_, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()");

    // JSON escapes the quotes.
    EXPECT_TRUE(serve.wait_for_output("GRANT gateway_writer TO \\\"no", 90s)) << serve.errors();
}

TEST_F(MissingGrantTest, OfTail)
{
    const auto refused = run(line({"tail"}), {}, 90s);

    EXPECT_EQ(refused.exit_code, 1);
    const std::string grant = grant_in(refused.errors);
    ASSERT_EQ(grant.substr(0, 21), "GRANT gateway_reader ") << refused.errors;
    query(url_, grant);
    query(url_, "SELECT gateway.record_event('shop', 'page.viewed', 'C', now(),"
                " '{\"phone\": \"+12065550100\"}', 'https://shop.example.com/')");
    apply_all(url_);
    process tail{line({"tail"})};
    EXPECT_TRUE(tail.wait_for_output("page.viewed", 90s)) << tail.errors();
    tail.signal(SIGINT);
    EXPECT_EQ(tail.wait(90s), 0) << tail.errors();
}

} // namespace
} // namespace gateway
