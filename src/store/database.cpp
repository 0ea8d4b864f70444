// libpqxx and libpq as they are: which options a connection gets, and which of their many
// exceptions means what to a batch.
#include "store/database.hpp"
#include "gateway/base/encoding.hpp"
#include "store/durability.hpp"

#include <libpq-fe.h>

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
        char* fault = nullptr;
        options = PQconninfoParse(url.c_str(), &fault);
        // libpq quotes the string in its complaint, and a password may stand in it.
        PQfreemem(fault);
        if (options == nullptr)
            throw pqxx::broken_connection{"the database URL is not a valid connection string"};
    }
    ~parsed_options() { PQconninfoFree(options); }
    parsed_options(const parsed_options&) = delete;
    parsed_options& operator=(const parsed_options&) = delete;

    PQconninfoOption* options = nullptr;
};

} // namespace

std::string complete_url(const database_settings& settings, bool with_options)
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
                                         {"target_session_attrs", "read-write"}}};
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

database::database(const database_settings& settings)
{
    try {
        connection_ = std::make_unique<pqxx::connection>(complete_url(settings, true));
    } catch (const pqxx::broken_connection& e) {
        if (!pooler_refused_options(e.what()))
            throw;
        connection_ = std::make_unique<pqxx::connection>(complete_url(settings, false));
    }
    quiet_ = std::make_unique<pqxx::quiet_errorhandler>(*connection_);
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
    } catch (const pqxx::broken_connection& e) {
        return {failure_kind::lost, {}, first_line(e.what())};
    } catch (const pqxx::insufficient_privilege& e) { // 6.4 forgets its SQLSTATE
        return {failure_kind::other, "42501", kept_text(e, text)};
    } catch (const pqxx::sql_error& e) {
        return {kind_of(e.sqlstate()), e.sqlstate(), kept_text(e, text)};
    } catch (const weak_database& e) {
        return {failure_kind::other, {}, e.what()};
    } catch (const std::exception&) {
        return {failure_kind::other, {}, "the client library failed"};
    }
}

error to_error(const failure& f)
{
    const errc code =
        f.kind == failure_kind::lost ? errc::database_unavailable : errc::database_failed;
    std::string detail = f.message;
    if (!f.sqlstate.empty())
        detail += (detail.empty() ? "" : ": ") + std::string{"SQLSTATE "} + f.sqlstate;
    return fail(code, detail.empty() ? "the connection broke" : detail);
}

} // namespace gateway
