// Attentive's global ids and the message key made of them.
#include "gateway/attentive/gid.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

TEST(GidTest, DecodesTheDocumentedIds)
{
    EXPECT_EQ(gid_decoded("MDc6Q29tcGFueTU"), "07:Company5");
    EXPECT_EQ(gid_decoded("MDc6TWVzc2FnZTEyNzI1MA"), "07:Message127250");
    EXPECT_EQ(gid_decoded("MTY6RW1haWxNZXNzYWdlU2VudDI"), "16:EmailMessageSent2");
    EXPECT_EQ(gid_decoded("MTY6TWVzc2FnZUxpbmtDbGljazI"), "16:MessageLinkClick2");
    EXPECT_EQ(gid_decoded("MTY6Q3VzdG9tUHJvcGVydHlJZGlkOiAiMjg3Igo"),
              "16:CustomPropertyIdid: \"287\"");
}

TEST(GidTest, DecodesPaddedUrlSafeAndDecodedForms)
{
    EXPECT_EQ(gid_decoded(" MDc6TWVzc2FnZTE= "), "07:Message1");
    EXPECT_EQ(gid_decoded("07:Message1"), "07:Message1");
    EXPECT_EQ(gid_decoded("MDc6Tf-_"), std::nullopt); // base64url, but not UTF-8
    EXPECT_EQ(gid_decoded("MDQ6TsO_w78x"), "04:Nÿÿ1");
    EXPECT_EQ(gid_decoded("MDQ6TsO/w78x"), "04:Nÿÿ1");
}

TEST(GidTest, DecodesNothingElse)
{
    for (const auto* id : {"", "=", "A", "MDc6TWVzc2FnZTE!", "MDc6T", "aGVsbG8", "7:Message1",
                           "07:1", "07-Message1", "MDc6"})
        EXPECT_EQ(gid_decoded(id), std::nullopt) << id;
}

TEST(GidTest, EncodesWhatItDecodes)
{
    EXPECT_EQ(gid_encoded("Message", 1), "MDc6TWVzc2FnZTE");
    EXPECT_EQ(gid_encoded("Message", 127250), "MDc6TWVzc2FnZTEyNzI1MA");
    EXPECT_EQ(gid_encoded("EmailMessageSent", 2), "MTY6RW1haWxNZXNzYWdlU2VudDI");
    for (std::uint64_t n = 1; n < 100'000'000'000; n *= 7)
        EXPECT_EQ(gid_decoded(gid_encoded("Company", n)), "07:Company" + std::to_string(n));
}

TEST(GidTest, JoinsTheThreeFormsOfAMessageId)
{
    for (const auto* id : {"MDc6TWVzc2FnZTE", "07:Message1", "1", " 1 ", "MDc6TWVzc2FnZTE="})
        EXPECT_EQ(message_key(id), "Message:1") << id;
}

TEST(GidTest, GivesNoKeyToIdsOfAnotherSpace)
{
    for (const auto* id : {"MTY6RW1haWxNZXNzYWdlU2VudDI", "MDc6Q29tcGFueTU", "07:Message",
                           "07:Message1x", "07:Messages1", "", "  "})
        EXPECT_EQ(message_key(id), "") << id;
}

TEST(GidTest, KeepsIdsThatDoNotDecode)
{
    EXPECT_EQ(message_key(" welcome-1 "), "raw:welcome-1");
    EXPECT_EQ(message_key("-1"), "raw:-1");
}

} // namespace
} // namespace gateway
