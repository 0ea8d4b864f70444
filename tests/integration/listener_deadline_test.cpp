// Deadlines are absolute: a peer that trickles bytes, or does not read, costs no more time than
// one that is silent. Where a request had begun, it is told 408.
#include "listener_server.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

namespace gateway::test {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

listener_server& shared_server()
{
    static listener_server server{{.limits = short_limits()}};
    return server;
}

std::chrono::milliseconds since(steady_clock::time_point begin)
{
    return std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begin);
}

// Sends a byte every 20 ms until the connection takes no more or `time` is over.
void trickle(tls_client& client, std::string_view bytes, std::chrono::milliseconds time)
{
    const auto end = steady_clock::now() + time;
    for (std::size_t i = 0; steady_clock::now() < end; ++i) {
        if (!client.send(bytes.substr(i % bytes.size(), 1)))
            return;
        std::this_thread::sleep_for(20ms);
    }
}

// Reads only what is there already: the answer has to have come while bytes still trickled.
tls_client connect_impatiently()
{
    client_options options = shared_server().client();
    options.timeout = 50ms;
    return tls_client{options};
}

void expect_timeout_answer(tls_client& client)
{
    const auto r = client.read_reply();
    ASSERT_TRUE(r.has_value());
    EXPECT_EQ(r->status, 408);
    EXPECT_EQ(r->fields.at("connection"), "close");
    EXPECT_TRUE(client.ends_within(1'500ms));
}

TEST(ListenerDeadlineTest, AHeaderThatTricklesIs408InItsTime)
{
    tls_client client = connect_impatiently();
    client.send("POST /hook HTTP/1.1\r\nHost: a\r\nX: ");

    trickle(client, "x", 1s);

    expect_timeout_answer(client);
}

TEST(ListenerDeadlineTest, ABodyThatTricklesIs408InItsTime)
{
    const std::size_t before = shared_server().handled().size();
    tls_client client = connect_impatiently();
    client.send("POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");

    trickle(client, "x", 1s);

    expect_timeout_answer(client);
    EXPECT_EQ(shared_server().handled().size(), before);
}

TEST(ListenerDeadlineTest, ASilentHeaderOrBodyIs408Soon)
{
    tls_client header = shared_server().connect();
    header.send("POST /hook HT");
    tls_client body = shared_server().connect();
    body.send("POST /hook HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
    const auto begin = steady_clock::now();

    expect_timeout_answer(header);
    expect_timeout_answer(body);

    EXPECT_LT(since(begin), 2'500ms);
}

TEST(ListenerDeadlineTest, AnIdleConnectionEndsWithoutAWord)
{
    tls_client fresh = shared_server().connect();
    tls_client used = shared_server().connect();
    used.send(post("{}"));
    ASSERT_TRUE(used.read_reply().has_value());

    EXPECT_EQ(fresh.read_all(), "");
    EXPECT_EQ(used.read_all(), "");
    EXPECT_TRUE(shared_server().wait_for_connections(0));
}

TEST(ListenerDeadlineTest, AConnectionThatNeverSpeaksTlsEnds)
{
    client_options plain = shared_server().client();
    plain.tls = false;
    tls_client silent{plain};
    tls_client trickling{plain};
    trickling.send(std::string("\x16\x03\x01\x02", 4));

    EXPECT_TRUE(silent.ends_within(1s));
    EXPECT_TRUE(trickling.ends_within(1s));
}

TEST(ListenerDeadlineTest, APeerThatDoesNotReadIsDropped)
{
    listener_server server{{.limits = short_limits()}};
    client_options options = server.client();
    options.receive_buffer = 4'096;
    options.timeout = 300ms;
    tls_client client{options};

    std::string requests;
    for (int i = 0; i < 9'000; ++i)
        requests += "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(requests);

    EXPECT_TRUE(server.wait_for_connections(0));
}

TEST(ListenerDeadlineTest, ALateHandlerIs503AndItsResultIsDropped)
{
    server_options options;
    options.limits = short_limits();
    options.delay = [](const delivery& d) { return d.body == "late" ? 500ms : 0ms; };
    listener_server server{std::move(options)};
    tls_client client = server.connect();

    client.send(post("late"));
    const auto late = client.read_reply();
    client.send(post("prompt"));
    const auto prompt = client.read_reply();
    std::this_thread::sleep_for(300ms); // the late one arrives
    client.send(post("prompt"));
    const auto after = client.read_reply();

    EXPECT_EQ(late.value_or(reply{}).status, 503);
    EXPECT_EQ(late.value_or(reply{}).fields.at("retry-after"), "5");
    EXPECT_EQ(prompt.value_or(reply{}).status, 200);
    EXPECT_EQ(after.value_or(reply{}).status, 200);
}

TEST(ListenerDeadlineTest, AHandlerMayOutliveItsClient)
{
    server_options options;
    options.limits = short_limits();
    options.delay = [](const delivery&) { return 100ms; };
    listener_server server{std::move(options)};

    for (int i = 0; i < 20; ++i)
        server.connect().send(post("{}"));

    EXPECT_TRUE(server.wait_for_connections(0));
    EXPECT_EQ(server.handled().size(), 20U);
}

} // namespace
} // namespace gateway::test
