// The applier meets a fault at each of its calls: what was acknowledged is in the log once, in
// order, and nothing of it is counted twice.
#include "store/apply/apply_session.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/faulty_relay.hpp"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

namespace gateway {
namespace {

using namespace test;
using namespace std::chrono_literals;

constexpr int events_of_a_run = 8;

class ApplierFaultTest : public testing::Test {
protected:
    ApplierFaultTest() { spdlog::set_level(spdlog::level::off); }
    ~ApplierFaultTest() override { spdlog::set_level(spdlog::level::info); }

    // Clicks, one of them twice, a refusal, poison, and an order.
    void acknowledge()
    {
        const int first = 100 * ++runs_;
        answers all;
        writer w{settings_for(url_)};
        for (int i = 0; i < events_of_a_run; ++i)
            all.submit(w, click(first + i));
        all.submit(w, click(first));
        all.submit(w, refused("{\"run\":" + std::to_string(first) + "}"));
        all.submit(w, poison(first + 50));
        ASSERT_EQ(all.failed(), 0U);
        query(url_,
              "SELECT gateway.record_event('shop', 'order.completed', 'C', now(), '{\"email\":"
              " \"a@mail.org\"}', NULL, 'A-" +
                  std::to_string(first) + "', 1, 'USD')");
    }

    // One run with `plan`; returns the calls that it made.
    int run(const relay_plan& plan)
    {
        acknowledge();
        faulty_relay relay{url_, plan};
        apply_limits limits;
        if (plan.what != relay_harm::none)
            limits.deadline = 200ms;
        for (int tries = 0; tries < 5; ++tries) {
            try {
                call_deadlines deadlines;
                apply_session session{relay.url() + "&connect_timeout=2", as_known, deadlines,
                                      limits};
                while (session.round().deliveries > 0) {
                }
                break;
            } catch (const std::exception&) {
            }
        }
        apply_all(url_);
        return relay.calls();
    }

    void at_every_call(relay_harm what, bool forever)
    {
        const int calls = run({});
        EXPECT_GE(calls, 6);
        for (int at = 1; at <= calls + 1 && !HasFailure(); ++at) {
            run({what, at, forever});
            expect_all_once("call " + std::to_string(at));
        }
    }

    void expect_all_once(const std::string& when) const
    {
        const std::string runs = std::to_string(runs_);
        const std::string events = std::to_string(runs_ * (events_of_a_run + 1));
        EXPECT_EQ(query(url_, "SELECT count(*), max(position), count(DISTINCT position),"
                              " count(DISTINCT event_id), (SELECT sum(events) FROM gateway.step),"
                              " (SELECT position FROM gateway.log_state)"
                              " FROM gateway.source_event")[0],
                  (std::vector<std::string>(6, events)))
            << when;
        EXPECT_EQ(query(url_, "SELECT reason, count(*), sum(deliveries) FROM gateway.quarantine"
                              " GROUP BY 1 ORDER BY 1"),
                  (std::vector<std::vector<std::string>>{{"database_rejected", runs, runs},
                                                         {"type_unknown", runs, runs}}))
            << when;
        EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.source_event e JOIN gateway.delivery d"
                              " USING (intake_id, ordinal) WHERE d.body IS NOT NULL"),
                  std::to_string(runs_ * events_of_a_run))
            << when;
        EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.delivery WHERE body IS NOT NULL"),
                  std::to_string(runs_ * events_of_a_run))
            << when;
        EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.intake_waiting"), "0") << when;
    }

    std::string url_ = fresh_database();
    int runs_ = 0;
};

TEST_F(ApplierFaultTest, ALostCallIsMadeAgain)
{
    at_every_call(relay_harm::lose_call, false);
}

TEST_F(ApplierFaultTest, ACommitThatNobodyHeardOfIsAppliedOnce)
{
    at_every_call(relay_harm::lose_answer, false);
}

TEST_F(ApplierFaultTest, ASilentServerIsLeftAtTheDeadline)
{
    at_every_call(relay_harm::hold_answer, false);
}

// A plan is made for an empty log or month, where the planner cannot tell the key's index from one
// that has company and time too: with that, each event walks all of its company.
TEST(ApplierTest, AStepFindsAnEventByItsKeyThoughTheLogWasEmptyAtFirst)
{
    const std::string url = fresh_database();
    const auto acknowledge = [&url](int first, int n) {
        answers all;
        writer w{settings_for(url)};
        for (int i = 0; i < n; ++i)
            all.submit(w, click(first + i));
    };
    constexpr int steps = 5;
    constexpr int events_of_a_step = 100;
    {
        call_deadlines deadlines;
        apply_session session{url, as_known, deadlines};
        acknowledge(0, 1);
        session.round();
        std::this_thread::sleep_for(1'100ms); // by then it has noticed
        for (int step = 0; step < steps; ++step) {
            acknowledge(1 + step * events_of_a_step, events_of_a_step);
            session.round();
        }
    }

    EXPECT_EQ(value(url, "SELECT position FROM gateway.log_state"),
              std::to_string(1 + steps * events_of_a_step));
    const auto looked_up_by = [&url](const std::string& index) {
        return std::stoi(value(url, "SELECT sum(idx_scan) FROM pg_stat_user_indexes WHERE relname"
                                    " LIKE 'source_event_2%' AND indexrelname LIKE '%" +
                                        index + "%'"));
    };
    // The session says at its end what it did.
    EXPECT_TRUE(becomes([&] { return looked_up_by("") >= steps * events_of_a_step; }));
    EXPECT_GE(looked_up_by("pkey"), steps * events_of_a_step);
    EXPECT_LE(looked_up_by("subscriber"), 1);
}

TEST(AwaitAppliedTest, SaysHowManyNobodyApplies)
{
    const std::string url = fresh_database();
    answers all;
    {
        writer w{settings_for(url)};
        all.submit(w, click(1));
        all.submit(w, click(2));
    }

    EXPECT_EQ(await_applied(url).value(), 2U);
    apply_all(url);
    EXPECT_EQ(await_applied(url).value(), 0U);
}

} // namespace
} // namespace gateway
