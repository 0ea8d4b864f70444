// What breaks in the database: who is let in, what the role may do, what became of the schema and
// of the server. Each is seen by `doctor` before events find out.
#include "doctor_stage.hpp"
#include "support/cluster.hpp"
#include "support/servers.hpp"

#include <gtest/gtest.h>
#include <pqxx/pqxx>

namespace gateway {
namespace {

using namespace test;

// `url` of a database that is not there.
std::string of_database(std::string url, const std::string& name)
{
    const auto begin = url.find('/', url.find("//") + 2) + 1;
    return url.replace(begin, url.find('?') - begin, name);
}

std::string database_of(const std::string& url)
{
    const auto begin = url.find('/', url.find("//") + 2) + 1;
    return url.substr(begin, url.find('?') - begin);
}

void as_postgres(doctor_stage& s, const std::string& sql)
{
    query(of_database(s.superuser_url(), "postgres"), sql);
}

// A session of somebody else, open until the stage ends.
std::shared_ptr<pqxx::connection> session(doctor_stage& s, const std::string& url)
{
    auto open = std::make_shared<pqxx::connection>(url);
    s.kept.push_back(open);
    return open;
}

// A server of its own, for what cannot be done to the one that all tests share.
postgres_server& other_server()
{
    static postgres_server server;
    return server;
}

const std::vector<breakage>& admissions()
{
    static const std::vector<breakage> all = {
        {"UnknownDatabase",
         [](auto& s) {
             s.use_url(of_database(as_user(s.superuser_url(), s.role()), "no_such_database"));
         },
         "database .*no_such_database.* does not exist -> correct the database's name"},
        {"UnknownRole", [](auto& s) { s.use_url(as_user(s.superuser_url(), "no_such_role")); },
         "database .*no_such_role.* does not exist -> name a role"},
        {"RoleThatMayNotLogIn", [](auto& s) { s.sql("ALTER ROLE " + s.role() + " NOLOGIN"); },
         "database .*not permitted to log in"},
        {"NobodyMayConnect",
         [](auto& s) {
             s.sql("REVOKE CONNECT ON DATABASE " + database_of(s.superuser_url()) + " FROM PUBLIC");
         },
         "database .*permission denied for database .* -> as an administrator: GRANT CONNECT"},
        {"DatabaseThatTakesNoConnections",
         [](auto& s) {
             as_postgres(s, "ALTER DATABASE " + database_of(s.superuser_url()) +
                                " ALLOW_CONNECTIONS false");
         },
         "database .*not currently accepting connections .*ALLOW_CONNECTIONS true"},
        {"WrongPassword",
         [](auto& s) {
             auto& server = other_server();
             query(server.url("postgres"),
                   "SET password_encryption = 'scram-sha-256';"
                   " DROP ROLE IF EXISTS guarded; CREATE ROLE guarded LOGIN PASSWORD 'right'");
             const auto rules = server.directory() / "data" / "pg_hba.conf";
             write_file(rules, "local all guarded scram-sha-256\nlocal all all trust\n"
                               "local replication all trust\n");
             query(server.url("postgres"), "SELECT pg_reload_conf()");
             write_file(s.directory() / "password", "wrong\n");
             s.database_lines = "url = '" + as_user(server.url("postgres"), "guarded") +
                                "'\npassword = { file = '" + (s.directory() / "password").string() +
                                "' }\n";
             s.write();
         },
         "database .*password authentication failed.* -> set the role's password"},
        {"NoServer", [](auto& s) { s.use_url("postgresql://postgres@127.0.0.1:1/gateway"); },
         "database .*refused"},
        {"UnknownOption",
         [](auto& s) { s.use_url(as_user(s.superuser_url(), s.role()) + "&sslmod=require"); },
         "(database|configuration) "},
        {"NoPlaceForTheRole",
         [](auto& s) { s.sql("ALTER ROLE " + s.role() + " CONNECTION LIMIT 0"); },
         "database .*too many connections.* -> .*ALTER ROLE \"served_[0-9]+\" CONNECTION LIMIT 9;"},
        {"TooFewPlacesForTheRole",
         [](auto& s) {
             s.sql("ALTER ROLE " + s.role() + " CONNECTION LIMIT 1");
             s.before_serve = [&s] { session(s, as_user(s.superuser_url(), s.role())); };
         },
         "connections .*may have 1 .* up to 7 -> .*ALTER ROLE \"served_[0-9]+\" CONNECTION LIMIT"},
        {"TooFewPlacesInTheDatabase",
         [](auto& s) {
             as_postgres(s, "ALTER DATABASE " + database_of(s.superuser_url()) +
                                " CONNECTION LIMIT 2");
             s.before_serve = [&s] {
                 session(s, as_user(s.superuser_url(), s.role()));
                 session(s, as_user(s.superuser_url(), s.role()));
             };
         },
         "connections .*may have 2 .* -> .*ALTER DATABASE \"test_[0-9]+\" CONNECTION LIMIT 9;"},
    };
    return all;
}

const std::vector<breakage>& rights()
{
    static const std::vector<breakage> all = {
        {"RoleWithoutRights", [](auto& s) { s.sql("REVOKE gateway_writer FROM " + s.role()); },
         "schema .*GRANT gateway_writer TO \"served_[0-9]+\";"},
        {"RoleThatDoesNotInherit", [](auto& s) { s.sql("ALTER ROLE " + s.role() + " NOINHERIT"); },
         "schema .*ALTER ROLE \"served_[0-9]+\" INHERIT;"},
        {"RightThatWasTakenFromAll",
         [](auto& s) { s.sql("REVOKE INSERT ON gateway.intake FROM gateway_writer"); },
         "writing .*42501 -> .*attentive-gateway migrate"},
        {"FunctionThatNobodyMayCall",
         [](auto& s) {
             s.sql("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA gateway FROM gateway_writer");
         },
         "writing .*42501 -> .*attentive-gateway migrate"},
        {"ReadOnlyRole",
         [](auto& s) {
             s.sql("ALTER ROLE " + s.role() + " SET default_transaction_read_only = on");
         },
         "database .*read-only -> connect to the primary"},
        {"ReadOnlyDatabase",
         [](auto& s) {
             s.sql("ALTER DATABASE " + database_of(s.superuser_url()) +
                   " SET default_transaction_read_only = on");
         },
         "database .*read-only -> connect to the primary"},
    };
    return all;
}

const std::vector<breakage>& schemas()
{
    static const std::vector<breakage> all = {
        {"NoSchema",
         [](auto& s) {
             const auto url = empty_database();
             s.use_url(as_user(url, s.role()));
         },
         "schema .*no schema.*-> attentive-gateway migrate"},
        {"SchemaBehind",
         [](auto& s) {
             s.sql("DELETE FROM gateway.schema_migration WHERE version ="
                   " (SELECT max(version) FROM gateway.schema_migration)");
         },
         "schema .*is older than this program.*-> attentive-gateway migrate, as the owner"},
        {"SchemaAhead",
         [](auto& s) {
             s.sql("INSERT INTO gateway.schema_migration (version, name, sha256, serves_from)"
                   " VALUES (9999, '9999_later', 'x', 9999)");
         },
         "schema .*is newer than this program.*-> install the version"},
        {"SchemaWithOtherText",
         [](auto& s) {
             s.sql("UPDATE gateway.schema_migration SET sha256 = 'x' WHERE version = 3");
         },
         "schema .*another text"},
        {"SchemaOfAnotherProgram",
         [](auto& s) {
             s.sql("UPDATE gateway.schema_migration SET name = '0002_other' WHERE version = 2");
         },
         "schema .*0002_other"},
        {"OtherEncoding",
         [](auto& s) {
             as_postgres(s, "CREATE DATABASE latin_" + s.role() +
                                " TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
             s.use_url(of_database(as_user(s.superuser_url(), s.role()), "latin_" + s.role()));
         },
         "schema .*LATIN1: create it with ENCODING 'UTF8'"},
    };
    return all;
}

const std::vector<breakage>& damages()
{
    static const std::vector<breakage> all = {
        {"TableGone", [](auto& s) { s.sql("DROP TABLE gateway.intake_waiting CASCADE"); },
         "writing .*42P01 -> restore the database"},
        {"FunctionGone",
         [](auto& s) { s.sql("DROP FUNCTION gateway.append(text, gateway.intake_row[])"); },
         "writing .*42883 -> restore the database"},
        {"ColumnGone",
         [](auto& s) { s.sql("ALTER TABLE gateway.intake DROP COLUMN key_id CASCADE"); },
         "writing .*42703 -> restore the database"},
        {"RowTypeChanged",
         [](auto& s) { s.sql("ALTER TYPE gateway.event_row ADD ATTRIBUTE more text"); },
         "writing .* -> restore the database"},
        {"TriggerThatRefuses",
         [](auto& s) {
             s.sql("CREATE FUNCTION public.never() RETURNS trigger LANGUAGE plpgsql AS"
                   " 'BEGIN RAISE EXCEPTION ''not here''; END';"
                   " CREATE TRIGGER never BEFORE INSERT ON gateway.source_event"
                   " FOR EACH ROW EXECUTE FUNCTION public.never()");
         },
         "writing .*P0001 -> "},
        {"TableThatSomebodyLocks",
         [](auto& s) {
             auto open = session(s, s.superuser_url());
             auto lock = std::make_shared<pqxx::work>(*open);
             lock->exec("LOCK TABLE gateway.source_event IN ACCESS EXCLUSIVE MODE");
             s.kept.insert(s.kept.begin(), lock);
         },
         "writing .* -> see pg_stat_activity"},
        {"ServerThatForgets",
         [](auto& s) {
             auto& server = other_server();
             query(server.url("postgres"), "DROP DATABASE IF EXISTS forgetful");
             query(server.url("postgres"), "CREATE DATABASE forgetful");
             const auto migrated =
                 run({GATEWAY_BINARY, "migrate", "--url", server.url("forgetful")});
             ASSERT_EQ(migrated.exit_code, 0) << migrated.errors;
             query(server.url("postgres"), "ALTER SYSTEM SET fsync = off");
             query(server.url("postgres"), "SELECT pg_reload_conf()");
             s.use_url(server.url("forgetful"));
         },
         "durability .*fsync = off"},
        {"EmbeddedClusterInAFile",
         [](auto& s) {
             s.database_lines = "embedded = '" + s.key_file().string() + "'\n";
             s.write();
         },
         "database .*signing-key"},
    };
    return all;
}

class DoctorDatabaseTest : public testing::TestWithParam<breakage> {};

TEST_P(DoctorDatabaseTest, IsSeenBeforeServeFails)
{
    prove(GetParam());
}

std::string name_of_database_breakage(const testing::TestParamInfo<breakage>& each)
{
    return each.param.name;
}

INSTANTIATE_TEST_SUITE_P(Admission, DoctorDatabaseTest, testing::ValuesIn(admissions()),
                         name_of_database_breakage);
INSTANTIATE_TEST_SUITE_P(Rights, DoctorDatabaseTest, testing::ValuesIn(rights()),
                         name_of_database_breakage);
INSTANTIATE_TEST_SUITE_P(Damage, DoctorDatabaseTest, testing::ValuesIn(damages()),
                         name_of_database_breakage);
INSTANTIATE_TEST_SUITE_P(Schema, DoctorDatabaseTest, testing::ValuesIn(schemas()),
                         name_of_database_breakage);

} // namespace
} // namespace gateway
