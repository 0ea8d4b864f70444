// Thousands of valid requests with a few bytes changed, from a fixed seed: whatever arrives, the
// server answers or closes, and the next well-formed request is served.
#include "listener_server.hpp"

#include <gtest/gtest.h>

#include <random>

namespace gateway::test {
namespace {

constexpr int mutations = 5'000;
constexpr int per_connection_max = 50;

class mutator {
public:
    std::string next()
    {
        std::string request = seeds_[pick(seeds_.size())];
        const std::size_t changes = 1 + pick(4);
        for (std::size_t i = 0; i < changes; ++i)
            change(request);
        return request;
    }

    std::size_t pick(std::size_t n) { return n == 0 ? 0 : random_() % n; }

private:
    void change(std::string& request)
    {
        const std::size_t at = pick(request.size());
        switch (pick(5)) {
        case 0: request.replace(at, 1, 1, static_cast<char>(random_())); break;
        case 1: request.erase(at, 1 + pick(8)); break;
        case 2: request.insert(at, pieces_[pick(pieces_.size())]); break;
        case 3: request.insert(at, request.substr(pick(request.size()), pick(40))); break;
        default: request.resize(at + 1); break;
        }
    }

    std::mt19937_64 random_{7};
    std::vector<std::string> seeds_{
        post("{\"type\":\"sms.sent\"}"), post("{}", "Expect: 100-continue\r\n"),
        "POST /hook HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "4;x=y\r\n{}{}\r\n2\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"};
    std::vector<std::string> pieces_{"\r\n",
                                     "\n",
                                     "\r",
                                     std::string(1, '\0'),
                                     ":",
                                     " ",
                                     "\t",
                                     "Transfer-Encoding: chunked\r\n",
                                     "Content-Length: 7\r\n",
                                     "\r\n\r\n",
                                     "0\r\n\r\n",
                                     "ffffffff\r\n",
                                     ";",
                                     ",",
                                     std::string(9'000, 'x'),
                                     "Host: b\r\n",
                                     "HTTP/1.0"};
};

TEST(ListenerMutationTest, NoRequestStopsTheServer)
{
    listener_server server{{.tls = false, .limits = short_limits()}};
    client_options quick = server.client();
    quick.timeout = 1ms;
    mutator m;

    int sent = 0;
    while (sent < mutations) {
        tls_client client{quick};
        for (int i = 0; i < per_connection_max && sent < mutations; ++i, ++sent) {
            if (!client.send(m.next()))
                break;
        }
        client.read_all();
    }

    tls_client survivor = server.connect();
    survivor.send(post("alive"));
    EXPECT_EQ(survivor.read_reply().value_or(reply{}).status, 200);
    EXPECT_TRUE(server.wait_for_connections(1));
}

TEST(ListenerMutationTest, NoTlsRecordStopsTheServer)
{
    listener_server server{{.limits = short_limits()}};
    client_options raw = server.client();
    raw.tls = false;
    raw.timeout = 1ms;
    std::mt19937_64 random{11};

    for (int i = 0; i < 500; ++i) {
        std::string bytes("\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03", 11);
        for (int j = 0; j < 60; ++j)
            bytes += static_cast<char>(random());
        bytes[random() % bytes.size()] = static_cast<char>(random());
        tls_client client{raw};
        client.send(bytes);
        client.read_all();
    }

    tls_client survivor = server.connect();
    survivor.send(post("alive"));
    EXPECT_EQ(survivor.read_reply().value_or(reply{}).status, 200);
}

} // namespace
} // namespace gateway::test
