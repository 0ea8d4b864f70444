// Times as answers and logs show them.
#include "gateway/base/time.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

TEST(TimeTest, ShowsMillisecondsInUtc)
{
    EXPECT_EQ(to_string(timestamp{std::chrono::milliseconds{1632945178104}}),
              "2021-09-29T19:52:58.104Z");
}

TEST(TimeTest, ShowsTimesBeforeTheEpoch)
{
    EXPECT_EQ(to_string(timestamp{std::chrono::milliseconds{-1}}), "1969-12-31T23:59:59.999Z");
}

} // namespace
} // namespace gateway
