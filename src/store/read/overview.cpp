// One statement a part, each over a read model or a view that is quick however long the log is.
// A part that fails keeps its last answer; a lost connection ends the round.
#include "gateway/store/overview.hpp"
#include "gateway/base/worker.hpp"
#include "store/database/call_deadlines.hpp"
#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace gateway {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds looking_for{30}; // after a look()
constexpr std::chrono::seconds interval{3};
constexpr int rest_factor = 10; // the database spends a tenth of one backend on it, at most
constexpr std::chrono::seconds rest_max{60};
constexpr std::chrono::seconds statement_timeout{5};
constexpr std::chrono::seconds limit{6};

struct question {
    const char* name;
    const char* sql;
};

constexpr std::array<question, 6> questions = {{
    {"quarantine", "SELECT q.reason, q.detail->0->>'field' AS field,"
                   " q.detail->0->>'found' AS found, q.detail->0->>'expected' AS expected,"
                   " count(*) AS waiting, sum(q.deliveries) AS deliveries,"
                   " max(q.last_received_at) AS newest"
                   " FROM gateway.quarantine q WHERE q.replayed_at IS NULL"
                   " GROUP BY 1, 2, 3, 4"
                   " ORDER BY sum(count(*)) OVER (PARTITION BY q.reason) DESC, 1, 5 DESC, 2, 3"
                   " LIMIT 50"},
    {"consent", "SELECT m.day, m.channel, sum(m.opt_ins) AS opt_ins,"
                " sum(m.opt_outs) AS opt_outs, sum(m.net_change) AS net_change"
                " FROM report.consent_movement_daily m WHERE m.day > current_date - 30"
                " GROUP BY 1, 2 ORDER BY 1, 2"},
    {"messages", "SELECT m.channel, m.message_key, m.message_name, m.message_subject,"
                 " m.company_id, c.company_name, m.last_sent_at, m.sent, m.recipients,"
                 " m.unique_openers, m.unique_clickers, m.unsubscribed_7d"
                 " FROM report.message_performance m"
                 " LEFT JOIN gateway.company c ON c.company_id = m.company_id"
                 " WHERE m.last_sent_at > now() - interval '30 days'"
                 " ORDER BY m.unique_clickers DESC NULLS LAST, m.recipients DESC NULLS LAST,"
                 " m.company_id, m.channel, m.message_key LIMIT 10"},
    {"projector", "SELECT batches, events, extract(epoch FROM oldest) AS oldest_seconds, failed"
                  " FROM gateway.projection_lag()"},
    {"recent", "SELECT coalesce(sum(b.events) FILTER (WHERE b.committed_at > now() - interval"
               " '1 hour'), 0) AS hour, coalesce(sum(b.events), 0) AS day,"
               " count(*) = 100000 AS more" // as many batches were looked at, and no others
               " FROM (SELECT n.committed_at, n.events FROM gateway.batch n"
               " ORDER BY n.batch_id DESC LIMIT 100000) b"
               " WHERE b.committed_at > now() - interval '1 day'"},
    {"silence", "SELECT s.company_id, c.company_name, s.event_name, s.newest_event,"
                " extract(epoch FROM s.silence) AS silence_seconds,"
                " extract(epoch FROM s.usual_silence) AS usual_seconds, s.is_silent, s.state"
                " FROM report.feed_silence s"
                " LEFT JOIN gateway.company c ON c.company_id = s.company_id"
                " ORDER BY s.is_silent DESC NULLS LAST, s.silence DESC NULLS LAST,"
                " s.company_id, s.event_name LIMIT 100"},
}};

std::string trouble_of(const failure& f)
{
    if (f.sqlstate == "42501") // its message is the remedy by now
        return f.message;
    if (f.sqlstate == "57014")
        return "the database took longer than five seconds to answer";
    if (f.sqlstate.starts_with("42"))
        return "the schema does not have it: run attentive-gateway migrate";
    return f.kind == failure_kind::lost ? "the database does not answer"
                                        : "the database refuses: " + to_error(f).detail;
}

} // namespace

