// What a running daemon takes up without a restart: keys, endpoints, certificates. The real binary,
// under load from a sender that counts every answer.
#include "support/gateway_process.hpp"
#include "support/load.hpp"
#include "support/tls_client.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <regex>
#include <thread>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using test::gateway_process;
using test::load;
using test::run;

TEST(ReloadTest, AHundredRotationsUnderLoadFailNoRequest)
{
    gateway_process gateway{{.configuration = "requests_per_connection_max = 7\n"}};
    const std::string before = test::read_file(gateway.certificate());
    load senders{gateway.url()};

    constexpr int rotations = 100;
    for (int i = 0; i < rotations; ++i) {
        gateway.renew_certificate();
        gateway.child().signal(SIGHUP);
        std::this_thread::sleep_for(50ms);
    }
    senders.stop();
    const auto metrics = run({"curl", "-sS", "-m", "5", gateway.admin_url() + "/metrics"}).output;
    const auto with_newest = run({"curl", "-sS", "--cacert", gateway.certificate(), "-o",
                                  "/dev/null", "-w", "%{http_code}", gateway.url()});

    EXPECT_EQ(senders.failed, 0U) << senders.first_failure;
    EXPECT_GT(senders.answered, 100U);
    RecordProperty("answered", static_cast<int>(senders.answered));
    EXPECT_EQ(with_newest.output, "405") << with_newest.errors;
    EXPECT_NE(before, test::read_file(gateway.certificate()));
    std::smatch taken;
    ASSERT_TRUE(std::regex_search(metrics, taken,
                                  std::regex{R"(reloads_total\{outcome="taken"\} ([0-9]+))"}));
    EXPECT_GE(std::stoi(taken[1]), rotations / 2); // signals that come together are one
}

TEST(ReloadTest, TakesACertificateThatIsReplacedOnTheDisk)
{
    gateway_process gateway;

    gateway.renew_certificate();
    const bool told = gateway.child().wait_for_output("took the certificate", 10s);
    const auto asked = run({"curl", "-sS", "--cacert", gateway.certificate(), "-o", "/dev/null",
                            "-w", "%{http_code}", gateway.url()});

    EXPECT_TRUE(told) << gateway.child().errors();
    EXPECT_EQ(asked.output, "405") << asked.errors;
}

TEST(ReloadTest, AReloadTakesUpANewKeyAndEndpoint)
{
    gateway_process gateway;
    auto text = test::read_file(gateway.config_file());
    test::write_file(gateway.key_file().string() + "-2", "another-signing-key-0123456789\n");
    text += "[[endpoint]]\nname = 'second'\npath = '/webhooks/second'\nsigning_keys = [ { id = "
            "'new', file = '" +
            gateway.key_file().string() + "-2' } ]\n";

    test::write_file(gateway.config_file(), text);
    gateway.child().signal(SIGHUP);
    const bool reloaded = gateway.child().wait_for_output("reloaded: ", 10s);
    const auto second =
        std::regex_replace(gateway.url(), std::regex{"/webhooks/attentive"}, "/webhooks/second");
    const auto sent = run({GATEWAY_BINARY, "send", "--url", second, "--key-file",
                           gateway.key_file().string() + "-2", "--ca", gateway.certificate(),
                           "--type", "sms.sent"});

    EXPECT_TRUE(reloaded) << gateway.child().errors();
    EXPECT_EQ(sent.exit_code, 0) << sent.output << sent.errors;
}

// A connection that was open before is served by the new configuration from its next request on.
TEST(ReloadTest, AReloadReachesConnectionsThatAreOpen)
{
    gateway_process gateway;
    std::smatch port;
    std::regex_search(gateway.url(), port, std::regex{":([0-9]+)/"});
    test::client_options options;
    options.port = static_cast<std::uint16_t>(std::stoi(port[1]));
    test::tls_client open{options};
    const std::string ask = "POST /webhooks/new HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                            "Content-Type: application/json\r\n\r\n{}";
    const std::string before = "POST /webhooks/attentive HTTP/1.1\r\nHost: a\r\nContent-Length: "
                               "2\r\nContent-Type: application/json\r\n\r\n{}";
    open.send(before);
    const auto first = open.read_reply();

    const auto text = test::read_file(gateway.config_file());
    test::write_file(gateway.config_file(),
                     std::regex_replace(text, std::regex{"/webhooks/attentive"}, "/webhooks/new"));
    gateway.child().signal(SIGHUP);
    ASSERT_TRUE(gateway.child().wait_for_output("reloaded: ", 10s));
    open.send(ask);
    const auto second = open.read_reply();
    open.send(before);
    const auto third = open.read_reply();

    EXPECT_EQ(first.value_or(test::reply{}).status, 401); // it is there, and wants a signature
    EXPECT_EQ(second.value_or(test::reply{}).status, 401);
    EXPECT_EQ(third.value_or(test::reply{}).status, 404);
}

TEST(ReloadTest, ABadReloadKeepsAllOfTheOld)
{
    gateway_process gateway;
    const auto text = test::read_file(gateway.config_file());
    // A good new endpoint beside a fault: neither may come into effect.
    const std::string endpoint = "[[endpoint]]\nname = 'second'\npath = '/webhooks/second'\n"
                                 "signing_keys = [ { id = 'e2e', file = '" +
                                 gateway.key_file().string() + "' } ]\n";
    std::string deep = "a";
    for (int parts = 1; parts < 50'000; ++parts)
        deep += ".a";
    const std::vector<std::pair<std::string, std::string>> faults = {
        {"[log]\nlevel = 'loud'\n", "log.level"},
        {"[[endpoint]]\nname = 'third'\npath = '/third'\nsigning_keys = [ { id = 'a', file = "
         "'/nowhere' } ]\n",
         "/nowhere"},
        {deep + " = 1\n", "more than 2000 dots"},
    };

    for (const auto& [fault, said] : faults) {
        test::write_file(gateway.config_file(), text + endpoint + fault);
        gateway.child().signal(SIGHUP);
        ASSERT_TRUE(gateway.child().wait_for_output(said, 60s)) << gateway.child().errors();
    }
    const auto second =
        std::regex_replace(gateway.url(), std::regex{"/webhooks/attentive"}, "/webhooks/second");
    const auto asked = run({"curl", "-sS", "--cacert", gateway.certificate(), "-o", "/dev/null",
                            "-w", "%{http_code}", second});
    const auto sent = run({GATEWAY_BINARY, "send", "--url", gateway.url(), "--key-file",
                           gateway.key_file(), "--ca", gateway.certificate()});

    EXPECT_NE(gateway.child().errors().find("the old one goes on as it is"), std::string::npos);
    EXPECT_EQ(asked.output, "404");
    EXPECT_EQ(sent.exit_code, 0) << sent.errors;
}

} // namespace
} // namespace gateway
