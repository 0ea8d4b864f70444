// One call of gateway.record_rows for thousands of events. See gateway/store/record.hpp.
#include "gateway/store/record.hpp"

#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"

#include <algorithm>
#include <utility>

namespace gateway {

struct event_recorder::connected {
    explicit connected(const std::string& url)
        : db{{.url = url, .application = "attentive-gateway record"}}
    {
    }

    database db;
};

namespace {

void copy_staged(pqxx::work& t, std::span<const staged_event> events)
{
    // Made for each transaction: behind a pooler the next one may be on another connection.
    t.exec("CREATE TEMP TABLE recorded_line OF gateway.recorded_row ON COMMIT DROP");
    std::vector<std::string> columns{"line"};
    columns.insert(columns.end(), event_field_names.begin(), event_field_names.end());
    pqxx::stream_to rows{t, "recorded_line", columns};
    std::array<const char*, event_field_names.size() + 1> row{};
    for (const auto& e : events) {
        const std::string line = std::to_string(e.line);
        row[0] = line.c_str();
        std::transform(e.values.begin(), e.values.end(), row.begin() + 1,
                       [](const auto& value) { return value ? value->c_str() : nullptr; });
        rows << row;
    }
    rows.complete();
}

// All in one transaction, or an exception of libpqxx.
recorded_chunk record_at_once(pqxx::connection& connection, std::span<const staged_event> events)
{
    pqxx::work t{connection};
    // What is told to be recorded is on every disk that the cluster's commits wait for.
    t.exec("SELECT set_config('synchronous_commit', 'on', true)"
           " WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')");
    copy_staged(t, events);
    const auto rows =
        t.exec("WITH done AS MATERIALIZED (SELECT * FROM gateway.record_rows(ARRAY("
               "SELECT ROW(l.*)::gateway.recorded_row FROM pg_temp.recorded_line l ORDER BY line)))"
               " SELECT count(*) FILTER (WHERE event_id IS NOT NULL AND NOT is_known),"
               " count(*) FILTER (WHERE event_id IS NOT NULL AND is_known), NULL, NULL FROM done"
               " UNION ALL"
               " SELECT line, NULL, field, reason FROM done WHERE reason IS NOT NULL");
    t.commit();
    recorded_chunk out;
    out.recorded = rows[0][0].as<std::uint64_t>();
    out.known = rows[0][1].as<std::uint64_t>();
    for (std::size_t i = 1; i < rows.size(); ++i) {
        const auto row = rows[static_cast<pqxx::result::size_type>(i)];
        out.refused.push_back(
            {row[0].as<std::uint64_t>(), row[2].as<std::string>(), row[3].as<std::string>()});
    }
    return out;
}

// What PostgreSQL refuses for a value that nobody foresaw costs the one line, found by halving.
recorded_chunk record_but_poison(pqxx::connection& connection, std::span<const staged_event> events)
{
    try {
        return record_at_once(connection, events);
    } catch (...) {
        if (current_failure().kind != failure_kind::rejected)
            throw;
    }
    recorded_chunk out;
    if (events.size() == 1) {
        out.refused.push_back({events[0].line, "", "a value that PostgreSQL refuses"});
        return out;
    }
    out = record_but_poison(connection, events.first(events.size() / 2));
    const auto rest = record_but_poison(connection, events.subspan(events.size() / 2));
    out.recorded += rest.recorded;
    out.known += rest.known;
    out.refused.insert(out.refused.end(), rest.refused.begin(), rest.refused.end());
    return out;
}

} // namespace

event_recorder::event_recorder(std::string database_url) : url_(std::move(database_url)) {}
event_recorder::~event_recorder() = default;
event_recorder::event_recorder(event_recorder&&) noexcept = default;

result<recorded_chunk> event_recorder::record(std::span<const staged_event> events)
{
    try {
        if (!connected_)
            connected_ = std::make_unique<connected>(url_);
        if (events.empty())
            return recorded_chunk{};
        return record_but_poison(connected_->db.connection(), events);
    } catch (...) {
        return to_error(current_failure(), url_, database_role::source);
    }
}

result<void> record_events(const std::string& database_url,
                           const std::vector<recorded_event>& events)
{
    std::vector<staged_event> staged;
    staged.reserve(events.size());
    for (const recorded_event& e : events) {
        const auto given = [](const std::string& text) {
            return text.empty() ? std::nullopt : std::optional{text};
        };
        staged.push_back(
            {.line = staged.size() + 1,
             .values = {e.source, e.event_name, e.company_id, to_string(e.occurred_at),
                        e.identifiers, given(e.page_url), given(e.order_id), given(e.order_value),
                        given(e.currency), std::nullopt, std::nullopt, std::nullopt}});
    }
    event_recorder recorder{database_url};
    BOOST_OUTCOME_TRY(const auto done, recorder.record(staged));
    if (!done.refused.empty())
        return error{errc::database_failed, done.refused.front().reason};
    return ok();
}

} // namespace gateway
