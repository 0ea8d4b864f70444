// Text forms of bytes, against the published vectors and at their edges.
#include "gateway/base/encoding.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

TEST(EncodingTest, ReadsHexDigitsOfEitherCaseAndNothingElse)
{
    EXPECT_EQ(hex_value('0'), 0);
    EXPECT_EQ(hex_value('9'), 9);
    EXPECT_EQ(hex_value('a'), 10);
    EXPECT_EQ(hex_value('F'), 15);
    for (const char other : {'/', ':', '@', 'G', '`', 'g', '\0'})
        EXPECT_EQ(hex_value(other), -1) << other;
}

// RFC 4648, section 10.
TEST(EncodingTest, WritesBase64AsTheRfcsVectors)
{
    EXPECT_EQ(to_base64(""), "");
    EXPECT_EQ(to_base64("f"), "Zg==");
    EXPECT_EQ(to_base64("fo"), "Zm8=");
    EXPECT_EQ(to_base64("foo"), "Zm9v");
    EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
    EXPECT_EQ(to_base64("\xFB\xFF"), "+/8=");
}

TEST(EncodingTest, ReadsBase64InEitherAlphabetPaddedOrNot)
{
    EXPECT_EQ(from_base64("Zm9vYmFy"), "foobar");
    EXPECT_EQ(from_base64("Zg=="), "f");
    EXPECT_EQ(from_base64("Zg"), "f");
    EXPECT_EQ(from_base64("Zm8="), "fo");
    EXPECT_EQ(from_base64("+/8="), "\xFB\xFF");
    EXPECT_EQ(from_base64("-_8"), "\xFB\xFF");
    for (const char* other : {"", "==", "Z", "Zm9vY", "Zm9 ", "Zm9v\n", "Z=9v"})
        EXPECT_EQ(from_base64(other), std::nullopt) << other;
}

TEST(EncodingTest, ReadsPairsOfHexDigitsAndNothingElse)
{
    EXPECT_EQ(from_hex("00fFa0"), std::string("\0\xFF\xA0", 3));
    for (const char* other : {"", "0", "000", "0g", "0x00", " 00", "00 "})
        EXPECT_EQ(from_hex(other), std::nullopt) << other;
}

TEST(EncodingTest, EscapesInAJsonStringWhatHasToBe)
{
    std::string out;

    append_json_string(out, std::string_view{"a\"\\\n\x01\0é", 8});

    EXPECT_EQ(out, R"("a\"\\\n\u0001\u0000é")");
}

} // namespace
} // namespace gateway
