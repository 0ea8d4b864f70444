// Servers beside others: a standby takes nothing, and one that is away holds up the commits of its
// primary, and no more.
#include "gateway/store/applier.hpp"
#include "gateway/store/event_tail.hpp"
#include "gateway/store/log_keeper.hpp"
#include "gateway/store/migrations.hpp"
#include "gateway/store/observer.hpp"
#include "gateway/store/spool.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/gateway_process.hpp"
#include "support/process.hpp"
#include "support/servers.hpp"
#include "support/spool_events.hpp"
#include "support/story_store.hpp"
#include "support/waiting.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace gateway {
namespace {

using namespace test;
using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(StandbyTest, IsPassedByUntilItIsPromoted)
{
    const temporary_directory home;
    auto primary = embedded_cluster::start(home / "primary").value();
    ASSERT_TRUE(migrate(primary.url()).has_value());
    const auto primary_directory = socket_directory(primary.url());
    const postgres_server standby{primary_directory};
    const auto standby_url = standby.url("gateway");
    ASSERT_EQ(value(standby_url, "SELECT pg_is_in_recovery()"), "t");

    answers before;
    writer w{settings_for(standby_url + "," + primary_directory.string())};
    before.submit(w, click(1));
    EXPECT_EQ(before.count(disposition::accepted), 1U);
    EXPECT_EQ(value(primary.url(), "SELECT count(*) FROM gateway.source_event"), "1");
    ASSERT_TRUE(becomes(
        [&] { return value(standby_url, "SELECT count(*) FROM gateway.source_event") == "1"; }));

    primary.stop();
    answers away;
    away.submit(w, click(2));
    EXPECT_EQ(away.failed(), 1U) << "a standby takes nothing";
    EXPECT_TRUE(becomes([&] { return !w.available(); }));
    query(standby_url, "SELECT pg_promote()");

    await_available(w);
    answers after;
    after.submit(w, click(2));
    EXPECT_EQ(after.count(disposition::accepted), 1U);
    EXPECT_EQ(value(standby_url, "SELECT count(*) FROM gateway.source_event"), "2");
}

// The commands themselves, alone and where the primary is gone; what writes goes on refusing.
TEST(StandbyTest, IsReadByWhatOnlyReads)
{
    const temporary_directory home;
    auto primary = embedded_cluster::start(home / "primary").value();
    ASSERT_TRUE(migrate(primary.url()).has_value());
    {
        answers kept;
        writer w{settings_for(primary.url())};
        kept.submit(w, click(1));
        kept.submit(w, refused(R"({"type":"new"})"));
    }
    apply_all(primary.url());
    project_all(primary.url());
    const auto subscriber = value(primary.url(), "SELECT subscriber_id FROM gateway.identity");
    const auto company = value(primary.url(), "SELECT company_id FROM gateway.identity");
    const postgres_server standby{socket_directory(primary.url())};
    const auto alone = standby.url("gateway");
    ASSERT_TRUE(
        becomes([&] { return value(alone, "SELECT count(*) FROM gateway.quarantine") == "1"; }));
    const auto both = alone + "," + socket_directory(primary.url()).string();
    const auto says = [](const std::string& url, std::vector<std::string> command) {
        command.insert(command.begin(), GATEWAY_BINARY);
        command.insert(command.end(), {"--url", url});
        const auto done = run(command);
        return done.exit_code == 0 ? done.output : "failed: " + done.errors;
    };

    for (const bool primary_is_there : {true, false}) {
        const auto& url = primary_is_there ? alone : both;
        if (!primary_is_there)
            primary.stop();
        EXPECT_THAT(says(url, {"report"}), HasSubstr("message_performance"));
        EXPECT_THAT(says(url, {"report", "source_event"}), HasSubstr("sms.link_clicked"));
        const auto newest = event_tail{{.database_url = url, .company = {}, .type = {}}}.from_last(
            5); // `tail` has no end
        ASSERT_TRUE(newest) << newest.error().detail;
        EXPECT_EQ(newest.value().size(), 1U);
        EXPECT_THAT(
            says(url, {"explain-identity", "--company", company, "--subscriber", subscriber}),
            HasSubstr(subscriber));
        EXPECT_THAT(says(url, {"quarantine", "list"}), HasSubstr("type_unknown"));
        EXPECT_THAT(says(url, {"rebuild"}), HasSubstr("failed: "));
    }
}

// Whoever runs it so may have chosen it; nobody is to find out by a failover.
TEST(StandbyTest, OneThatNoCommitWaitsForIsSaidToCostTheLastMomentsOfAFailover)
{
    const postgres_server primary;
    query(primary.url("postgres"), "CREATE DATABASE gateway");
    const auto url = primary.url("gateway");
    ASSERT_TRUE(migrate(url).has_value());
    query(url, "CREATE ROLE daemon_user LOGIN IN ROLE gateway_writer");
    const postgres_server standby{primary.directory()};
    gateway_options options;
    options.database_url = as_user(url, "daemon_user"); // who may not see what a standby does
    options.migrate = false;
    gateway_process gateway{options};
    const auto doctor = [&] {
        return run({GATEWAY_BINARY, "doctor", "--config", gateway.config_file()}).output;
    };

    EXPECT_TRUE(becomes([&] {
        const auto ready = run({"curl", "-sf", gateway.admin_url() + "/readyz"});
        return ready.exit_code == 0 && ready.output.find("\"notes\":[\"a standby follows, and no "
                                                         "commit waits") != std::string::npos;
    }));
    EXPECT_TRUE(gateway.child().wait_for_output("a failover loses what was answered 200", 5s));
    const auto said = doctor();
    EXPECT_THAT(said, HasSubstr("warn replication   a standby follows, and no commit waits"));
    EXPECT_THAT(said, testing::Not(HasSubstr("Nothing here loses")));

    query(url, "ALTER SYSTEM SET synchronous_standby_names = '*'");
    query(url, "SELECT pg_reload_conf()");
    EXPECT_TRUE(becomes([&] {
        return doctor().find("ok   replication   each commit waits") != std::string::npos;
    }));
}

// A server whose commits wait for a standby that is away, for as long as a test likes: what an
// administrator ends then stands on one machine.
class AwayStandbyTest : public testing::Test {
protected:
    void SetUp() override
    {
        query(server_.url("postgres"), "CREATE DATABASE gateway");
        ASSERT_TRUE(migrate(url_).has_value());
    }

