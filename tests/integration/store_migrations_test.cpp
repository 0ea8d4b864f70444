// The schema's history: applied once whoever asks and however many at once, and refused in plain
// words when it is another one than the program's. What functions and views do stands in
// store_schema_files_test.cpp.
#include "gateway/store/connection_string.hpp"
#include "gateway/store/migrations.hpp"
#include "support/cluster.hpp"
#include "support/servers.hpp"
#include "support/waiting.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace gateway {
namespace {

using namespace test;
using testing::HasSubstr;

TEST(MigrationsTest, AppliesAllThenNothing)
{
    const std::string url = empty_database();

    const auto first = migrate(url);
    const auto second = migrate(url);

    ASSERT_TRUE(first.has_value()) << first.error().detail;
    EXPECT_EQ(first.value().front(), "0001_event_log");
    EXPECT_EQ(first.value().back(), "functions and views");
    EXPECT_EQ(std::to_string(first.value().size() - 1),
              value(url, "SELECT count(*) FROM gateway.schema_migration"));
    ASSERT_TRUE(second.has_value()) << second.error().detail;
    EXPECT_TRUE(second.value().empty());
    EXPECT_TRUE(check_schema(url).has_value());
}

TEST(MigrationsTest, AppliesEachOnceForReplicasThatStartTogether)
{
    const std::string url = empty_database();
    std::vector<std::size_t> applied(4);
    std::vector<std::thread> replicas;

    for (auto& n : applied)
        replicas.emplace_back([&n, &url] { n = migrate(url).value().size(); });
    for (auto& replica : replicas)
        replica.join();

    EXPECT_EQ(std::to_string(applied[0] + applied[1] + applied[2] + applied[3] - 1),
              value(url, "SELECT count(*) FROM gateway.schema_migration"));
    EXPECT_TRUE(check_schema(url).has_value());
}

TEST(MigrationsTest, RefusesADatabaseWithoutSchema)
{
    const auto checked = check_schema(empty_database());

    ASSERT_TRUE(checked.has_error());
    EXPECT_EQ(checked.error().code, errc::schema_mismatch);
    EXPECT_THAT(checked.error().detail, HasSubstr("attentive-gateway migrate"));
}

TEST(MigrationsTest, RefusesAnOlderSchema)
{
    const std::string url = fresh_database();
    query(url, "DELETE FROM gateway.schema_migration WHERE version ="
               " (SELECT max(version) FROM gateway.schema_migration)");

    const auto checked = check_schema(url);

    ASSERT_TRUE(checked.has_error());
    EXPECT_EQ(checked.error().code, errc::schema_mismatch);
    EXPECT_THAT(checked.error().detail, HasSubstr("older than this program"));
    EXPECT_THAT(checked.error().detail, HasSubstr("attentive-gateway migrate"));
}

TEST(MigrationsTest, RefusesANewerSchema)
{
    const std::string url = fresh_database();
    query(url, "INSERT INTO gateway.schema_migration VALUES (9999, '9999_future', 'x')");

    const auto checked = check_schema(url);
    const auto migrated = migrate(url);

    ASSERT_TRUE(checked.has_error() && migrated.has_error());
    EXPECT_EQ(checked.error().code, errc::schema_mismatch);
    EXPECT_EQ(migrated.error().code, errc::schema_mismatch);
    EXPECT_THAT(checked.error().detail, HasSubstr("9999_future"));
}

TEST(MigrationsTest, GoesOnBeneathANewerSchemaThatSaysItServesThisProgram)
{
    const std::string url = fresh_database();
    const std::string ours = value(url, "SELECT max(version) FROM gateway.schema_migration");
    query(url, "INSERT INTO gateway.schema_migration (version, name, sha256, serves_from) VALUES"
               " (9998, '9998_future', 'x', " +
                   ours + "), (9999, '9999_future', 'x', 3)");

    const auto checked = check_schema(url);
    const auto migrated = migrate(url);
    query(url, "UPDATE gateway.schema_migration SET serves_from = 9998 WHERE version = 9998");
    const auto incompatible = check_schema(url);

    EXPECT_TRUE(checked.has_value()) << checked.error().detail;
    ASSERT_TRUE(migrated.has_value()) << migrated.error().detail;
    EXPECT_TRUE(migrated.value().empty());
    ASSERT_TRUE(incompatible.has_error()); // one of them is enough, the newest or not
    EXPECT_THAT(incompatible.error().detail, HasSubstr("9998_future"));
}

TEST(MigrationsTest, RecordsWhichProgramsEachMigrationServes)
{
    const std::string url = fresh_database();

    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.schema_migration"
                         " WHERE serves_from IS NULL OR serves_from > version"),
              "0");
    EXPECT_EQ(value(url, "SELECT serves_from FROM gateway.schema_migration WHERE version = 1"),
              "1");
}

