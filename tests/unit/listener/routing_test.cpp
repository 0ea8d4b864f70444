// What a request's head alone decides: the plan, or the refusal before any body.
#include "listener/routing.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace gateway {
namespace {

const std::vector<route> routes{{"/a", "first", "X-Sign", {}}, {"/b", "second", "X-Other", {}}};

request_head head_of(std::string_view method, std::string_view target)
{
    request_head head;
    head.method = method;
    head.target = target;
    head.body = body_framing::length;
    head.content_length = 10;
    return head;
}

std::optional<errc> refusal(const request_head& head)
{
    const auto planned = plan_request(head, routes, 100);
    if (planned.has_error())
        return planned.error().code;
    return std::nullopt;
}

TEST(RoutingTest, APostGoesToTheEndpointOfItsPath)
{
    const auto planned = plan_request(head_of("POST", "/b?x=1"), routes, 100);

    ASSERT_TRUE(planned.has_value());
    EXPECT_EQ(planned.value().to, &routes[1]);
}

TEST(RoutingTest, OnlyTheEndpointsOwnSignatureHeaderIsCollected)
{
    request_head head = head_of("POST", "/a");
    head.fields = {{"x-sign", "1"}, {"X-Other", "2"}, {"X-SIGN", "3"}, {"X-Sign-", "4"}};

    const auto planned = plan_request(head, routes, 100);

    EXPECT_EQ(planned.value().signatures, (std::vector<std::string>{"1", "3"}));
}

TEST(RoutingTest, EachRefusalHasItsCode)
{
    request_head encoded = head_of("POST", "/a");
    encoded.encoded = true;
    request_head expecting = head_of("GET", "/healthz");
    expecting.expects_else = true;
    request_head unsized = head_of("POST", "/a");
    unsized.body = body_framing::none;
    request_head large = head_of("POST", "/a");
    large.content_length = 101;

    EXPECT_EQ(refusal(head_of("POST", "/c")), errc::target_unknown);
    EXPECT_EQ(refusal(head_of("POST", "*")), errc::target_unknown);
    EXPECT_EQ(refusal(head_of("GET", "/a")), errc::method_not_allowed);
    for (const char* method : {"CONNECT", "TRACE"}) {
        EXPECT_EQ(refusal(head_of(method, "/a")), errc::method_not_allowed);
        EXPECT_EQ(refusal(head_of(method, "/c")), errc::method_not_allowed);
    }
    EXPECT_EQ(refusal(head_of("post", "/a")), errc::method_not_allowed);
    EXPECT_EQ(refusal(encoded), errc::media_type_unsupported);
    EXPECT_EQ(refusal(expecting), errc::framing_invalid);
    EXPECT_EQ(refusal(unsized), errc::length_required);
    EXPECT_EQ(refusal(large), errc::body_too_large);
}

TEST(RoutingTest, AMethodThatNobodyKnowsAndAnExpectationHaveStatusesOfTheirOwn)
{
    request_head expecting = head_of("POST", "/a");
    expecting.expects_else = true;

    EXPECT_EQ(status_of(head_of("TRACE", "/c"), errc::method_not_allowed), 405);
    EXPECT_EQ(status_of(head_of("post", "/a"), errc::method_not_allowed), 501);
    EXPECT_EQ(status_of(head_of("BREW", "/c"), *refusal(head_of("BREW", "/c"))), 501);
    EXPECT_EQ(status_of(expecting, *refusal(expecting)), 417);
}

TEST(RoutingTest, ThePathIsShownWithoutItsQueryAndHarmless)
{
    const auto shown_of = [](std::string_view target) {
        return shown_path(head_of("POST", target));
    };
    const std::string longest(1'000, 'x');

    EXPECT_EQ(shown_of("/webhooks/attentive/?token=secret"), "/webhooks/attentive/");
    EXPECT_EQ(shown_of("https://user@a/b?c"), "/b");
    EXPECT_EQ(shown_of("/a,\"b\x1b[31m\n%0a"), "/a%2C%22b%1B%5B31m%0A%0a");
    EXPECT_EQ(shown_of("/" + longest), "/" + longest.substr(0, 119) + "...");
}

TEST(RoutingTest, ASignatureOfTheRightFormTellsADeliveryFromAProbe)
{
    request_head head = head_of("POST", "/nowhere");
    EXPECT_FALSE(seems_signed(head, routes));
    head.fields = {{"x-sign", "probe"}, {"X-Nobodys", "0123456789abcdef"}};
    EXPECT_FALSE(seems_signed(head, routes));

    const std::string digits(64, 'a');
    head.fields = {{"x-OTHER", digits}};

    EXPECT_TRUE(seems_signed(head, routes));
}

TEST(RoutingTest, HealthIsAskedInTheWaysBalancersDo)
{
    for (const auto& [method, target] :
         {std::pair{"GET", "/healthz"}, {"HEAD", "/healthz"}, {"OPTIONS", "*"}, {"OPTIONS", "/"}}) {
        const auto planned = plan_request(head_of(method, target), routes, 100);
        ASSERT_TRUE(planned.has_value()) << method << target;
        EXPECT_EQ(planned.value().to, nullptr);
    }
}

} // namespace
} // namespace gateway
