// A cursor over batch numbers. Below it, numbers that were not visible are remembered for a while:
// a transaction takes its number at its start, so one that commits late fills such a gap.
#include "gateway/store/event_tail.hpp"
#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace gateway {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds statement_timeout{10};
constexpr std::chrono::minutes gap_kept{10}; // a writer gives a batch up after seconds
constexpr std::size_t gaps_max = 10'000;
constexpr std::size_t step_batches = 500;
constexpr std::int64_t step_events = 4'000;
constexpr std::int64_t look_back_max = 20'000; // batches
constexpr std::size_t look_back_step = 50;     // the same

using batch_number = std::int64_t;

std::string array_of(const std::vector<batch_number>& numbers)
{
    std::string out = "{";
    for (const auto n : numbers)
        out += (out.size() == 1 ? "" : ",") + std::to_string(n);
    return out + "}";
}

// What stands here may be shown to anybody: no text, subject, address or path.
constexpr const char* shown =
    "SELECT to_char(e.received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
    " AS received_at, e.company_id, e.event_name, e.subscriber_id, coalesce(e.message_name,"
    " e.creative_name, e.attribute_name, e.link_host) AS detail,"
    " to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
    " AS occurred_at, e.source,"
    " e.message_key, e.message_name, e.message_type, e.creative_name, e.attribute_name,"
    " e.link_host, e.keyword_class, e.batch_id FROM report.source_event e"
    " WHERE e.batch_id = ANY ($1::bigint[]) AND ($2 = '' OR e.company_id = $2)"
    " AND ($3 = '' OR e.event_name = $3 OR e.source_event_type = $3)"
    " ORDER BY e.batch_id, e.received_at, e.event_id";

std::string text_of(const pqxx::field& f)
{
    return f.is_null() ? std::string{} : f.as<std::string>();
}

} // namespace

struct event_tail::implementation {
    explicit implementation(tail_settings s) : settings(std::move(s)) {}

    pqxx::connection& connection();
    template <class Work>
    auto in_snapshot(Work work) -> result<decltype(work(nullptr))>;
    std::vector<tailed_event> events_of(pqxx::transaction_base& t,
                                        const std::vector<batch_number>& batches) const;
    std::vector<tailed_event> take_next(pqxx::transaction_base& t);
    std::vector<tailed_event> look_back(pqxx::transaction_base& t, std::size_t events);
    void go_to(pqxx::transaction_base& t, timestamp from);
    void settle(const std::vector<batch_number>& batches);

    const tail_settings settings;
    std::unique_ptr<database> connected;
    batch_number seen = 0; // all up to here were shown, or are gaps
    timestamp start{};     // batches that committed before are passed over
    std::map<batch_number, steady_clock::time_point> gaps;
};

pqxx::connection& event_tail::implementation::connection()
{
    if (!connected)
        connected =
            std::make_unique<database>(database_settings{.url = settings.database_url,
                                                         .application = "attentive-gateway tail",
                                                         .statement_timeout = statement_timeout});
    return connected->connection();
}

// Batches and their events are read as of one moment.
template <class Work>
auto event_tail::implementation::in_snapshot(Work work) -> result<decltype(work(nullptr))>
{
    try {
        pqxx::transaction<pqxx::repeatable_read, pqxx::read_only> t{connection()};
        return work(&t);
    } catch (...) {
        const failure f = current_failure(server_text::kept);
        connected.reset();
        return to_error(f, settings.database_url, database_role::reader);
    }
}

std::vector<tailed_event>
event_tail::implementation::events_of(pqxx::transaction_base& t,
                                      const std::vector<batch_number>& batches) const
{
    std::vector<tailed_event> events;
    const auto rows = t.exec_params(std::string{"SELECT received_at, company_id, event_name,"
                                                " subscriber_id, detail,"
                                                " json_strip_nulls(row_to_json(r)) FROM ("} +
                                        shown + ") r",
                                    array_of(batches), settings.company, settings.type);
    for (const auto& row : rows)
        events.push_back({text_of(row[0]), text_of(row[1]), text_of(row[2]), text_of(row[3]),
                          text_of(row[4]), text_of(row[5])});
    return events;
}

// Moves the cursor over `batches`, which are in order, and remembers what is missing below it.
void event_tail::implementation::settle(const std::vector<batch_number>& batches)
{
    const auto now = steady_clock::now();
    for (const batch_number n : batches) {
        gaps.erase(n);
        const auto first = std::max(seen + 1, n - static_cast<batch_number>(gaps_max));
        for (batch_number missing = first; missing < n; ++missing)
            gaps.emplace_hint(gaps.end(), missing, now);
        seen = std::max(seen, n);
    }
    std::erase_if(gaps, [&](const auto& gap) { return now - gap.second > gap_kept; });
    while (gaps.size() > gaps_max)
        gaps.erase(gaps.begin());
}

