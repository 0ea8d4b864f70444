// The balancers' example configurations, run as they are but for addresses: restarts behind
// HAProxy under load, strangers' requests beside signed ones, and whom the gateway takes a request
// to come from.
#include "support/cluster.hpp"
#include "support/gateway_process.hpp"
#include "support/load.hpp"
#include "support/tls_client.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <regex>
#include <sstream>
#include <thread>
#include <vector>

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

// HAProxy as it is shipped, before two gateways that run already, with a socket to ask it what it
// knows of them.
class haproxy_before {
public:
    haproxy_before(const gateway_process& first, const gateway_process& second) : port_(free_port())
    {
        auto config = test::read_file(source_directory / "config/haproxy.cfg");
        config = replaced(config, "bind :443", "bind 127.0.0.1:" + port_);
        config = replaced(config, "127.0.0.1:8443", "127.0.0.1:" + port_of(first.url()));
        config = replaced(config, "127.0.0.1:8444", "127.0.0.1:" + port_of(second.url()));
        config = replaced(config, "inter 500ms", "inter 100ms");
        config = replaced(config, "maxconn 5000", "maxconn 5000\n    stats socket " + control());
        test::write_file(directory_ / "haproxy.cfg", config);
        const std::string file = directory_ / "haproxy.cfg";
        child_ = std::make_unique<test::process>(
            std::vector<std::string>{"/usr/sbin/haproxy", "-db", "-f", file});
    }

    std::string url() const { return "https://localhost:" + port_ + "/webhooks/attentive"; }
    std::string errors() const { return child_->errors(); }

    // Waits until HAProxy itself calls the gateway `number` (1 or 2) "UP" or "DOWN".
    bool says(int number, const std::string& state) const
    {
        const std::string row = "gateways,gateway-" + std::to_string(number) + ",";
        const auto deadline = std::chrono::steady_clock::now() + 120s;
        while (std::chrono::steady_clock::now() < deadline) {
            std::istringstream table{ask("show stat")};
            for (std::string line; std::getline(table, line);) {
                if (line.rfind(row, 0) == 0 && line.find("," + state + ",") != std::string::npos)
                    return true;
            }
            std::this_thread::sleep_for(20ms);
        }
        return false;
    }

private:
    std::string control() const { return directory_ / "control"; }

    std::string ask(const std::string& command) const
    {
        return run({"perl", "-MIO::Socket::UNIX", "-e",
                    "my $s = IO::Socket::UNIX->new($ARGV[0]) or exit 1;"
                    "print $s \"$ARGV[1]\\n\"; print <$s>",
                    control(), command})
            .output;
    }

    test::temporary_directory directory_;
    std::string port_;
    std::unique_ptr<test::process> child_;
};

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

// What strangers ask: health checkers, scanners, a sender that is set up wrongly. None has a body.
struct stranger {
    std::string start;
    std::string fields;
    int status;
    bool for_gateway = true; // also behind nginx, which passes on what is below /webhooks/
};

const std::vector<stranger>& strangers()
{
    static const std::vector<stranger> all = {
        {"GET /", "", 404, false},
        {"GET /webhooks/attentive", "", 405},
        {"POST /webhooks/x", "", 404},
        {"POST /webhooks/attentive", "", 411},
        {"POST /webhooks/attentive", "Content-Length: 0\r\nContent-Encoding: gzip\r\n", 415},
        {"OPTIONS /webhooks/attentive", "", 405},
        {"POST /webhooks/attentive", "Content-Length: 0\r\n", 401},
    };
    return all;
}

std::size_t requests_of_each_kind()
{
    const char* given = std::getenv("GATEWAY_PROXY_REQUESTS");
    return given == nullptr ? 500 : std::stoul(given);
}

// Strangers on a few connections that are kept: each request waits for its answer.
class strangers_at {
public:
    strangers_at(std::uint16_t port, bool tls)
    {
        for (std::size_t i = 0; i < threads_max; ++i)
            threads_.emplace_back([this, port, tls, i] { ask_all(port, tls, i); });
    }
    ~strangers_at() { wait(); }
    strangers_at(const strangers_at&) = delete;
    strangers_at& operator=(const strangers_at&) = delete;

    void wait()
    {
        for (auto& thread : threads_) {
            if (thread.joinable())
                thread.join();
        }
    }

    // After wait().
    std::atomic<std::size_t> answered{0};    // with the status that is right
    std::atomic<std::size_t> for_gateway{0}; // of these, those that nginx passes on
    std::string first_wrong;

private:
    static constexpr std::size_t threads_max = 4;

    void ask_all(std::uint16_t port, bool tls, std::size_t first)
    {
        test::client_options options;
        options.port = port;
        options.tls = tls;
        options.timeout = 60s;
        std::optional<test::tls_client> client;
        for (std::size_t i = first; i < requests_of_each_kind(); i += threads_max) {
            const stranger& s = strangers()[i % strangers().size()];
            if (!client)
                client.emplace(options);
            client->send(s.start + " HTTP/1.1\r\nHost: localhost\r\n" + s.fields + "\r\n");
            const auto r = client->read_reply();
            note(s, r ? r->status : 0);
            if (!r || (r->fields.count("connection") > 0 && r->fields.at("connection") == "close"))
                client.reset();
        }
    }

    void note(const stranger& s, int status)
    {
        if (status == s.status) {
            ++answered;
            for_gateway += s.for_gateway ? 1 : 0;
            return;
        }
        const std::lock_guard lock{mutex_};
        if (first_wrong.empty())
            first_wrong = s.start + " got " + std::to_string(status);
    }

    std::mutex mutex_;
    std::vector<std::thread> threads_;
};

