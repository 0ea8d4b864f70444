#include "gateway/store/observer.hpp"
#include "gateway/base/worker.hpp"
#include "store/database/call_deadlines.hpp"
#include "store/database/database.hpp"

#include <mutex>
#include <utility>

namespace gateway {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds interval{1};
constexpr std::chrono::seconds limit{2};
constexpr std::chrono::seconds counting_interval{30};

// Who makes up companies must push nobody out of the watch: first come feeds that can be judged at
// all, which takes a week of events, then one of each company in turn, then who has been here long.
constexpr const char* feeds_query =
    "SELECT f.company_id, f.event_name, (extract(epoch FROM f.newest_event) * 1000)::bigint,"
    " (extract(epoch FROM f.usual_silence) * 1000)::bigint, f.is_silent, count(*) OVER ()"
    " FROM (SELECT s.*, row_number() OVER (PARTITION BY s.company_id"
    " ORDER BY s.usual_silence IS NULL, s.newest_event DESC, s.event_name) AS turn"
    " FROM report.feed_silence s) f"
    " JOIN (SELECT d.company_id, min(d.first_received_at) AS since FROM gateway.feed_day d"
    " GROUP BY d.company_id) c USING (company_id)"
    " ORDER BY f.usual_silence IS NULL, f.turn, c.since, f.company_id LIMIT ";

} // namespace

struct database_observer::implementation {
    explicit implementation(std::string u) : url(std::move(u)) {}

    void run(worker& self);
    void ask();
    void ask_rarely();
    void ask_quarantine();
    void ask_projection();
    void ask_feeds();
    pqxx::result query(const std::string& sql);
    void note(bool reachable, std::string trouble);

    const std::string url;
    call_deadlines deadlines;
    std::unique_ptr<database> connected;
    steady_clock::time_point count_again{};
    mutable std::mutex mutex; // guards `seen`
    observation seen;
    worker thread{"observer", [this](worker& self) { run(self); }};
};

pqxx::result database_observer::implementation::query(const std::string& sql)
{
    auto& connection = connected->connection();
    const call_deadlines::guard until{deadlines, connection.sock(), limit};
    return pqxx::nontransaction{connection}.exec(sql);
}

void database_observer::implementation::ask()
{
    if (!connected)
        connected = std::make_unique<database>(database_settings{
            .url = url, .application = "attentive-gateway observer", .statement_timeout = limit});
    query("SELECT 1");
    note(true, {});
    if (steady_clock::now() < count_again)
        return;
    count_again = steady_clock::now() + counting_interval;
    ask_rarely();
}

// What one of them fails at (a time-out, a right that is missing) does not keep the others.
void database_observer::implementation::ask_rarely()
{
    for (const auto part : {&implementation::ask_projection, &implementation::ask_feeds,
                            &implementation::ask_quarantine}) {
        try {
            (this->*part)();
        } catch (...) {
            if (current_failure().kind == failure_kind::lost || !connected->connection().is_open())
                throw;
        }
    }
}

void database_observer::implementation::ask_quarantine()
{
    const auto rows = query("SELECT count(*) FROM gateway.quarantine WHERE replayed_at IS NULL");
    const std::lock_guard lock{mutex};
    seen.quarantine_waiting = rows[0][0].as<std::uint64_t>();
}

void database_observer::implementation::ask_projection()
{
    const auto rows = query("SELECT batches, events, failed, (extract(epoch FROM oldest) * 1000)"
                            "::bigint FROM gateway.projection_lag()");
    const auto row = rows[0];
    const std::lock_guard lock{mutex};
    seen.projection = {row[0].as<std::uint64_t>(), row[1].as<std::uint64_t>(),
                       row[2].as<std::uint64_t>(),
                       std::chrono::milliseconds{row[3].as<std::int64_t>()}};
}

void database_observer::implementation::ask_feeds()
{
    const auto rows = query(std::string{feeds_query} + std::to_string(feeds_max));
    std::vector<feed> feeds;
    for (const auto& row : rows) {
        feed f{row[0].as<std::string>(), row[1].as<std::string>(),
               timestamp{std::chrono::milliseconds{row[2].as<std::int64_t>()}}, std::nullopt,
               row[4].as<bool>()};
        if (!row[3].is_null())
            f.usual_silence = std::chrono::milliseconds{row[3].as<std::int64_t>()};
        feeds.push_back(std::move(f));
    }
    const auto all = rows.empty() ? 0 : rows[0][5].as<std::uint64_t>();
    const std::lock_guard lock{mutex};
    seen.feeds_left_out = all - feeds.size();
    seen.feeds = std::move(feeds);
}

void database_observer::implementation::note(bool reachable, std::string trouble)
{
    const std::lock_guard lock{mutex};
    if (!seen.since || seen.reachable != reachable)
        seen.since = now();
    seen.reachable = reachable;
    seen.trouble = std::move(trouble);
}

// A failure that is not the connection's (a schema that is not there yet) leaves it reachable.
void database_observer::implementation::run(worker& self)
{
    do {
        try {
            ask();
        } catch (...) {
            const failure f = current_failure();
            if (f.kind == failure_kind::lost || !connected)
                note(false, to_error(f).detail);
            connected.reset();
        }
    } while (self.rest(interval));
}

database_observer::database_observer(std::string database_url)
    : implementation_(std::make_unique<implementation>(std::move(database_url)))
{
}

database_observer::~database_observer() = default;

observation database_observer::last() const
{
    const std::lock_guard lock{implementation_->mutex};
    return implementation_->seen;
}

} // namespace gateway
