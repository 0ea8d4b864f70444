// The admin port over a real socket: its questions, their answers, who gets none, the page's files,
// and callers that misbehave.
#include "gateway/admin/admin.hpp"
#include "gateway/base/metrics.hpp"

#include "support/tls_client.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <regex>
#include <thread>
#include <vector>

namespace gateway::test {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

class AdminTest : public testing::Test {
protected:
    explicit AdminTest(const std::string& token = {})
    {
        asio::ip::tcp::acceptor acceptor{io_, {asio::ip::address_v4::loopback(), 0}};
        options_.port = acceptor.local_endpoint().port();
        options_.tls = false;
        admin_settings settings;
        settings.not_ready_because = [this] {
            const std::lock_guard lock{mutex_};
            return reasons_;
        };
        settings.degraded_because = [this] {
            const std::lock_guard lock{mutex_};
            return degraded_;
        };
        settings.before_metrics = [] {
            make_gauge("test_admin_asked", "Set when somebody asks.").set(1);
        };
        settings.page_document = [] { return std::string{R"({"page":1})"}; };
        settings.token = token;
        server_.emplace(std::move(acceptor), std::move(settings));
        server_->start();
        thread_ = std::thread{[this] { io_.run(); }};
    }

    ~AdminTest() override
    {
        asio::post(io_, [this] { server_->stop(); });
        thread_.join();
    }

    reply ask(const std::string& request) const
    {
        tls_client client{options_};
        client.send(request);
        return client.read_reply().value_or(reply{});
    }

    reply get(const std::string& path, const std::string& fields = {}) const
    {
        return ask("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n");
    }

    client_options options_;
    std::mutex mutex_;
    std::vector<std::string> reasons_;
    std::vector<std::string> degraded_;

private:
    asio::io_context io_{1};
    std::optional<admin_server> server_;
    std::thread thread_;
};

TEST_F(AdminTest, SaysWhatIsWrongThoughItIsReady)
{
    {
        const std::lock_guard lock{mutex_};
        degraded_ = {"the database is away"};
    }

    const auto answer = ask("GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n");

    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, R"({"degraded":["the database is away"],"status":"ready"})"
                           "\n");
}

TEST_F(AdminTest, ShowsMetricsThatAreOfTheMoment)
{
    const auto answer = get("/metrics");

    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.fields.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_NE(answer.body.find("test_admin_asked 1\n"), std::string::npos) << answer.body;
}

TEST_F(AdminTest, LivesWhileTheLoopRuns)
{
    const reply r = ask("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");

    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(r.body, "{\"status\":\"alive\"}\n");
}

TEST_F(AdminTest, IsReadyUntilThereIsAReasonAgainstIt)
{
    const reply ready = ask("GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n");
    {
        const std::lock_guard lock{mutex_};
        reasons_ = {"draining", "a \"quoted\" reason"};
    }
    const reply not_ready = ask("GET /readyz?verbose HTTP/1.1\r\nHost: a\r\n\r\n");

    EXPECT_EQ(ready.status, 200);
    EXPECT_EQ(ready.body, "{\"status\":\"ready\"}\n");
    EXPECT_EQ(not_ready.status, 503);
    EXPECT_EQ(not_ready.body,
              R"({"reasons":["draining","a \"quoted\" reason"],"status":"not_ready"})"
              "\n");
}

