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
    request_head typed = head_of("POST", "/a");
    typed.content_type = "application/jsonp";
    request_head unsized = head_of("POST", "/a");
    unsized.body = body_framing::none;
    request_head large = head_of("POST", "/a");
    large.content_length = 101;

    EXPECT_EQ(refusal(head_of("POST", "/c")), errc::target_unknown);
    EXPECT_EQ(refusal(head_of("POST", "*")), errc::target_unknown);
    EXPECT_EQ(refusal(head_of("GET", "/a")), errc::method_not_allowed);
    EXPECT_EQ(refusal(head_of("post", "/a")), errc::method_not_allowed);
    EXPECT_EQ(refusal(typed), errc::media_type_unsupported);
    EXPECT_EQ(refusal(unsized), errc::length_required);
    EXPECT_EQ(refusal(large), errc::body_too_large);
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
