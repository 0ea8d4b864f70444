// What a connection is worth: requests on it in order, pipelined, in single bytes and chunks, and
// when it ends.
#include "integration/listener_replies.hpp"
#include "integration/listener_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <future>
#include <utility>

namespace gateway::test {
namespace {

using testing::HasSubstr;

TEST(ListenerConnectionTest, HeadHasNoBodyAndTheNextAnswerFollows)
{
    tls_client client = shared_server().connect();
    client.send(
        "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");

    const auto head = client.read_head();
    const auto get = client.read_reply();

    EXPECT_EQ(head->status, 200);
    EXPECT_EQ(head->fields.at("content-length"), "16");
    EXPECT_EQ(get.value_or(reply{}).body, "{\"status\":\"ok\"}\n");
}

TEST(ListenerConnectionTest, BalancerProbesAreAnsweredAndAreNoEvents)
{
    listener_server server;

    EXPECT_EQ(ask(server, "OPTIONS * HTTP/1.0\r\n\r\n").status, 200);
    EXPECT_EQ(ask(server, "OPTIONS * HTTP/1.1\r\n\r\n").status, 200);
    EXPECT_EQ(ask(server, "OPTIONS / HTTP/1.0\r\n\r\n").status, 200);
    EXPECT_TRUE(server.handled().empty());
}

TEST(ListenerConnectionTest, KeepAliveServesManyRequestsInOrder)
{
    listener_server server;
    tls_client client = server.connect();

    for (int i = 0; i < 100; ++i) {
        client.send(post(std::to_string(i)));
        ASSERT_EQ(client.read_reply().value_or(reply{}).status, 200);
    }

    const auto handled = server.handled();
    ASSERT_EQ(handled.size(), 100U);
    EXPECT_EQ(handled.back().body, "99");
}

TEST(ListenerConnectionTest, PipelinedRequestsAreAnsweredInOrder)
{
    tls_client client = shared_server().connect();
    std::string requests;
    for (int i = 0; i < 50; ++i)
        requests += post(std::to_string(i));

    client.send(requests);

    for (int i = 0; i < 50; ++i) {
        const auto r = client.read_reply();
        ASSERT_TRUE(r.has_value()) << i;
        EXPECT_THAT(r->body, HasSubstr(to_string(uuid_from_digest(sha256(std::to_string(i))))));
    }
}

// A peer that always has more in the socket: the loop's other work has its turn between two reads.
TEST(ListenerConnectionTest, APeerThatAsksOnAndOnLeavesOthersTheirTurn)
{
    for (const bool tls : {true, false}) {
        server_options options;
        options.tls = tls;
        listener_server server{std::move(options)};
        tls_client client = server.connect();
        constexpr int requests = 2'000;
        std::string flood;
        for (int i = 1; i < requests; ++i)
            flood += "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
        flood += "GET /healthz HTTP/1.0\r\n\r\n";
        std::promise<int> most_in_a_turn;
        server.on_loop([&](listener&) {
            client.send(flood);
            server.at_each_turn([&, before = 0, most = 0]() mutable {
                const int asked = server.health_asked;
                most = std::max(most, asked - std::exchange(before, asked));
                if (asked == requests)
                    most_in_a_turn.set_value(most);
                return asked < requests;
            });
        });
        const std::jthread reader{[&client] { client.read_all(); }};

        EXPECT_LE(most_in_a_turn.get_future().get(), 200) << (tls ? "TLS" : "plain");
    }
}

TEST(ListenerConnectionTest, ARequestInSingleBytesIsTheSameRequest)
{
    tls_client client = shared_server().connect();

    for (const char c : post("{\"slow\":1}"))
        client.send({&c, 1});

    EXPECT_EQ(client.read_reply().value_or(reply{}).status, 200);
    EXPECT_EQ(shared_server().handled().back().body, "{\"slow\":1}");
}

TEST(ListenerConnectionTest, AChunkedBodyIsJoinedAndTheNextRequestFollows)
{
    tls_client client = shared_server().connect();
    const std::string chunked = "POST /hook HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                                "\r\n3;a=b\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";

    client.send(chunked + post("next"));

    EXPECT_EQ(client.read_reply().value_or(reply{}).status, 200);
    EXPECT_EQ(client.read_reply().value_or(reply{}).status, 200);
    const auto handled = shared_server().handled();
    EXPECT_EQ(handled[handled.size() - 2].body, "{\"a\":1}");
    EXPECT_EQ(handled.back().body, "next");
}

TEST(ListenerConnectionTest, ConnectionCloseIsHonoured)
{
    tls_client client = shared_server().connect();
    client.send(post("{}", "Connection: close\r\n"));

    const auto r = client.read_reply();

    EXPECT_EQ(r->fields.at("connection"), "close");
    EXPECT_TRUE(client.ends_within(500ms));
}

TEST(ListenerConnectionTest, Http10ClosesUnlessAskedToKeepAlive)
{
    tls_client once = shared_server().connect();
    once.send("GET /healthz HTTP/1.0\r\n\r\n");
    tls_client kept = shared_server().connect();
    kept.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");

    EXPECT_EQ(once.read_reply()->fields.at("connection"), "close");
    EXPECT_TRUE(once.ends_within(500ms));
    EXPECT_EQ(kept.read_reply()->fields.at("connection"), "keep-alive");
    kept.send("GET /healthz HTTP/1.0\r\n\r\n");
    EXPECT_EQ(kept.read_reply().value_or(reply{}).status, 200);
}

TEST(ListenerConnectionTest, TheLastRequestOfAConnectionSaysSo)
{
    server_options options;
    options.limits.requests_per_connection_max = 3;
    listener_server server{std::move(options)};
    tls_client client = server.connect();

    client.send(post("1") + post("2") + post("3") + post("4"));

    EXPECT_EQ(client.read_reply()->fields.count("connection"), 0U);
    EXPECT_EQ(client.read_reply()->fields.count("connection"), 0U);
    EXPECT_EQ(client.read_reply()->fields.at("connection"), "close");
    EXPECT_TRUE(client.ends_within(500ms));
    EXPECT_EQ(server.handled().size(), 3U);
}

} // namespace
} // namespace gateway::test
