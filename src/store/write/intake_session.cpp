// How deliveries become durable: one call of gateway.append for all that queued, which is one round
// trip and one transaction, with no session state, so that a transaction pooler may stand between.
//
// Format: an array of gateway.intake_row in binary, one row for each endpoint and key, in which the
// bodies stand one behind the other. Nothing is looked into: whatever was signed can be kept.
//
// Invariants:
// - Every statement stands under a deadline, kept by another thread that shuts the socket down:
//   nothing in libpq frees a call on a frozen backend. What the deadline ended is in doubt.
// - Only a conflict is tried again as it is (SQLSTATE 40, which libpqxx may give without its code).
// - A connection takes deliveries only after it committed a message of its own, to a server that
//   keeps what it commits, with a schema that is ours, and where no commit of ours hangs.
#include "store/write/intake_session.hpp"
#include "store/database/schema.hpp"
#include "store/database/weak_database.hpp"
#include "store/write/row_encoder.hpp"
#include "store/write/sabotage.hpp"

#include "gateway/base/log.hpp"
#include "gateway/base/metrics.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace gateway {

namespace {

const histogram commit_seconds = make_histogram(
    "attentive_gateway_commit_duration_seconds",
    "One batch's transaction: sent, written and committed by PostgreSQL.", latency_buckets());

constexpr int tries_max = 4; // the first, and three more after a conflict

} // namespace

const char* const prove_commit_query =
    "SELECT pg_logical_emit_message(true, 'attentive-gateway', 'connected')";

std::uint32_t read_intake_type(pqxx::transaction_base& t)
{
    return t.exec("SELECT 'gateway.intake_row'::regtype::oid")[0][0].as<std::uint32_t>();
}

std::string encode_intake(std::uint32_t row_type, const delivery_list& deliveries)
{
    std::map<std::pair<std::string_view, std::string_view>, delivery_list> rows;
    std::size_t bytes = 128;
    for (const auto* d : deliveries) {
        rows[{d->endpoint(), d->key_id()}].push_back(d);
        bytes += d->body().size() + 32;
    }
    row_encoder out{row_type, rows.size(), bytes};
    for (const auto& [from, members] : rows) {
        std::vector<timestamp> received_at;
        std::vector<std::int32_t> lengths;
        std::string bodies;
        for (const auto* d : members) {
            received_at.push_back(d->received_at());
            lengths.push_back(static_cast<std::int32_t>(d->body().size()));
            bodies += d->body();
        }
        out.begin_row(5);
        out.begin_column(column_type::text);
        out.text_or_empty(from.first);
        out.begin_column(column_type::text);
        out.text_or_empty(from.second);
        out.begin_column(column_type::timestamptz_array);
        out.time_array(received_at);
        out.begin_column(column_type::integer_array);
        out.integer_array(lengths);
        out.begin_column(column_type::bytea);
        out.bytea(bodies);
        out.end_row();
    }
    return out.take();
}

void append_deliveries(pqxx::transaction_base& t, std::uint32_t row_type,
                       const std::string& instance, const delivery_list& deliveries)
{
    std::string statement = "SELECT gateway.append($1, $2)";
    if (sabotaged(sabotage::no_fsync)) // after the function, which insists on it
        statement += ", set_config('synchronous_commit', 'off', true)";
    const std::string rows = encode_intake(row_type, deliveries);
    t.exec_params(statement, instance, pqxx::binarystring{rows.data(), rows.size()});
}

intake_session::intake_session(const batch_settings& settings, std::string instance,
                               call_deadlines& deadlines)
    : deadline_(settings.batch_deadline), instance_(std::move(instance)), deadlines_(deadlines),
      database_({.url = settings.database_url,
                 .application = "attentive-gateway",
                 .statement_timeout = settings.batch_deadline})
{
    // At each connect: the server may have been restarted with other settings.
    refuse_weak(ask(durability_query)[0], settings.accept_weak_durability);
    check_schema();
    refuse_hanging();
    ask(prove_commit_query);
    row_type_ = in_time(read_intake_type);
    in_time([&](auto& t) {
        append_deliveries(t, row_type_, instance_, {});
        return true;
    });
}

