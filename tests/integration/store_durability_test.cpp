// Servers that cannot be trusted with a 200: weak settings, wherever they are made.
#include "gateway/store/durability.hpp"
#include "gateway/store/migrations.hpp"
#include "gateway/store/spool.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/gateway_process.hpp"
#include "support/servers.hpp"
#include "support/waiting.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace gateway {
namespace {

using namespace test;
using namespace std::chrono_literals;
using testing::HasSubstr;

// Lets every batch tell how its commit will wait.
void record_commits(const std::string& url)
{
    query(url, "CREATE TABLE public.seen AS SELECT ''::text AS setting LIMIT 0;"
               "GRANT ALL ON public.seen TO PUBLIC;"
               "CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
               " INSERT INTO public.seen VALUES (current_setting('synchronous_commit'));"
               " RETURN NULL; END $$;"
               "CREATE TRIGGER note AFTER INSERT ON gateway.intake FOR EACH ROW"
               " EXECUTE FUNCTION public.note()");
}

// How a batch of a writer that connects by `as` commits.
std::string commit_seen(const std::string& url, const std::string& as, int number)
{
    answers all;
    {
        writer w{settings_for(as)};
        all.submit(w, click(number));
    }
    EXPECT_EQ(all.count(disposition::accepted), 1U);
    return value(url, "WITH last AS (DELETE FROM public.seen RETURNING setting)"
                      " SELECT string_agg(setting, ' ') FROM last");
}

TEST(SynchronousCommitTest, NeitherRoleNorDatabaseNorClusterTurnsItOff)
{
    const postgres_server server;
    query(server.url("postgres"), "CREATE DATABASE gateway");
    const auto url = server.url("gateway");
    ASSERT_TRUE(migrate(url).has_value());
    query(url, "CREATE ROLE daemon_user LOGIN IN ROLE gateway_writer");
    record_commits(url);
    const std::vector<std::pair<std::string, std::string>> ways = {
        {"ALTER ROLE daemon_user SET synchronous_commit = off",
         "ALTER ROLE daemon_user RESET synchronous_commit"},
        {"ALTER DATABASE gateway SET synchronous_commit = off",
         "ALTER DATABASE gateway RESET synchronous_commit"},
        {"ALTER ROLE daemon_user IN DATABASE gateway SET synchronous_commit = off",
         "ALTER ROLE daemon_user IN DATABASE gateway RESET synchronous_commit"},
        {"ALTER SYSTEM SET synchronous_commit = off", "ALTER SYSTEM RESET synchronous_commit"},
    };
    int number = 0;
    for (const auto& [weaken, undo] : ways) {
        query(url, weaken);
        query(url, "SELECT pg_reload_conf()");
        ASSERT_TRUE(becomes([&] {
            return value(as_user(url, "daemon_user"), "SHOW synchronous_commit") == "off";
        })) << weaken;

        EXPECT_EQ(commit_seen(url, as_user(url, "daemon_user"), ++number), "on") << weaken;

        query(url, undo);
    }
}

// A cursor over positions may have passed them: after a crash they would be other events'.
TEST(SynchronousCommitTest, APositionThatAnybodySawIsThereAfterACrash)
{
    postgres_server server;
    query(server.url("postgres"), "CREATE DATABASE gateway");
    const auto url = server.url("gateway");
    ASSERT_TRUE(migrate(url).has_value());
    const char* const seen = "SELECT position FROM gateway.log_state";
    for (int number = 1; number <= 5; ++number) {
        answers all;
        {
            writer w{settings_for(url)};
            all.submit(w, click(number));
        }
        apply_all(url);
        ASSERT_EQ(value(url, seen), std::to_string(number));

        server.stop(); // without a checkpoint, and what only memory had is gone
        server.start();

        EXPECT_EQ(value(url, seen), std::to_string(number));
    }
}

// `local` and `remote_write` wait for no disk but one: behind a synchronous standby that is less
// than the cluster promises.
TEST(SynchronousCommitTest, WaitsForEachDiskThatTheClusterWaitsFor)
{
    const std::string url = fresh_database();
    record_commits(url);
    int number = 0;
    for (const auto& [setting, seen] :
         std::map<std::string, std::string>{{"local", "on"},
                                            {"remote_write", "on"},
                                            {"on", "on"},
                                            {"remote_apply", "remote_apply"}}) {
        set_for_database(url, "synchronous_commit", setting);

        EXPECT_EQ(commit_seen(url, url, ++number), seen) << setting;
    }
}

// One server for the whole of fsync's story: starting it takes seconds.
class WeakServerTest : public testing::Test {
protected:
    void SetUp() override
    {
        query(server_.url("postgres"), "CREATE DATABASE gateway");
        ASSERT_TRUE(migrate(url_).has_value());
    }

