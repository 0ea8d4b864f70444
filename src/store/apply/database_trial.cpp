// What a refused connection, or deliveries that were not taken, means for whoever has to mend it.
#include "gateway/store/database_trial.hpp"

#include "store/apply/apply_session.hpp"
#include "store/database/call_deadlines.hpp"
#include "store/database/missing_grant.hpp"
#include "store/database/weak_database.hpp"
#include "store/write/intake_session.hpp"

#include <algorithm>
#include <utility>

namespace gateway {

namespace {

constexpr std::chrono::milliseconds statement_limit{5'000};

database_settings trial_settings(const std::string& url)
{
    return {.url = url,
            .application = "attentive-gateway doctor",
            .statement_timeout = statement_limit};
}

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

// Of a connection. Source: PostgreSQL manual, "Error Codes"; texts of libpq and of the server's
// postinit.c for what comes without a code.
database_fault refusal_of(const failure& f)
{
    const std::string& code = f.sqlstate;
    const std::string& text = f.message;
    if (code == "28P01" || contains(text, "no password supplied"))
        return {text,
                "set the role's password in database.password (its file or credential); as an "
                "administrator: ALTER ROLE … PASSWORD",
                true};
    if (code == "28000")
        return {text,
                "name a role that exists and may log in, in database.url, and let pg_hba.conf "
                "allow it from here (without a user in the url libpq takes the one who runs this)",
                true};
    if (code == "3D000")
        return {text, "correct the database's name in database.url, or CREATE DATABASE", true};
    if (code == "42501")
        return {text, "as an administrator: GRANT CONNECT ON DATABASE … TO the user", true};
    if (contains(text, "too many connections") || contains(text, "too many clients") ||
        contains(text, "connection slots"))
        return {text, "raise the limit", true};
    if (contains(text, "not currently accepting connections"))
        return {text, "as an administrator: ALTER DATABASE … ALLOW_CONNECTIONS true", true};
    if (contains(text, "session is read-only") || contains(text, "server is in hot standby mode"))
        return {text,
                "connect to the primary, or end what makes it read-only "
                "(default_transaction_read_only of server, database or role)",
                true};
    if (code.empty() && (contains(text, "SSL") || contains(text, "certificate")))
        return {text, "set sslmode and sslrootcert in database.url as the server needs them", true};
    if (contains(text, "the database's URL: "))
        return {text, "correct database.url", true};
    return {text, "check database.url, the server, its pg_hba.conf and the way to it", false};
}

// Of a batch.
database_fault fault_of(const failure& f, const std::string& url)
{
    const std::string said = to_error(f).detail;
    const std::string group = f.sqlstate.substr(0, 2);
    if (f.sqlstate == "42501")
        return {"this user may not do what the gateway does: SQLSTATE 42501",
                with_missing_grant(f, url, database_role::writer).message, true};
    if (f.sqlstate == "25006")
        return {said, "connect to the primary, or end what makes it read-only", true};
    if (group == "42" || group == "3F")
        return {"something of the schema is gone or was changed: " + said,
                "restore the database from a backup, or migrate an empty one; migrate does not "
                "make again what it made once",
                true};
    if (group == "53")
        return {said, "give the database's host what it ran out of (disk, memory)", false};
    if (f.sqlstate == "55P03" || f.sqlstate == "57014")
        return {"it did not come to an end within limits.batch_deadline: " + said,
                "see pg_stat_activity for who locks gateway's tables, and the load of the host",
                false};
    return {said, "see the log of PostgreSQL", f.kind != failure_kind::lost};
}

} // namespace

struct database_trial::implementation {
    explicit implementation(std::string u) : url(std::move(u)) {}

    std::string url;
    std::optional<database> connected;
    std::optional<database_fault> refused;
};

database_trial::database_trial(std::string database_url)
    : implementation_(std::make_unique<implementation>(std::move(database_url)))
{
    auto& i = *implementation_;
    try {
        i.connected.emplace(trial_settings(i.url));
    } catch (...) {
        i.refused = refusal_of(current_failure());
    }
}

database_trial::~database_trial() = default;

const std::optional<database_fault>& database_trial::refused() const
{
    return implementation_->refused;
}

result<query_table> database_trial::ask(const std::string& sql)
{
    try {
        pqxx::read_transaction t{implementation_->connected->connection()};
        return table_from(t.exec(sql));
    } catch (...) {
        return to_error(current_failure(server_text::kept), implementation_->url,
                        database_role::writer);
    }
}

std::optional<database_fault>
database_trial::write(const std::vector<verified_delivery>& deliveries, const mapping_function& map,
                      std::chrono::milliseconds limit)
{
    delivery_list all;
    for (const auto& d : deliveries)
        all.push_back(&d);
    auto& connection = implementation_->connected->connection();
    const char* doing = "deliveries were not written: ";
    try {
        call_deadlines deadlines;
        const call_deadlines::guard until{deadlines, connection.sock(),
                                          2 * limit + std::chrono::seconds{1}};
        pqxx::nontransaction{connection}.exec(prove_commit_query);
        pqxx::work t{connection};
        t.exec("SET LOCAL statement_timeout = " + std::to_string(limit.count()));
        const auto types = read_row_types(t);
        const auto before =
            t.exec("SELECT coalesce(max(intake_id), 0) FROM gateway.intake_waiting");
        append_deliveries(t, types.intake, "doctor", all);
        doing = "deliveries were written, but not applied: ";
        t.exec("SELECT gateway.hold_still()"); // else the step below is none
        const auto rows = read_intake(t, {.after = before[0][0].as<std::int64_t>()}, map);
        apply_units(t, types, rows, rows.units);
        doing = "deliveries were applied, but not projected: ";
        t.exec("SELECT is_active FROM gateway.project(1)");
        t.abort();
        return std::nullopt;
    } catch (...) {
        auto fault = fault_of(current_failure(server_text::kept), implementation_->url);
        fault.what = doing + fault.what;
        return fault;
    }
}

std::optional<replication> database_trial::follows()
{
    try {
        pqxx::read_transaction t{implementation_->connected->connection()};
        return replication_of(t.exec(replication_query)[0]);
    } catch (...) {
        return std::nullopt;
    }
}

std::optional<connection_room> database_trial::room()
{
    const auto known =
        ask("SELECT current_setting('statement_timeout') = '5s', CASE WHEN r.rolsuper THEN -1 ELSE"
            " r.rolconnlimit END, CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END,"
            " current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int,"
            " '\"' || replace(r.rolname, '\"', '\"\"') || '\"',"
            " '\"' || replace(d.datname, '\"', '\"\"') || '\"'"
            " FROM pg_roles r, pg_database d WHERE r.rolname = session_user"
            " AND d.datname = current_database()");
    if (!known || known.value().rows.empty() || known.value().rows[0][0] != "t")
        return std::nullopt;
    const auto& row = known.value().rows[0];
    return connection_room{std::stol(row[1]), std::stol(row[2]), std::stol(row[3]), row[4], row[5]};
}

} // namespace gateway