TEST_F(AdminTest, OtherPathsAndMethodsAreRefused)
{
    EXPECT_EQ(get("/index.html").status, 404);
    EXPECT_EQ(get("/../page.json").status, 404);
    const reply post = ask("POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(post.status, 405);
    EXPECT_EQ(post.fields.at("allow"), "GET, HEAD");
}

TEST_F(AdminTest, ServesThePageAndAllThatItNeedsUnderAStrictPolicy)
{
    const reply page = get("/");

    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(page.fields.at("content-type"), "text/html; charset=utf-8");
    EXPECT_EQ(page.fields.at("x-content-type-options"), "nosniff");
    EXPECT_EQ(page.fields.at("referrer-policy"), "no-referrer");
    const std::string policy = page.fields.at("content-security-policy");
    EXPECT_EQ(policy.find("default-src 'none'"), 0U) << policy;
    EXPECT_NE(policy.find("frame-ancestors 'none'"), std::string::npos) << policy;
    EXPECT_EQ(policy.find("unsafe"), std::string::npos) << policy;
    EXPECT_EQ(policy.find("http"), std::string::npos) << "works without internet: " << policy;

    // Every file that the page names is there.
    const std::regex reference{R"re((?:href|src)="(/[^"]*)")re"};
    int files = 0;
    for (std::sregex_iterator i{page.body.begin(), page.body.end(), reference}, end; i != end; ++i)
        files += get((*i)[1]).status == 200 || (*i)[1] == "/readyz" ? 1 : 100;
    EXPECT_EQ(files, 6) << page.body;
    const reply chart = get("/chart.js?v=3.9.1");
    EXPECT_EQ(chart.fields.at("content-type"), "text/javascript; charset=utf-8");
    EXPECT_NE(chart.body.find("Chart.js v3.9.1"), std::string::npos);
    EXPECT_EQ(chart.body.size(), std::stoul(chart.fields.at("content-length")));
    EXPECT_EQ(get("/page.json").body, R"({"page":1})");
    EXPECT_EQ(get("/page.json").fields.at("cache-control"), "no-store");
}

TEST_F(AdminTest, EachModuleThatThePageLoadsIsServed)
{
    const std::regex import{R"re(from "\.(/[a-z]+\.js)")re"};
    std::vector<std::string> wanted = {"/view.js"};
    for (std::size_t n = 0; n < wanted.size(); ++n) {
        const reply module = get(wanted[n]);

        EXPECT_EQ(module.status, 200) << wanted[n];
        EXPECT_EQ(module.fields.at("content-type"), "text/javascript; charset=utf-8");
        for (std::sregex_iterator i{module.body.begin(), module.body.end(), import}, end; i != end;
             ++i) {
            if (std::find(wanted.begin(), wanted.end(), (*i)[1]) == wanted.end())
                wanted.push_back((*i)[1]);
        }
    }
    EXPECT_EQ(wanted.size(), 8U);
}

TEST_F(AdminTest, HeadHasTheHeaderOfTheAnswerAlone)
{
    tls_client client{options_};
    client.send("HEAD /chart.js HTTP/1.1\r\nHost: localhost\r\n\r\n");

    const auto head = client.read_head();

    ASSERT_TRUE(head);
    EXPECT_EQ(head->status, 200);
    EXPECT_GT(std::stoul(head->fields.at("content-length")), 100'000U);
    EXPECT_EQ(client.read_all(), "");
}

TEST_F(AdminTest, AWebPageThatHadItsNameResolvedToThisHostGetsNoData)
{
    const auto status_for = [this](const std::string& path, const std::string& host) {
        return ask("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n").status;
    };

    for (const char* path : {"/metrics", "/page.json"}) {
        for (const char* host : {"evil.example", "evil.example:9464", "localhost.evil.example",
                                 "127.0.0.1.evil.example", "[::1].evil.example", "[", ":", ""})
            EXPECT_EQ(status_for(path, host), 421) << path << " " << host;
        for (const char* host :
             {"localhost", "LocalHost:9464", "127.0.0.1:9464", "[::1]:9464", "[::1]", "10.1.2.3"})
            EXPECT_EQ(status_for(path, host), 200) << path << " " << host;
    }
    EXPECT_EQ(status_for("/livez", "balancer.example"), 200);
    EXPECT_EQ(status_for("/readyz", "balancer.example"), 200);
}

class AdminTokenTest : public AdminTest {
protected:
    AdminTokenTest() : AdminTest("sesame-0123456789") {}
};

TEST_F(AdminTokenTest, DataIsForWhoeverHasTheTokenAndHealthForEverybody)
{
    for (const char* path : {"/metrics", "/page.json", "/page.json?token=sesame-0123456789"}) {
        const reply without = get(path);
        EXPECT_EQ(without.status, 401) << path;
        EXPECT_EQ(without.fields.at("www-authenticate"), "Bearer");
        EXPECT_EQ(without.body.find("sesame"), std::string::npos);
        for (const char* wrong :
             {"Bearer sesame-0123456788", "Bearer sesame-012345678", "Bearer sesame-01234567890",
              "Bearer", "Bearer ", "sesame-0123456789", "Basic sesame-0123456789"})
            EXPECT_EQ(get(path, std::string{"Authorization: "} + wrong + "\r\n").status, 401)
                << wrong;
        EXPECT_EQ(get(path, "Authorization: Bearer sesame-0123456789\r\n").status, 200);
        EXPECT_EQ(get(path, "authorization: bearer sesame-0123456789\r\n").status, 200);
    }
    EXPECT_EQ(ask("GET /metrics HTTP/1.1\r\nHost: gateway.example\r\n"
                  "Authorization: Bearer sesame-0123456789\r\n\r\n")
                  .status,
              200);
    for (const char* path : {"/", "/view.js", "/style.css", "/livez", "/readyz"})
        EXPECT_EQ(get(path).status, 200) << path;
}

// Clients that send half a header, and come again, a few at a time, when they were shut out.
class half_headers {
public:
    half_headers(const client_options& to, std::size_t n) : to_(to), clients_(n)
    {
        for (auto& client : clients_)
            come(client);
        thread_ = std::thread{[this] {
            while (!stopping_)
                come_again();
        }};
    }
    ~half_headers()
    {
        stopping_ = true;
        thread_.join();
    }
    half_headers(const half_headers&) = delete;
    half_headers& operator=(const half_headers&) = delete;

private:
    void come(std::optional<tls_client>& client) const
    {
        client.emplace(to_);
        client->send("GET /livez HTTP/1.1\r\nHost");
    }

    void come_again()
    {
        int came = 0;
        for (auto& client : clients_) {
            if (came < 4 && client->ends_within(1ms)) {
                come(client);
                ++came;
            }
        }
        std::this_thread::sleep_for(20ms);
    }

    client_options to_;
    std::vector<std::optional<tls_client>> clients_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

TEST_F(AdminTest, ClientsThatSendHalfAHeaderShutNobodyOut)
{
    for (const std::size_t clients : {40U, 80U}) {
        const half_headers slow{options_, clients};

        for (int i = 0; i < 30; ++i)
            EXPECT_EQ(get("/livez").status, 200) << i << " beside " << clients;
    }
}

TEST_F(AdminTest, ClientsThatDoNotReadTheirAnswersShutNobodyOut)
{
    client_options lazy = options_;
    lazy.receive_buffer = 1'024;
    std::vector<tls_client> idle;
    for (int i = 0; i < 80; ++i) {
        idle.emplace_back(lazy);
        idle.back().send("GET /chart.js HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }

    EXPECT_EQ(get("/livez").status, 200);
}

TEST_F(AdminTest, CallersThatMisbehaveCostNothingForLong)
{
    tls_client silent{options_};
    tls_client endless{options_};
    endless.send("GET /livez HTTP/1.1\r\nX: " + std::string(100'000, 'x'));
    tls_client chunked{options_};
    chunked.send("GET /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " +
                 std::string(100'000, 'x') + "\r\n\r\n");

    EXPECT_TRUE(endless.ends_within(3s));
    EXPECT_TRUE(chunked.ends_within(3s));
    EXPECT_TRUE(silent.ends_within(3s));
    EXPECT_EQ(ask("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
}

} // namespace
} // namespace gateway::test
