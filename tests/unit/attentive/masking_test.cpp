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

TEST(MaskingTest, LeavesEverythingElse)
{
    for (const auto* text : {"", "/", "/sale/@home", "/p/12065550144", "a@b", "@b.c", "+15 % off",
                             "/caf%C3%A9//x?y=1&z", "100 %", "3 + 4 = 7"})
        EXPECT_EQ(masked(text), text);
}

} // namespace
} // namespace gateway
