// The admin port over a real socket: both questions, their answers, and callers that misbehave.
#include "gateway/admin/admin.hpp"
#include "gateway/base/metrics.hpp"

#include "support/tls_client.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include <mutex>
#include <optional>
#include <thread>

namespace gateway::test {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

class AdminTest : public testing::Test {
protected:
    AdminTest()
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
    const auto answer = ask("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");

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
    EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 404);
    const reply post = ask("POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(post.status, 405);
    EXPECT_EQ(post.fields.at("allow"), "GET, HEAD");
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
