// Each command of an operator beside a gateway whose two threads apply and project what keeps
// coming: it succeeds, says what is so, and nothing that was acknowledged is lost or counted twice.
#include "support/gateway_process.hpp"
#include "support/waiting.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

namespace gateway {
namespace {

using std::chrono::seconds;
using test::becomes;
using test::gateway_process;
using test::run;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr int load_count = 4'000;

class CommandsUnderLoadTest : public testing::Test {
protected:
    // Has to succeed and to complain of nothing; what it printed.
    std::string command(std::vector<std::string> arguments)
    {
        const std::string name = testing::PrintToString(arguments);
        arguments.insert(arguments.begin(), GATEWAY_BINARY);
        arguments.insert(arguments.end(), {"--config", gateway_.config_file()});
        const auto done = run(arguments);
        EXPECT_EQ(done.exit_code, 0) << name << done.output << done.errors;
        EXPECT_THAT(done.errors, IsEmpty()) << name;
        return done.output;
    }

    // Each read model is what the log says, at whatever moment it is asked.
    void expect_rebuild_finds_nothing(const std::string& model)
    {
        const auto said = command({"rebuild", "--model", model});
        std::smatch row;
        for (auto at = said.cbegin();
             std::regex_search(at, said.cend(), row, std::regex{"(\\w+) +\\d+ +(\\d+) +(\\d+)\n"});
             at = row[0].second)
            EXPECT_TRUE(row[2] == "0" && row[3] == "0") << said;
    }

    // Somebody whom the load named, and names again.
    std::vector<std::string> a_subscriber()
    {
        const auto row = gateway_.rows("SELECT company_id, subscriber_id, identifiers -> 'email' "
                                       "->> 0 FROM gateway.identity WHERE identifiers ? 'email' "
                                       "ORDER BY random() LIMIT 1");
        return row.at(0);
    }

    gateway_process gateway_;
};

TEST_F(CommandsUnderLoadTest, DoWhatTheySay)
{
    test::process load{{GATEWAY_BINARY, "send", "--url", gateway_.url(), "--key-file",
                        gateway_.key_file().string(), "--ca", gateway_.certificate().string(),
                        "--count", std::to_string(load_count), "--rate", "400", "--connections",
                        "8", "--unique"}};
    ASSERT_TRUE(becomes([&] {
        return gateway_.value("SELECT count(*) > 20 FROM gateway.identity "
                              "WHERE identifiers ? 'email'") == "t";
    }));

    int rounds = 0;
    std::optional<int> sent;
    for (; !sent; sent = load.wait(seconds{0}), ++rounds) {
        for (const char* model : {"identity", "consent", "message", "order", "engagement", "feed"})
            expect_rebuild_finds_nothing(model);
        const auto doctor = command({"doctor"});
        EXPECT_THAT(doctor, Not(HasSubstr("FAIL")));
        const auto who = a_subscriber();
        EXPECT_THAT(command({"explain-identity", "--company", who[0], "--subscriber", who[1]}),
                    HasSubstr(who[1]));
        command({"identity", "split", "--company", who[0], "--subscriber", who[1]});
        command({"erase", "--company", who[0], "--email", who[2]});
        EXPECT_EQ(gateway_.value("SELECT count(*) FROM gateway.identity WHERE identifiers -> "
                                 "'email' ? '" +
                                 who[2] + "' AND company_id = '" + who[0] + "'"),
                  "0");
        command({"quarantine", "list"});
        command({"quarantine", "replay"});
        command({"retention"});
        command({"migrate"});
        command({"report", "message_performance", "--limit", "100000"});
    }

    EXPECT_GT(rounds, 0);
    EXPECT_EQ(sent, 0) << load.errors();
    EXPECT_TRUE(becomes([&] {
        return gateway_.value(
                   "SELECT deliveries + events + failed FROM gateway.projection_lag()") == "0";
    }));
    EXPECT_EQ(gateway_.value("SELECT sum(events + duplicates + quarantined) FROM gateway.step"),
              std::to_string(load_count));
    for (const char* model :
         {"company", "identity", "consent", "message", "order", "engagement", "feed"})
        expect_rebuild_finds_nothing(model);
    EXPECT_THAT(gateway_.child().errors(), Not(HasSubstr("error")));
}

} // namespace
} // namespace gateway
