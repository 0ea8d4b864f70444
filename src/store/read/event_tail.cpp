// A cursor over the log's positions, which have no gaps and become visible in order.
#include "gateway/store/event_tail.hpp"
#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

namespace gateway {

namespace {

constexpr std::chrono::seconds statement_timeout{10};
constexpr std::int64_t step_events = 4'000;
constexpr std::int64_t look_back_max = 200'000; // events

// What stands here may be shown to anybody: no text, subject, address or path.
constexpr const char* shown =
    "SELECT to_char(e.received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
    " AS received_at, e.company_id, e.event_name, e.subscriber_id, coalesce(e.message_name,"
    " e.creative_name, e.attribute_name, e.link_host) AS detail,"
    " to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
    " AS occurred_at, e.source,"
    " e.message_key, e.message_name, e.message_type, e.creative_name, e.attribute_name,"
    " e.link_host, e.keyword_class, e.position FROM report.source_event e"
    " WHERE e.position > $1 AND e.position <= $2 AND ($3 = '' OR e.company_id = $3)"
    " AND ($4 = '' OR e.event_name = $4 OR e.source_event_type = $4)"
    " ORDER BY e.position";

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
    std::vector<tailed_event> events_of(pqxx::transaction_base& t, std::int64_t after,
                                        std::int64_t last) const;
    std::vector<tailed_event> take_next(pqxx::transaction_base& t);
    std::vector<tailed_event> look_back(pqxx::transaction_base& t, std::size_t events);

    const tail_settings settings;
    std::unique_ptr<database> connected;
    std::int64_t seen = 0; // position: all up to here were shown
};

pqxx::connection& event_tail::implementation::connection()
{
    if (!connected)
        connected =
            std::make_unique<database>(database_settings{.url = settings.database_url,
                                                         .application = "attentive-gateway tail",
                                                         .statement_timeout = statement_timeout,
                                                         .only_reads = true});
    return connected->connection();
}

// All is read as of one moment.
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

std::vector<tailed_event> event_tail::implementation::events_of(pqxx::transaction_base& t,
                                                                std::int64_t after,
                                                                std::int64_t last) const
{
    std::vector<tailed_event> events;
    const auto rows = t.exec_params(std::string{"SELECT received_at, company_id, event_name,"
                                                " subscriber_id, detail,"
                                                " json_strip_nulls(row_to_json(r)) FROM ("} +
                                        shown + ") r",
                                    after, last, settings.company, settings.type);
    for (const auto& row : rows)
        events.push_back({text_of(row[0]), text_of(row[1]), text_of(row[2]), text_of(row[3]),
                          text_of(row[4]), text_of(row[5])});
    return events;
}

std::int64_t newest_position(pqxx::transaction_base& t)
{
    return t
        .exec("SELECT coalesce((SELECT position FROM report.steps ORDER BY step_id DESC"
              " LIMIT 1), 0)")[0][0]
        .as<std::int64_t>();
}

std::vector<tailed_event> event_tail::implementation::take_next(pqxx::transaction_base& t)
{
    const auto last = std::min(newest_position(t), seen + step_events);
    if (last <= seen)
        return {};
    auto taken = events_of(t, seen, last);
    seen = last;
    return taken;
}

// In steps that double: most who look back do so without a filter.
std::vector<tailed_event> event_tail::implementation::look_back(pqxx::transaction_base& t,
                                                                std::size_t events)
{
    std::vector<tailed_event> found;
    const auto newest = newest_position(t);
    auto before = newest;
    for (auto chunk = static_cast<std::int64_t>(events);
         found.size() < events && before > 0 && newest - before < look_back_max;
         chunk = std::min(2 * chunk, 5 * step_events)) {
        const auto after = std::max<std::int64_t>(before - std::max<std::int64_t>(chunk, 1), 0);
        auto older = events_of(t, after, before);
        older.insert(older.end(), std::make_move_iterator(found.begin()),
                     std::make_move_iterator(found.end()));
        found = std::move(older);
        before = after;
    }
    if (found.size() > events)
        found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(events));
    seen = newest;
    return found;
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
    BOOST_OUTCOME_TRY(
        implementation_->seen, implementation_->in_snapshot([&](pqxx::transaction_base* t) {
            return t
                ->exec_params("SELECT coalesce((SELECT position - events FROM report.steps"
                              " WHERE applied_at >= $1::timestamptz"
                              " ORDER BY applied_at LIMIT 1), (SELECT max(position)"
                              " FROM report.steps), 0)",
                              to_string(start))[0][0]
                .as<std::int64_t>();
        }));
    return ok();
}

result<std::vector<tailed_event>> event_tail::next()
{
    return implementation_->in_snapshot(
        [&](pqxx::transaction_base* t) { return implementation_->take_next(*t); });
}

} // namespace gateway
