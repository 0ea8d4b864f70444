// Durations and sizes with their units, and nothing that only looks like them.
#include "app/config/units.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

using namespace std::chrono_literals;

TEST(UnitsTest, ReadsDurations)
{
    EXPECT_EQ(parse_duration("250ms"), 250ms);
    EXPECT_EQ(parse_duration("5s"), 5s);
    EXPECT_EQ(parse_duration("2m"), 2min);
    EXPECT_EQ(parse_duration("3h"), 3h);
    EXPECT_EQ(parse_duration("0s"), 0s);
}

TEST(UnitsTest, ReadsSizes)
{
    EXPECT_EQ(parse_size("17B"), 17U);
    EXPECT_EQ(parse_size("256KiB"), 262'144U);
    EXPECT_EQ(parse_size("2GiB"), 2'147'483'648U);
    EXPECT_EQ(parse_size("64MB"), 64'000'000U);
    EXPECT_EQ(parse_size("1KB"), 1'000U);
}

TEST(UnitsTest, RefusesWhatHasNoUnitOrIsNoWholeNumber)
{
    for (const char* text : {"", "5", "s", "5 s", " 5s", "5s ", "-5s", "+5s", "1.5s", "5S", "5sec",
                             "5m30s", "0x5s", "99999999999999999999s", "18446744073709551615h"})
        EXPECT_FALSE(parse_duration(text)) << text;
    for (const char* text : {"", "5", "KiB", "5 KiB", "-1B", "1.5MiB", "5kib", "5K", "5TiB",
                             "18446744073709551615GiB"})
        EXPECT_FALSE(parse_size(text)) << text;
}

TEST(UnitsTest, ShowsWhatItReads)
{
    for (const char* text : {"0ms", "250ms", "5s", "75s", "2m", "1h", "1500ms"})
        EXPECT_EQ(duration_text(*parse_duration(text)), text);
    for (const char* text : {"0B", "17B", "256KiB", "8MiB", "2GiB", "64MB"})
        EXPECT_EQ(size_text(*parse_size(text)), text);
}

TEST(UnitsTest, ReadsDaysAndTimesAsListsPrintThem)
{
    EXPECT_EQ(to_string(*parse_time("2026-11-21")), "2026-11-21T00:00:00.000Z");
    EXPECT_EQ(to_string(*parse_time("2024-02-29T23:59:59Z")), "2024-02-29T23:59:59.000Z");
    EXPECT_EQ(to_string(*parse_time("2026-11-21T10:00:00.250Z")), "2026-11-21T10:00:00.250Z");
    for (const char* text : {"", "2026", "2026-11-31", "2025-02-29", "2026-13-01", "0000-01-01",
                             "2026-11-21T24:00:00Z", "2026-11-21T10:60:00Z", "2026-11-21 10:00:00Z",
                             "2026-11-21T10:00:00", "2026-11- 1", "2026-11-+1",
                             "2026-11-21T10:00:00.250z", "yesterday", "2026-11-21T-1:00:00Z"})
        EXPECT_FALSE(parse_time(text)) << text;
}

} // namespace
} // namespace gateway
