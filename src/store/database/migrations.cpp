#include "gateway/store/migrations.hpp"
#include "gateway/base/digest.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/worker.hpp"
#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"
#include "store/database/schema.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

namespace gateway {

struct embedded_file {
    std::string_view name; // "0001_event_log"
    std::string_view text;
};
extern const std::vector<embedded_file> embedded_migrations;

namespace {

// Any number, the same in every replica; transaction-level, so that it works behind a pooler.
constexpr const char* lock_statement = "SELECT pg_advisory_xact_lock(4702111234474983745)";

constexpr const char* remedy =
    "run `attentive-gateway migrate --url URL` as the user who owns the schema";

// A migration that only adds says, on a line of its own, the oldest program that can go on beneath
// it: "-- serves programs from 12". Without that line it serves none that does not know it.
constexpr std::string_view serves_mark = "-- serves programs from ";

struct applied {
    int version;
    std::string name;
    std::string sha256;
    int serves_from; // newest migration of the oldest program that can use the schema
};

int version_of(std::string_view migration)
{
    int version = 0;
    std::from_chars(migration.data(), migration.data() + migration.size(), version);
    return version;
}

int serves_from(const embedded_file& file)
{
    const auto at = file.text.find(serves_mark);
    return at == std::string_view::npos ? version_of(file.name)
                                        : version_of(file.text.substr(at + serves_mark.size()));
}

std::string digest_of(const embedded_file& file)
{
    return to_hex(sha256(file.text));
}

bool history_exists(pqxx::transaction_base& t)
{
    return t.exec(history_exists_query)[0][0].as<bool>();
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

// Histories of earlier programs lack it; who may migrate may add it.
void add_serves_from(pqxx::transaction_base& t)
{
    t.exec("ALTER TABLE gateway.schema_migration ADD COLUMN IF NOT EXISTS serves_from integer;"
           "COMMENT ON COLUMN gateway.schema_migration.serves_from IS"
           " 'The newest migration of the oldest program that can use the schema with this one.'");
}

std::vector<applied> history_of(const pqxx::result& rows)
{
    std::vector<applied> history;
    for (const auto& row : rows)
        history.push_back({row[0].as<int>(), row[1].as<std::string>(), row[2].as<std::string>(),
                           row[3].is_null() ? row[0].as<int>() : row[3].as<int>()});
    return history;
}

int newest_of_ours()
{
    return version_of(embedded_migrations.back().name);
}

// Whether the database's history is a beginning of ours, or ours and more that we can serve
// beneath.
result<void> compare(const std::vector<applied>& history)
{
    for (std::size_t i = 0; i < history.size(); ++i) {
        if (i >= embedded_migrations.size()) {
            if (history[i].serves_from <= newest_of_ours())
                continue;
            return fail(errc::schema_mismatch,
                        "the database's schema is newer than this program can serve: it has "
                        "migration " +
                            history[i].name + ". Install the newer attentive-gateway");
        }
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

// The same, and nothing of ours is missing.
result<void> compare_whole(const std::vector<applied>& history)
{
    if (history.empty())
        return fail(errc::schema_mismatch,
                    std::string{"the database has no schema of the gateway: "} + remedy);
    BOOST_OUTCOME_TRY(compare(history));
    if (history.size() >= embedded_migrations.size())
        return boost::outcome_v2::success();
    return fail(errc::schema_mismatch,
                "the database's schema is older than this program: migration " +
                    std::string{embedded_migrations[history.size()].name} +
                    " is missing: " + remedy);
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
    const auto history = history_of(t.exec(history_query));
    BOOST_OUTCOME_TRY(compare(history));
    if (history.size() >= embedded_migrations.size())
        return std::nullopt;

    const auto& next = embedded_migrations[history.size()];
    t.exec(std::string{next.text});
    add_serves_from(t); // last: its lock keeps others from reading the history
    t.exec_params("INSERT INTO gateway.schema_migration (version, name, sha256, serves_from)"
                  " VALUES ($1, $2, $3, $4)",
                  version_of(next.name), std::string{next.name}, digest_of(next),
                  serves_from(next));
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
        write_log(severity::warn, "roles_missing",
                  "this database user may not create roles: have an administrator run CREATE ROLE "
                  "... NOLOGIN for {attentive.role.names}, then migrate again",
                  {{"attentive.role.names", missing}});
}

database_settings settings_for(const std::string& url)
{
    return {.url = url, .application = "attentive-gateway migrate"};
}

} // namespace

const char* const history_exists_query =
    "SELECT to_regclass('gateway.schema_migration') IS NOT NULL";

// By way of jsonb, because a column that is not there yet is no error so.
const char* const history_query =
    "SELECT version, name, sha256, (to_jsonb(m)->>'serves_from')::integer"
    " FROM gateway.schema_migration m ORDER BY version";

void refuse_unfit(const pqxx::result& history)
{
    if (const auto compared = compare_whole(history_of(history)); compared.has_error())
        throw unfit_schema{compared.error().detail};
}

void expect_schema(pqxx::connection& connection)
{
    pqxx::nontransaction t{connection};
    refuse_unfit(history_exists(t) ? t.exec(history_query) : pqxx::result{});
}

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
        return to_error(current_failure(server_text::kept), database_url, database_role::owner);
    }
}

result<void> check_schema(const std::string& database_url, database_role needed)
{
    try {
        database db{settings_for(database_url)};
        pqxx::nontransaction t{db.connection()};
        BOOST_OUTCOME_TRY(check_encoding(t));
        if (!history_exists(t))
            return compare_whole({});
        return compare_whole(history_of(t.exec(history_query)));
    } catch (...) {
        return to_error(current_failure(server_text::kept), database_url, needed);
    }
}

struct migrator::implementation {
    explicit implementation(std::string u) : url(std::move(u)) {}

    void run(worker& self)
    {
        do {
            const auto applied_now = migrate(url);
            if (applied_now) {
                for (const auto& name : applied_now.value())
                    write_log(severity::info, "migration_applied",
                              "applied migration {attentive.migration.name}",
                              {{"attentive.migration.name", name}});
                return;
            }
            // Each reason once, not each try.
            if (std::exchange(told, applied_now.error().detail) != applied_now.error().detail)
                write_log(severity::error, "migration_failed",
                          "migrating failed, trying on: {error.message}",
                          {{"error.type", gateway::name(applied_now.error().code)},
                           {"error.message", applied_now.error().detail}});
        } while (self.rest(pause));
    }

    static constexpr std::chrono::seconds pause{5};
    const std::string url;
    std::string told;
    worker thread{"migrator", [this](worker& self) { run(self); }};
};

migrator::migrator(std::string database_url)
    : implementation_{std::make_unique<implementation>(std::move(database_url))}
{
}

migrator::~migrator() = default;

} // namespace gateway
