// Handles and the text they appear in. The registry is the process's: names here are the test's.
#include "gateway/base/metrics.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

bool shows(const std::string& line)
{
    return ("\n" + metrics_text()).find("\n" + line + "\n") != std::string::npos;
}

TEST(MetricsTest, EqualNamesAndLabelsAreOneMetric)
{
    const metric_labels red = {{"colour", "red"}};

    make_counter("test_apples_total", "Apples.", red).add();
    make_counter("test_apples_total", "Apples.", red).add(2);
    make_counter("test_apples_total", "Apples.", {{"colour", "green"}}).add();

    EXPECT_TRUE(shows("test_apples_total{colour=\"red\"} 3"));
    EXPECT_TRUE(shows("test_apples_total{colour=\"green\"} 1"));
    EXPECT_TRUE(shows("# HELP test_apples_total Apples."));
}

TEST(MetricsTest, TimesAreObservedInSeconds)
{
    const auto h = make_histogram("test_wait_seconds", "Waiting.", {0.1, 1});

    h.observe(std::chrono::milliseconds{250});

    EXPECT_TRUE(shows("test_wait_seconds_bucket{le=\"0.1\"} 0"));
    EXPECT_TRUE(shows("test_wait_seconds_bucket{le=\"1\"} 1"));
    EXPECT_TRUE(shows("test_wait_seconds_sum 0.25"));
}

TEST(MetricsTest, ALabelMayHoldAnythingAndShowsNoControlCharacter)
{
    make_gauge("test_company", "Of a sender.", {{"company", "a\"b\\c\nd\x1b[2J\x7f\xc2\x9b"}})
        .set(7);

    EXPECT_TRUE(shows(R"(test_company{company="a\"b\\c\\u000ad\\u001b[2J\\u007f\\u009b"} 7)"));
}

TEST(MetricsTest, AHandleThatWasNotMadeCountsNothing)
{
    counter{}.add();
    gauge{}.set(1);
    histogram{}.observe(1.0);
}

} // namespace
} // namespace gateway
