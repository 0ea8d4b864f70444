// The balancers' example configurations, run as they are but for addresses: restarts behind
// HAProxy under load, and whom the gateway takes a request to come from.
#include "support/cluster.hpp"
#include "support/gateway_process.hpp"
#include "support/load.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <regex>
#include <thread>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using test::gateway_process;
using test::run;

const std::filesystem::path source_directory = GATEWAY_SOURCE_DIR;

bool installed(const std::string& tool)
{
    return run({"sh", "-c", "PATH=$PATH:/usr/sbin; command -v " + tool}).exit_code == 0;
}

std::string free_port()
{
    const auto found = run({"perl", "-MIO::Socket::INET", "-e",
                            "print IO::Socket::INET->new(Listen=>1,LocalAddr=>'127.0.0.1')"
                            "->sockport"});
    return found.output;
}

std::string port_of(const std::string& url)
{
    std::smatch match;
    std::regex_search(url, match, std::regex{":([0-9]+)/"});
    return match[1];
}

// From now on a restart keeps the port that the first start found.
void keep_port(const gateway_process& gateway)
{
    const auto text = test::read_file(gateway.config_file());
    const auto at = text.find("127.0.0.1:0");
    test::write_file(gateway.config_file(),
                     std::string{text}.replace(at, 11, "127.0.0.1:" + port_of(gateway.url())));
}

std::string replaced(const std::string& text, const std::string& pattern, const std::string& by)
{
    return std::regex_replace(text, std::regex{pattern}, by);
}

// Whether something answers on the port with any status.
bool answers(const std::string& url, std::chrono::milliseconds time)
{
    const auto deadline = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < deadline) {
        if (run({"curl", "-ks", "-m", "2", "-o", "/dev/null", url}).exit_code == 0)
            return true;
        std::this_thread::sleep_for(50ms);
    }
    return false;
}

TEST(ProxyTest, FiftyRestartsBehindHaproxyFailNoRequest)
{
    if (!installed("haproxy"))
        GTEST_SKIP() << "haproxy is not installed";
    const test::temporary_directory directory;
    test::gateway_options options;
    options.listener = "proxy_protocol = true\n";
    options.configuration = "drain_timeout = '5s'\n";
    options.database_url = test::empty_database();
    gateway_process first{options};
    gateway_process second{options};
    for (gateway_process* each : {&first, &second}) {
        keep_port(*each);
        const auto text = test::read_file(each->config_file());
        test::write_file(each->config_file(),
                         replaced(text, "drain_delay = '0s'", "drain_delay = '600ms'"));
    }
    const auto port = free_port();
    auto config = test::read_file(source_directory / "config/haproxy.cfg");
    config = replaced(config, "bind :443", "bind 127.0.0.1:" + port);
    config = replaced(config, "127.0.0.1:8443", "127.0.0.1:" + port_of(first.url()));
    config = replaced(config, "127.0.0.1:8444", "127.0.0.1:" + port_of(second.url()));
    config = replaced(config, "inter 500ms", "inter 100ms");
    test::write_file(directory / "haproxy.cfg", config);
    test::process haproxy{{"/usr/sbin/haproxy", "-db", "-f", directory / "haproxy.cfg"}};
    const std::string url = "https://localhost:" + port + "/webhooks/attentive";
    ASSERT_TRUE(answers(url, 10s)) << haproxy.errors();

    test::load senders{url};
    constexpr int restarts = 50;
    for (int i = 0; i < restarts; ++i) {
        gateway_process& gateway = i % 2 == 0 ? first : second;
        gateway.child().signal(SIGTERM);
        ASSERT_EQ(gateway.child().wait(20s), 0);
        gateway.restart();
        std::this_thread::sleep_for(300ms); // HAProxy's next check
    }
    senders.stop();

    EXPECT_EQ(senders.failed, 0U) << senders.first_failure;
    EXPECT_GT(senders.answered, 500U);
    EXPECT_EQ(first.value("SELECT count(*) FROM gateway.source_event"),
              std::to_string(senders.answered));
    RecordProperty("answered", static_cast<int>(senders.answered));
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
    std::regex_search(log, match, std::regex{"signature_missing.*peer ([0-9a-f.:]+),"});
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
    const test::temporary_directory directory;
    gateway_process gateway;
    auto plain = test::read_file(gateway.config_file());
    plain = replaced(plain, "tls_(certificate|private_key) = [^\n]*\n", "");
    test::write_file(gateway.config_file(), plain);
    gateway.child().signal(SIGHUP);
    ASSERT_TRUE(gateway.child().wait_for_output("reloaded: ", 10s)) << gateway.child().errors();
    const auto port = free_port();
    auto config = test::read_file(source_directory / "config/nginx.conf");
    config = replaced(config, "listen 443", "listen 127.0.0.1:" + port);
    config = replaced(config, "127.0.0.1:844[34]", "127.0.0.1:" + port_of(gateway.url()));
    config = replaced(config, "/etc/nginx/tls/fullchain.pem", gateway.certificate());
    config = replaced(config, "/etc/nginx/tls/privkey.pem", gateway.private_key());
    test::write_file(directory / "nginx.conf",
                     "daemon off; pid " + (directory / "pid").string() +
                         "; error_log stderr; user root; events {} http { access_log off; " +
                         config + " }");
    test::process nginx{
        {"/usr/sbin/nginx", "-c", directory / "nginx.conf", "-p", directory.path()}};
    const std::string url = "https://localhost:" + port + "/webhooks/attentive";
    ASSERT_TRUE(answers(url, 10s)) << nginx.errors();

    const auto client = client_in_log(
        gateway, url, {"-H", "X-Forwarded-For: 203.0.113.9", "--interface", "127.0.0.2"});
    const auto sent =
        run({GATEWAY_BINARY, "send", "--url", url, "--key-file", gateway.key_file(), "--insecure"});
    nginx.signal(SIGTERM);
    nginx.wait(5s);

    EXPECT_EQ(client, "127.0.0.2"); // nginx says so; what the client claimed stands left of it
    EXPECT_EQ(sent.exit_code, 0) << sent.output << sent.errors;
}

} // namespace
} // namespace gateway
