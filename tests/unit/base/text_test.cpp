// Blank, lower case, UTF-8 and percent-decoding.
#include "gateway/base/encoding.hpp"
#include "gateway/base/text.hpp"

#include "attentive/json_document.hpp"
#include "support/corpora.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace gateway {
namespace {

TEST(TextTest, TrimsWhiteSpaceAndNoBreakSpaces)
{
    EXPECT_EQ(trimmed(" \t\r\n\v\f\xC2\xA0 a b\xC2\xA0 "), "a b");
    EXPECT_EQ(trimmed("\xC2\xA0"), "");
    EXPECT_EQ(trimmed(""), "");
    EXPECT_EQ(trimmed("à"), "à"); // its last byte is 0xA0
}

TEST(TextTest, LowersAsciiOnly)
{
    EXPECT_EQ(ascii_lower("AZaz09É[@"), "azaz09É[@");
}

TEST(TextTest, DecodesPercentAndPlus)
{
    EXPECT_EQ(percent_decoded("a%20b%2B+c%c3%a9", true), "a b+ cé");
    EXPECT_EQ(percent_decoded("a+b", false), "a+b");
    EXPECT_EQ(percent_decoded("50%", true), "50%");
    EXPECT_EQ(percent_decoded("%4", true), "%4");
    EXPECT_EQ(percent_decoded("%41", true), "A");
    EXPECT_EQ(percent_decoded("%zz%4g", true), "%zz%4g");
}

TEST(TextTest, KeepsEncodedWhatWouldNotBeUtf8)
{
    EXPECT_EQ(percent_decoded("%ff+x", true), "%ff+x");
    EXPECT_EQ(percent_decoded("%C3", true), "%C3");
}

// Lines of the corpus: "num:valid:text", "num:valid hex:digits", "num:invalid hex:digits:…".
TEST(TextTest, AgreesWithUtf8Tests)
{
    const auto file = corpora() / "utf8tests/utf8tests.txt";
    GATEWAY_SKIP_WITHOUT(file);
    std::istringstream lines{file_text(file)};
    int valid = 0;
    int invalid = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line.front() == '#')
            continue;
        const auto kind_at = line.find(':') + 1;
        const auto value_at = line.find(':', kind_at) + 1;
        const std::string kind{trimmed(line.substr(kind_at, value_at - kind_at - 1))};
        const auto value = line.substr(value_at);
        std::string digits = value.substr(0, value.find(':'));
        std::erase(digits, ' ');
        const std::string bytes = kind == "valid" ? value : from_hex(digits).value_or("");
        const bool expected = kind.rfind("valid", 0) == 0;
        ++(expected ? valid : invalid);

        EXPECT_EQ(is_utf8(bytes), expected) << line;

        // The JSON reader's verdict is the same, but for what JSON does not allow in a string.
        const bool json_text =
            std::none_of(bytes.begin(), bytes.end(), [](unsigned char c) { return c < 0x20; }) &&
            bytes.find_first_of("\"\\") == std::string::npos;
        const auto read = parse_json('"' + bytes + '"');
        EXPECT_EQ(std::holds_alternative<json_document>(read), expected && json_text) << line;
    }
    EXPECT_GT(valid, 30);
    EXPECT_GT(invalid, 100);
}

} // namespace
} // namespace gateway