struct overview::implementation {
    explicit implementation(std::string u) : url(std::move(u))
    {
        for (const auto& q : questions)
            parts.push_back({.name = q.name, .as_of = {}, .trouble = {}});
    }

    void run();
    bool await_somebody();
    void rest(std::chrono::milliseconds time);
    bool ask_all();
    void ask(std::size_t part);
    void failed(std::size_t first, std::size_t end, const std::string& trouble);
    bool somebody_looks() const { return steady_clock::now() - looked < looking_for; }

    const std::string url;
    call_deadlines deadlines;
    std::unique_ptr<database> connected;
    mutable std::mutex mutex; // guards what follows
    std::condition_variable changed;
    std::vector<overview_part> parts;
    steady_clock::time_point looked = steady_clock::now() - looking_for;
    bool stopping = false;
    worker thread{"overview", [this](worker&) { run(); }};
};

// False at the end.
bool overview::implementation::await_somebody()
{
    std::unique_lock lock{mutex};
    if (!stopping && !somebody_looks()) {
        lock.unlock();
        connected.reset();
        lock.lock();
    }
    changed.wait(lock, [this] { return stopping || somebody_looks(); });
    return !stopping;
}

void overview::implementation::rest(std::chrono::milliseconds time)
{
    std::unique_lock lock{mutex};
    changed.wait_for(lock, time, [this] { return stopping; });
}

void overview::implementation::ask(std::size_t part)
{
    auto& connection = connected->connection();
    const call_deadlines::guard until{deadlines, connection.sock(), limit};
    const auto rows = pqxx::nontransaction{connection}.exec(
        std::string{"SELECT coalesce(json_agg(r), '[]') FROM ("} + questions[part].sql + ") r");
    const std::lock_guard lock{mutex};
    parts[part].rows = rows[0][0].as<std::string>();
    parts[part].as_of = now();
    parts[part].trouble.clear();
}

void overview::implementation::failed(std::size_t first, std::size_t end,
                                      const std::string& trouble)
{
    const std::lock_guard lock{mutex};
    for (std::size_t i = first; i < end; ++i)
        parts[i].trouble = trouble;
}

// False when the connection was lost, or there was none.
bool overview::implementation::ask_all()
{
    for (std::size_t i = 0; i < questions.size(); ++i) {
        try {
            if (!connected)
                connected = std::make_unique<database>(
                    database_settings{.url = url,
                                      .application = "attentive-gateway page",
                                      .statement_timeout = statement_timeout});
            ask(i);
        } catch (...) {
            const failure f = with_missing_grant(current_failure(), url, database_role::writer);
            const bool lost = f.kind == failure_kind::lost || !connected;
            failed(i, lost ? questions.size() : i + 1, trouble_of(f));
            if (!lost)
                continue;
            connected.reset();
            return false;
        }
    }
    return true;
}

void overview::implementation::run()
{
    while (await_somebody()) {
        const auto began = steady_clock::now();
        const bool answered = ask_all();
        const auto took = steady_clock::now() - began;
        const auto pause =
            std::clamp<steady_clock::duration>(took * rest_factor, interval, rest_max);
        rest(answered ? std::chrono::ceil<std::chrono::milliseconds>(pause) : interval);
    }
    connected.reset();
}

overview::overview(std::string database_url)
    : implementation_(std::make_unique<implementation>(std::move(database_url)))
{
}

overview::~overview()
{
    {
        const std::lock_guard lock{implementation_->mutex};
        implementation_->stopping = true;
    }
    implementation_->changed.notify_all();
}

std::vector<overview_part> overview::look()
{
    std::vector<overview_part> seen;
    {
        const std::lock_guard lock{implementation_->mutex};
        implementation_->looked = steady_clock::now();
        seen = implementation_->parts;
    }
    implementation_->changed.notify_all();
    return seen;
}

} // namespace gateway
