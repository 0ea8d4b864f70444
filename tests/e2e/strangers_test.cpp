// Strangers' requests beside signed ones, straight and behind each balancer: every request gets the
// one answer that is its own.
#include "e2e/balancers.hpp"
#include "gateway/client/sender.hpp"
#include "gateway/demo/samples.hpp"
#include "support/cluster.hpp"
#include "support/gateway_process.hpp"
#include "support/load.hpp"
#include "support/tls_client.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <regex>
#include <thread>
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
using test::run;

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

    strangers_at asking{static_cast<std::uint16_t>(std::stoul(port_in_url(url))), true};
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

} // namespace
} // namespace gateway