// How many refusals the gateways themselves count.
std::size_t refusals_counted(const std::vector<gateway_process*>& gateways)
{
    std::size_t sum = 0;
    for (const auto* gateway : gateways) {
        const auto text = run({"curl", "-s", "-m", "60", gateway->admin_url() + "/metrics"}).output;
        const std::regex series{R"(http_responses_total\{code="4[0-9][0-9]"\} ([0-9]+))"};
        for (std::sregex_iterator i{text.begin(), text.end(), series}, end; i != end; ++i)
            sum += std::stoul((*i)[1]);
    }
    return sum;
}

// Signed events and strangers' requests, as many of each, at once on `url`: every request gets the
// one answer that is its own.
void expect_own_answers(const std::string& url, const std::vector<gateway_process*>& gateways,
                        bool behind_nginx)
{
    const std::size_t refused_before = refusals_counted(gateways);
    send_request request;
    request.url = url;
    request.signing_key = test::gateway_options{}.signing_key;
    request.types = {"sms.sent"};
    request.count = requests_of_each_kind();
    request.connections = 4;
    request.unique = true;
    request.insecure = true;
    request.timeout = 60s;

    strangers_at asking{static_cast<std::uint16_t>(std::stoul(port_of(url))), true};
    const auto sent = send(request);
    asking.wait();

    ASSERT_TRUE(sent) << sent.error().detail;
    const std::map<int, std::uint64_t> all_stored = {{200, request.count}};
    EXPECT_EQ(sent.value().statuses, all_stored) << sent.value().first_failure;
    EXPECT_EQ(asking.answered, request.count) << asking.first_wrong;
    EXPECT_EQ(gateways.front()->value("SELECT count(*) FROM gateway.source_event"),
              std::to_string(request.count));
    const std::size_t passed_on = behind_nginx ? asking.for_gateway : asking.answered;
    EXPECT_EQ(refusals_counted(gateways) - refused_before, passed_on);
}

TEST(ProxyTest, StrangersRequestsCostNoSenderItsAnswer)
{
    gateway_process gateway;

    expect_own_answers(gateway.url(), {&gateway}, false);
}

TEST(ProxyTest, StrangersRequestsBehindHaproxyCostNoSenderItsAnswer)
{
    if (!installed("haproxy"))
        GTEST_SKIP() << "haproxy is not installed";
    test::gateway_options options;
    options.listener = "proxy_protocol = true\n";
    options.database_url = test::empty_database();
    gateway_process first{options};
    gateway_process second{options};
    const haproxy_before haproxy{first, second};
    ASSERT_TRUE(haproxy.says(1, "UP") && haproxy.says(2, "UP")) << haproxy.errors();
    ASSERT_TRUE(answers(haproxy.url(), 60s)) << haproxy.errors();

    expect_own_answers(haproxy.url(), {&first, &second}, false);
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
    greedy.port = static_cast<std::uint16_t>(std::stoul(port_of(haproxy.url())));
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

// nginx as it is shipped, before gateways that it turns to plain HTTP.
class nginx_before {
public:
    explicit nginx_before(const std::vector<gateway_process*>& gateways) : port_(free_port())
    {
        for (gateway_process* each : gateways)
            plain_ = serve_plain_http(*each) && plain_;
        const gateway_process& last = *gateways.back();
        auto config = test::read_file(source_directory / "config/nginx.conf");
        config = replaced(config, "listen 443", "listen 127.0.0.1:" + port_);
        config = replaced(config, "127.0.0.1:8443", "127.0.0.1:" + port_of(gateways[0]->url()));
        config = replaced(config, "127.0.0.1:8444", "127.0.0.1:" + port_of(last.url()));
        config = replaced(config, "/etc/nginx/tls/fullchain.pem", last.certificate());
        config = replaced(config, "/etc/nginx/tls/privkey.pem", last.private_key());
        test::write_file(directory_ / "nginx.conf",
                         "daemon off; pid " + (directory_ / "pid").string() +
                             "; error_log stderr; user root; events {} http { access_log off; " +
                             config + " }");
        const std::string file = directory_ / "nginx.conf";
        child_ = std::make_unique<test::process>(std::vector<std::string>{
            "/usr/sbin/nginx", "-c", file, "-p", directory_.path().string()});
    }
    ~nginx_before()
    {
        child_->signal(SIGTERM);
        child_->wait(60s);
    }
    nginx_before(const nginx_before&) = delete;
    nginx_before& operator=(const nginx_before&) = delete;

    std::string url() const { return "https://localhost:" + port_ + "/webhooks/attentive"; }
    std::string errors() const { return child_->errors(); }
    bool serves() const { return plain_ && answers(url(), 60s); }

private:
    static bool serve_plain_http(gateway_process& gateway)
    {
        const auto text = test::read_file(gateway.config_file());
        test::write_file(gateway.config_file(),
                         replaced(text, "tls_(certificate|private_key) = [^\n]*\n", ""));
        gateway.child().signal(SIGHUP);
        return gateway.child().wait_for_output("reloaded: ", 60s);
    }

    test::temporary_directory directory_;
    std::string port_;
    bool plain_ = true;
    std::unique_ptr<test::process> child_;
};

TEST(ProxyTest, StrangersRequestsBehindNginxCostNoSenderItsAnswer)
{
    if (!installed("nginx"))
        GTEST_SKIP() << "nginx is not installed";
    test::gateway_options options;
    options.database_url = test::empty_database();
    gateway_process first{options};
    gateway_process second{options};
    const nginx_before nginx{{&first, &second}};
    ASSERT_TRUE(nginx.serves()) << nginx.errors();

    expect_own_answers(nginx.url(), {&first, &second}, true);
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
