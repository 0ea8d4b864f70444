// Functions, views and rights, which every program brings along: applied again only where they
// differ, by the newest program, with all that stands on them, and to the same schema whatever the
// database had before.
#include "gateway/store/migrations.hpp"
#include "support/cluster.hpp"
#include "support/process.hpp"
#include "support/waiting.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <pqxx/pqxx>
#include <sstream>

namespace gateway {

struct embedded_file {
    std::string_view name;
    std::string_view text;
};
extern const std::vector<embedded_file> embedded_steps;
extern const std::vector<embedded_file> embedded_files;

namespace {

using namespace test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A function as another program would have it.
constexpr const char* other_mask = "CREATE OR REPLACE FUNCTION gateway.mask(p_kind text,"
                                   " p_value text) RETURNS text LANGUAGE sql RETURN 'other'";

std::string masked(const std::string& url)
{
    return value(url, "SELECT gateway.mask('email', 'jane@example.com')");
}

// A database whose file of that name came from a program with another text of it.
void forget(const std::string& url, const std::string& file)
{
    query(url, "UPDATE gateway.schema_file SET sha256 = 'x' WHERE name = '" + file + "'");
}

// The whole schema in SQL, rights and comments included.
std::string dump(const std::string& url)
{
    const auto dumped =
        run({"pg_dump", "--schema-only", "--exclude-table", "gateway.*_20??_*", url});
    EXPECT_EQ(dumped.exit_code, 0) << dumped.errors;
    std::istringstream lines{dumped.output};
    std::string text;
    for (std::string line; std::getline(lines, line);) {
        if (line.find("restrict ") == std::string::npos) // a random word of each dump
            text += line + '\n';
    }
    return text;
}

TEST(SchemaFilesTest, AreRememberedOneByOne)
{
    const auto rows =
        query(fresh_database(), "SELECT name FROM gateway.schema_file ORDER BY place");

    ASSERT_EQ(rows.size(), embedded_files.size());
    for (std::size_t i = 0; i < rows.size(); ++i)
        EXPECT_EQ(rows[i][0], embedded_files[i].name);
}

TEST(SchemaFilesTest, AreLeftAloneWhileTheirDigestIsTheSame)
{
    const std::string url = fresh_database();
    query(url, other_mask);

    const auto migrated = migrate(url);

    ASSERT_TRUE(migrated.has_value()) << migrated.error().detail;
    EXPECT_THAT(migrated.value(), IsEmpty());
    EXPECT_EQ(masked(url), "other");
}

TEST(SchemaFilesTest, AreAppliedFromTheFirstThatDiffers)
{
    const std::string url = fresh_database();
    query(url, other_mask);
    query(url, "UPDATE gateway.schema_file SET applied_at = '2000-01-01'");
    forget(url, "read_models/identity_by_hand");

    const auto checked = check_schema(url);
    const auto migrated = migrate(url);

    ASSERT_TRUE(checked.has_error());
    EXPECT_EQ(checked.error().code, errc::schema_mismatch);
    EXPECT_THAT(checked.error().detail, HasSubstr("older than this program"));
    EXPECT_THAT(checked.error().detail, HasSubstr("read_models/identity_by_hand"));
    ASSERT_TRUE(migrated.has_value()) << migrated.error().detail;
    EXPECT_THAT(migrated.value(), ElementsAre("functions and views"));
    EXPECT_EQ(masked(url), "j***@example.com");
    EXPECT_EQ(value(url, "SELECT bool_and((f.applied_at > '2000-01-01') = (f.place >= d.place))"
                         " FROM gateway.schema_file f, gateway.schema_file d"
                         " WHERE d.name = 'read_models/identity_by_hand'"),
              "t");
    EXPECT_TRUE(check_schema(url).has_value());
}

TEST(SchemaFilesTest, OneThatFailsLeavesNothingOfTheWholeMigration)
{
    const std::string url = empty_database();
    query(url, "CREATE SCHEMA gateway;" // another type of result cannot be replaced
               "CREATE FUNCTION gateway.mask(p_kind text, p_value text) RETURNS integer"
               " LANGUAGE sql RETURN 1");

    const auto migrated = migrate(url);

    ASSERT_TRUE(migrated.has_error());
    EXPECT_EQ(migrated.error().code, errc::database_failed);
    EXPECT_EQ(value(url, "SELECT count(*) FROM pg_class WHERE relnamespace ="
                         " 'gateway'::regnamespace"),
              "0");
    EXPECT_EQ(value(url, "SELECT to_regnamespace('report')"), "NULL");
}

// A daemon that makes a partition locks tables in an order of its own.
TEST(SchemaFilesTest, AreAppliedOnceMoreAfterADeadlock)
{
    const std::string url = fresh_database();
    forget(url, "write/log");
    pqxx::connection other{url};
    pqxx::work holder{other};
    holder.exec("SET deadlock_timeout = '1min'"); // the other one is ended
    holder.exec("LOCK TABLE gateway.intake IN SHARE UPDATE EXCLUSIVE MODE");

    auto migrating = std::async(std::launch::async, [&] { return migrate(url); });
    const auto is_waited_for = [&] {
        return value(url, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation ="
                          " 'gateway.intake'::regclass") == "1";
    };
    ASSERT_TRUE(becomes(is_waited_for));
    holder.exec("LOCK TABLE gateway.source_event IN SHARE UPDATE EXCLUSIVE MODE");
    holder.commit();

    const auto migrated = migrating.get();
    ASSERT_TRUE(migrated.has_value()) << migrated.error().detail;
    EXPECT_TRUE(check_schema(url).has_value());
    EXPECT_EQ(value(url, "SELECT deadlocks FROM pg_stat_database WHERE datname ="
                         " current_database()"),
              "1");
}

TEST(SchemaFilesTest, OfANewerProgramStay)
{
    const std::string url = fresh_database();
    query(url, other_mask);
    query(url, "UPDATE gateway.schema_file SET sha256 = 'x', program = '{9999}'");

    const auto checked = check_schema(url);
    const auto migrated = migrate(url);

    EXPECT_TRUE(checked.has_value()) << checked.error().detail;
    ASSERT_TRUE(migrated.has_value()) << migrated.error().detail;
    EXPECT_THAT(migrated.value(), IsEmpty());
    EXPECT_EQ(masked(url), "other");
    EXPECT_EQ(value(url, "SELECT DISTINCT program FROM gateway.schema_file"), "{9999}");
}

TEST(SchemaFilesTest, OfAProgramThatKnowsMoreStepsStay)
{
    const std::string url = fresh_database();
    query(url, other_mask);
    query(url, "UPDATE gateway.schema_file SET sha256 = 'x';"
               "INSERT INTO gateway.schema_migration VALUES (9999, '9999_future', 'x', now(), 1)");

    const auto checked = check_schema(url);
    const auto migrated = migrate(url);

    EXPECT_TRUE(checked.has_value()) << checked.error().detail;
    EXPECT_TRUE(migrated.has_value()) << migrated.error().detail;
    EXPECT_EQ(masked(url), "other");
}

TEST(SchemaFilesTest, TheNewestProgramThatMigratedIsRemembered)
{
    const std::string url = fresh_database();
    const auto ours = value(url, "SELECT DISTINCT program FROM gateway.schema_file");
    query(url, "UPDATE gateway.schema_file SET program = '{0}'");

    ASSERT_TRUE(migrate(url).has_value()); // their texts are the same

    EXPECT_EQ(value(url, "SELECT DISTINCT program FROM gateway.schema_file"), ours);
}

TEST(SchemaFilesTest, AnUpgradeOfTheStepBeforeEndsAtTheSameSchemaAsANewDatabase)
{
    const std::string upgraded = empty_database();
    for (std::size_t i = 0; i + 1 < embedded_steps.size(); ++i)
        query(upgraded, std::string{embedded_steps[i].text});
    const std::string anew = fresh_database();
    query(anew, "CREATE TABLE public.known AS SELECT * FROM gateway.schema_migration"
                " ORDER BY version LIMIT (SELECT count(*) - 1 FROM gateway.schema_migration)");
    for (const auto& row : query(anew, "SELECT version, name, sha256 FROM public.known"))
        query(upgraded, "INSERT INTO gateway.schema_migration (version, name, sha256) VALUES (" +
                            row[0] + ", '" + row[1] + "', '" + row[2] + "')");
    query(anew, "DROP TABLE public.known");

    const auto migrated = migrate(upgraded);

    ASSERT_TRUE(migrated.has_value()) << migrated.error().detail;
    EXPECT_THAT(migrated.value(), ElementsAre(embedded_steps.back().name, "functions and views"));
    EXPECT_EQ(dump(upgraded), dump(anew));
}

TEST(SchemaFilesTest, AnUpgradeOfOtherTextsEndsAtTheSameSchemaAsANewDatabase)
{
    const std::string url = fresh_database();
    const auto anew = dump(url);
    query(url, std::string{other_mask} +
                   "; DROP VIEW report.steps;"
                   "CREATE VIEW report.steps AS SELECT step_id FROM gateway.step;"
                   "DROP FUNCTION gateway.subscribers_of CASCADE;" // takes views with it
                   "REVOKE ALL ON gateway.company FROM gateway_reader;"
                   "COMMENT ON COLUMN gateway.company.timezone IS 'other';"
                   "COMMENT ON FUNCTION gateway.apply IS 'other'");
    ASSERT_NE(dump(url), anew);
    forget(url, "write/log");

    ASSERT_TRUE(migrate(url).has_value());

    EXPECT_EQ(dump(url), anew);
}

} // namespace
} // namespace gateway
