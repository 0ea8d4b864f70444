// Host, path and campaign of links, also of those that no standard allows.
#include "attentive/link.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

using utm_values = std::array<std::string, 5>;

TEST(LinkTest, TakesTheDocumentedLinkApart)
{
    const auto parts = parse_link("https://testsite.com/?utm_medium=text&utm_source=attentive"
                                  "&utm_campaign=exampletext");

    ASSERT_TRUE(parts);
    EXPECT_EQ(parts->host, "testsite.com");
    EXPECT_EQ(parts->path, "/");
    EXPECT_EQ(parts->utm, (utm_values{"attentive", "text", "exampletext", "", ""}));
}

TEST(LinkTest, LowersTheHostAndKeepsThePathEncoded)
{
    const auto parts = parse_link("HTTPS://user@Shop.Example.COM:8443/A%20b/C?x=1#frag");

    ASSERT_TRUE(parts);
    EXPECT_EQ(parts->host, "shop.example.com");
    EXPECT_EQ(parts->path, "/A%20b/C");
}

TEST(LinkTest, TakesTheFirstParameterThatIsNotBlankInAnyCase)
{
    const auto parts = parse_link("https://a.example?UTM_SOURCE=&utm_Source=%20&utm_source=one"
                                  "&utm_source=two&utm%5Fterm=t&utm_content");

    ASSERT_TRUE(parts);
    EXPECT_EQ(parts->utm, (utm_values{"one", "", "", "", "t"}));
}

TEST(LinkTest, DecodesPlusAndPercentOnce)
{
    const auto parts = parse_link("https://a.example/?utm_source=a+b%20c%2Bd%2520e"
                                  "&utm_medium=%C3%A9&utm_campaign=%E9");

    ASSERT_TRUE(parts);
    EXPECT_EQ(parts->utm, (utm_values{"a b c+d%20e", "é", "%E9", "", ""}));
}

TEST(LinkTest, EncodesWhatALinkMayNotHoldBeforeGivingUp)
{
    const auto parts =
        parse_link("https://a.example/{id}/é x|y\"z?utm_source=50%&utm_medium=<a>#one#two");

    ASSERT_TRUE(parts);
    EXPECT_EQ(parts->host, "a.example");
    EXPECT_EQ(parts->path, "/%7Bid%7D/%C3%A9%20x%7Cy%22z");
    EXPECT_EQ(parts->utm, (utm_values{"50%", "<a>", "", "", ""}));
}

TEST(LinkTest, ReadsHostsBeyondAsciiAndAddresses)
{
    EXPECT_EQ(parse_link("https://bücher.example/")->host, "bücher.example");
    EXPECT_EQ(parse_link("http://[2001:DB8::1]/p q")->host, "[2001:db8::1]");
    EXPECT_EQ(parse_link("mailto:jane@a.example")->host, "");
}

TEST(LinkTest, RefusesWhatIsNoAbsoluteLink)
{
    for (const auto* link : {"", "shop now", "/path?utm_source=x", "://a", "https://a:b:c/",
                             "https://[::1/", "a.example/path", "1https://a/"})
        EXPECT_FALSE(parse_link(link)) << link;
}

TEST(LinkTest, SurvivesLongLinks)
{
    EXPECT_TRUE(parse_link("https://a.example/?" + std::string(200'000, '&')));
    EXPECT_TRUE(parse_link("https://a.example/" + std::string(200'000, ' ')));
    EXPECT_FALSE(parse_link(std::string(200'000, ':')));
}

} // namespace
} // namespace gateway
