#include "gateway/store/observer.hpp"
#include "store/database.hpp"
#include "store/signals.hpp"
#include "store/stop_signal.hpp"
#include "store/watchdog.hpp"

#include <mutex>
#include <thread>
#include <utility>

namespace gateway {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds interval{1};
constexpr std::chrono::seconds limit{2};
constexpr std::chrono::seconds counting_interval{30};

} // namespace

struct database_observer::implementation {
    explicit implementation(std::string u) : url(std::move(u)) {}

    void run();
    void ask();
    pqxx::result query(const char* sql);
    void note(bool reachable, std::string trouble);

    const std::string url;
    watchdog dog;
    std::unique_ptr<database> connected;
    steady_clock::time_point count_again{};
    mutable std::mutex mutex; // guards `seen`
    observation seen;
    stop_signal stopping;
    std::thread thread;
};

pqxx::result database_observer::implementation::query(const char* sql)
{
    auto& connection = connected->connection();
    const watchdog::guard until{dog, connection.sock(), limit};
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
    const auto rows = query("SELECT count(*) FROM gateway.quarantine WHERE replayed_at IS NULL");
    const std::lock_guard lock{mutex};
    seen.quarantine_waiting = rows[0][0].as<std::uint64_t>();
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
void database_observer::implementation::run()
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
    } while (stopping.rest(interval));
}

database_observer::database_observer(std::string database_url)
    : implementation_(std::make_unique<implementation>(std::move(database_url)))
{
    const signals_blocked during_start;
    implementation_->thread = std::thread{[this] { implementation_->run(); }};
}

database_observer::~database_observer()
{
    implementation_->stopping.stop();
    implementation_->thread.join();
}

observation database_observer::last() const
{
    const std::lock_guard lock{implementation_->mutex};
    return implementation_->seen;
}

} // namespace gateway
