#include "gateway/store/migrations.hpp"
#include "gateway/base/digest.hpp"
#include "gateway/base/embedded_file.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/worker.hpp"
#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"
#include "store/database/schema.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <thread>
#include <utility>

// This program's version in SQL, where versions compare number by number.
#define GATEWAY_PROGRAM "string_to_array('" GATEWAY_VERSION "', '.')::integer[]"

namespace gateway {

extern const std::vector<embedded_file> embedded_steps; // in order of their numbers
extern const std::vector<embedded_file> embedded_files; // each stands on those before it

namespace {

// Any number, the same in every replica; transaction-level, so that it works behind a pooler.
constexpr const char* lock_statement = "SELECT pg_advisory_xact_lock(4702111234474983745)";

// Statements that describe and grant lock the tables one after the other, and a daemon that makes a
// partition locks them in an order of its own: the server ends one of the two.
constexpr int tries_max = 10;

constexpr const char* remedy =
    "run `attentive-gateway migrate --url URL` as the user who owns the schema";

// A step that only adds says, on a line of its own, the oldest program that can go on beneath it:
// "-- serves programs from 12". Without that line it serves none that does not know it.
constexpr std::string_view serves_mark = "-- serves programs from ";

struct applied_step {
    int version;
    std::string name;
    std::string sha256;
    int serves_from; // newest step of the oldest program that can use the schema
};

struct applied_file {
    std::string name;
    std::string sha256;
};

// What a database remembers, as history_query tells it.
struct schema_history {
    std::vector<applied_step> steps;
    std::vector<applied_file> files;
    bool has_newer_files = false; // a newer program applied them
};

int version_of(std::string_view step)
{
    int version = 0;
    std::from_chars(step.data(), step.data() + step.size(), version);
    return version;
}

int serves_from(const embedded_file& step)
{
    const auto at = step.text.find(serves_mark);
    return at == std::string_view::npos ? version_of(step.name)
                                        : version_of(step.text.substr(at + serves_mark.size()));
}

std::string digest_of(const embedded_file& file)
{
    return to_hex(sha256(file.text));
}

bool history_exists(pqxx::transaction_base& t)
{
    return t.exec(history_exists_query)[0][0].as<bool>();
}

schema_history history_of(const pqxx::result& rows)
{
    schema_history history;
    for (const auto& row : rows) {
        auto name = row[1].as<std::string>();
        auto digest = row[2].as<std::string>();
        if (row[3].is_null())
            history.files.push_back({std::move(name), std::move(digest)});
        else
            history.steps.push_back(
                {row[0].as<int>(), std::move(name), std::move(digest), row[3].as<int>()});
        history.has_newer_files |= row[4].as<bool>();
    }
    return history;
}

// Whether the database's steps are a beginning of ours, or ours and more that we can serve beneath.
result<void> compare(const std::vector<applied_step>& steps)
{
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (i >= embedded_steps.size()) {
            if (steps[i].serves_from <= version_of(embedded_steps.back().name))
                continue;
            return fail(errc::schema_mismatch,
                        "the database's schema is newer than this program can serve: it has "
                        "migration " +
                            steps[i].name + ". Install the newer attentive-gateway");
        }
        const auto& ours = embedded_steps[i];
        if (steps[i].version != version_of(ours.name) || steps[i].name != ours.name)
            return fail(errc::schema_mismatch,
                        "the database has migration " + steps[i].name + " where this program has " +
                            std::string{ours.name} + ": it belongs to another program version");
        if (steps[i].sha256 != digest_of(ours))
            return fail(errc::schema_mismatch,
                        "migration " + steps[i].name +
                            " was applied to the database with another text than this program's");
    }
    return ok();
}

// Where our files begin to differ from the database's: that one and all behind it, which stand on
// it, are to be applied. Their number when there is nothing to do, because they are the same or a
// newer program's: that one says by its steps whom it serves.
std::size_t first_to_apply(const schema_history& history)
{
    if (history.steps.size() < embedded_steps.size())
        return 0;
    if (history.steps.size() > embedded_steps.size() || history.has_newer_files)
        return embedded_files.size();
    std::size_t same = 0;
    while (same < embedded_files.size() && same < history.files.size() &&
           history.files[same].name == embedded_files[same].name &&
           history.files[same].sha256 == digest_of(embedded_files[same]))
        ++same;
    return same;
}

// The same steps, or more that serve us, and nothing of ours is missing.
result<void> compare_whole(const schema_history& history)
{
    if (history.steps.empty())
        return fail(errc::schema_mismatch,
                    std::string{"the database has no schema of the gateway: "} + remedy);
    BOOST_OUTCOME_TRY(compare(history.steps));
    const auto first = first_to_apply(history);
    if (first == embedded_files.size())
        return ok();
    const auto known = history.steps.size();
    const auto& missing =
        known < embedded_steps.size() ? embedded_steps[known] : embedded_files[first];
    return fail(errc::schema_mismatch, "the database's schema is older than this program: " +
                                           std::string{missing.name} + " is missing: " + remedy);
}

result<void> check_encoding(pqxx::transaction_base& t)
{
    const auto encoding = t.exec("SHOW server_encoding")[0][0].as<std::string>();
    if (encoding == "UTF8")
        return ok();
    return fail(errc::schema_mismatch,
                "the database's encoding is " + encoding + ": create it with ENCODING 'UTF8'");
}

void apply_step(pqxx::transaction_base& t, const embedded_file& step)
{
    t.exec(std::string{step.text});
    t.exec_params("INSERT INTO gateway.schema_migration (version, name, sha256, serves_from)"
                  " VALUES ($1, $2, $3, $4)",
                  version_of(step.name), std::string{step.name}, digest_of(step),
                  serves_from(step));
}

void apply_file(pqxx::transaction_base& t, std::size_t place)
{
    const auto& file = embedded_files[place];
    t.exec(std::string{file.text});
    t.exec_params("INSERT INTO gateway.schema_file (place, name, sha256, program)"
                  " VALUES ($1, $2, $3, " GATEWAY_PROGRAM ")",
                  static_cast<int>(place), std::string{file.name}, digest_of(file));
}

// What is done each time: the program is remembered, and rights are granted, because roles are the
// cluster's and may have come or gone since. Returns the roles that this user may not make.
std::string finish(pqxx::transaction_base& t)
{
    if (!t.exec("SELECT has_function_privilege('gateway.grant_roles()', 'execute')")[0][0]
             .as<bool>())
        return {}; // the schema is current, and whoever asks is not its owner: nothing to do
    t.exec("UPDATE gateway.schema_file SET program = " GATEWAY_PROGRAM
           " WHERE program < " GATEWAY_PROGRAM);
    return t.exec("SELECT array_to_string(gateway.grant_roles(), ', ')")[0][0].as<std::string>();
}

// All that is missing, or nothing: a step may need the files of its own program.
result<std::vector<std::string>> apply_missing(pqxx::connection& connection)
{
    pqxx::work t{connection};
    t.exec(lock_statement);
    BOOST_OUTCOME_TRY(check_encoding(t));
    const auto history = history_exists(t) ? history_of(t.exec(history_query)) : schema_history{};
    BOOST_OUTCOME_TRY(compare(history.steps));

    std::vector<std::string> names;
    for (std::size_t i = history.steps.size(); i < embedded_steps.size(); ++i) {
        apply_step(t, embedded_steps[i]);
        names.emplace_back(embedded_steps[i].name);
    }
    if (const auto first = first_to_apply(history); first < embedded_files.size()) {
        t.exec_params("DELETE FROM gateway.schema_file WHERE place >= $1", static_cast<int>(first));
        for (std::size_t i = first; i < embedded_files.size(); ++i)
            apply_file(t, i);
        names.emplace_back("functions and views");
    }
    const auto missing_roles = finish(t);
    if (history.steps.empty()) // in time for the first delivery; afterwards they are the keeper's
        t.exec("SELECT gateway.make_ahead(n) FROM unnest(ARRAY['source_event', 'intake']) n");
    t.commit();
    if (!missing_roles.empty())
        write_log(severity::warn, "roles_missing",
                  "this database user may not create roles: have an administrator run CREATE ROLE "
                  "... NOLOGIN for {attentive.role.names}, then migrate again",
                  {{"attentive.role.names", missing_roles}});
    return names;
}

database_settings settings_for(const std::string& url)
{
    return {.url = url, .application = "attentive-gateway migrate"};
}

} // namespace

const char* const history_exists_query =
    "SELECT to_regclass('gateway.schema_migration') IS NOT NULL";

const char* const history_query =
    "SELECT place, name, sha256, serves_from, is_newer FROM ("
    " SELECT version AS place, name, sha256, coalesce(serves_from, version) AS serves_from,"
    "        false AS is_newer FROM gateway.schema_migration"
    " UNION ALL SELECT place, name, sha256, NULL, program > " GATEWAY_PROGRAM
    " FROM gateway.schema_file) h ORDER BY place";

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
    for (int tries = 1;; ++tries) {
        try {
            database db{settings_for(database_url)};
            return apply_missing(db.connection());
        } catch (...) {
            const failure f = current_failure(server_text::kept);
            if (f.kind != failure_kind::conflict || tries == tries_max)
                return to_error(f, database_url, database_role::owner);
        }
    }
}

result<void> check_schema(const std::string& database_url, database_role needed, bool on_standby)
{
    try {
        auto settings = settings_for(database_url);
        settings.only_reads = on_standby;
        database db{settings};
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
