// From the intake to the log. A round reads the oldest rows that wait, maps them, and writes what
// they are by one call of gateway.apply, which is one transaction: it gives events their positions
// and ends the waiting of their rows. Whoever crashes in between does the step again.
//
// Format: two arrays of composite types (events, refusals) in binary, as event_rows.cpp encodes
// them.
//
// Invariants:
// - Nothing is held while deliveries are mapped or partitions made: only the call of gateway.apply
//   holds the lock, and it looks whether its rows still wait.
// - A step that is refused as a whole is taken piece by piece: piecemeal.cpp.
// - 23514 is tried again once: a partition was attached between routing a row to DEFAULT and
//   inserting it.
// - Partitions are made apart: their lock ends with them, and a failure there is none of the step,
//   whose rows wait in DEFAULT.
#include "store/apply/apply_session.hpp"
#include "gateway/store/stored_delivery.hpp"
#include "store/apply/event_rows.hpp"
#include "store/apply/piecemeal.hpp"
#include "store/database/schema.hpp"
#include "store/write/sabotage.hpp"

#include "gateway/base/log.hpp"
#include "gateway/base/log_limit.hpp"

#include <algorithm>
#include <utility>

namespace gateway {

namespace {

using std::chrono::days;
using std::chrono::steady_clock;
using std::chrono::sys_days;

constexpr std::chrono::seconds partitions_pause{60}; // meanwhile the keeper comes for the rows

constexpr std::int64_t none = -1; // for NULL

std::vector<std::int64_t> numbers_of(const pqxx::field& field)
{
    using juncture = pqxx::array_parser::juncture;
    std::vector<std::int64_t> out;
    auto values = field.as_array();
    for (auto next = values.get_next(); next.first != juncture::done; next = values.get_next()) {
        if (next.first == juncture::string_value)
            out.push_back(std::stoll(next.second));
        else if (next.first == juncture::null_value)
            out.push_back(none);
    }
    return out;
}

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

std::span<const unit> events_of(std::span<const unit> units)
{
    const auto border =
        std::find_if(units.begin(), units.end(), [](const unit& u) { return !u.is_event(); });
    return units.first(static_cast<std::size_t>(border - units.begin()));
}

// Adds the deliveries of one row, mapped, to `out`.
void take_deliveries(const pqxx::row& row, const mapping_function& map,
                     std::vector<std::unique_ptr<pending>>& out)
{
    const auto intake_id = row["intake_id"].as<std::int64_t>();
    const auto received_at = numbers_of(row["received_at"]);
    const auto lengths = numbers_of(row["lengths"]);
    const pqxx::binarystring bodies{row["bodies"]};
    const char* next = reinterpret_cast<const char*>(bodies.data());
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        if (lengths[i] == none) // erased, or dealt with before the others of its row
            continue;
        const auto length = static_cast<std::size_t>(lengths[i]);
        auto d = stored_delivery::rebuild(
            {.endpoint = row["endpoint"].as<std::string>(),
             .body = std::string{next, length},
             .signatures = {},
             .received_at = timestamp{std::chrono::milliseconds{received_at.at(i)}}},
            row["key_id"].as<std::string>());
        next += length;
        auto what = map(d);
        out.push_back(std::make_unique<pending>(
            pending{std::move(d), [](const result<receipt>&) {}, std::move(what)}));
        out.back()->place = {intake_id, static_cast<std::int32_t>(i + 1)};
        if (sabotaged(sabotage::no_dedup))
            give_random_id(*out.back());
    }
}

} // namespace

row_types read_row_types(pqxx::transaction_base& t)
{
    const auto row = t.exec("SELECT 'gateway.intake_row'::regtype::oid,"
                            " 'gateway.event_row'::regtype::oid,"
                            " 'gateway.quarantine_row'::regtype::oid")[0];
    return {row[0].as<std::uint32_t>(), row[1].as<std::uint32_t>(), row[2].as<std::uint32_t>()};
}

intake_rows read_intake(pqxx::transaction_base& t, const intake_range& range,
                        const mapping_function& map)
{
    const auto rows = t.exec_params("SELECT * FROM gateway.next_intakes($1, $2, $3)",
                                    range.deliveries_max, range.bytes_max, range.after);
    intake_rows out;
    std::vector<std::unique_ptr<pending>> all;
    for (const auto& row : rows) {
        out.is_active = row["is_active"].as<bool>();
        if (!out.is_active)
            break;
        out.ids.push_back(row["intake_id"].as<std::int64_t>());
        out.was_refused = out.was_refused || row["tries"].as<int>() > 0;
        if (row["endpoint"].is_null())
            out.recorded.push_back(out.ids.back());
        else
            take_deliveries(row, map, all);
    }
    out.deliveries = std::max(all.size() + out.recorded.size(), out.ids.size());
    out.units = group(std::move(all));
    return out;
}

