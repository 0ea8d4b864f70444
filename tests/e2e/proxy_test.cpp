// Restarts behind HAProxy under load, the share of one client, and whom the gateway takes a request
// to come from.
#include "e2e/balancers.hpp"
#include "support/cluster.hpp"
#include "support/gateway_process.hpp"
#include "support/load.hpp"
#include "support/tls_client.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <regex>
#include <vector>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using test::answers;
using test::gateway_process;
using test::haproxy_before;
using test::installed;
using test::nginx_before;
using test::port_in_url;
using test::replaced;
using test::run;

// From now on a restart keeps the port that the first start found.
void keep_port(const gateway_process& gateway)
{
    const auto text = test::read_file(gateway.config_file());
    const auto at = text.find("127.0.0.1:0");
    test::write_file(gateway.config_file(),
                     std::string{text}.replace(at, 11, "127.0.0.1:" + port_in_url(gateway.url())));
}

TEST(ProxyTest, FiftyRestartsBehindHaproxyFailNoRequest)
{
    if (!installed("haproxy"))
        GTEST_SKIP() << "haproxy is not installed";
    test::gateway_options options;
    options.listener = "proxy_protocol = true\n";
    options.configuration = "drain_timeout = '60s'\n";
    options.database_url = test::empty_database();
    gateway_process first{options};
    gateway_process second{options};
    for (gateway_process* each : {&first, &second}) {
        keep_port(*each);
        const auto text = test::read_file(each->config_file());
        test::write_file(each->config_file(),
                         replaced(text, "drain_delay = '0s'", "drain_delay = '300s'"));
        each->child().signal(SIGHUP);
        ASSERT_TRUE(each->child().wait_for_output("reloaded: ", 60s));
    }
    const haproxy_before haproxy{first, second};
    ASSERT_TRUE(haproxy.says(1, "UP") && haproxy.says(2, "UP")) << haproxy.errors();
    ASSERT_TRUE(answers(haproxy.url(), 60s)) << haproxy.errors();

    test::load senders{haproxy.url()};
    constexpr int restarts = 50;
    for (int i = 0; i < restarts; ++i) {
        gateway_process& gateway = i % 2 == 0 ? first : second;
        const int number = 1 + i % 2;
        gateway.child().signal(SIGTERM);
        ASSERT_TRUE(haproxy.says(number, "DOWN")) << i << haproxy.errors();
        gateway.child().signal(SIGTERM); // the second one ends drain_delay
        ASSERT_EQ(gateway.child().wait(120s), 0) << i;
        gateway.restart();
        ASSERT_TRUE(haproxy.says(number, "UP")) << i << haproxy.errors();
    }
    senders.stop();

    EXPECT_EQ(senders.failed, 0U) << senders.first_failure;
    EXPECT_GT(senders.answered, 500U);
    EXPECT_EQ(first.value("SELECT count(*) FROM gateway.source_event"),
              std::to_string(senders.answered));
    RecordProperty("answered", static_cast<int>(senders.answered));
}

TEST(ProxyTest, OneClientOfHaproxyHasItsShareAndLeavesTheRest)
{
    if (!installed("haproxy"))
        GTEST_SKIP() << "haproxy is not installed";
    test::gateway_options options;
    options.listener = "proxy_protocol = true\n";
    gateway_process gateway{options};
    const haproxy_before haproxy{gateway, gateway};
    ASSERT_TRUE(haproxy.says(1, "UP") && haproxy.says(2, "UP")) << haproxy.errors();
    ASSERT_TRUE(answers(haproxy.url(), 60s)) << haproxy.errors();
    test::client_options greedy;
    greedy.port = static_cast<std::uint16_t>(std::stoul(port_in_url(haproxy.url())));
    greedy.source = "127.0.0.2";
    greedy.timeout = 60s;
    const auto is_served = [](test::tls_client& client) {
        client.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
        return client.read_reply().value_or(test::reply{}).status == 200;
    };

    std::vector<test::tls_client> kept;
    for (int i = 0; i < 64; ++i) {
        kept.emplace_back(greedy);
        EXPECT_TRUE(is_served(kept.back())) << i;
    }
    EXPECT_ANY_THROW(test::tls_client{greedy}) << "the 65th";

    greedy.source = "127.0.0.3";
    test::tls_client another{greedy};
    EXPECT_TRUE(is_served(another));
}

// Sends one request through a balancer on `url`, which the log then names the client of.
std::string client_in_log(gateway_process& gateway, const std::string& url,
                          const std::vector<std::string>& more)
{
    std::vector<std::string> words = {"curl", "-ksS", "-m", "5",  "-X",
                                      "POST", "-d",   "{}", "-H", "Content-Type: application/json",
                                      url};
    words.insert(words.end(), more.begin(), more.end());
    run(words);
    if (!gateway.child().wait_for_output("refused: signature_missing", 5s))
        return "no line";
    const auto log = gateway.child().errors();
    std::smatch match;
    std::regex_search(log, match,
                      std::regex{R"re(signature_missing.*"client.address":"([0-9a-f.:]+)")re"});
    return match[1];
}

TEST(ProxyTest, TakesTheClientFromAPlainRequestOfNobodyTrusted)
{
    gateway_process gateway;
    const auto text = test::read_file(gateway.config_file());
    test::write_file(gateway.config_file(),
                     replaced(text, "trusted_proxies = \\['127.0.0.1'\\]", "trusted_proxies = []"));
    gateway.child().signal(SIGHUP);
    ASSERT_TRUE(gateway.child().wait_for_output("reloaded: ", 10s));

    const auto client =
        client_in_log(gateway, gateway.url(), {"-H", "X-Forwarded-For: 203.0.113.9"});

    EXPECT_EQ(client, "127.0.0.1");
}

TEST(ProxyTest, TakesTheClientFromTheHeaderOfATrustedProxy)
{
    gateway_process gateway;

    const auto client =
        client_in_log(gateway, gateway.url(), {"-H", "X-Forwarded-For: 1.1.1.1, 203.0.113.9"});

    EXPECT_EQ(client, "203.0.113.9");
}

TEST(ProxyTest, TakesTheClientFromBothVersionsOfTheProxyProtocol)
{
    test::gateway_options options;
    options.listener = "proxy_protocol = true\n";
    gateway_process gateway{options};

    // curl speaks version 1; HAProxy above speaks version 2.
    const auto client = client_in_log(gateway, gateway.url(), {"--haproxy-protocol"});
    const auto without =
        run({"curl", "-ksS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", gateway.url()});

    EXPECT_EQ(client, "127.0.0.1");
    EXPECT_EQ(without.output, "000");
    EXPECT_TRUE(gateway.child().wait_for_output("refused: proxy_header", 5s));
}

TEST(ProxyTest, TheExampleForNginxServesAndNamesTheClient)
{
    if (!installed("nginx"))
        GTEST_SKIP() << "nginx is not installed";
    gateway_process gateway;
    const nginx_before nginx{{&gateway}};
    ASSERT_TRUE(nginx.serves()) << nginx.errors();

    const auto client = client_in_log(
        gateway, nginx.url(), {"-H", "X-Forwarded-For: 203.0.113.9", "--interface", "127.0.0.2"});
    const auto sent = run({GATEWAY_BINARY, "send", "--url", nginx.url(), "--key-file",
                           gateway.key_file(), "--insecure"});

    EXPECT_EQ(client, "127.0.0.2"); // nginx says so; what the client claimed stands left of it
    EXPECT_EQ(sent.exit_code, 0) << sent.output << sent.errors;
}

} // namespace
} // namespace gateway
