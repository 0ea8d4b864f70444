// libpqxx and libpq as they are: which options a connection gets, and which of their many
// exceptions means what to a batch.
#include "store/database/database.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/store/connection_string.hpp"
#include "store/database/weak_database.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace gateway {

namespace {

struct option {
    std::string_view key;
    std::string value;
};

std::string first_line(std::string_view text)
{
    return std::string{text.substr(0, text.find('\n'))};
}

// pgbouncer before 1.20 knows no `options`, later ones only some: both say it like this.
bool pooler_refused_options(std::string_view message)
{
    return message.find("unsupported startup parameter") != std::string_view::npos;
}

std::string kept_text(const std::exception& e, server_text text)
{
    return text == server_text::kept ? first_line(e.what()) : std::string{};
}

struct parsed_options {
    explicit parsed_options(const std::string& url)
    {
        options = PQconninfoParse(url.c_str(), nullptr);
        if (options == nullptr)
            throw pqxx::broken_connection{"the database's URL: " + connection_string_fault(url)};
    }
    ~parsed_options() { PQconninfoFree(options); }
    parsed_options(const parsed_options&) = delete;
    parsed_options& operator=(const parsed_options&) = delete;

    PQconninfoOption* options = nullptr;
};

struct finish_connection {
    void operator()(PGconn* connection) const { PQfinish(connection); }
};

constexpr std::chrono::seconds connect_limit{3};

// The SQLSTATE with which the server turns a login away; empty when it does not, or when nobody can
// tell by `until`. libpqxx forgets it, and the text is in whatever language the server speaks: so
// the login is tried once more, by a connection that is to give the code alone.
std::string login_refusal(const std::string& url, std::chrono::steady_clock::time_point until)
{
    using namespace std::chrono;
    if (steady_clock::now() >= until) // nobody answered, not even a name server perhaps
        return {};
    const std::unique_ptr<PGconn, finish_connection> attempt{PQconnectStart(url.c_str())};
    if (attempt == nullptr)
        return {};
    PQsetErrorVerbosity(attempt.get(), PQERRORS_SQLSTATE);
    auto wanted = PGRES_POLLING_WRITING;
    while (wanted == PGRES_POLLING_READING || wanted == PGRES_POLLING_WRITING) {
        pollfd socket{PQsocket(attempt.get()),
                      static_cast<short>(wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
        const auto left = ceil<milliseconds>(until - steady_clock::now()).count();
        if (left <= 0 || socket.fd < 0 || ::poll(&socket, 1, static_cast<int>(left)) <= 0)
            return {};
        wanted = PQconnectPoll(attempt.get());
    }
    if (wanted != PGRES_POLLING_FAILED)
        return {};
    // "connection to server at "db" (10.0.0.2), port 5432 failed: FATAL:  28P01"
    std::string text = PQerrorMessage(attempt.get());
    text.erase(text.find_last_not_of(" \n") + 1);
    const auto code = text.substr(std::min(text.rfind(' ') + 1, text.size()));
    return code.size() == 5 ? code : std::string{};
}

// Class 28: password, role, pg_hba.conf. 3D000: no such database. 42501: no right to connect.
// Source: PostgreSQL manual, "Error Codes".
bool is_for_somebody(const std::string& sqlstate)
{
    return sqlstate.substr(0, 2) == "28" || sqlstate == "3D000" || sqlstate == "42501";
}

std::unique_ptr<pqxx::connection> connected_to(const std::string& url)
{
    const auto until = std::chrono::steady_clock::now() + connect_limit;
    try {
        return std::make_unique<pqxx::connection>(url);
    } catch (const pqxx::broken_connection& e) {
        if (pooler_refused_options(e.what()))
            throw;
        const auto code = login_refusal(url, until);
        if (is_for_somebody(code))
            throw login_refused{code, e.what()};
        throw;
    }
}

} // namespace

std::string complete_url(const database_settings& settings, bool with_options, bool to_any)
{
    std::string server_options;
    if (with_options && settings.statement_timeout.count() > 0) {
        const std::string limit = std::to_string(settings.statement_timeout.count());
        server_options = "-c statement_timeout=" + limit + " -c lock_timeout=1000";
    }
    const std::array<option, 9> ours = {{{"connect_timeout", "3"},
                                         {"keepalives", "1"},
                                         {"keepalives_idle", "1"},
                                         {"keepalives_interval", "1"},
                                         {"keepalives_count", "3"},
                                         {"tcp_user_timeout", "3000"},
                                         {"client_encoding", "UTF8"},
                                         {"application_name", settings.application},
                                         {"target_session_attrs", to_any ? "any" : "read-write"}}};
    const parsed_options given{settings.url};
    std::string out;
    for (const PQconninfoOption* o = given.options; o->keyword != nullptr; ++o) {
        const std::string_view key = o->keyword;
        if (key == "options")
            server_options += std::string{" "} + (o->val == nullptr ? "" : o->val);
        else if (o->val != nullptr)
            out += std::string{key} + "=" + single_quoted(o->val) + " ";
        else {
            for (const auto& ours_too : ours) {
                if (ours_too.key == key)
                    out += std::string{key} + "=" + single_quoted(ours_too.value) + " ";
            }
        }
    }
    if (server_options.size() > 1)
        out += "options=" + single_quoted(server_options);
    return out;
}

namespace {

std::unique_ptr<pqxx::connection> connected_by(const database_settings& settings, bool to_any)
{
    try {
        return connected_to(complete_url(settings, true, to_any));
    } catch (const pqxx::broken_connection& e) {
        if (!pooler_refused_options(e.what()))
            throw;
        return connected_to(complete_url(settings, false, to_any));
    }
}

} // namespace

database::database(const database_settings& settings)
{
    try {
        connection_ = connected_by(settings, false);
    } catch (const login_refused&) {
        throw;
    } catch (const pqxx::broken_connection&) {
        if (!settings.only_reads)
            throw;
        connection_ = connected_by(settings, true);
    }
    notices_ = std::make_unique<notice_counter>(*connection_);
}

bool database::notice_counter::operator()(const char*) noexcept
{
    ++count;
    return false; // to no other handler
}

failure_kind kind_of(const std::string& sqlstate)
{
    const std::string_view whole = sqlstate;
    const std::string_view group = whole.substr(0, 2);
    if (whole == "57014") // query_canceled: our statement_timeout, and the connection lives on
        return failure_kind::other;
    if (whole.empty() || group == "08" || group == "57")
        return failure_kind::lost;
    if (group == "22" || group == "23" || group == "54")
        return failure_kind::rejected;
    if (group == "40")
        return failure_kind::conflict;
    return failure_kind::other;
}

failure current_failure(server_text text)
{
    try {
        throw;
    } catch (const pqxx::in_doubt_error&) { // none of those below: it has to come first
        return {failure_kind::lost, {}, "the connection broke during the commit"};
    } catch (const pqxx::statement_completion_unknown&) {
        return {failure_kind::lost, "40003", {}};
    } catch (const pqxx::transaction_rollback&) { // no sql_error in 6.4, and without its SQLSTATE
        return {failure_kind::conflict, "40001", {}};
    } catch (const login_refused& e) {
        return {failure_kind::refused, e.sqlstate, first_line(e.what())};
    } catch (const pqxx::broken_connection& e) {
        return {failure_kind::lost, {}, first_line(e.what())};
    } catch (const pqxx::insufficient_privilege& e) { // 6.4 forgets its SQLSTATE
        return {failure_kind::other, "42501", kept_text(e, text)};
    } catch (const pqxx::sql_error& e) {
        return {kind_of(e.sqlstate()), e.sqlstate(), kept_text(e, text)};
    } catch (const unfit_schema& e) {
        return {failure_kind::unfit, {}, e.what()};
    } catch (const weak_database& e) {
        return {failure_kind::other, {}, e.what()};
    } catch (const hanging_commit& e) {
        return {failure_kind::other, {}, e.what()};
    } catch (const std::exception&) {
        return {failure_kind::other, {}, "the client library failed"};
    }
}

namespace {

errc code_of(failure_kind kind)
{
    switch (kind) {
    case failure_kind::lost: return errc::database_unavailable;
    case failure_kind::unfit: return errc::schema_mismatch;
    case failure_kind::refused:
    case failure_kind::rejected:
    case failure_kind::conflict:
    case failure_kind::other: return errc::database_failed;
    }
    return errc::database_failed;
}

} // namespace

error to_error(const failure& f)
{
    std::string detail = f.message;
    if (!f.sqlstate.empty())
        detail += (detail.empty() ? "" : ": ") + std::string{"SQLSTATE "} + f.sqlstate;
    return fail(code_of(f.kind), detail.empty() ? "the connection broke" : detail);
}

result<void> check_login(const std::string& url)
{
    try {
        const database db{{.url = url, .application = "attentive-gateway"}};
        return ok();
    } catch (...) {
        return to_error(current_failure());
    }
}

} // namespace gateway
