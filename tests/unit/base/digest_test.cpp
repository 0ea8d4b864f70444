// SHA-256 and HMAC-SHA-256 against the published vectors, and the hex decoder's strictness.
#include "gateway/base/digest.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

TEST(DigestTest, HashesTheFipsExample)
{
    EXPECT_EQ(to_hex(sha256("abc")),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(DigestTest, HashesNothing)
{
    EXPECT_EQ(to_hex(sha256("")),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(HmacTest, SignsTheRfc4231Example)
{
    const hmac_sha256 mac{"Jefe"};

    const auto code = mac("what do ya want for nothing?");

    EXPECT_EQ(to_hex(code), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(HmacTest, GivesTheSameCodeEachTimeAndFromACopy)
{
    const hmac_sha256 mac{"Jefe"};
    const hmac_sha256 copy = mac; // NOLINT(performance-unnecessary-copy-initialization)

    EXPECT_EQ(mac("a"), mac("a"));
    EXPECT_EQ(mac("a"), copy("a"));
    EXPECT_NE(mac("a"), mac("b"));
}

TEST(DigestTest, ComparesAllBytes)
{
    digest256 a{};
    digest256 b{};
    EXPECT_TRUE(constant_time_equal(a, b));

    b.back() = 1;

    EXPECT_FALSE(constant_time_equal(a, b));
}

TEST(HexTest, RoundTripsADigestInEitherCase)
{
    const auto digest = sha256("abc");
    std::string upper = to_hex(digest);
    for (char& c : upper)
        c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));

    EXPECT_EQ(digest_from_hex(to_hex(digest)), digest);
    EXPECT_EQ(digest_from_hex(upper), digest);
}

TEST(HexTest, RefusesAnythingButExactly64Digits)
{
    const std::string valid(64, 'a');

    EXPECT_TRUE(digest_from_hex(valid));
    EXPECT_FALSE(digest_from_hex(valid + "zz"));
    EXPECT_FALSE(digest_from_hex(valid.substr(1)));
    EXPECT_FALSE(digest_from_hex(valid.substr(1) + "g"));
    EXPECT_FALSE(digest_from_hex(" " + valid.substr(1)));
    EXPECT_FALSE(digest_from_hex(""));
}

} // namespace
} // namespace gateway
