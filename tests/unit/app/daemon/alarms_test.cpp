// When somebody is told, and when not: keys, refusals and silence, over hours that pass in no time.
#include "app/daemon/alarms.hpp"

#include "app/daemon/health.hpp"
#include "gateway/base/metrics.hpp"
#include "gateway/listener/misdirected.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

config one_endpoint(const std::string& name)
{
    config c;
    c.endpoints.push_back({name, "/hook", {{"k", {}}}});
    return c;
}

counter good(const std::string& endpoint)
{
    return make_counter("attentive_gateway_signatures_verified_total",
                        "Deliveries whose signature was made with this key.",
                        {{"endpoint", endpoint}, {"key_id", "k"}});
}

counter wrong(const std::string& endpoint)
{
    return make_counter("attentive_gateway_signature_failures_total",
                        "Deliveries refused for their signature, which no signing key made.",
                        {{"endpoint", endpoint}, {"reason", "signature_mismatch"}});
}

process_state taking()
{
    process_state s;
    s.database_takes_events = true;
    s.database.reachable = true;
    s.spool = spool_status{};
    return s;
}

class AlarmsTest : public testing::Test {
protected:
    AlarmsTest() : before_(spdlog::default_logger())
    {
        auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(log_);
        spdlog::set_default_logger(std::make_shared<spdlog::logger>("", std::move(sink)));
        spdlog::set_pattern("%l %v");
    }
    ~AlarmsTest() override { spdlog::set_default_logger(before_); }

    // One look after `time` more; what was logged.
    std::string look(alarms& watch, const process_state& s, std::chrono::milliseconds time)
    {
        at_ += time;
        log_.str("");
        watch.look(s, at_);
        return log_.str();
    }

    static process_state seen(const alarms& watch, process_state s)
    {
        watch.add_to(s);
        return s;
    }

    timestamp at_ = now() - std::chrono::days{10};
    std::ostringstream log_;
    std::shared_ptr<spdlog::logger> before_;
};

TEST_F(AlarmsTest, NothingButWrongSignaturesForFiveMinutesIsTheKey)
{
    const std::string name = "wrong-key";
    alarms watch{one_endpoint(name)};
    wrong(name).add(9);
    EXPECT_THAT(look(watch, taking(), 1s), IsEmpty());
    EXPECT_THAT(look(watch, taking(), 10min), IsEmpty()); // fewer than ten
    wrong(name).add(1);

    EXPECT_THAT(look(watch, taking(), 1s), HasSubstr("nothing but wrong signatures"));
    EXPECT_THAT(look(watch, taking(), 1s), IsEmpty()); // once
    const auto s = seen(watch, taking());
    ASSERT_EQ(s.wrong_keys.size(), 1U);
    EXPECT_EQ(s.wrong_keys[0].failures, 10U);
    EXPECT_EQ(s.refusing_since, s.wrong_keys[0].since);
    EXPECT_THAT(status_line(s), HasSubstr("compare its signing key"));

    good(name).add();
    EXPECT_THAT(look(watch, taking(), 1s), HasSubstr("a signature is right again"));
    EXPECT_THAT(seen(watch, taking()).wrong_keys, IsEmpty());
}

TEST_F(AlarmsTest, OneRightSignatureBetweenWrongOnesIsEnough)
{
    const std::string name = "mixed";
    alarms watch{one_endpoint(name)};
    for (int i = 0; i < 10; ++i) {
        wrong(name).add(50);
        EXPECT_THAT(look(watch, taking(), 4min), IsEmpty());
        good(name).add();
        EXPECT_THAT(look(watch, taking(), 1s), IsEmpty());
    }
}

TEST_F(AlarmsTest, AReloadKeepsWhatWasCounted)
{
    const std::string name = "reloaded";
    const config c = one_endpoint(name);
    alarms watch{c};
    wrong(name).add(10);
    look(watch, taking(), 1s);

    watch.serve(c);

    EXPECT_THAT(look(watch, taking(), 6min), HasSubstr("nothing but wrong signatures"));
}

TEST_F(AlarmsTest, RefusalsAreToldHourlyAndLouderUntilAttentiveGivesUp)
{
    alarms watch{config{}};
    auto s = taking();
    s.accepting = false;
    s.writing.refusing_since = at_;
    EXPECT_THAT(look(watch, s, 30s), IsEmpty()); // one 503 under load
    EXPECT_THAT(look(watch, s, 31s), HasSubstr("warning nothing was taken since"));
    EXPECT_THAT(look(watch, s, 59min), IsEmpty());
    EXPECT_THAT(look(watch, s, 1min), HasSubstr("2 days left"));

    EXPECT_THAT(look(watch, s, 30h), HasSubstr("error nothing was taken"));
    EXPECT_THAT(look(watch, s, 35h), HasSubstr("critical nothing was taken"));
    EXPECT_THAT(look(watch, s, 12h), HasSubstr("has given up on the first of them"));

    s = taking();
    EXPECT_THAT(look(watch, s, 1s), HasSubstr("events are taken again"));
    EXPECT_THAT(look(watch, s, 1s), IsEmpty());
}

TEST_F(AlarmsTest, TheCountdownStandsWhereAnOperatorReads)
{
    auto s = taking();
    s.refusing_since = now() - 10h;
    EXPECT_THAT(degraded_because(s).front(), HasSubstr("2 days left"));
    EXPECT_THAT(not_ready_because(s), IsEmpty());

    s.accepting = false;
    EXPECT_THAT(not_ready_because(s).back(), HasSubstr("Attentive gives up"));
    EXPECT_THAT(degraded_because(s), IsEmpty());
}

counter strays(int status)
{
    return misdirected_requests(status);
}

