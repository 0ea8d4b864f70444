// What one batch says to the database: partitions if need be, then the one call of
// gateway.write_batch, which is one round trip and one transaction, with no session state, so that
// a transaction pooler may stand between.
//
// Format: three arrays of composite types (events, their raw bytes, refusals) in binary, as
// batch_rows.cpp encodes them; the answer is how many rows were stored, and which events were new,
// as positions from 1 (nothing: all of them).
//
// Invariants:
// - Units come in key order, events before refusals: two writers with the same rows would deadlock
//   otherwise, and halves of a batch that is searched for poison keep the order.
// - Every statement stands under a deadline, kept by another thread that shuts the socket down:
//   nothing in libpq frees a call on a frozen backend. What the deadline ended is in doubt.
// - Only a conflict is tried again as it is (SQLSTATE 40, which libpqxx may give without its code),
//   and 23514 once: a partition was attached between routing a row to DEFAULT and inserting it.
// - A connection takes events only after it committed a message of its own, to a server that keeps
//   what it commits, with a schema that is ours, and where no commit of ours hangs.
// - Partitions are made apart from the batch: their lock ends with them, and a failure there is
//   none of the batch, whose rows wait in DEFAULT.
//
// Tried and left: an array for each of the columns. Arrays of rows are a fifth cheaper for
// PostgreSQL.
#include "store/write/batch_session.hpp"
#include "store/database/schema.hpp"
#include "store/database/weak_database.hpp"
#include "store/write/batch_rows.hpp"
#include "store/write/sabotage.hpp"

#include "gateway/base/log.hpp"
#include "gateway/base/metrics.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace gateway {

namespace {

const histogram commit_seconds = make_histogram(
    "attentive_gateway_commit_duration_seconds",
    "One batch's transaction: sent, written and committed by PostgreSQL.", latency_buckets());

using std::chrono::days;
using std::chrono::sys_days;

constexpr int tries_max = 4;                         // the first, and three more after a conflict
constexpr std::chrono::seconds partitions_pause{60}; // meanwhile the keeper comes for the rows

// A partition was attached between routing a row to DEFAULT and inserting it there: PostgreSQL
// says check_violation, though the row is good. The next try routes it right.
constexpr const char* check_violation = "23514";

sys_days month_of(timestamp t)
{
    const std::chrono::year_month_day day{std::chrono::floor<days>(t)};
    return sys_days{day.year() / day.month() / 1};
}

// Whole milliseconds near the ends of the range overflow a calendar: DEFAULT takes those rows, or
// PostgreSQL refuses them.
bool has_partition(timestamp t)
{
    return t >= timestamp{sys_days{std::chrono::year{2000} / 1 / 1}} &&
           t < timestamp{sys_days{std::chrono::year{2200} / 1 / 1}};
}

struct parts {
    std::span<const unit> events;
    std::span<const unit> refusals;
};

parts split(std::span<const unit> units)
{
    const auto border =
        std::find_if(units.begin(), units.end(), [](const unit& u) { return !u.is_event(); });
    const auto events = static_cast<std::size_t>(border - units.begin());
    return {units.first(events), units.subspan(events)};
}

// Refused is what the database may do to one event while it takes others. Not a lock, a time limit,
// a server that is read-only or out of memory: there, trying parts would only take longer.
verdict verdict_of(const failure& f)
{
    if (f.kind == failure_kind::rejected)
        return verdict::rejected;
    const std::string group = f.sqlstate.substr(0, 2);
    const bool of_all =
        group.empty() || group == "25" || group == "53" || group == "55" || group == "57";
    const bool disk_full = f.sqlstate == "53100"; // of a tablespace, perhaps
    return f.kind == failure_kind::other && (!of_all || disk_full) ? verdict::refused
                                                                   : verdict::failed;
}

pqxx::binarystring binary(const std::string& value)
{
    return pqxx::binarystring{value.data(), value.size()};
}

} // namespace

const char* const prove_commit_query =
    "SELECT pg_logical_emit_message(true, 'attentive-gateway', 'connected')";

row_types read_row_types(pqxx::transaction_base& t)
{
    const auto row = t.exec("SELECT 'gateway.event_row'::regtype::oid,"
                            " 'gateway.delivery_row'::regtype::oid,"
                            " 'gateway.quarantine_row'::regtype::oid")[0];
    return {row[0].as<std::uint32_t>(), row[1].as<std::uint32_t>(), row[2].as<std::uint32_t>()};
}

batch_written write_units(pqxx::transaction_base& t, const row_types& types,
                          const std::string& instance, std::span<const unit> units)
{
    const auto [events, refusals] = split(units);
    std::string statement = "SELECT stored, fresh FROM gateway.write_batch($1, $2, $3, $4, $5)";
    if (sabotaged(sabotage::no_fsync)) // after the function, which insists on it
        statement += " WHERE set_config('synchronous_commit', 'off', true) IS NOT NULL";
    const auto written = t.exec_params(
        statement, instance, GATEWAY_VERSION, binary(encode(event_columns(), types.event, events)),
        binary(encode(delivery_columns(), types.delivery, events)),
        binary(encode(quarantine_columns(), types.quarantine, refusals)))[0];
    batch_written out;
    out.fresh.assign(events.size(), written[1].is_null());
    if (written[1].is_null()) // short for all of them
        return out;
    using juncture = pqxx::array_parser::juncture;
    auto positions = written[1].as_array();
    for (auto next = positions.get_next(); next.first != juncture::done;
         next = positions.get_next()) {
        if (next.first == juncture::string_value)
            out.fresh.at(std::stoul(next.second) - 1) = true; // they count from 1
    }
    return out;
}