    void set(const std::string& setting, const std::string& to)
    {
        query(url_, "ALTER SYSTEM SET " + setting + " = " + to);
        query(url_, "SELECT pg_reload_conf()");
        ASSERT_TRUE(becomes([&] { return value(url_, "SHOW " + setting) == to; }));
    }

    postgres_server server_;
    std::string url_ = server_.url("gateway");
};

TEST_F(WeakServerTest, IsNotWrittenToFromTheStartUnlessAccepted)
{
    set("fsync", "off");

    const auto refused = check_durability(url_, false);
    gateway_options options;
    options.database_url = url_;
    gateway_process waiting{options};
    const auto says_why = becomes([&] {
        return run({"curl", "-s", waiting.admin_url() + "/readyz"})
                   .output.find("PostgreSQL runs with fsync = off") != std::string::npos;
    });

    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error().code, errc::database_failed);
    EXPECT_THAT(refused.error().detail, HasSubstr("accept_weak_durability"));
    EXPECT_TRUE(check_durability(url_, true).has_value());
    EXPECT_TRUE(says_why);
    EXPECT_THAT(waiting.child().errors(), HasSubstr("PostgreSQL runs with fsync = off"));

    set("fsync", "on");
    EXPECT_TRUE(becomes([&] {
        return run({"curl", "-sf", waiting.admin_url() + "/readyz"}).exit_code == 0;
    }));
}

TEST_F(WeakServerTest, IsWrittenToWithAnAlarmWhenAccepted)
{
    set("fsync", "off");
    set("full_page_writes", "off");
    gateway_options options;
    options.database_url = url_;
    options.database = "accept_weak_durability = true\n";

    gateway_process gateway{options};

    ASSERT_TRUE(becomes([&] {
        return run({"curl", "-sf", gateway.admin_url() + "/readyz"}).exit_code == 0;
    }));
    EXPECT_THAT(gateway.child().errors(), HasSubstr("\"error\",\"message\":\"PostgreSQL runs with "
                                                    "fsync = off, as accepted"));
    EXPECT_THAT(gateway.child().errors(), HasSubstr("full_page_writes = off"));
}

TEST_F(WeakServerTest, MetAtALaterConnectIsSpooledBeforeUntilItIsSound)
{
    set("fsync", "off");
    const temporary_directory home;
    spool_settings kept;
    kept.directory = home / "spool";
    kept.any_file_system = true;
    auto s = spool::open(kept).value();
    writer_settings settings = settings_for(url_);
    settings.fallback.to = &s;
    settings.map = as_click;
    answers all;
    {
        writer w{settings};
        for (int i = 0; i < 50; ++i)
            all.submit(w, click(i));
        EXPECT_EQ(all.count(disposition::accepted), 50U);
        EXPECT_FALSE(w.direct());
        EXPECT_EQ(s.status().events, 50U);
        EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.source_event"), "0");

        set("fsync", "on");

        EXPECT_TRUE(becomes([&] { return w.direct() && s.status().events == 0; }));
    }
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.source_event"), "50");
}

} // namespace
} // namespace gateway
