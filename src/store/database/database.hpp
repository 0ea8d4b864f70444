// One connection to PostgreSQL, opened with the time-outs that a receiver needs, and what its
// failures mean. The only place of the store that knows libpqxx's exceptions and their traps.
#pragma once

#include "gateway/base/result.hpp"

#include <pqxx/pqxx>

#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace gateway {

struct query_table; // gateway/store/query.hpp

struct database_settings {
    std::string url;         // libpq connection string or URI; what it says wins over ours
    std::string application; // application_name
    std::chrono::milliseconds statement_timeout{0}; // zero: none
    bool only_reads = false; // where no server takes writes, one that does not will do
};

// A connection whose server notices are counted and go nowhere: libpqxx would print them to stderr.
class database {
public:
    // Connects within 3 seconds. Throws what libpqxx throws, and login_refused. A transaction
    // pooler refuses the time-outs that we ask for as start-up options; then the connection goes
    // without them.
    explicit database(const database_settings& settings);

    pqxx::connection& connection() { return *connection_; }
    // How many notices and warnings came so far.
    std::size_t notices() const { return notices_->count; }

private:
    struct notice_counter : pqxx::errorhandler {
        using errorhandler::errorhandler;
        bool operator()(const char*) noexcept override;

        std::size_t count = 0;
    };

    std::unique_ptr<pqxx::connection> connection_;
    std::unique_ptr<notice_counter> notices_; // ends before the connection
};

enum class failure_kind {
    lost,     // no connection, or it broke: what was under way is in doubt
    refused,  // no connection: the server does not let us in until somebody changes something
    unfit,    // its schema is not one that this program can use
    rejected, // SQLSTATE 22, 23, 54: a value that the tables cannot hold
    conflict, // SQLSTATE 40: may be tried again as it is
    other,    // permission, space, read-only, ...
};

struct failure {
    failure_kind kind;
    std::string sqlstate; // empty when the server said none
    std::string message;  // first line, only when it cannot hold values of rows; else empty
};

// The server answered, and turned the login away for a reason that time does not heal: a password,
// a role, a database, pg_hba.conf. what() is the server's text.
struct login_refused : pqxx::broken_connection {
    login_refused(std::string code, const std::string& text)
        : pqxx::broken_connection{text}, sqlstate{std::move(code)}
    {
    }
    std::string sqlstate;
};

// A schema that this program cannot use; what() says why and what to do.
struct unfit_schema : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A commit of ours hangs on the server since long, and another would; what() says where.
struct hanging_commit : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// What the exception being handled means. Call it inside catch (...) around libpqxx. The server's
// text is kept only when asked for: it may quote values of rows, so ask for DDL alone.
enum class server_text { dropped, kept };
failure current_failure(server_text text = server_text::dropped);

// SQLSTATE to kind. Source: PostgreSQL manual, "Error Codes".
failure_kind kind_of(const std::string& sqlstate);

// The failure as a result, with what is known in plain words: database_unavailable when the
// connection was lost, schema_mismatch when the schema is unfit, else database_failed.
error to_error(const failure& f);

// A whole result as text.
query_table table_from(const pqxx::result& rows);

// The connection string with our time-outs for everything it leaves open, to a server that takes
// writes; with `to_any` also to a standby.
std::string complete_url(const database_settings& settings, bool with_options, bool to_any = false);

} // namespace gateway