// A backend that waits for a standby, or for a lock that a frozen process holds, looks neither at
// its statement_timeout nor at its socket: who gave it up leaves it there, and a try of each thread
// every few seconds would take every connection that the server has. The one that hangs is the try:
// it ends when commits end again.
void intake_session::refuse_hanging()
{
    const auto hanging = in_time([&](auto& t) {
        return t.exec_params(
            "SELECT pid, wait_event FROM pg_stat_activity WHERE usename = session_user"
            " AND application_name = current_setting('application_name')"
            " AND pid <> pg_backend_pid() AND state = 'active'"
            " AND wait_event_type IN ('IPC', 'LWLock')"
            " AND clock_timestamp() - query_start > $1 * interval '1 ms' LIMIT 1",
            (deadline_ / 2).count());
    });
    if (!hanging.empty())
        throw hanging_commit{"a commit of ours hangs on the server (process " +
                             hanging[0][0].as<std::string>() + ", " +
                             hanging[0][1].as<std::string>() +
                             "), and none is tried beside it: SyncRep means that a standby of "
                             "synchronous_standby_names is away"};
}

// A commit that waits for a standby and is cancelled by somebody succeeds, on one machine, with a
// warning in the server's language, which may as well be a trigger's. Another commit tells: it
// waits for all before it.
void intake_session::refuse_unreplicated()
{
    const auto before = database_.notices();
    ask(prove_commit_query);
    if (database_.notices() == before)
        return;
    write_log(severity::warn, "commit_wait_ended",
              "somebody ended a commit's wait for its standby: what it wrote counts as not stored");
    throw pqxx::broken_connection{"a commit waits for its standby no more"};
}

std::optional<failure> intake_session::append(const delivery_list& deliveries,
                                              std::chrono::steady_clock::time_point by)
{
    by_ = by;
    for (int attempts = 1;; ++attempts) {
        try {
            const auto start = std::chrono::steady_clock::now();
            const auto notices = database_.notices();
            in_time([&](auto& t) {
                append_deliveries(t, row_type_, instance_, deliveries);
                return true;
            });
            if (database_.notices() != notices)
                refuse_unreplicated();
            if (!deliveries.empty())
                commit_seconds.observe(std::chrono::steady_clock::now() - start);
            return std::nullopt;
        } catch (...) {
            failure f = current_failure();
            if (f.kind == failure_kind::conflict && attempts < tries_max)
                continue;
            if (f.kind == failure_kind::lost && !deadline_passed_)
                f.message = "the connection broke";
            return f;
        }
    }
}

// Runs `work` on a connection without a transaction block: each of its statements is one.
template <class Work>
auto intake_session::in_time(Work work) -> decltype(work(std::declval<pqxx::nontransaction&>()))
{
    auto& connection = database_.connection();
    const call_deadlines::guard limit{deadlines_, connection.sock(), time_left()};
    try {
        pqxx::nontransaction t{connection};
        return work(t);
    } catch (...) {
        deadline_passed_ = limit.expired();
        if (deadline_passed_) // what libpqxx says of a socket that was shut is of no help
            throw pqxx::broken_connection{"no answer within the deadline, connection given up"};
        throw;
    }
}

pqxx::result intake_session::ask(const char* sql)
{
    return in_time([sql](auto& t) { return t.exec(sql); });
}

std::chrono::milliseconds intake_session::time_left() const
{
    if (by_ == no_limit)
        return deadline_;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(by_ - std::chrono::steady_clock::now());
    return std::clamp(left, std::chrono::milliseconds{0}, deadline_);
}

// A schema of another version may take deliveries and keep something else than we mean.
void intake_session::check_schema()
{
    const bool exists = ask(history_exists_query)[0][0].as<bool>();
    refuse_unfit(exists ? ask(history_query) : pqxx::result{});
}

} // namespace gateway
