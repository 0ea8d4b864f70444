// SHA-256 and HMAC-SHA-256 against the published vectors, and the hex decoder's strictness.
#include "gateway/base/digest.hpp"

#include "support/corpora.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <thread>
#include <vector>

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

// More keys than a thread keeps contexts for, used in turn, anew and after their end.
TEST(HmacTest, NeverMistakesOneKeyForAnother)
{
    constexpr std::size_t keys = 30;
    std::vector<std::string> expected;
    for (std::size_t i = 0; i < keys; ++i)
        expected.push_back(to_hex(hmac_sha256{"key " + std::to_string(i)}("body")));
    std::vector<hmac_sha256> macs;
    for (std::size_t i = 0; i < keys; ++i)
        macs.emplace_back("key " + std::to_string(i));

    for (int round = 0; round < 3; ++round) {
        for (std::size_t i = 0; i < keys; ++i)
            EXPECT_EQ(to_hex(macs[i]("body")), expected[i]);
    }
}

TEST(HmacTest, IsSharedByThreads)
{
    const hmac_sha256 mac{"Jefe"};
    const auto expected = mac("what do ya want for nothing?");
    std::vector<int> right(4);
    std::vector<std::thread> threads;
    for (int& count : right) {
        threads.emplace_back([&mac, &expected, &count] {
            for (int i = 0; i < 500; ++i)
                count += mac("what do ya want for nothing?") == expected ? 1 : 0;
        });
    }
    for (auto& thread : threads)
        thread.join();

    EXPECT_EQ(right, (std::vector<int>{500, 500, 500, 500}));
}

std::string bytes_of(const std::string& digits)
{
    return from_hex(digits).value_or("");
}

// Groups with tags of 128 bits hold the code cut to that length (RFC 2104, section 5).
TEST(HmacTest, AgreesWithWycheproof)
{
    const auto file = corpora() / "wycheproof/testvectors_v1/hmac_sha256_test.json";
    GATEWAY_SKIP_WITHOUT(file);
    const auto suite = nlohmann::json::parse(file_text(file));
    int vectors = 0;
    for (const auto& group : suite.at("testGroups")) {
        const std::size_t tag_digits = group.at("tagSize").get<std::size_t>() / 4;
        for (const auto& test : group.at("tests")) {
            const hmac_sha256 mac{bytes_of(test.at("key"))};

            const auto tag = to_hex(mac(bytes_of(test.at("msg")))).substr(0, tag_digits);

            EXPECT_EQ(tag == test.at("tag"), test.at("result") == "valid") << test.at("tcId");
            ++vectors;
        }
    }
    EXPECT_EQ(vectors, 174);
}

TEST(HmacTest, AgreesWithRfc4231)
{
    const auto file = corpora() / "rfc4231/hmac_sha256.json";
    GATEWAY_SKIP_WITHOUT(file);
    int vectors = 0;
    for (const auto& test : nlohmann::json::parse(file_text(file))) {
        const std::string expected = test.at("mac");
        const hmac_sha256 mac{bytes_of(test.at("key"))};

        const auto code = to_hex(mac(bytes_of(test.at("data"))));

        EXPECT_EQ(code.substr(0, expected.size()), expected) << test.at("case");
        EXPECT_EQ(expected.size(), test.at("truncated").get<bool>() ? 32U : 64U);
        ++vectors;
    }
    EXPECT_EQ(vectors, 7);
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
