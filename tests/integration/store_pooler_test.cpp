// Debian's pgbouncer in transaction mode between the gateway and PostgreSQL: each transaction may
// meet another connection, and nothing of ours may live longer than one.
#include "gateway/store/durability.hpp"
#include "gateway/store/migrations.hpp"
#include "gateway/store/quarantine.hpp"
#include "gateway/store/spool.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/servers.hpp"
#include "support/waiting.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace gateway {
namespace {

using namespace test;
using namespace std::chrono_literals;

class PoolerTest : public testing::Test {
protected:
    pgbouncer pooler_{socket_directory(shared_cluster().url())};
};

std::string count(const std::string& url, const std::string& table)
{
    return value(url, "SELECT count(*) FROM gateway." + table);
}

TEST_F(PoolerTest, WritesDuplicatesQuarantineAndPartitionsWork)
{
    const std::string url = fresh_database();
    answers all;
    {
        writer w{settings_for(pooler_.before(url), 3)};
        await_available(w);
        for (int i = 0; i < 2'000; ++i)
            all.submit(w, i % 500 == 7 ? poison(i) : click(i % 1'500));
        for (int i = 0; i < 3; ++i)
            all.submit(w, refused("{}"));
        all.all();
    }

    EXPECT_EQ(all.failed(), 0U);
    EXPECT_EQ(all.count(disposition::accepted), 2'000U);
    EXPECT_EQ(all.count(disposition::quarantined), 3U);
    apply_all(pooler_.before(url));
    EXPECT_EQ(count(url, "source_event"), "1497");
    EXPECT_EQ(count(url, "source_event_default"), "0") << "partitions were made";
    EXPECT_EQ(count(url, "quarantine"), "5");
}

TEST_F(PoolerTest, LeavesNoSessionStateToOthers)
{
    const std::string url = fresh_database();
    set_for_database(url, "synchronous_commit", "off");
    answers all;
    {
        writer w{settings_for(pooler_.before(url))};
        for (int i = 0; i < 20; ++i)
            all.submit(w, click(i));
        EXPECT_EQ(all.count(disposition::accepted), 20U);
    }

    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(query(pooler_.before(url), "SELECT current_setting('synchronous_commit'),"
                                             " current_setting('lock_timeout'), count(*)"
                                             " FROM pg_prepared_statements"),
                  (std::vector<std::vector<std::string>>{{"off", "0", "0"}}));
    }
}

TEST_F(PoolerTest, ItsRestartLosesNothing)
{
    const std::string url = fresh_database();
    answers before;
    answers after;
    {
        writer w{settings_for(pooler_.before(url))};
        before.submit(w, click(1));
        EXPECT_EQ(before.count(disposition::accepted), 1U);
        pooler_.stop();
        answers away;
        away.submit(w, click(2));
        EXPECT_EQ(away.failed(), 1U);
        pooler_.start();

        await_available(w);
        after.submit(w, click(2));
        EXPECT_EQ(after.count(disposition::accepted), 1U);
    }
    EXPECT_EQ(count(url, "source_event"), "2");
}

TEST_F(PoolerTest, EventsSpooledWhileItWasAwayFollow)
{
    const std::string url = fresh_database();
    const temporary_directory home;
    spool_settings kept;
    kept.directory = home / "spool";
    kept.any_file_system = true;
    auto s = spool::open(kept).value();
    writer_settings settings = settings_for(pooler_.before(url));
    settings.fallback.to = &s;
    settings.map = [](const verified_delivery& d) {
        return click(std::stoi(d.body().substr(d.body().find("\"number\":") + 9))).what;
    };
    answers all;
    writer w{settings};
    pooler_.stop();
    for (int i = 0; i < 200; ++i)
        all.submit(w, click(i));
    EXPECT_EQ(all.count(disposition::accepted), 200U);

    pooler_.start();

    EXPECT_TRUE(becomes([&] { return count(url, "source_event") == "200"; }));
}

TEST_F(PoolerTest, ReplicasMigrateThroughItTogether)
{
    const std::string url = empty_database();
    std::vector<result<std::vector<std::string>>> applied(3, fail(errc::database_failed));
    std::vector<std::thread> replicas;

    for (auto& one : applied)
        replicas.emplace_back([&] { one = migrate(pooler_.before(url)); });
    for (auto& replica : replicas)
        replica.join();

    std::size_t migrations = 0;
    for (const auto& one : applied) {
        ASSERT_TRUE(one.has_value()) << one.error().detail;
        migrations += one.value().size();
    }
    // What one of them did: the steps, and the functions and views.
    EXPECT_EQ(std::to_string(migrations - 1), count(url, "schema_migration"));
    EXPECT_TRUE(check_schema(pooler_.before(url)).has_value());
    EXPECT_TRUE(check_durability(pooler_.before(url), false).has_value());
}

TEST_F(PoolerTest, TheQuarantineIsReplayedThroughIt)
{
    const std::string url = fresh_database();
    answers all;
    {
        writer w{settings_for(pooler_.before(url))};
        for (int i = 0; i < 30; ++i)
            all.submit(w, {click(i).delivery, refused("").what});
        EXPECT_EQ(all.count(disposition::quarantined), 30U);
    }
    apply_all(pooler_.before(url));
    replay_settings replay;
    replay.database_url = pooler_.before(url);
    replay.batch_events_max = 7;
    replay.map = [](const verified_delivery& d) {
        return click(std::stoi(d.body().substr(d.body().find("\"number\":") + 9))).what;
    };

    const auto listed = list_quarantine(pooler_.before(url), {}, 5);
    const auto report = replay_quarantine(replay);

    ASSERT_TRUE(listed.has_value()) << listed.error().detail;
    EXPECT_EQ(listed.value().matching, 30U);
    ASSERT_TRUE(report.has_value()) << report.error().detail;
    EXPECT_EQ(report.value().mapped, 30U);
    apply_all(url, replay.map);
    EXPECT_EQ(count(url, "source_event"), "30");
}

} // namespace
} // namespace gateway
