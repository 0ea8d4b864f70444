// The writer with a fault at call N, for every N of its steps: connect, looks at the server, empty
// batch, partitions, batch, search for poison, reconnect. The promise: what was answered stands in
// the database or in the spool, once; with a spool everything is answered.
#include "gateway/store/drain_by_hand.hpp"
#include "gateway/store/spool.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/faulty_relay.hpp"
#include "support/spool_events.hpp"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <map>

namespace gateway {
namespace {

using namespace test;

constexpr int run_size = 100; // numbers a run may use
constexpr int poisoned = 20;  // within a run: a value that PostgreSQL refuses
constexpr int unmapped = 21;  // refused by the mapping

normalized what_is(int number)
{
    switch (number % run_size) {
    case poisoned: return poison(number).what;
    case unmapped: return refused("").what;
    default: return click(number).what;
    }
}

normalized map_by_number(const verified_delivery& d)
{
    return what_is(std::stoi(d.body().substr(d.body().find("\"number\":") + 9)));
}

class WriterFaultTest : public testing::Test {
protected:
    WriterFaultTest() { spdlog::set_level(spdlog::level::off); }
    ~WriterFaultTest() override { spdlog::set_level(spdlog::level::info); }

    // Numbers from `first` whose rows the database has, with how many: events and quarantine.
    std::map<int, int> found(int first) const
    {
        std::map<int, int> out;
        const std::string number = "substring(convert_from(body, 'UTF8') FROM '\"number\":(\\d+)')";
        for (const auto& row :
             query(url_, "SELECT n, count(*) FROM (SELECT " + number +
                             "::int AS n FROM gateway.delivery JOIN gateway.source_event"
                             " USING (intake_id, ordinal) UNION ALL SELECT " +
                             number + "::int FROM gateway.quarantine) all_rows WHERE n >= " +
                             std::to_string(first) + " GROUP BY n"))
            out[std::stoi(row[0])] = std::stoi(row[1]);
        return out;
    }

    // One run with `plan`, in two batches at least; returns the calls that it made.
    int run(const relay_plan& plan, bool with_spool)
    {
        const int first = run_size * runs_++;
        const memory_directory home;
        spool_settings kept;
        kept.directory = home / "spool";
        kept.any_file_system = true;
        auto s = spool::open(kept).value();
        faulty_relay relay{url_, plan};
        writer_settings settings = settings_for(relay.url() + "&connect_timeout=2");
        // Without harm none is met, however busy the machine.
        settings.batch_deadline =
            std::chrono::milliseconds{plan.what == relay_harm::none ? 20'000 : 150};
        settings.map = map_by_number;
        if (with_spool)
            settings.fallback.to = &s;
        answers all;
        {
            writer w{settings};
            for (int i = 0; i <= unmapped; ++i)
                all.submit(w, {click(first + i).delivery, what_is(first + i)});
            all.all();
            for (int i = unmapped + 1; i < unmapped + 5; ++i)
                all.submit(w, {click(first + i).delivery, what_is(first + i)});
            all.all();
        }
        drain_settings by_hand;
        by_hand.database_url = url_;
        by_hand.map = map_by_number;
        EXPECT_TRUE(drain(s, by_hand).has_value());

        const auto received = all.all();
        const auto rows = found(first);
        for (std::size_t i = 0; i < received.size(); ++i) {
            const int number = first + static_cast<int>(i);
            const int times = rows.count(number) != 0 ? rows.at(number) : 0;
            EXPECT_TRUE(received[i].has_value() || !with_spool) << number;
            EXPECT_EQ(times, received[i].has_value() ? 1 : times) << number;
            EXPECT_LE(times, 1) << number;
        }
        return relay.calls();
    }

    // Every N of a run without harm, and a few behind it.
    void at_every_call(relay_harm what, bool forever, bool with_spool)
    {
        const int calls = run({}, with_spool);
        EXPECT_GE(calls, 10);
        for (int at = 1; at <= calls + 2 && !HasFailure(); ++at) {
            SCOPED_TRACE("call " + std::to_string(at));
            run({what, at, forever}, with_spool);
        }
    }

    std::string url_ = fresh_database();
    int runs_ = 0;
};

TEST_F(WriterFaultTest, ALostCallIsNeverAnAnswer)
{
    at_every_call(relay_harm::lose_call, false, true);
    at_every_call(relay_harm::lose_call, false, false);
    at_every_call(relay_harm::lose_call, true, true);
}

TEST_F(WriterFaultTest, ACommitThatNobodyHeardOfIsStoredOnce)
{
    at_every_call(relay_harm::lose_answer, false, true);
    at_every_call(relay_harm::lose_answer, false, false);
    at_every_call(relay_harm::lose_answer, true, true);
}

TEST_F(WriterFaultTest, HalfAnAnswerIsNone)
{
    at_every_call(relay_harm::cut_answer, false, true);
    at_every_call(relay_harm::cut_answer, false, false);
}

TEST_F(WriterFaultTest, ASilentServerIsLeftAtTheDeadline)
{
    at_every_call(relay_harm::hold_call, false, true);
    at_every_call(relay_harm::hold_answer, false, true);
}

} // namespace
} // namespace gateway
