// The framing guard without sockets: what is refused, and what has to pass.
#include "listener/framing.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

constexpr std::size_t fields_max = 64;

result<request_head> parse(const std::string& block)
{
    return parse_head(block, fields_max);
}

std::string with(const std::string& fields)
{
    return "POST /hook HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

void expect_invalid(const std::string& block)
{
    const auto head = parse(block);

    ASSERT_TRUE(head.has_error()) << block;
    EXPECT_EQ(head.error().code, errc::framing_invalid) << block;
}

result<std::size_t> scan(std::string_view bytes)
{
    header_scanner scanner;
    return scanner.scan(bytes);
}

TEST(FramingTest, AnOrdinaryRequestIsUnderstood)
{
    const std::string block = with("Content-Type: application/json\r\nContent-Length: 12\r\n");

    const auto head = parse(block);

    ASSERT_TRUE(head.has_value());
    EXPECT_EQ(head.value().method, "POST");
    EXPECT_EQ(head.value().target, "/hook");
    EXPECT_EQ(head.value().version, 11);
    EXPECT_EQ(head.value().fields.size(), 3U);
    EXPECT_EQ(head.value().body, body_framing::length);
    EXPECT_EQ(head.value().content_length, 12U);
    EXPECT_TRUE(head.value().keep_alive);
    EXPECT_FALSE(head.value().expects_continue);
}

TEST(FramingTest, OnlyChunkedAloneIsATransferCoding)
{
    const std::string accepted = with("Transfer-Encoding: Chunked\r\n");

    ASSERT_TRUE(parse(accepted).has_value());
    EXPECT_EQ(parse(accepted).value().body, body_framing::chunked);
    for (const char* coding :
         {"identity", "xchunked", "gzip", "chunked, gzip", "gzip, chunked", "chunked, chunked",
          "\"chunked\"", "chunked;q=1", "", ",chunked", "chunked,",
          "\x0b"
          "chunked"})
        expect_invalid(with("Transfer-Encoding: " + std::string{coding} + "\r\n"));
}

TEST(FramingTest, TwoWaysToTellTheLengthAreRefused)
{
    expect_invalid(with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"));
    expect_invalid(with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"));
    expect_invalid(with("Content-Length: 3\r\nTransfer-Encoding: identity\r\n"));
    expect_invalid(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"));
    expect_invalid(with("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"));
    expect_invalid(with("Content-Length: 3\r\nContent-Length: 3\r\n"));
    expect_invalid(with("Content-Length: 3\r\nContent-Length: 4\r\n"));
}

TEST(FramingTest, ContentLengthIsAPlainNumber)
{
    for (const char* length : {"3, 3", "3,", "003", "+3", "-3", "0x3", "3 3", "3.0", "", "00",
                               "18446744073709551616", "99999999999999999999999"})
        expect_invalid(with("Content-Length: " + std::string{length} + "\r\n"));
    EXPECT_TRUE(parse(with("Content-Length: 0\r\n")).has_value());
}

TEST(FramingTest, Http11NamesExactlyOneHost)
{
    expect_invalid("GET / HTTP/1.1\r\n\r\n");
    expect_invalid("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
    expect_invalid("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n");
    EXPECT_TRUE(parse("GET / HTTP/1.0\r\n\r\n").has_value());
    EXPECT_TRUE(parse("OPTIONS * HTTP/1.1\r\n\r\n").has_value());
}

TEST(FramingTest, HostIsANameOrAnAddress)
{
    for (const char* host : {"", "a b", "a,b", "user@a", "a/b", "a:b", "a:1:2", "[::1", "[]", "::1",
                             ":80", "a:123456", "[::1]x", "a\"b", "a\xc3\xa4"})
        expect_invalid("GET / HTTP/1.1\r\nHost: " + std::string{host} + "\r\n\r\n");
    for (const char* host :
         {"a", "a.example:8443", "127.0.0.1:1", "[::1]", "[::1]:443", "a_b-c", "a:"})
        EXPECT_TRUE(parse("GET / HTTP/1.1\r\nHost: " + std::string{host} + "\r\n\r\n").has_value())
            << host;
}

TEST(FramingTest, OnlyHttp10And11AreSpoken)
{
    for (const char* version :
         {"HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/11", "http/1.1", "HTTP/1.1 "})
        expect_invalid("GET / " + std::string{version} + "\r\nHost: a\r\n\r\n");
}

TEST(FramingTest, ChunkedDoesNotExistInHttp10)
{
    expect_invalid("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
}

TEST(FramingTest, FieldNamesAreTokensDirectlyBeforeTheColon)
{
    expect_invalid(with("Content-Length : 3\r\n"));
    expect_invalid(with(": 3\r\n"));
    expect_invalid(with("A B: 3\r\n"));
    expect_invalid(with("Content-Length\r\n"));
    expect_invalid(with("Transfer\xc4\x80: 3\r\n"));
}

TEST(FramingTest, ATargetIsOfAFormThatItsMethodTakes)
{
    const auto line = [](const std::string& start) {
        return start + " HTTP/1.1\r\nHost: a\r\n\r\n";
    };
    for (const char* bad : {"GET *", "POST *", "GET a", "GET a/b", "GET a:443", "GET ?://",
                            "GET /\xc3\xa9", "OPTIONS **", "OPTIONS a"})
        expect_invalid(line(bad));
    for (const char* good : {"GET /", "GET //x?y#z", "GET http://a/b", "POST HTTPS://a",
                             "OPTIONS *", "CONNECT a:443", "DELETE /%C3%A9"})
        EXPECT_TRUE(parse(line(good)).has_value()) << good;
}

TEST(FramingTest, EncodedIsWhateverIsNotIdentity)
{
    for (const char* plain : {"", "Content-Encoding: identity\r\n", "Content-Encoding:\r\n"})
        EXPECT_FALSE(parse(with(plain)).value().encoded) << plain;
    for (const char* encoded : {"Content-Encoding: gzip\r\n", "Content-Encoding: identity, br\r\n",
                                "Content-Encoding: identity\r\nCONTENT-ENCODING: deflate\r\n"})
        EXPECT_TRUE(parse(with(encoded)).value().encoded) << encoded;
}

TEST(FramingTest, OnlyTheKnownExpectationIsMet)
{
    const auto expects_else = [](const std::string& fields) {
        return parse(with(fields)).value().expects_else;
    };
    EXPECT_TRUE(parse(with("Expect: 100-Continue\r\n")).value().expects_continue);
    EXPECT_FALSE(expects_else("Expect: 100-Continue\r\n"));
    EXPECT_TRUE(expects_else("Expect: 200-ok\r\n"));
    EXPECT_TRUE(expects_else("Expect: 100-continue\r\nExpect: 100-continue\r\n"));
    EXPECT_FALSE(parse("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").value().expects_continue);
}

TEST(FramingTest, MoreFieldsThanTheLimitAreTooLarge)
{
    std::string fields;
    for (std::size_t i = 1; i < fields_max; ++i) // Host is one
        fields += "X: 1\r\n";

    EXPECT_TRUE(parse(with(fields)).has_value());
    ASSERT_TRUE(parse(with(fields + "X: 1\r\n")).has_error());
    EXPECT_EQ(parse(with(fields + "X: 1\r\n")).error().code, errc::header_too_large);
}

TEST(FramingTest, KeepAliveFollowsVersionAndConnection)
{
    EXPECT_FALSE(parse(with("Connection: close\r\n")).value().keep_alive);
    EXPECT_FALSE(parse(with("Connection: x, Close\r\n")).value().keep_alive);
    EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").value().keep_alive);
    EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").value().keep_alive);
}

TEST(HeaderScannerTest, FindsTheEndWhereverTheBytesAreCut)
{
    const std::string block = with("A: b\r\n");
    const std::string bytes = block + "body\r\n\r\n";

    for (std::size_t cut = 0; cut < block.size(); ++cut) {
        header_scanner scanner;
        ASSERT_EQ(scanner.scan(std::string_view{bytes}.substr(0, cut)).value(), 0U) << cut;
        ASSERT_EQ(scanner.scan(bytes).value(), block.size()) << cut;
    }
}

TEST(HeaderScannerTest, RefusesWhatTwoParsersCouldReadDifferently)
{
    const std::string nul("GET / HTTP/1.1\r\nA: \0\r\n\r\n", 23);
    for (const std::string& bytes :
         {std::string{"GET / HTTP/1.1\nHost: a\n\n"}, std::string{"GET / HTTP/1.1\r\nA: b\rC: d"},
          std::string{"GET / HTTP/1.1\r\nA: b\r\n folded: c"},
          std::string{"GET / HTTP/1.1\r\nA: b\r\n\tfolded: c"}, std::string{"\n"}, nul,
          std::string{"A: \x01"}, std::string{"A: \x7f"}, std::string{"GET / HTTP/1.1\r\r\n"}}) {
        const auto end = scan(bytes);
        ASSERT_TRUE(end.has_error()) << bytes;
        EXPECT_EQ(end.error().code, errc::framing_invalid);
    }
}

TEST(HeaderScannerTest, AHeaderMayHoldTabsAndBytesAboveAscii)
{
    EXPECT_NE(scan("GET / HTTP/1.1\r\nA:\tb\xc3\xa4\r\n\r\n").value(), 0U);
}

} // namespace
} // namespace gateway
