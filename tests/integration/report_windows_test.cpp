// Windows of reports: hours, both ends in, whatever the time zone of the session that asks, on the
// days of 2026 when clocks change too.
#include "projected_log.hpp"
#include "support/cluster.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

using namespace test;

// The one value that `select` has for sessions in three time zones.
std::string everywhere(const std::string& url, const std::string& select)
{
    const std::string answer = value(url, "SET timezone = 'UTC'; " + select);
    for (const std::string zone : {"America/New_York", "Australia/Lord_Howe"})
        EXPECT_EQ(value(url, "SET timezone = '" + zone + "'; " + select), answer) << zone;
    return answer;
}

// A person who clicked, and whose order came so long after it.
std::string touch_of(const std::string& clicked, const std::string& ordered)
{
    const std::string url = fresh_database();
    append_event(url, {.at = clicked, .action = "link_clicked"});
    append_event(url, {.at = ordered, .action = "completed", .channel = "order"});
    return everywhere(url, "SELECT coalesce(touch, 'none') FROM report.attributed_orders");
}

// Attentive's five days: 120 hours, over an hour that clocks repeat or leave out.
TEST(ReportWindowsTest, AClickHasTheCreditForAHundredAndTwentyHours)
{
    EXPECT_EQ(touch_of("2026-10-29 12:00", "2026-11-03 12:00"), "click");
    EXPECT_EQ(touch_of("2026-10-29 12:00", "2026-11-03 12:00:00.001"), "none");
    EXPECT_EQ(touch_of("2026-03-04 12:00", "2026-03-09 12:00"), "click");
    EXPECT_EQ(touch_of("2026-03-04 12:00", "2026-03-09 12:00:00.001"), "none");
}

TEST(ReportWindowsTest, AnOptOutIsChargedToTheLastSendForAHundredAndSixtyEightHours)
{
    for (const auto& [zone, sent, left] :
         {std::array{"America/New_York", "2026-10-29 12:00", "2026-11-05 12:00"},
          std::array{"Australia/Lord_Howe", "2026-10-01 12:00", "2026-10-08 12:00"}}) {
        const std::string url = fresh_database();
        set_for_database(url, "timezone", zone);
        append_event(url, {.at = sent, .action = "sent"});
        append_event(url, {.at = left, .action = "unsubscribed"});
        append_event(url, {.at = sent, .action = "sent", .subscriber = "2"});
        append_event(
            url,
            {.at = std::string{left} + ":00.001", .action = "unsubscribed", .subscriber = "2"});
        project_step_by_step(url);

        EXPECT_EQ(value(url, "SELECT unsubscribed_7d FROM report.message_performance"), "1")
            << zone;
    }
}

TEST(ReportWindowsTest, AReplyAnswersWhatWasSentWithinFortyEightHours)
{
    const std::string url = fresh_database();
    append_event(url, {.at = "2026-10-31 12:00", .action = "sent"});
    append_event(url, {.at = "2026-11-02 12:00", .action = "inbound_received"});
    append_event(url, {.at = "2026-11-02 12:00:00.001", .action = "inbound_received"});

    EXPECT_EQ(everywhere(url, "SELECT string_agg(coalesce(reply_after::text, 'none'), ' '"
                              " ORDER BY occurred_at) FROM report.inbound_messages"),
              "2 days none");
}

} // namespace
} // namespace gateway