applied apply_units(pqxx::transaction_base& t, const row_types& types, const intake_rows& of,
                    std::span<const unit> units)
{
    const auto events = events_of(units);
    const auto refusals = units.subspan(events.size());
    const auto row =
        t.exec_params("SELECT is_active, stored, duplicates, quarantined, rest_factor"
                      " FROM gateway.apply($1, $2, $3, $4, $5)",
                      GATEWAY_VERSION, array_of(of.ids), array_of(of.recorded),
                      binary(encode(event_columns(), types.event, events)),
                      binary(encode(quarantine_columns(), types.quarantine, refusals)))[0];
    return {row[0].as<bool>(), row[1].as<std::uint64_t>(), row[2].as<std::uint64_t>(),
            row[3].as<std::uint64_t>(), row[4].as<double>()};
}

apply_session::apply_session(const std::string& url, mapping_function map,
                             call_deadlines& deadlines, const apply_limits& limits)
    : deadlines_(deadlines), limits_(limits), map_(std::move(map)),
      database_({.url = url,
                 .application = "attentive-gateway applier",
                 .statement_timeout = limits.deadline})
{
    const call_deadlines::guard until{deadlines_, database_.connection().sock(), limits_.deadline};
    expect_schema(database_.connection());
    pqxx::nontransaction t{database_.connection()};
    types_ = read_row_types(t);
}

template <class Work>
auto apply_session::in_time(Work work) -> decltype(work(std::declval<pqxx::nontransaction&>()))
{
    auto& connection = database_.connection();
    const call_deadlines::guard until{deadlines_, connection.sock(), limits_.deadline};
    pqxx::nontransaction t{connection};
    return work(t);
}

apply_round apply_session::round(takes_others others)
{
    auto rows = in_time([&](auto& t) {
        renew_plans_(t);
        return read_intake(t, limits_, map_);
    });
    if (!rows.is_active || rows.ids.empty())
        return {.is_active = rows.is_active, .done = {}, .refusal = {}};
    ensure_partitions(rows);
    if (sabotaged(sabotage::finish_first)) {
        in_time([&](auto& t) {
            return t.exec_params("DELETE FROM gateway.intake_waiting WHERE intake_id = ANY ($1)",
                                 array_of(rows.ids));
        });
        rows.ids.clear();
    }
    for (int tries = 1; !rows.was_refused; ++tries) {
        try {
            const auto done =
                in_time([&](auto& t) { return apply_units(t, types_, rows, rows.units); });
            return {.is_active = done.is_active,
                    .deliveries = rows.deliveries,
                    .done = done,
                    .refusal = {}};
        } catch (...) {
            const failure f = current_failure();
            if (f.sqlstate == check_violation && tries == 1)
                continue;
            if (verdict_of(f) == verdict::failed)
                throw;
            break;
        }
    }
    return apply_piecemeal(std::move(rows), others);
}

apply_round apply_session::apply_piecemeal(intake_rows rows, takes_others others)
{
    piecemeal pieces{std::move(rows), [&](const intake_rows& of, std::span<const unit> units) {
                         return in_time([&](auto& t) { return apply_units(t, types_, of, units); });
                     }};
    auto done = pieces.run(others);
    in_time([&](auto& t) {
        pieces.finish(t, types_.event);
        return true;
    });
    return done;
}

// A failure here is no failure of the step: rows without a partition wait in DEFAULT.
void apply_session::ensure_partitions(const intake_rows& rows)
{
    std::set<sys_days> missing;
    for (const auto& u : events_of(rows.units)) {
        const auto at = u.first().event().occurred_at;
        if (has_partition(at) && !months_.contains(month_of(at)))
            missing.insert(month_of(at));
    }
    if ((missing.empty() && rows.recorded.empty()) || steady_clock::now() < months_again_)
        return;
    std::string times;
    for (const auto& start : missing)
        times += (times.empty() ? "{" : ",") + to_string(timestamp{start});
    std::string sqlstate;
    try {
        const auto made = in_time([&](auto& t) {
            // Locks are held until the commit is over: it waits for no standby.
            return t.exec_params(
                "SELECT complete FROM gateway.ensure_partitions('source_event', $1::timestamptz[]"
                " || ARRAY(SELECT r.occurred_at FROM gateway.recorded_events($2) r)),"
                " set_config('synchronous_commit', 'local', true)",
                times.empty() ? "{}" : times + "}", array_of(rows.recorded));
        });
        if (made[0][0].template as<bool>()) {
            months_.insert(missing.begin(), missing.end());
            return;
        }
    } catch (...) {
        const failure f = current_failure();
        if (f.kind == failure_kind::lost)
            throw;
        sqlstate = f.sqlstate;
    }
    months_again_ = steady_clock::now() + partitions_pause;
    write_log(severity::warn, "partition_missing",
              "a partition of gateway.{db.collection.name} cannot be made for now: rows wait in "
              "its DEFAULT",
              {{"db.collection.name", "source_event"}, {"db.response.status_code", sqlstate}});
}

} // namespace gateway