TEST_F(AlarmsTest, SignedRequestsThatAreAnswered404ForMinutesAreTold)
{
    const std::string name = "stray";
    alarms watch{one_endpoint(name)};
    good(name).add();
    EXPECT_THAT(look(watch, taking(), 1s), IsEmpty());
    strays(404).add(20);
    EXPECT_THAT(look(watch, taking(), 1s), IsEmpty());
    EXPECT_THAT(look(watch, taking(), 10min), IsEmpty()); // a burst, and no more
    strays(404).add();

    EXPECT_THAT(look(watch, taking(), 1s), HasSubstr("21 requests with a signature were answered"));
    EXPECT_THAT(look(watch, taking(), 1s), IsEmpty()); // once
    const auto s = seen(watch, taking());
    ASSERT_EQ(s.strays.size(), 1U);
    EXPECT_EQ(s.strays[0].status, 404);
    EXPECT_EQ(s.refusing_since, s.strays[0].since); // nothing else was taken since
    EXPECT_THAT(status_line(s), HasSubstr("compare the path of the URL in Attentive"));
    EXPECT_THAT(not_ready_because(s), IsEmpty());

    good(name).add();
    EXPECT_EQ((look(watch, taking(), 1s), seen(watch, taking()).refusing_since), std::nullopt);
    EXPECT_THAT(look(watch, taking(), 59min), IsEmpty());
    EXPECT_THAT(look(watch, taking(), 1min), HasSubstr("no signed request was answered 404"));
    EXPECT_THAT(seen(watch, taking()).strays, IsEmpty());
}

TEST_F(AlarmsTest, OneStrayNowAndThenIsNobodysMistake)
{
    alarms watch{config{}};
    for (int i = 0; i < 5; ++i) {
        strays(405).add(2);
        EXPECT_THAT(look(watch, taking(), 25h), IsEmpty());
    }
}

TEST_F(AlarmsTest, FeedsBeyondTheWatchAreSaidAloudOnce)
{
    alarms watch{config{}};
    auto s = taking();
    s.database.feeds_left_out = 7;

    EXPECT_THAT(look(watch, s, 1s), HasSubstr("7 pairs of company and type of event are beyond"));
    EXPECT_THAT(look(watch, s, 1s), IsEmpty());
    EXPECT_THAT(status_line(s), HasSubstr("report.feed_silence"));
}

process_state silent_since(timestamp newest)
{
    auto s = taking();
    s.database.feeds = {{"C", "sms.sent", newest, 40min, true},
                        {"C", "sms.subscribed", newest, 40min, false}};
    return s;
}

TEST_F(AlarmsTest, AFeedThatFallsSilentAndReturnsIsToldOnceEach)
{
    alarms watch{config{}};
    auto s = silent_since(at_ - 7h);
    EXPECT_THAT(look(watch, s, 1s), IsEmpty()); // just started
    EXPECT_THAT(look(watch, s, 14min), IsEmpty());
    EXPECT_THAT(seen(watch, s).silent, IsEmpty());

    const auto told = look(watch, s, 1min);
    EXPECT_THAT(told, HasSubstr("data stopped: no sms.sent of company C since"));
    EXPECT_THAT(told, Not(HasSubstr("sms.subscribed")));
    EXPECT_THAT(look(watch, s, 1s), IsEmpty());
    ASSERT_EQ(seen(watch, s).silent.size(), 1U);
    EXPECT_THAT(status_line(seen(watch, s)), HasSubstr("Event Webhook Status"));
    EXPECT_THAT(not_ready_because(seen(watch, s)), IsEmpty());

    s.database.feeds[0].is_silent = false;
    s.database.feeds[0].newest_event = at_;
    EXPECT_THAT(look(watch, s, 1s), HasSubstr("sms.sent of company C comes again"));
    EXPECT_THAT(look(watch, s, 1s), IsEmpty());
}

TEST_F(AlarmsTest, OurOwnFaultsAreNoSendersSilence)
{
    const auto silent = silent_since(at_ - 7h);
    std::vector<process_state> ours(5, silent);
    ours[0].database.reachable = false;
    ours[1].database_takes_events = false;
    ours[2].draining = true;
    ours[3].spool->events = 3;
    ours[4].writing.refusing_since = at_ + 1h;
    for (const auto& s : ours) {
        alarms watch{config{}};
        look(watch, s, 1s);
        EXPECT_THAT(look(watch, s, 20min), IsEmpty());
        EXPECT_THAT(seen(watch, s).silent, IsEmpty());
    }
}

TEST_F(AlarmsTest, ADeliveryThatStaysInTheSpoolDoesNotHideSilenceForGood)
{
    alarms watch{config{}};
    auto s = silent_since(at_ - 7h);
    s.spool->events = 1;
    look(watch, s, 1s);

    EXPECT_THAT(look(watch, s, 59min), IsEmpty());
    EXPECT_THAT(look(watch, s, 10min), HasSubstr("data stopped"));
}

TEST_F(AlarmsTest, ReportsThatLagAndEventsSetAsideAreNamed)
{
    auto s = taking();
    s.database.projection = projection_lag{3, 1'200, 0, 59s};
    EXPECT_THAT(degraded_because(s), IsEmpty());

    s.database.projection = projection_lag{3, 1'200, 2, 3min};

    ASSERT_EQ(degraded_because(s).size(), 2U);
    EXPECT_THAT(degraded_because(s)[0],
                HasSubstr("3 deliveries wait for the log and 1200 events for the read models, the "
                          "oldest for 3 min"));
    EXPECT_THAT(degraded_because(s)[1], HasSubstr("attentive-gateway rebuild"));
}

} // namespace
} // namespace gateway
