#include "gateway/store/migrations.hpp"
#include "gateway/base/digest.hpp"
#include "store/database.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace gateway {

struct embedded_file {
    std::string_view name; // "0001_event_log"
    std::string_view text;
};
extern const std::vector<embedded_file> embedded_migrations;

namespace {

// Any number, the same in every replica; transaction-level, so that it works behind a pooler.
constexpr const char* lock_statement = "SELECT pg_advisory_xact_lock(4702111234474983745)";

constexpr const char* remedy = "run `attentive-gateway migrate --config FILE`";

struct applied {
    int version;
    std::string name;
    std::string sha256;
};

int version_of(std::string_view migration)
{
    int version = 0;
    std::from_chars(migration.data(), migration.data() + migration.size(), version);
    return version;
}

std::string digest_of(const embedded_file& file)
{
    return to_hex(sha256(file.text));
}

bool history_exists(pqxx::transaction_base& t)
{
    return t.exec("SELECT to_regclass('gateway.schema_migration') IS NOT NULL")[0][0].as<bool>();
}

void create_history(pqxx::transaction_base& t)
{
    t.exec("CREATE SCHEMA IF NOT EXISTS gateway;"
           "CREATE TABLE gateway.schema_migration ("
           " version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,"
           " applied_at timestamptz NOT NULL DEFAULT clock_timestamp());"
           "COMMENT ON TABLE gateway.schema_migration IS"
           " 'The migrations applied to this database, each once, in order.'");
}

std::vector<applied> read_history(pqxx::transaction_base& t)
{
    std::vector<applied> history;
    const auto rows =
        t.exec("SELECT version, name, sha256 FROM gateway.schema_migration ORDER BY version");
    for (const auto& row : rows)
        history.push_back({row[0].as<int>(), row[1].as<std::string>(), row[2].as<std::string>()});
    return history;
}

// Whether the database's history is a beginning of ours.
result<void> compare(const std::vector<applied>& history)
{
    for (std::size_t i = 0; i < history.size(); ++i) {
        if (i >= embedded_migrations.size())
            return fail(errc::schema_mismatch,
                        "the database's schema is newer than this program: it has migration " +
                            history[i].name + ". Install the newer attentive-gateway");
        const auto& ours = embedded_migrations[i];
        if (history[i].version != version_of(ours.name) || history[i].name != ours.name)
            return fail(errc::schema_mismatch, "the database has migration " + history[i].name +
                                                   " where this program has " +
                                                   std::string{ours.name} +
                                                   ": it belongs to another program version");
        if (history[i].sha256 != digest_of(ours))
            return fail(errc::schema_mismatch,
                        "migration " + history[i].name +
                            " was applied to the database with another text than this program's");
    }
    return boost::outcome_v2::success();
}

result<void> check_encoding(pqxx::transaction_base& t)
{
    const auto encoding = t.exec("SHOW server_encoding")[0][0].as<std::string>();
    if (encoding == "UTF8")
        return boost::outcome_v2::success();
    return fail(errc::schema_mismatch,
                "the database's encoding is " + encoding + ": create it with ENCODING 'UTF8'");
}

// Applies the first missing migration and returns its name; nothing when none is missing.
result<std::optional<std::string>> apply_next(pqxx::connection& connection)
{
    pqxx::work t{connection};
    t.exec(lock_statement);
    BOOST_OUTCOME_TRY(check_encoding(t));
    if (!history_exists(t))
        create_history(t);
    const auto history = read_history(t);
    BOOST_OUTCOME_TRY(compare(history));
    if (history.size() == embedded_migrations.size())
        return std::nullopt;

    const auto& next = embedded_migrations[history.size()];
    t.exec(std::string{next.text});
    t.exec_params("INSERT INTO gateway.schema_migration (version, name, sha256)"
                  " VALUES ($1, $2, $3)",
                  version_of(next.name), std::string{next.name}, digest_of(next));
    t.commit();
    return std::string{next.name};
}

// Roles are the cluster's, not this database's: some may have come or gone since.
void grant_roles(pqxx::connection& connection)
{
    pqxx::work t{connection};
    t.exec(lock_statement);
    if (!t.exec("SELECT has_function_privilege('gateway.grant_roles()', 'execute')")[0][0]
             .as<bool>())
        return; // the schema is current, and whoever asks is not its owner: nothing to do
    const auto missing =
        t.exec("SELECT array_to_string(gateway.grant_roles(), ', ')")[0][0].as<std::string>();
    t.commit();
    if (!missing.empty())
        spdlog::warn("this database user may not create roles: have an administrator run CREATE "
                     "ROLE ... NOLOGIN for {}, then migrate again",
                     missing);
}

database_settings settings_for(const std::string& url)
{
    return {.url = url, .application = "attentive-gateway migrate"};
}

} // namespace

result<std::vector<std::string>> migrate(const std::string& database_url)
{
    try {
        database db{settings_for(database_url)};
        std::vector<std::string> names;
        while (true) {
            BOOST_OUTCOME_TRY(auto applied_now, apply_next(db.connection()));
            if (!applied_now)
                break;
            names.push_back(std::move(*applied_now));
        }
        grant_roles(db.connection());
        return names;
    } catch (...) {
        return to_error(current_failure(server_text::kept));
    }
}

result<void> check_schema(const std::string& database_url)
{
    try {
        database db{settings_for(database_url)};
        pqxx::nontransaction t{db.connection()};
        BOOST_OUTCOME_TRY(check_encoding(t));
        if (!history_exists(t))
            return fail(errc::schema_mismatch,
                        std::string{"the database has no schema of the gateway: "} + remedy);
        const auto history = read_history(t);
        BOOST_OUTCOME_TRY(compare(history));
        if (history.size() == embedded_migrations.size())
            return boost::outcome_v2::success();
        return fail(errc::schema_mismatch,
                    "the database's schema is older than this program: migration " +
                        std::string{embedded_migrations[history.size()].name} +
                        " is missing. Stop other versions, then " + remedy);
    } catch (...) {
        return to_error(current_failure(server_text::kept));
    }
}

} // namespace gateway