batch_session::batch_session(const batch_settings& settings, std::string instance,
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
    types_ = in_time(read_row_types);
    write_nothing();
}

// A backend that waits for a standby, or for a lock that a frozen process holds, looks neither at
// its statement_timeout nor at its socket: who gave it up leaves it there, and a try of each thread
// every few seconds would take every connection that the server has. The one that hangs is the try:
// it ends when commits end again.
void batch_session::refuse_hanging()
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
void batch_session::refuse_unreplicated()
{
    const auto before = database_.notices();
    ask(prove_commit_query);
    if (database_.notices() == before)
        return;
    write_log(severity::warn, "commit_wait_ended",
              "somebody ended a commit's wait for its standby: what it wrote counts as not stored");
    throw pqxx::broken_connection{"a commit waits for its standby no more"};
}

void batch_session::write_nothing()
{
    in_time([&](auto& t) { return write_units(t, types_, instance_, {}); });
}

bool batch_session::takes_batches()
{
    by_ = no_limit;
    try {
        write_nothing();
        return true;
    } catch (...) {
        return false;
    }
}

batch_written batch_session::write(std::span<const unit> units)
{
    ensure_partitions(split(units).events);
    for (int attempts = 1;; ++attempts) {
        try {
            const auto start = std::chrono::steady_clock::now();
            const auto notices = database_.notices();
            auto written =
                in_time([&](auto& t) { return write_units(t, types_, instance_, units); });
            if (database_.notices() != notices)
                refuse_unreplicated();
            commit_seconds.observe(std::chrono::steady_clock::now() - start);
            return written;
        } catch (...) {
            const failure f = current_failure();
            const bool again = f.kind == failure_kind::conflict ||
                               (f.sqlstate == check_violation && attempts == 1);
            if (!again || attempts == tries_max)
                throw;
        }
    }
}

unwritten batch_session::write_parts(
    std::vector<unit> units,
    const std::function<void(std::span<unit>, const batch_written&)>& written, failure& last,
    std::chrono::steady_clock::time_point by, takes_others others)
{
    by_ = by;
    const auto write_part = [&](std::span<unit> part) {
        batch_written done;
        try {
            done = write(part);
        } catch (...) {
            last = current_failure();
            if (last.kind == failure_kind::lost && !deadline_passed_)
                last.message = "the connection broke";
            return verdict_of(last);
        }
        written(part, done);
        return verdict::written;
    };
    return write_all(std::move(units), write_part, others);
}

// Runs `work` on a connection without a transaction block: each of its statements is one.
template <class Work>
auto batch_session::in_time(Work work) -> decltype(work(std::declval<pqxx::nontransaction&>()))
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

pqxx::result batch_session::ask(const char* sql)
{
    return in_time([sql](auto& t) { return t.exec(sql); });
}

std::chrono::milliseconds batch_session::time_left() const
{
    if (by_ == no_limit)
        return deadline_;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(by_ - std::chrono::steady_clock::now());
    return std::clamp(left, std::chrono::milliseconds{0}, deadline_);
}

// A schema of another version may take a batch and keep something else than we mean.
void batch_session::check_schema()
{
    const bool exists = ask(history_exists_query)[0][0].as<bool>();
    refuse_unfit(exists ? ask(history_query) : pqxx::result{});
}

void batch_session::ensure_partitions(std::span<const unit> events)
{
    std::set<sys_days> months;
    std::set<sys_days> receipt_days;
    for (const auto& u : events) {
        const auto occurred_at = u.first().event().occurred_at;
        const auto received_at = u.first().delivery.received_at();
        if (has_partition(occurred_at))
            months.insert(month_of(occurred_at));
        if (has_partition(received_at)) {
            const auto day = std::chrono::floor<days>(received_at);
            receipt_days.insert(day);
        }
    }
    ensure(months, months_);
    ensure(receipt_days, days_);
}

// A failure here is no failure of the batch: rows without a partition wait in DEFAULT.
void batch_session::ensure(const std::set<sys_days>& starts, partitions& of)
{
    if (std::includes(of.known.begin(), of.known.end(), starts.begin(), starts.end()) ||
        std::chrono::steady_clock::now() < of.again)
        return;
    std::string times;
    for (const auto& start : starts) {
        if (!of.known.count(start))
            times += (times.empty() ? "{" : ",") + to_string(timestamp{start});
    }
    std::string sqlstate;
    try {
        const auto made = in_time([&](auto& t) {
            // Locks are held until the commit is over: it waits for no standby.
            return t.exec_params("SELECT complete FROM gateway.ensure_partitions($1, $2),"
                                 " set_config('synchronous_commit', 'local', true)",
                                 of.table, times + "}");
        });
        if (made[0][0].as<bool>()) {
            of.known.insert(starts.begin(), starts.end());
            return;
        }
    } catch (...) {
        const failure f = current_failure();
        if (f.kind == failure_kind::lost)
            throw;
        sqlstate = f.sqlstate;
    }
    of.again = std::chrono::steady_clock::now() + partitions_pause;
    write_log(severity::warn, "partition_missing",
              "a partition of gateway.{db.collection.name} cannot be made for now: rows wait in "
              "its DEFAULT",
              {{"db.collection.name", of.table}, {"db.response.status_code", sqlstate}});
}

} // namespace gateway
