// Who gets a connection when there are too many: of all peers, of one peer, or of descriptors.
#include "listener_server.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

namespace gateway::test {
namespace {

bool is_served(tls_client& client)
{
    return client.send(post("{}")) && client.read_reply().value_or(reply{}).status == 200;
}

bool is_served(const client_options& options)
{
    try {
        tls_client client{options};
        return is_served(client);
    } catch (const std::runtime_error&) {
        return false;
    }
}

TEST(ListenerCapacityTest, TheOldestIdleConnectionMakesRoom)
{
    server_options options;
    options.limits.connections_max = 3;
    listener_server server{std::move(options)};
    tls_client first = server.connect();
    tls_client second = server.connect();
    tls_client third = server.connect();
    ASSERT_TRUE(is_served(first) && is_served(second) && is_served(third));
    ASSERT_TRUE(is_served(first)); // now the second is the oldest

    tls_client fourth = server.connect();

    EXPECT_TRUE(is_served(fourth));
    EXPECT_TRUE(second.ends_within(1s));
    EXPECT_TRUE(is_served(first));
    EXPECT_TRUE(is_served(third));
    EXPECT_EQ(server.connections(), 3U);
}

TEST(ListenerCapacityTest, ARequestUnderWayIsNeverEvicted)
{
    server_options options;
    options.limits.connections_max = 1;
    listener_server server{std::move(options)};
    tls_client busy = server.connect();
    const std::string request = post("{\"long\":1}");
    busy.send(request.substr(0, request.size() - 1));
    ASSERT_TRUE(server.wait_for_connections(1));
    std::this_thread::sleep_for(50ms);

    EXPECT_FALSE(is_served(server.client()));

    busy.send(request.substr(request.size() - 1));
    EXPECT_EQ(busy.read_reply().value_or(reply{}).status, 200);
}

TEST(ListenerCapacityTest, OnePeerHasItsShareAndLeavesTheRest)
{
    server_options options;
    options.limits.connections_per_peer_max = 2;
    listener_server server{std::move(options)};
    client_options other = server.client();
    other.source = "127.0.0.2";
    tls_client first = server.connect();
    {
        tls_client second = server.connect();
        EXPECT_TRUE(is_served(second));
        EXPECT_FALSE(is_served(server.client()));
        EXPECT_TRUE(is_served(other));
    }
    ASSERT_TRUE(server.wait_for_connections(1));

    EXPECT_TRUE(is_served(server.client()));
}

TEST(ListenerCapacityTest, ATrustedProxyHasNoShare)
{
    server_options options;
    options.limits.connections_per_peer_max = 1;
    options.trusted_proxies = {"nonsense", "127.0.0.0/30"};
    listener_server server{std::move(options)};
    std::vector<tls_client> clients;

    for (int i = 0; i < 5; ++i)
        clients.push_back(server.connect());

    for (auto& client : clients)
        EXPECT_TRUE(is_served(client));
}

TEST(ListenerCapacityTest, BehindATrustedProxyTheClientOfThePROXYHeaderHasAShare)
{
    server_options options;
    options.tls = false; // the header comes before TLS, which the client would begin with
    options.limits.connections_per_peer_max = 2;
    options.trusted_proxies = {"127.0.0.1"};
    options.proxy_protocol = true;
    listener_server server{std::move(options)};
    const auto served = [&server](std::vector<tls_client>& kept, const std::string& named) {
        kept.push_back(server.connect());
        kept.back().send("PROXY " + named + "\r\n");
        return is_served(kept.back());
    };
    const std::string first = "TCP4 192.0.2.1 198.51.100.1 5000 443";
    const std::string second = "TCP4 192.0.2.2 198.51.100.1 5000 443";
    std::vector<tls_client> of_first;
    std::vector<tls_client> of_others;

    EXPECT_TRUE(served(of_first, first));
    EXPECT_TRUE(served(of_first, first));
    EXPECT_FALSE(served(of_others, first)) << "a third one";
    EXPECT_TRUE(served(of_others, second));
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(served(of_others, "UNKNOWN")) << "the proxy's own checks";
        EXPECT_TRUE(served(of_others, "TCP4 127.0.0.1 127.0.0.1 5000 443")) << "another proxy";
    }
    of_first.pop_back();
    ASSERT_TRUE(server.wait_for_connections(8, 60s));

    EXPECT_TRUE(served(of_first, first)) << "its share came back";
    EXPECT_FALSE(served(of_others, first));
}

// Lowers the process's limit until it is destroyed.
class few_descriptors {
public:
    explicit few_descriptors(rlim_t n)
    {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit few = before_;
        few.rlim_cur = n;
        ::setrlimit(RLIMIT_NOFILE, &few);
    }
    ~few_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    few_descriptors(const few_descriptors&) = delete;
    few_descriptors& operator=(const few_descriptors&) = delete;

private:
    rlimit before_{};
};

int next_descriptor()
{
    const int fd = ::dup(0);
    ::close(fd);
    return fd;
}

TEST(ListenerCapacityTest, RunningOutOfDescriptorsIsSurvived)
{
    server_options options;
    options.tls = false;
    listener_server server{std::move(options)};
    {
        // Room for the client's end of the first connection, and for nothing else.
        const few_descriptors limit{static_cast<rlim_t>(next_descriptor()) + 1};
        tls_client client = server.connect();
        EXPECT_TRUE(client.ends_within(2s)); // taken with the spare descriptor, and refused
    }

    EXPECT_TRUE(is_served(server.client()));
}

} // namespace
} // namespace gateway::test
