// A database that is there and cannot be written to, because of its schema or of the login: the
// real daemon starts, spools, says what somebody has to do, and goes on by itself once it was done.
#include "support/cluster.hpp"
#include "support/gateway_process.hpp"
#include "support/servers.hpp"
#include "support/waiting.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <thread>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using test::gateway_options;
using test::gateway_process;
using test::run;
using testing::HasSubstr;
using testing::Not;

constexpr auto upgrade_patience = 90s;

std::string admin_says(const gateway_process& gateway, const std::string& path)
{
    return run({"curl", "-sS", "-m", "5", gateway.admin_url() + path}).output;
}

bool admin_shows(const gateway_process& gateway, const std::string& path, const std::string& what)
{
    return test::becomes([&] { return admin_says(gateway, path).find(what) != std::string::npos; },
                         upgrade_patience);
}

// The sample's whole line: the metric's own help begins like it.
bool metric_becomes(const gateway_process& gateway, const std::string& sample)
{
    return admin_shows(gateway, "/metrics", "\n" + sample + "\n");
}

// The answers' statuses, as `send` counts them.
std::string statuses_of(const gateway_process& gateway, int count, const std::string& seed)
{
    return run({GATEWAY_BINARY, "send", "--url", gateway.url(), "--ca", gateway.certificate(),
                "--key-file", gateway.key_file(), "--type", "all", "--unique", "--seed", seed,
                "--count", std::to_string(count)})
        .output;
}

class UpgradeTest : public testing::Test {
protected:
    gateway_options with_spool(const std::string& url) const
    {
        gateway_options options;
        options.configuration =
            "[spool]\ndirectory = '" + (home_ / "spool").string() + "'\nany_file_system = true\n";
        options.database_url = url;
        options.migrate = false;
        return options;
    }

    static bool has_stored(const std::string& url, const std::string& rows)
    {
        return test::becomes(
            [&] { return test::value(url, "SELECT count(*) FROM gateway.source_event") == rows; },
            upgrade_patience);
    }

    // A migration that this program does not know, and that serves programs `behind` before it.
    static void add_unknown_migration(const std::string& url, int behind)
    {
        test::query(url, "INSERT INTO gateway.schema_migration (version, name, sha256, serves_from)"
                         " SELECT max(version) + 1, 'of_tomorrow', 'x', max(version) + " +
                             std::to_string(1 - behind) + " FROM gateway.schema_migration");
    }

    test::temporary_directory home_;
};

TEST_F(UpgradeTest, SpoolsUntilTheSchemaWasMadeAndGoesDirectByItself)
{
    const std::string url = test::empty_database();
    gateway_process gateway{with_spool(url)};

    EXPECT_THAT(statuses_of(gateway, 30, "1"), HasSubstr("status 200       30\n"));
    EXPECT_TRUE(admin_shows(gateway, "/readyz", "attentive-gateway migrate"));
    EXPECT_THAT(admin_says(gateway, "/readyz"), HasSubstr("\"status\":\"ready\""));
    EXPECT_TRUE(metric_becomes(gateway, "attentive_gateway_schema_unfit 1"));
    EXPECT_THAT(gateway.child().errors(), HasSubstr("\"error\""));

    const auto migrated = run({GATEWAY_BINARY, "migrate", "--url", url});

    EXPECT_EQ(migrated.exit_code, 0) << migrated.errors;
    EXPECT_TRUE(has_stored(url, "30"));
    EXPECT_TRUE(metric_becomes(gateway, "attentive_gateway_database_taking_events 1"));
    EXPECT_TRUE(metric_becomes(gateway, "attentive_gateway_schema_unfit 0"));
}

TEST_F(UpgradeTest, AnUpgradeBeforeItsMigrationSpoolsUntilThatWasApplied)
{
    const std::string url = test::fresh_database();
    test::query(url, "CREATE TABLE public.newest AS SELECT * FROM gateway.schema_migration"
                     " ORDER BY version DESC LIMIT 1;"
                     "DELETE FROM gateway.schema_migration USING public.newest"
                     " WHERE schema_migration.version = newest.version");
    gateway_process gateway{with_spool(url)};

    EXPECT_THAT(statuses_of(gateway, 30, "2"), HasSubstr("status 200       30\n"));
    EXPECT_TRUE(admin_shows(gateway, "/readyz", "older than this program"));
    EXPECT_EQ(test::value(url, "SELECT count(*) FROM gateway.source_event"), "0");

    test::query(url, "INSERT INTO gateway.schema_migration SELECT * FROM public.newest");

    EXPECT_TRUE(has_stored(url, "30"));
}

TEST_F(UpgradeTest, TheProgramOfYesterdayServesASchemaThatOnlyAdded)
{
    const std::string url = test::fresh_database();
    gateway_process gateway{with_spool(url)};

    add_unknown_migration(url, 1); // with functions of its own
    test::query(url, "UPDATE gateway.schema_file SET sha256 = 'x', program = '{9999}'");
    EXPECT_THAT(statuses_of(gateway, 30, "3"), HasSubstr("status 200       30\n"));
    gateway.child().signal(SIGTERM);
    EXPECT_EQ(gateway.child().wait(upgrade_patience), 0);
    gateway.restart();

    EXPECT_TRUE(metric_becomes(gateway, "attentive_gateway_database_taking_events 1"));
    EXPECT_THAT(statuses_of(gateway, 30, "4"), HasSubstr("status 200       30\n"));
    EXPECT_TRUE(has_stored(url, "60"));
    EXPECT_THAT(gateway.child().errors(), Not(HasSubstr("newer than")));
}

