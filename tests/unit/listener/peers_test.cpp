// Networks and peers as addresses: families, prefixes, counting.
#include "listener/peers.hpp"

#include "gateway/listener/listener.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

namespace ip = boost::asio::ip;

bool holds(const std::string& network_text, const char* address)
{
    return parse_network(network_text).value().contains(ip::make_address(address));
}

TEST(PeersTest, ANetworkHoldsWhatSharesItsPrefix)
{
    EXPECT_TRUE(holds("10.0.0.0/8", "10.255.1.2"));
    EXPECT_FALSE(holds("10.0.0.0/8", "11.0.0.0"));
    EXPECT_TRUE(holds("192.0.2.128/25", "192.0.2.129"));
    EXPECT_FALSE(holds("192.0.2.128/25", "192.0.2.127"));
    EXPECT_TRUE(holds("192.0.2.1", "192.0.2.1"));
    EXPECT_FALSE(holds("192.0.2.1", "192.0.2.2"));
    EXPECT_TRUE(holds("2001:db8::/33", "2001:db8:7fff::1"));
    EXPECT_FALSE(holds("2001:db8::/33", "2001:db8:8000::1"));
    EXPECT_TRUE(holds("::1", "::1"));
}

TEST(PeersTest, AMappedAddressIsItsIpv4Address)
{
    EXPECT_TRUE(holds("10.0.0.0/8", "::ffff:10.1.1.1"));
    EXPECT_FALSE(holds("10.0.0.0/8", "::ffff:11.1.1.1"));
    EXPECT_FALSE(holds("0.0.0.0/0", "2001:db8::1"));
    EXPECT_EQ(peer_of(ip::make_address("10.1.1.1")), peer_of(ip::make_address("::ffff:10.1.1.1")));
}

TEST(PeersTest, WhatIsNoNetworkIsRefused)
{
    for (const char* text : {"", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/-1",
                             "10.0.0.0/8x", "localhost", "/8", "10.0.0.1:80"}) {
        const auto checked = check_trusted_proxy(text);
        ASSERT_TRUE(checked.has_error()) << text;
        EXPECT_EQ(checked.error().code, errc::config_invalid);
    }
}

TEST(PeersTest, AnIpv6HostIsItsWholeSubnet)
{
    EXPECT_EQ(peer_of(ip::make_address("2001:db8::1")), peer_of(ip::make_address("2001:db8::2:1")));
    EXPECT_NE(peer_of(ip::make_address("2001:db8::1")),
              peer_of(ip::make_address("2001:db8:0:1::")));
    EXPECT_NE(peer_of(ip::make_address("10.0.0.1")), peer_of(ip::make_address("10.0.0.2")));
}

TEST(PeersTest, CountsGoUpAndDown)
{
    peer_counts counts;
    const peer_key one = peer_of(ip::make_address("10.0.0.1"));

    counts.add(one);
    counts.add(one);
    counts.remove(one);
    EXPECT_EQ(counts.of(one), 1U);
    counts.remove(one);

    EXPECT_EQ(counts.of(one), 0U);
}

} // namespace
} // namespace gateway