std::vector<tailed_event> event_tail::implementation::take_next(pqxx::transaction_base& t)
{
    std::vector<batch_number> below;
    for (const auto& [number, since] : gaps)
        below.push_back(number);
    const auto rows =
        t.exec_params("SELECT batch_id, events, committed_at >= $4::timestamptz FROM ("
                      "SELECT * FROM report.batches WHERE batch_id = ANY ($1::bigint[])"
                      " UNION ALL (SELECT * FROM report.batches WHERE batch_id > $2"
                      " ORDER BY batch_id LIMIT $3)) b ORDER BY batch_id",
                      array_of(below), seen, step_batches, to_string(start));
    std::vector<batch_number> batches;
    std::vector<batch_number> wanted;
    std::int64_t events = 0;
    for (const auto& row : rows) {
        if (events >= step_events)
            break;
        batches.push_back(row[0].as<batch_number>());
        if (!row[2].as<bool>())
            continue;
        wanted.push_back(batches.back());
        events += row[1].as<std::int64_t>();
    }
    if (batches.empty())
        return {};
    auto taken = events_of(t, wanted);
    settle(batches);
    return taken;
}

std::vector<tailed_event> event_tail::implementation::look_back(pqxx::transaction_base& t,
                                                                std::size_t events)
{
    std::vector<tailed_event> found;
    const auto newest =
        t.exec("SELECT coalesce(max(batch_id), 0) FROM report.batches")[0][0].as<batch_number>();
    batch_number before = newest + 1;
    std::size_t chunk = 1;
    while (found.size() < events && before > 1 && newest - before < look_back_max) {
        const auto rows = t.exec_params("SELECT batch_id FROM report.batches WHERE batch_id < $1"
                                        " ORDER BY batch_id DESC LIMIT $2",
                                        before, chunk);
        chunk = std::min(chunk * 2, look_back_step);
        if (rows.empty())
            break;
        std::vector<batch_number> batches;
        for (const auto& row : rows)
            batches.push_back(row[0].as<batch_number>());
        before = batches.back();
        auto older = events_of(t, batches);
        older.insert(older.end(), std::make_move_iterator(found.begin()),
                     std::make_move_iterator(found.end()));
        found = std::move(older);
    }
    if (found.size() > events)
        found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(events));
    // What commits late below the newest was not shown: the last numbers count as gaps.
    std::vector<batch_number> last;
    for (const auto& row : t.exec_params("SELECT batch_id FROM report.batches WHERE batch_id > $1"
                                         " ORDER BY batch_id",
                                         newest - static_cast<batch_number>(step_batches)))
        last.push_back(row[0].as<batch_number>());
    seen = std::max<batch_number>(newest - static_cast<batch_number>(step_batches), 0);
    settle(last);
    return found;
}

// Numbers and commit times rise together, but for seconds: the place is found by halving.
void event_tail::implementation::go_to(pqxx::transaction_base& t, timestamp from)
{
    const auto bounds = t.exec("SELECT coalesce(min(batch_id), 1) - 1, coalesce(max(batch_id), 0)"
                               " FROM report.batches")[0];
    auto low = bounds[0].as<batch_number>(); // committed before
    auto high = bounds[1].as<batch_number>();
    const std::string at = to_string(from);
    while (low < high) {
        const batch_number middle = low + (high - low) / 2;
        const auto later = t.exec_params("SELECT committed_at >= $2::timestamptz FROM"
                                         " report.batches WHERE batch_id > $1 ORDER BY batch_id"
                                         " LIMIT 1",
                                         middle, at);
        if (later.empty() || later[0][0].as<bool>())
            high = middle;
        else
            low = middle + 1;
    }
    start = from;
    seen = std::max<batch_number>(low - static_cast<batch_number>(step_batches), 0);
    gaps.clear();
}

event_tail::event_tail(tail_settings settings)
    : implementation_(std::make_unique<implementation>(std::move(settings)))
{
}

event_tail::~event_tail() = default;

result<std::vector<tailed_event>> event_tail::from_last(std::size_t events)
{
    return implementation_->in_snapshot(
        [&](pqxx::transaction_base* t) { return implementation_->look_back(*t, events); });
}

result<void> event_tail::from(timestamp start)
{
    BOOST_OUTCOME_TRY(implementation_->in_snapshot([&](pqxx::transaction_base* t) {
        implementation_->go_to(*t, start);
        return true;
    }));
    return ok();
}

result<std::vector<tailed_event>> event_tail::next()
{
    return implementation_->in_snapshot(
        [&](pqxx::transaction_base* t) { return implementation_->take_next(*t); });
}

} // namespace gateway