TEST(MigrationsTest, TheMigratorGoesOnUntilItCould)
{
    const std::string url = empty_database();
    query(url, "CREATE SCHEMA report"); // 0001 cannot make it again
    const migrator goes_on{url};

    query(url, "DROP SCHEMA report");

    EXPECT_TRUE(becomes([&] { return check_schema(url).has_value(); }, std::chrono::seconds{90}));
}

TEST(LoginTest, IsToldApartFromAnOutage)
{
    const std::string url = fresh_database();
    const auto unknown_role = check_login(as_user(url, "nobody_of_this_name"));
    const auto unknown_database = check_login(
        "dbname=no_such_database host=" + socket_directory(url).string() + " user=postgres");
    const auto away = check_login("postgresql://postgres@/x?host=/nowhere");

    EXPECT_TRUE(check_login(url).has_value());
    ASSERT_TRUE(unknown_role.has_error() && unknown_database.has_error() && away.has_error());
    EXPECT_EQ(unknown_role.error().code, errc::database_failed);
    EXPECT_THAT(unknown_role.error().detail, HasSubstr("28000"));
    EXPECT_EQ(unknown_database.error().code, errc::database_failed);
    EXPECT_THAT(unknown_database.error().detail, HasSubstr("3D000"));
    EXPECT_EQ(away.error().code, errc::database_unavailable);
}

TEST(MigrationsTest, RefusesAMigrationWithAnotherText)
{
    const std::string url = fresh_database();
    query(url, "UPDATE gateway.schema_migration SET sha256 = repeat('0', 64) WHERE version = 2");

    const auto checked = check_schema(url);

    ASSERT_TRUE(checked.has_error());
    EXPECT_EQ(checked.error().code, errc::schema_mismatch);
    EXPECT_THAT(checked.error().detail, HasSubstr("another text"));
}

TEST(MigrationsTest, LeavesNothingOfAMigrationThatFails)
{
    const std::string url = empty_database();
    query(url, "CREATE SCHEMA report"); // 0001 cannot make it again

    const auto migrated = migrate(url);

    ASSERT_TRUE(migrated.has_error());
    EXPECT_EQ(migrated.error().code, errc::database_failed);
    EXPECT_THAT(migrated.error().detail, HasSubstr("report"));
    EXPECT_EQ(value(url, "SELECT to_regnamespace('gateway')"), "NULL");
}

TEST(MigrationsTest, SaysThatNobodyCanTellWithoutADatabase)
{
    const auto checked = check_schema("postgresql://postgres@/x?host=/nowhere");

    ASSERT_TRUE(checked.has_error());
    EXPECT_EQ(checked.error().code, errc::database_unavailable);
}

TEST(MigrationsTest, TheWriterMayCheckAndMigrateACurrentSchema)
{
    const std::string url = fresh_database();
    query(url, "DROP ROLE IF EXISTS checker; CREATE ROLE checker LOGIN IN ROLE gateway_writer");

    EXPECT_TRUE(check_schema(as_user(url, "checker")).has_value());
    EXPECT_TRUE(migrate(as_user(url, "checker")).has_value());
}

TEST(MigrationsTest, AnOwnerWhoMayNotMakeRolesCanMigrate)
{
    const std::string url = empty_database();
    query(url, "DROP ROLE IF EXISTS plain_owner; CREATE ROLE plain_owner LOGIN;"
               "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO plain_owner',"
               " current_database()); END $$");

    const auto migrated = migrate(as_user(url, "plain_owner"));

    ASSERT_TRUE(migrated.has_value()) << migrated.error().detail;
    EXPECT_EQ(value(url, "SELECT has_schema_privilege('gateway_writer', 'gateway', 'usage')"), "t");
}

} // namespace
} // namespace gateway
