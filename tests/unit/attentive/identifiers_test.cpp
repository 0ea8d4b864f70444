// Which values identify, in which form, and which of them names the subscriber.
#include "attentive/identifiers.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

TEST(IdentifiersTest, StripsThePunctuationOfPhones)
{
    for (const auto* text : {"+12065550100", "+12065550100 ", " +1 (206) 555-01.00",
                             "+1\xC2\xA0"
                             "206\t5550100"})
        EXPECT_EQ(normal_phone(text), "+12065550100") << text;
}

TEST(IdentifiersTest, RefusesWhatIsNoE164Number)
{
    for (const auto* text : {"", "+", "12065550100", "+0206555010", "+174881", "+123456",
                             "+1234567890123456", "+1206555010x", "++12065550100", "null"})
        EXPECT_EQ(normal_phone(text), std::nullopt) << text;
    EXPECT_TRUE(normal_phone("+1234567"));
    EXPECT_TRUE(normal_phone("+123456789012345"));
}

// NANPA, "About the NANP": NXX-NXX-XXXX, where N is 2 to 9.
TEST(IdentifiersTest, KnowsANumberOfNorthAmericaWithoutItsPlus)
{
    for (const auto* text : {"12065550144", "2065550144", "(206) 555-0144", " 1-206-555-0144 "})
        EXPECT_EQ(north_american_phone(text), "+12065550144") << text;
    for (const auto* text : {"", "74881", "1234567890", "2061550144", "0000000000", "206555014",
                             "22065550144", "447400123456", "20655501x4", "+2065550144"})
        EXPECT_EQ(north_american_phone(text), std::nullopt) << text;
}

TEST(IdentifiersTest, LowersAndTrimsEmail)
{
    EXPECT_EQ(normal_email(" Jane.DOE@Example.Com\t"), "jane.doe@example.com");
    EXPECT_EQ(normal_email("é@bücher.example"), "é@bücher.example");
}

TEST(IdentifiersTest, RefusesWhatIsNoAddress)
{
    for (const auto* text :
         {"", "a", "@b.c", "a@", "a@b", "a@.c", "a@b.", "a@@b.c", "a@b@c.d", "a b@c.d",
          "[email protected]", "[email\xC2\xA0protected]", "a@b\xC2\xA0.c"})
        EXPECT_EQ(normal_email(text), std::nullopt) << text;
    EXPECT_TRUE(normal_email(std::string(248, 'a') + "@b.com"));
    EXPECT_FALSE(normal_email(std::string(249, 'a') + "@b.com"));
}

TEST(IdentifiersTest, RefusesPlaceholders)
{
    for (const auto* text : {"", " ", "0", "000", "-", "--", "0000-0000", "null", "NULL", "None",
                             "undefined", "Anonymous", "n/a", "N/A", "-1", " null "})
        EXPECT_EQ(normal_identifier(text), std::nullopt) << text;
    for (const auto* text : {"1", "10", "-2", "nullable", "none.1", "00a"})
        EXPECT_EQ(normal_identifier(text), text) << text;
}

TEST(IdentifiersTest, RefusesWhatNoIndexHolds)
{
    EXPECT_TRUE(normal_identifier(std::string(identifier_bytes_max, 'a')));
    EXPECT_FALSE(normal_identifier(std::string(identifier_bytes_max + 1, 'a')));
}

// printf 'A\037phone\037+12065550100' | sha256sum, with version 8 and the variant set
TEST(IdentifiersTest, DerivesTheSubscriberFromCompanyKindAndValue)
{
    EXPECT_EQ(to_string(*derive_subscriber_id("A", {{"phone", {"+12065550100"}}})),
              "29ffdc9f-85f3-8452-900a-a8529a21d422");
}

TEST(IdentifiersTest, PrefersTheStrongestKindAndTheSmallestValue)
{
    const std::vector<std::string> strongest_first = {"attentive_external_id",
                                                      "phone",
                                                      "email",
                                                      "client_user_id",
                                                      "shopify_id",
                                                      "klaviyo_id",
                                                      "custom:a",
                                                      "custom:b"};
    identifier_map all;
    for (const auto& kind : strongest_first)
        all[kind] = {"2", "10"};
    for (const auto& kind : strongest_first) {
        EXPECT_EQ(derive_subscriber_id("A", all), derive_subscriber_id("A", {{kind, {"10"}}}));
        all.erase(kind);
    }
    EXPECT_EQ(derive_subscriber_id("A", all), std::nullopt);
}

} // namespace
} // namespace gateway
