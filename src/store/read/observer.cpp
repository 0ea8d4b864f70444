// One room, two rhythms. A question that fails (a time-out, a right that is missing, a schema that
// is not there yet) keeps its last answer and does not keep the others; a lost connection ends the
// round.
#include "gateway/store/observer.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/worker.hpp"
#include "store/database/call_deadlines.hpp"
#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"
#include "store/database/weak_database.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <mutex>
#include <utility>

namespace gateway {

namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds health_interval{1};
constexpr seconds health_limit{2};
constexpr seconds counting_interval{30};

constexpr seconds looking_for{30}; // after a look()
constexpr seconds page_interval{3};
constexpr int rest_factor = 10; // the database spends a tenth of one backend on it, at most
constexpr seconds rest_max{60};
constexpr seconds page_statement_timeout{5};
constexpr seconds page_limit{6};

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

struct question {
    const char* name;
    const char* sql;
};

constexpr std::array<question, 7> questions = {{
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
    {"nobody", "SELECT count(*) AS opt_outs, max(n.received_at) AS newest"
               " FROM report.opt_outs_of_nobody n"
               " WHERE n.occurred_at > now() - interval '30 days'"},
    {"lag", "SELECT deliveries, events, extract(epoch FROM oldest) AS oldest_seconds, failed"
            " FROM gateway.projection_lag()"},
    {"recent", "SELECT coalesce(sum(s.events) FILTER (WHERE s.applied_at > now() - interval"
               " '1 hour'), 0) AS hour, coalesce(sum(s.events), 0) AS day,"
               " count(*) = 100000 AS more" // as many steps were looked at, and no others
               " FROM (SELECT n.applied_at, n.events FROM gateway.step n"
               " ORDER BY n.step_id DESC LIMIT 100000) s"
               " WHERE s.applied_at > now() - interval '1 day'"},
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

std::vector<page_answer> unanswered()
{
    std::vector<page_answer> answers;
    for (const auto& q : questions)
        answers.push_back({.name = q.name, .as_of = {}, .trouble = {}});
    return answers;
}

// A connection that is made when a question needs it.
class questioner {
public:
    questioner(database_settings settings, call_deadlines& deadlines, seconds limit)
        : settings_(std::move(settings)), deadlines_(deadlines), limit_(limit)
    {
    }

    pqxx::result ask(const std::string& sql)
    {
        if (!connected_)
            connected_ = std::make_unique<database>(settings_);
        auto& connection = connected_->connection();
        const call_deadlines::guard until{deadlines_, connection.sock(), limit_};
        return pqxx::nontransaction{connection}.exec(sql);
    }

    // What the exception being handled means; when the connection is lost, it is let go.
    failure failed()
    {
        const failure f = current_failure();
        if (f.kind == failure_kind::lost || (connected_ && !connected_->connection().is_open()))
            connected_.reset();
        return f;
    }

    bool is_connected() const { return connected_ != nullptr; }
    void let_go() { connected_.reset(); }

private:
    const database_settings settings_;
    call_deadlines& deadlines_;
    const seconds limit_;
    std::unique_ptr<database> connected_;
};

} // namespace

struct database_observer::implementation {
    explicit implementation(std::string u) : url(std::move(u)) {}

    void watch(worker& self);
    bool try_health(const std::function<void()>& question);
    void ask_quarantine();
    void ask_projection();
    void ask_default();
    void ask_replication();
    void ask_feeds();
    void note(bool reachable, std::string trouble);

    void answer(worker& self);
    bool ask_for_page();
    bool somebody_looks() const;

    const std::string url;
    call_deadlines deadlines;
    questioner health{{url, "attentive-gateway observer", health_limit}, deadlines, health_limit};
    questioner page{{url, "attentive-gateway page", page_statement_timeout}, deadlines, page_limit};
    mutable std::mutex mutex; // guards what follows
    observation seen;
    std::vector<page_answer> answers = unanswered();
    bool told_of_loss = false; // at a failover; once is enough
    steady_clock::time_point looked = steady_clock::now() - looking_for;
    worker watching{"observer", [this](worker& self) { watch(self); }};
    worker answering{"page", [this](worker& self) { answer(self); }};
};

void database_observer::implementation::ask_quarantine()
{
    const auto rows =
        health.ask("SELECT count(*) FROM gateway.quarantine WHERE replayed_at IS NULL");
    const std::lock_guard lock{mutex};
    seen.quarantine_waiting = rows[0][0].as<std::uint64_t>();
}

void database_observer::implementation::ask_projection()
{
    const auto rows =
        health.ask("SELECT deliveries, events, failed, coalesce((extract(epoch FROM oldest)"
                   " * 1000)::bigint, 0), refused, coalesce(refusal, '')"
                   " FROM gateway.projection_lag()");
    const auto row = rows[0];
    const std::lock_guard lock{mutex};
    seen.projection = {
        row[0].as<std::uint64_t>(), row[1].as<std::uint64_t>(),
        row[2].as<std::uint64_t>(), std::chrono::milliseconds{row[3].as<std::int64_t>()},
        row[4].as<std::uint64_t>(), row[5].as<std::string>()};
}

void database_observer::implementation::ask_default()
{
    const auto rows = health.ask("SELECT gateway.default_rows()");
    const std::lock_guard lock{mutex};
    seen.default_rows = rows[0][0].as<std::uint64_t>();
}

void database_observer::implementation::ask_replication()
{
    const auto follows = replication_of(health.ask(replication_query)[0]);
    const auto loss = failover_loss(follows);
    if (!loss.empty() && !std::exchange(told_of_loss, true))
        write_log(severity::warn, "replication_asynchronous", loss + "; " + failover_remedy, {});
    const std::lock_guard lock{mutex};
    seen.follows = follows;
}

void database_observer::implementation::ask_feeds()
{
    const auto rows = health.ask(std::string{feeds_query} + std::to_string(feeds_max));
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

// False when the connection is lost, or none could be made.
bool database_observer::implementation::try_health(const std::function<void()>& question)
{
    try {
        question();
    } catch (...) {
        const failure f = health.failed();
        if (!health.is_connected())
            note(false, to_error(f).detail);
    }
    return health.is_connected();
}

void database_observer::implementation::watch(worker& self)
{
    steady_clock::time_point count_again{};
    do {
        const bool reached = try_health([this] {
            health.ask("SELECT 1");
            note(true, {});
        });
        if (!reached || steady_clock::now() < count_again)
            continue;
        count_again = steady_clock::now() + counting_interval;
        static_cast<void>(
            try_health([this] { ask_projection(); }) && try_health([this] { ask_replication(); }) &&
            try_health([this] { ask_feeds(); }) && try_health([this] { ask_quarantine(); }) &&
            try_health([this] { ask_default(); }));
    } while (self.rest(health_interval));
}

// False when the connection was lost, or there was none.
bool database_observer::implementation::ask_for_page()
{
    for (std::size_t i = 0; i < questions.size(); ++i) {
        try {
            const auto rows = page.ask(std::string{"SELECT coalesce(json_agg(r), '[]') FROM ("} +
                                       questions[i].sql + ") r");
            const std::lock_guard lock{mutex};
            answers[i].rows = rows[0][0].as<std::string>();
            answers[i].as_of = now();
            answers[i].trouble.clear();
        } catch (...) {
            const failure f = with_missing_grant(page.failed(), url, database_role::writer);
            const bool lost = !page.is_connected();
            const std::lock_guard lock{mutex};
            for (std::size_t j = i; j < (lost ? questions.size() : i + 1); ++j)
                answers[j].trouble = trouble_of(f);
            if (lost)
                return false;
        }
    }
    return true;
}

bool database_observer::implementation::somebody_looks() const
{
    const std::lock_guard lock{mutex};
    return steady_clock::now() - looked < looking_for;
}

void database_observer::implementation::answer(worker& self)
{
    auto next = steady_clock::now();
    bool goes_on = true;
    while (goes_on) {
        if (!somebody_looks()) {
            page.let_go();
            goes_on = self.rest_until(worker::for_ever);
        } else if (steady_clock::now() < next) { // however often somebody looks
            goes_on = self.rest_until(next);
        } else {
            const auto began = steady_clock::now();
            const bool answered = ask_for_page();
            const auto ended = steady_clock::now();
            const auto pause = std::clamp<steady_clock::duration>((ended - began) * rest_factor,
                                                                  page_interval, rest_max);
            next = ended + (answered ? pause : page_interval);
        }
    }
}

database_observer::database_observer(std::string database_url)
    : implementation_(std::make_unique<implementation>(std::move(database_url)))
{
}

database_observer::~database_observer()
{
    stop();
}

void database_observer::stop()
{
    implementation_->watching.stop();
    implementation_->answering.stop();
    implementation_->deadlines.end_all();
}

observation database_observer::last() const
{
    const std::lock_guard lock{implementation_->mutex};
    return implementation_->seen;
}

std::vector<page_answer> database_observer::look()
{
    auto& i = *implementation_;
    std::vector<page_answer> answers;
    {
        const std::lock_guard lock{i.mutex};
        i.looked = steady_clock::now();
        answers = i.answers;
    }
    i.answering.wake();
    return answers;
}

} // namespace gateway
