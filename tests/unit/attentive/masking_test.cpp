// Which parts of a text name somebody.
#include "attentive/masking.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

// GDPR, Article 4 (1): what identifies somebody is personal data, wherever it stands. README: no
// phone number and no e-mail address is in schema report.
TEST(MaskingTest, TakesAddressesAndNumbersOutInAnyEscape)
{
    EXPECT_EQ(masked("/unsubscribe/kim@lindenpost.net"), "/unsubscribe/***");
    EXPECT_EQ(masked("/u/jane.roe%2Bshop%40lindenpost.net/profile"), "/u/***/profile");
    EXPECT_EQ(masked("/u/%6aane%2540lindenpost.net"), "/u/***");
    EXPECT_EQ(masked("/of/%2B12065550144/x"), "/of/***/x");
    EXPECT_EQ(masked("kim@lindenpost.net"), "***");
    EXPECT_EQ(masked("A letter for kim@lindenpost.net only"), "A letter for *** only");
}

// NANPA, "About the NANP": NXX-NXX-XXXX, N of 2 to 9; CTIA and Attentive write such numbers so.
TEST(MaskingTest, TakesNumbersOfNorthAmericaOutThatHaveNoPlus)
{
    EXPECT_EQ(masked("/u/12065550144/profile"), "/u/***/profile");
    EXPECT_EQ(masked("2065550144"), "***");
    EXPECT_EQ(masked("/u/206-555-0144?x"), "/u/***?x");
    EXPECT_EQ(masked("We called (206) 555-0144, Ann: 1.206.555.0144!"), "We called ***, Ann: ***!");
    EXPECT_EQ(masked("10 206 555 0144 20"), "10 *** 20");
    EXPECT_EQ(masked("+1 206 555 0144"), "***");
    EXPECT_EQ(masked("/u/%28206%29%20555-0144"), "/u/***");
    EXPECT_EQ(masked("/call%20206%20555%200144"), "/***");
}

// E.164 writes it with the country's code, people without, or with the 0 or 00 that they dial.
TEST(MaskingTest, TakesTheNumberOfTheSubscriberOutHoweverItIsDialled)
{
    const std::vector<std::string> phones = {"+12065550144", "+4915112345678"};
    for (const auto* text : {"4915112345678", "004915112345678", "015112345678", "0151/12345678",
                             "0151 1234 5678", "151-12345678", "5550144"})
        EXPECT_EQ(masked(text, phones).find("345678"), std::string::npos) << text;
    EXPECT_EQ(masked("/u/4915112345678", phones), "/u/***");
    EXPECT_EQ(masked("/u/4915112345678"), "/u/4915112345678"); // an id as good as any
    EXPECT_EQ(masked("/u/345678", phones), "/u/345678");
}

TEST(MaskingTest, LeavesIdsTimesAndOrderNumbers)
{
    for (const auto* text :
         {"/orders/1042", "/orders/123456789", "/p/7891234567890", "/p/41234567890123", "20261121",
          "2026-11-21", "2026-11-21 10:00:00", "2026113010", "1795255200", "1795255200123",
          "/jeans-2065550144", "a2065550144", "20655501440", "1042065550144", "2111234567",
          "1162345678", "5 for 10, 20 for 30", "3 000 000 000"})
        EXPECT_EQ(masked(text), text);
}

TEST(MaskingTest, LeavesEverythingElse)
{
    for (const auto* text : {"", "/", "/sale/@home", "a@b", "@b.c", "+15 % off",
                             "/caf%C3%A9//x?y=1&z", "100 %", "3 + 4 = 7"})
        EXPECT_EQ(masked(text), text);
}

} // namespace
} // namespace gateway
