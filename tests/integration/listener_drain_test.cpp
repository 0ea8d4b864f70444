// Going away without failing anybody: what is under way finishes, what is new is refused, and the
// end comes at the deadline at the latest.
#include "listener_server.hpp"
#include "support/waiting.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

namespace gateway::test {
namespace {

namespace asio = boost::asio;

auto taking(std::chrono::milliseconds time)
{
    return [time](const delivery&) { return time; };
}

// A well-behaved sender: keeps its connection until told to close it, then opens another.
struct sender {
    std::size_t stored = 0;
    std::size_t refused = 0; // no connection at all: nothing was sent
    std::size_t failed = 0;  // sent, and no answer

    void run(const listener_server& server, const std::atomic<bool>& stop)
    {
        while (!stop && refused == 0) {
            try {
                tls_client client = server.connect();
                while (!stop && send_one(client)) {
                }
            } catch (const std::runtime_error&) {
                ++refused;
            }
        }
    }

    bool send_one(tls_client& client)
    {
        client.send(post("{}"));
        const auto r = client.read_reply();
        if (!r || r->status != 200) {
            ++failed;
            return false;
        }
        ++stored;
        return r->fields.count("connection") == 0;
    }
};

TEST(ListenerDrainTest, UnderLoadNoRequestFails)
{
    listener_server server{{.delay = taking(3ms)}};
    std::atomic<bool> stop = false;
    std::vector<sender> senders(8);
    std::vector<std::thread> threads;
    for (auto& s : senders)
        threads.emplace_back([&s, &server, &stop] { s.run(server, stop); });
    ASSERT_TRUE(becomes([&server] { return server.handled().size() > 100; }));

    server.announce_drain();
    std::this_thread::sleep_for(200ms);
    server.drain(5s);
    stop = true;
    for (auto& t : threads)
        t.join();

    std::size_t stored = 0;
    for (const auto& s : senders) {
        EXPECT_EQ(s.failed, 0U);
        stored += s.stored;
    }
    EXPECT_EQ(stored, server.handled().size());
    EXPECT_EQ(server.connections(), 0U);
}

TEST(ListenerDrainTest, ARequestUnderWayFinishesAndNewConnectionsAreRefused)
{
    listener_server server{{.delay = taking(400ms)}};
    tls_client client = server.connect();
    client.send(post("{}"));
    ASSERT_TRUE(becomes([&server] { return server.handled().size() == 1; }));

    const auto took = server.drain(5s);

    EXPECT_EQ(client.read_reply().value_or(reply{}).status, 200);
    EXPECT_GE(took, 250ms);
    EXPECT_LT(took, 3s);
    EXPECT_THROW(server.connect(), std::runtime_error);
}

TEST(ListenerDrainTest, IdleConnectionsDoNotDelayIt)
{
    listener_server server;
    tls_client idle = server.connect();
    idle.send(post("{}"));
    idle.read_reply();
    client_options plain = server.client();
    plain.tls = false;

    const auto took = server.drain(5s);

    EXPECT_LT(took, 1s);
    EXPECT_TRUE(idle.ends_within(100ms));
}

TEST(ListenerDrainTest, ARequestSentAsItBeginsIsStillServed)
{
    listener_server server;
    tls_client client = server.connect();
    client.send(post("1"));
    client.read_reply();

    std::thread draining{[&server] { server.drain(5s); }};
    std::this_thread::sleep_for(20ms);
    client.send(post("2"));
    const auto r = client.read_reply();
    draining.join();

    ASSERT_TRUE(r.has_value());
    EXPECT_EQ(r->status, 200);
    EXPECT_EQ(r->fields.at("connection"), "close");
}

TEST(ListenerDrainTest, TheDeadlineEndsWhatIsLeft)
{
    listener_server server{{.delay = taking(1'500ms)}};
    tls_client answering = server.connect();
    answering.send(post("{}"));
    tls_client sending = server.connect();
    sending.send("POST /hook HT");
    ASSERT_TRUE(becomes([&server] { return server.handled().size() == 1; }));

    const auto took = server.drain(300ms);

    EXPECT_GE(took, 250ms);
    EXPECT_LT(took, 1s);
    EXPECT_EQ(server.connections(), 0U);
    EXPECT_FALSE(answering.read_reply().has_value());
}

} // namespace
} // namespace gateway::test
