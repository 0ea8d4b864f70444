// Headers of the PROXY protocol as HAProxy sends them, and as somebody might who wants to be
// somebody else.
#include "listener/proxy_header.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

namespace ip = boost::asio::ip;

std::string v2(unsigned char version_and_command, unsigned char family, const std::string& rest)
{
    std::string header{"\r\n\r\n\0\r\nQUIT\n", 12};
    header += static_cast<char>(version_and_command);
    header += static_cast<char>(family);
    header += static_cast<char>(rest.size() >> 8U);
    header += static_cast<char>(rest.size() & 0xFFU);
    return header + rest;
}

std::string client_of(const std::string& header)
{
    const auto parsed = parse_proxy_header(header);
    if (!parsed)
        return "refused";
    return parsed.value() ? parsed.value()->to_string() : "none";
}

const std::string ipv4 = std::string{"\xC0\x00\x02\x07\x0A\x00\x00\x01\x13\x88\x01\xBB", 12};

TEST(ProxyHeaderTest, NamesTheClientOfBothVersions)
{
    const std::string ipv6 = std::string{"\x20\x01\x0d\xb8", 4} + std::string(11, '\0') + "\x07" +
                             std::string(16, '\0') + std::string(4, '\1');

    EXPECT_EQ(client_of("PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\r\n"), "192.0.2.7");
    EXPECT_EQ(client_of("PROXY TCP6 2001:db8::7 ::1 5000 443\r\n"), "2001:db8::7");
    EXPECT_EQ(client_of(v2(0x21, 0x11, ipv4)), "192.0.2.7");
    EXPECT_EQ(client_of(v2(0x21, 0x11, ipv4 + "a TLV")), "192.0.2.7");
    EXPECT_EQ(client_of(v2(0x21, 0x21, ipv6)), "2001:db8::7");
}

TEST(ProxyHeaderTest, AProxyMaySpeakForItself)
{
    EXPECT_EQ(client_of("PROXY UNKNOWN\r\n"), "none");
    EXPECT_EQ(client_of("PROXY UNKNOWN anything at all\r\n"), "none");
    EXPECT_EQ(client_of(v2(0x20, 0x00, "")), "none");
    EXPECT_EQ(client_of(v2(0x21, 0x31, std::string(216, 'x'))), "none"); // AF_UNIX
}

TEST(ProxyHeaderTest, RefusesWhatIsNone)
{
    EXPECT_EQ(client_of("PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\n"), "refused");
    EXPECT_EQ(client_of("PROXY TCP4 2001:db8::7 ::1 5000 443\r\n"), "refused");
    EXPECT_EQ(client_of("PROXY TCP4 192.0.2.7\r\n"), "refused");
    EXPECT_EQ(client_of("PROXY UDP4 192.0.2.7 10.0.0.1 5000 443\r\n"), "refused");
    EXPECT_EQ(client_of("GET / HTTP/1.1\r\n"), "refused");
    EXPECT_EQ(client_of("PROXY UNKNOWN" + std::string(120, 'x') + "\r\n"), "refused");
    EXPECT_EQ(client_of(v2(0x22, 0x11, ipv4)), "refused");
    EXPECT_EQ(client_of(v2(0x21, 0x11, "short")), "refused");
    EXPECT_TRUE(proxy_v2_rest(v2(0x31, 0x11, ipv4)).has_error());
    EXPECT_TRUE(proxy_v2_rest(v2(0x21, 0x11, std::string(1009, 'x'))).has_error());
    EXPECT_EQ(proxy_v2_rest(v2(0x21, 0x11, ipv4)).value(), 12U);
}

TEST(ProxyHeaderTest, BelievesTheRightmostAddressThatIsNoProxy)
{
    const std::vector<network> trusted = {parse_network("10.0.0.0/8").value()};
    const auto client = [&trusted](const std::string& field) {
        const auto found = forwarded_for(field, trusted);
        return found ? found->to_string() : "none";
    };

    EXPECT_EQ(client("203.0.113.9"), "203.0.113.9");
    EXPECT_EQ(client("1.1.1.1, 203.0.113.9"), "203.0.113.9");
    EXPECT_EQ(client("1.1.1.1,203.0.113.9 , 10.1.2.3"), "203.0.113.9");
    EXPECT_EQ(client("10.1.2.3"), "none");
    EXPECT_EQ(client("203.0.113.9, unknown"), "none");
    EXPECT_EQ(client(""), "none");
}

} // namespace
} // namespace gateway
