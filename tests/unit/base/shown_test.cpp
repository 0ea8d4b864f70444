// What becomes of a stranger's text before people see it.
#include "gateway/base/shown.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

TEST(ShownTest, NamesAndPathsStayAsTheyAre)
{
    EXPECT_EQ(shown("sms.message_link_clicked", 60), "sms.message_link_clicked");
    EXPECT_EQ(shown("/webhooks/%41-~", 60), "/webhooks/%41-~");
    EXPECT_EQ(shown("", 60), "");
}

TEST(ShownTest, WhateverCouldPassForSomethingElseIsPercentEncoded)
{
    EXPECT_EQ(shown("a b,c\"d'e\\f<g>", 60), "a%20b%2Cc%22d%27e%5Cf%3Cg%3E");
    EXPECT_EQ(shown("\x1b[31m\r\n\x7f", 60), "%1B%5B31m%0D%0A%7F");
    EXPECT_EQ(shown("\xc3\xa9", 60), "%C3%A9");
    EXPECT_EQ(shown(std::string_view{"\0", 1}, 60), "%00");
}

TEST(ShownTest, IsCut)
{
    EXPECT_EQ(shown("12345", 5), "12345");
    EXPECT_EQ(shown("123456", 5), "12345...");
    EXPECT_EQ(shown(std::string(100'000, '\n'), 6), "%0A%0A...");
}

} // namespace
} // namespace gateway
