// What the store says of its own health: threads that hang are told from threads that wait, and
// the database is asked without any traffic.
#include "gateway/store/observer.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/servers.hpp"

#include <gtest/gtest.h>

#include <future>
#include <thread>

namespace gateway::test {
namespace {

using namespace std::chrono_literals;

bool becomes_true(const std::function<bool()>& condition, std::chrono::milliseconds time)
{
    const auto deadline = std::chrono::steady_clock::now() + time;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
        std::this_thread::sleep_for(20ms);
    }
    return true;
}

// A writer's settings with a mapping that waits for `released`.
writer_settings held_until(const std::shared_future<void>& released)
{
    auto settings = settings_for(fresh_database());
    settings.map = [released](const verified_delivery& d) {
        released.wait();
        return as_given(d);
    };
    return settings;
}

TEST(StoreHealthTest, AThreadThatHangsIsSeenAndOneThatWaitsIsNot)
{
    std::promise<void> release;
    writer w{held_until(release.get_future().share())};
    await_available(w);
    std::this_thread::sleep_for(300ms);
    const auto waiting = w.status().stalled_for;
    answers received;

    received.submit(w, click(1));
    const bool seen = becomes_true([&w] { return w.status().stalled_for > 500ms; }, 5s);
    release.set_value();
    received.all();
    const bool gone = becomes_true([&w] { return w.status().stalled_for == 0ms; }, 5s);

    EXPECT_EQ(waiting, 0ms);
    EXPECT_TRUE(seen);
    EXPECT_TRUE(gone);
}

TEST(StoreHealthTest, TheInboxTellsWhatWaits)
{
    std::promise<void> release;
    writer w{held_until(release.get_future().share())};
    await_available(w);
    answers received;

    received.submit(w, click(1)); // taken by the thread, sooner or later
    received.submit(w, click(2));
    received.submit(w, click(3));
    const bool waits = becomes_true([&w] { return w.status().inbox_events >= 1; }, 5s);
    const auto bytes = w.status().inbox_bytes;
    release.set_value();
    received.all();

    EXPECT_TRUE(waits);
    EXPECT_GT(bytes, 0U);
    EXPECT_EQ(w.status().inbox_events, 0U);
}

TEST(StoreHealthTest, TheDatabaseIsReachedAndItsQuarantineIsCounted)
{
    const auto url = fresh_database();
    {
        writer w{settings_for(url)};
        await_available(w);
        answers received;
        for (const char* body : {"a", "b", "c"})
            received.submit(w, refused(body));
        ASSERT_EQ(received.count(disposition::quarantined), 3U);
    }
    apply_all(url);
    const database_observer observer{url};

    ASSERT_TRUE(becomes_true([&] { return observer.last().quarantine_waiting.has_value(); }, 5s));

    EXPECT_EQ(observer.last().quarantine_waiting, 3U);
    EXPECT_TRUE(observer.last().reachable);
    EXPECT_EQ(observer.last().trouble, "");
}

// What no partition ever takes, since a clock was wrong, waits for none.
TEST(StoreHealthTest, TheRowsThatWaitInDefaultForTheirPartitionAreCounted)
{
    const std::string url = fresh_database();
    query(url, "INSERT INTO gateway.intake SELECT 0, at, 'w', 'e', 'k', '{}', '{}', ''"
               " FROM unnest('{1716-01-01, 2031-01-01, 2031-01-02}'::timestamptz[]) at");
    const database_observer observer{url};

    ASSERT_TRUE(becomes_true([&] { return observer.last().default_rows.has_value(); }, 5s));
    EXPECT_EQ(observer.last().default_rows, 2U);
}

TEST(StoreHealthTest, AServerThatIsNotThereIsOutOfReachInWords)
{
    database_observer observer{"postgresql://nobody@127.0.0.1:1/nothing"};

    ASSERT_TRUE(becomes_true([&] { return observer.last().since.has_value(); }, 5s));

    EXPECT_FALSE(observer.last().reachable);
    EXPECT_NE(observer.last().trouble, "");
}

} // namespace
} // namespace gateway::test
