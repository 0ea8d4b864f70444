// The decoder of chunked bodies without sockets: what it joins, and every bound it holds.
#include "listener/chunked.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace gateway {
namespace {

constexpr std::size_t body_max = 1'000;

struct decoded {
    std::string body;
    std::size_t taken = 0;
    bool done = false;
    std::optional<errc> fault;
};

decoded decode(std::string_view wire, std::size_t piece = std::string_view::npos)
{
    chunked_decoder decoder{body_max};
    decoded d;
    while (d.taken < wire.size() && !decoder.done()) {
        const auto taken = decoder.feed(wire.substr(d.taken, piece), d.body);
        if (taken.has_error()) {
            d.fault = taken.error().code;
            return d;
        }
        d.taken += taken.value();
    }
    d.done = decoder.done();
    return d;
}

TEST(ChunkedTest, JoinsChunksAndStopsAtTheNextRequest)
{
    const std::string wire = "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";

    const decoded d = decode(wire + "GET / HTTP/1.1");

    EXPECT_TRUE(d.done);
    EXPECT_EQ(d.body, "abc0123456789");
    EXPECT_EQ(d.taken, wire.size());
}

TEST(ChunkedTest, PiecesOfAnySizeGiveTheSame)
{
    const std::string wire = "5;a=b\r\nhe\r\nl\r\n1\r\no\r\n0\r\nX-Trailer: 1\r\n\r\n";

    for (std::size_t piece = 1; piece < wire.size(); ++piece) {
        const decoded d = decode(wire, piece);
        EXPECT_TRUE(d.done) << piece;
        EXPECT_EQ(d.body, "he\r\nlo") << piece;
    }
}

TEST(ChunkedTest, AnythingButSizeDataAndLineEndsIsRefused)
{
    for (const char* wire :
         {"\r\n", "x\r\n", "-1\r\n", "+1\r\n", "0x1\r\n", "1 \r\n", " 1\r\n", "3\nabc", "3\r\nabcd",
          "3\r\nabc\n", "3\r\nabc\rX", "3\rX", "3;a\x01\r\n", "3;\n", "0\r\nA: b\n", "0\r\n\n"}) {
        EXPECT_EQ(decode(wire).fault, errc::framing_invalid) << wire;
    }
}

TEST(ChunkedTest, TheBodyIsBounded)
{
    EXPECT_FALSE(decode("3e8\r\n" + std::string(1'000, 'x') + "\r\n0\r\n\r\n").fault);
    EXPECT_EQ(decode("3e9\r\n").fault, errc::body_too_large);
    EXPECT_EQ(decode("3e8\r\n" + std::string(1'000, 'x') + "\r\n1\r\n").fault,
              errc::body_too_large);
    EXPECT_EQ(decode("fffffffffffffff\r\n").fault, errc::body_too_large);
    EXPECT_EQ(decode("ffffffffffffffff\r\n").fault, errc::framing_invalid);
    EXPECT_EQ(decode("10000000000000000000000001\r\n").fault, errc::framing_invalid);
}

TEST(ChunkedTest, TheWireIsBounded)
{
    std::string wire;
    for (int i = 0; i < 300; ++i)
        wire += "1\r\nx\r\n"; // 300 bytes of body, 1,800 on the wire

    EXPECT_EQ(decode(wire).fault, errc::body_too_large);
}

TEST(ChunkedTest, ExtensionsAreNamesWithOrWithoutValues)
{
    for (const char* good : {";a", ";a=b", ";a=\"b; \\\" c\"", "; a = b ;c", ";a=\"\""})
        EXPECT_FALSE(decode("1" + std::string{good} + "\r\nx\r\n0\r\n\r\n").fault) << good;
    for (const char* bad : {";", ";;", ";a;", ";=b", ";a=", ";bad[=x", ";a=b c", ";a=\"b", ";a b",
                            ";a=\"b\"c", ";\xc3\xa9", " ;a"})
        EXPECT_EQ(decode("1" + std::string{bad} + "\r\nx\r\n0\r\n\r\n").fault,
                  errc::framing_invalid)
            << bad;
}

TEST(ChunkedTest, TrailersAreFields)
{
    EXPECT_FALSE(decode("0\r\nA: b\r\nC:\r\n\r\n").fault);
    for (const char* bad : {"GET /healthz HTTP/1.1", "A", ": b", "A : b", " A: b", "A\xc3: b"})
        EXPECT_EQ(decode("0\r\n" + std::string{bad} + "\r\n\r\n").fault, errc::framing_invalid)
            << bad;
}

TEST(ChunkedTest, ExtensionsAndTrailersAreBounded)
{
    const std::string long_line(chunked_decoder::line_bytes_max + 1, 'x');
    std::string trailers = "0\r\n";
    for (int i = 0; i < 200; ++i)
        trailers += "A: b\r\n";

    EXPECT_EQ(decode("1;" + long_line).fault, errc::framing_invalid);
    EXPECT_EQ(decode("0\r\nA: " + long_line).fault, errc::framing_invalid);
    EXPECT_EQ(decode(trailers).fault, errc::framing_invalid);
}

} // namespace
} // namespace gateway