    void set_standby(const std::string& name) const
    {
        query(url_, "ALTER SYSTEM SET synchronous_standby_names = '" + name + "'");
        query(url_, "SELECT pg_reload_conf()");
    }

    bool somebody_waits() const
    {
        return value(url_, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") !=
               "0";
    }

    void end_waiting() const
    {
        query(url_, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
                    " WHERE wait_event = 'SyncRep'");
    }

    // Whether a transaction with `statement` waited, and stands on this machine by now.
    bool waits(const std::string& statement) const
    {
        std::atomic<bool> committed = false;
        std::thread commits{[&] {
            query(url_, statement);
            committed = true;
        }};
        bool waited = false;
        while (!waited && !committed)
            waited = somebody_waits();
        end_waiting();
        commits.join();
        return waited;
    }

    // The server's checkpointer takes it up in its own time.
    void lose_standby() const
    {
        set_standby("away");
        ASSERT_TRUE(
            becomes([&] { return waits("SELECT pg_logical_emit_message(true, 'test', '')"); }));
    }

    void leave_the_server_its_connections_for(std::chrono::seconds time);

    const postgres_server server_;
    const std::string url_ = server_.url("gateway");
};

// The sender, refused, sends again.
TEST_F(AwayStandbyTest, ADuplicateIsAnsweredOnlyWhenItsOriginalIsOnTheStandbyToo)
{
    writer w{settings_for(url_, 2)};
    ASSERT_TRUE(becomes([&] {
        return value(url_, "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user"
                           " AND state = 'idle' AND query LIKE '%gateway.append%'") == "2";
    }));
    answers before; // so that the month has its partition
    before.submit(w, click(2));
    ASSERT_EQ(before.count(disposition::accepted), 1U);

    lose_standby();
    answers refused_once;
    refused_once.submit(w, click(1));
    ASSERT_TRUE(becomes([&] { return somebody_waits(); }));
    EXPECT_EQ(refused_once.failed(), 1U);
    end_waiting();
    ASSERT_TRUE(
        becomes([&] { return value(url_, "SELECT count(*) FROM gateway.source_event") == "2"; }));
    answers again;
    again.submit(w, click(1));
    EXPECT_EQ(again.failed(), 1U) << "the event is on no standby";

    set_standby("");
    await_available(w);
    answers at_last;
    at_last.submit(w, click(1));
    EXPECT_EQ(at_last.count(disposition::accepted), 1U);
}

// PostgreSQL says of such a commit that it succeeded, and warns.
TEST_F(AwayStandbyTest, AnEventIsNotStoredWhenSomebodyEndsTheWaitOfItsCommit)
{
    query(url_, "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE WARNING 'of somebody else'; RETURN NULL; END $$;"
                "CREATE TRIGGER warn AFTER INSERT ON gateway.source_event EXECUTE FUNCTION warn()");
    writer w{settings_for(url_)};
    answers before;
    before.submit(w, click(1));
    EXPECT_EQ(before.count(disposition::accepted), 1U) << "any other warning is none of ours";

    lose_standby();
    std::atomic<bool> answered = false;
    std::thread administrator{[&] {
        while (!answered)
            end_waiting();
    }};
    answers refused;
    refused.submit(w, click(2));
    EXPECT_EQ(refused.failed(), 1U) << "the event is on no standby";
    answered = true;
    administrator.join();
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.source_event"), "2");
}

// Whose backend waits for a standby stays on the server when the client has gone.
void AwayStandbyTest::leave_the_server_its_connections_for(std::chrono::seconds time)
{
    const memory_directory home;
    spool_settings kept;
    kept.directory = home / "spool";
    kept.any_file_system = true;
    auto s = spool::open(kept).value();
    writer_settings settings = settings_for(url_, 2);
    settings.batch_deadline = 100ms;
    settings.map = as_click;
    settings.fallback.to = &s;
    const auto sessions = [&] {
        return std::stoi(value(url_, "SELECT count(*) FROM pg_stat_activity"
                                     " WHERE application_name LIKE 'attentive-gateway%'"));
    };
    answers all;
    {
        writer w{settings_for(url_)};
        all.submit(w, click(0)); // for the read models
        ASSERT_EQ(all.count(disposition::accepted), 1U);
    }
    lose_standby();
    int most = 0;
    unsigned events = 0;
    {
        writer w{settings};
        applier reports{{.database_url = url_, .map = as_click, .step_deadline = 300ms}};
        const database_observer observer{url_};
        const auto until = std::chrono::steady_clock::now() + time;
        EXPECT_TRUE(becomes(
            [&] {
                all.submit(w, click(static_cast<int>(++events)));
                most = std::max(most, sessions());
                return std::chrono::steady_clock::now() > until;
            },
            time + 20s));
        EXPECT_EQ(all.count(disposition::accepted), events + 1U);
        EXPECT_FALSE(w.direct());
        EXPECT_LE(most, 2 + 6) << "writers, and what else there is of the gateway";
        EXPECT_TRUE(becomes([&] {
            const auto trouble = w.status().trouble;
            return trouble && trouble->detail.find("SyncRep") != std::string::npos;
        }));

        set_standby("");

        EXPECT_TRUE(becomes([&] { return w.direct(); }, 5s));
        EXPECT_TRUE(becomes([&] { return s.status().events == 0; }));
    }
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.source_event"), std::to_string(events + 1));
    std::printf("%d sessions at most in %lld s\n", most, static_cast<long long>(time.count()));
}

TEST_F(AwayStandbyTest, ALongOutageLeavesTheServerItsConnections)
{
    leave_the_server_its_connections_for(2s);
}

TEST_F(AwayStandbyTest, DISABLED_AnOutageOfTenMinutesLeavesTheServerItsConnections)
{
    leave_the_server_its_connections_for(10min);
}

// Whoever makes a partition locks tables until its commit is over.
TEST_F(AwayStandbyTest, NobodyWaitsForItOverPartitions)
{
    query(url_, "INSERT INTO gateway.intake VALUES (0, '2031-01-01', 'w', 'e', 'k', '{}', '{}',"
                " '')");
    lose_standby();

    const auto kept = keep_partitions(url_);

    ASSERT_TRUE(kept) << kept.error().detail;
    EXPECT_EQ(kept.value(), std::vector<std::string>{"intake_2031_01_01"});
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.intake"), "1");
}

// A shop may repeat a call it is not sure of, too.
TEST_F(AwayStandbyTest, ARecordedEventIsRepeatedOnlyWhenItsOriginalIsOnTheStandbyToo)
{
    const auto record = [](const char* page) {
        return std::string{"SELECT gateway.record_event('shop', 'page.viewed', 'C',"
                           " '2026-03-01 10:00Z', '{\"email\": \"a@mail.org\"}',"
                           " 'https://shop.example.com/"} +
               page + "')";
    };
    query(url_, record("first")); // so that the month has its partition
    lose_standby();
    ASSERT_TRUE(waits(record("second")));
    ASSERT_EQ(value(url_, "SELECT count(*) FROM gateway.source_event"), "2");

    EXPECT_TRUE(waits(record("second"))) << "the event is on no standby";
}

TEST(StandbyTest, ADatabaseThatIsReadOnlyByDefaultIsAnOutageUntilItIsNot)
{
    const std::string url = fresh_database();
    const auto set = [name = value(url, "SELECT current_database()")](const std::string& to) {
        query(shared_cluster().url(),
              "ALTER DATABASE " + name + " SET default_transaction_read_only = " + to);
    };
    set("on");
    writer w{settings_for(url)};
    answers refused_events;
    refused_events.submit(w, click(1));
    EXPECT_EQ(refused_events.failed(), 1U);

    set("off");

    await_available(w);
    answers stored;
    stored.submit(w, click(1));
    EXPECT_EQ(stored.count(disposition::accepted), 1U);
}

} // namespace
} // namespace gateway