TEST_F(UpgradeTest, FunctionsAreAppliedAgainBeneathARunningProgram)
{
    const std::string url = test::fresh_database();
    gateway_process gateway{with_spool(url)};
    ASSERT_TRUE(metric_becomes(gateway, "attentive_gateway_database_taking_events 1"));

    std::thread upgrades{[&] {
        for (int n = 0; n < 5; ++n) {
            test::query(url, "UPDATE gateway.schema_file SET sha256 = 'x' WHERE place = 0");
            const auto migrated = run({GATEWAY_BINARY, "migrate", "--url", url});
            EXPECT_EQ(migrated.exit_code, 0) << migrated.errors;
        }
    }};
    const auto statuses = statuses_of(gateway, 2000, "10");
    upgrades.join();

    EXPECT_THAT(statuses, HasSubstr("status 200       2000\n"));
    EXPECT_TRUE(has_stored(url, "2000"));
    EXPECT_TRUE(metric_becomes(gateway, "attentive_gateway_schema_unfit 0"));
}

TEST_F(UpgradeTest, ASchemaThatServesThisProgramNoMoreIsSpooledBefore)
{
    const std::string url = test::fresh_database();
    add_unknown_migration(url, 0);
    gateway_process gateway{with_spool(url)};

    EXPECT_THAT(statuses_of(gateway, 30, "5"), HasSubstr("status 200       30\n"));
    EXPECT_TRUE(admin_shows(gateway, "/readyz", "newer than this program"));
    EXPECT_EQ(test::value(url, "SELECT count(*) FROM gateway.source_event"), "0");

    test::query(url, "DELETE FROM gateway.schema_migration WHERE name = 'of_tomorrow'");

    EXPECT_TRUE(has_stored(url, "30"));
}

TEST_F(UpgradeTest, WithoutASpoolEventsGet503UntilTheSchemaWasMade)
{
    const std::string url = test::empty_database();
    gateway_options options;
    options.database_url = url;
    options.migrate = false;
    gateway_process gateway{options};

    EXPECT_TRUE(admin_shows(gateway, "/readyz", "attentive-gateway migrate"));
    EXPECT_THAT(admin_says(gateway, "/readyz"), Not(HasSubstr("\"status\":\"ready\"")));
    EXPECT_THAT(statuses_of(gateway, 3, "6"), HasSubstr("status 503       3\n"));

    ASSERT_EQ(run({GATEWAY_BINARY, "migrate", "--url", url}).exit_code, 0);

    ASSERT_TRUE(admin_shows(gateway, "/readyz", "\"status\":\"ready\""));
    EXPECT_THAT(statuses_of(gateway, 3, "7"), HasSubstr("status 200       3\n"));
}

TEST_F(UpgradeTest, ServeThatWasToldToMigrateDoesSoWhenItsDatabaseComes)
{
    const test::postgres_server server;
    auto options = with_spool(server.url("gateway"));
    options.migrate = true;
    gateway_process gateway{options};
    EXPECT_THAT(statuses_of(gateway, 30, "8"), HasSubstr("status 200       30\n"));

    test::query(server.url("postgres"), "CREATE DATABASE gateway");

    ASSERT_TRUE(metric_becomes(gateway, "attentive_gateway_database_taking_events 1"));
    EXPECT_TRUE(has_stored(server.url("gateway"), "30"));
}

class LoginTest : public UpgradeTest {
protected:
    // `postgres` needs no password there, and everybody else does.
    static void want_passwords(const test::postgres_server& server)
    {
        test::write_file(server.directory() / "data" / "pg_hba.conf",
                         "local all postgres trust\nlocal all all scram-sha-256\n");
        test::query(server.url("postgres"), "SELECT pg_reload_conf()");
    }
};

TEST_F(LoginTest, AWrongPasswordIsAnErrorThatSomebodyIsToldOf)
{
    const test::postgres_server server;
    const std::string url = server.url("postgres");
    ASSERT_EQ(run({GATEWAY_BINARY, "migrate", "--url", url}).exit_code, 0);
    test::query(url, "CREATE ROLE writer LOGIN PASSWORD 'right' IN ROLE gateway_writer");
    want_passwords(server);
    test::write_file(home_ / "password", "changed-since\n");
    auto options = with_spool(test::as_user(url, "writer"));
    options.database = "password = { file = '" + (home_ / "password").string() + "' }\n";
    gateway_process gateway{options};

    EXPECT_THAT(statuses_of(gateway, 30, "9"), HasSubstr("status 200       30\n"));
    EXPECT_TRUE(admin_shows(gateway, "/readyz", "turns the gateway's login away"));
    EXPECT_THAT(admin_says(gateway, "/readyz"), HasSubstr("28P01"));
    EXPECT_TRUE(metric_becomes(gateway, "attentive_gateway_database_login_refused 1"));
    EXPECT_THAT(gateway.child().errors(), HasSubstr("\"error\""));
    EXPECT_THAT(gateway.child().errors(), HasSubstr("SQLSTATE 28P01"));
    EXPECT_THAT(gateway.child().errors(), Not(HasSubstr("changed-since")));

    test::query(url, "ALTER ROLE writer PASSWORD 'changed-since'");

    EXPECT_TRUE(has_stored(url, "30"));
    EXPECT_TRUE(metric_becomes(gateway, "attentive_gateway_database_login_refused 0"));
}

} // namespace
} // namespace gateway
