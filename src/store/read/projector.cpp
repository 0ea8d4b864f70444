// When to take a step, how large, and what a failure of one means. A step is one call of
// gateway.project, under a deadline like every call of the store.
#include "gateway/store/projector.hpp"
#include "gateway/base/backoff.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/log_limit.hpp"
#include "gateway/base/worker.hpp"
#include "store/database/call_deadlines.hpp"
#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"
#include "store/database/schema.hpp"

#include <algorithm>
#include <utility>

namespace gateway {

namespace {

constexpr std::chrono::seconds stand_by_pause{2};
constexpr std::size_t busy_events_min = 3'000; // a second: whoever writes them needs the processor
constexpr std::size_t step_events_min = 1;     // a step takes one batch at least, however large

struct step {
    bool is_active; // false: another session projects
    std::size_t batches;
    std::size_t events;
    std::size_t set_aside;
    std::size_t arriving; // events of the last second
    std::chrono::milliseconds took;
};

step take_step(pqxx::connection& connection, std::size_t events_max)
{
    using namespace std::chrono;
    const auto start = steady_clock::now();
    pqxx::nontransaction work{connection};
    work.exec("DISCARD PLANS"); // tables grow from nothing: the plans of a minute ago may be a trap
    const auto row = work.exec_params(
        "SELECT is_active, batches, events, set_aside, arriving FROM gateway.project($1)",
        events_max)[0];
    return {row[0].as<bool>(),        row[1].as<std::size_t>(),
            row[2].as<std::size_t>(), row[3].as<std::size_t>(),
            row[4].as<std::size_t>(), duration_cast<milliseconds>(steady_clock::now() - start)};
}

} // namespace

struct projector::implementation {
    explicit implementation(projector_settings s)
        : settings(std::move(s)), events_max(settings.step_events_max)
    {
    }

    void run(worker& self);
    void project_with(pqxx::connection& connection, worker& self);
    std::chrono::milliseconds after(const step& done);
    void failed(worker& self);

    const projector_settings settings;
    std::size_t events_max; // halved by each failure, doubled by each success
    call_deadlines deadlines;
    backoff failures;
    log_limit failed_log;
    log_limit set_aside_log;
    worker thread{"projector", [this](worker& self) { run(self); }};
};

void projector::implementation::failed(worker& self)
{
    if (self.is_stopping()) // which cuts the step
        return;
    const error why = to_error(current_failure(), settings.database_url, database_role::writer);
    events_max = std::max(events_max / 2, step_events_min);
    write_log(failed_log, severity::warn, "projection_failed",
              "the read models are not brought up to date for now: {error.message}",
              {{"error.type", name(why.code)}, {"error.message", why.detail}});
}

// How long to rest. Full steps follow each other, but take a third of the time while many events
// arrive: the log comes first. Behind a small step some events gather, since a step of few costs
// nearly as much as one of many.
std::chrono::milliseconds projector::implementation::after(const step& done)
{
    failures.reset();
    if (!done.is_active)
        return stand_by_pause;
    if (done.set_aside > 0)
        write_log(set_aside_log, severity::error, "batches_set_aside",
                  "{attentive.batch.count} batches hold a value that the read models refuse "
                  "and were set aside: see set_aside_error in gateway.batch",
                  {{"attentive.batch.count", done.set_aside}});
    const bool full = done.events >= events_max;
    events_max = std::min(events_max * 2, settings.step_events_max);
    if (!full)
        return settings.idle_pause;
    return done.arriving >= busy_events_min ? 2 * done.took : std::chrono::milliseconds{0};
}

// Until this stops. Throws when the connection is of no more use, or was none from the start.
void projector::implementation::project_with(pqxx::connection& connection, worker& self)
{
    std::chrono::milliseconds rest{0};
    while (self.rest(rest)) {
        const call_deadlines::guard limit{deadlines, connection.sock(), settings.step_deadline};
        try {
            rest = after(take_step(connection, events_max));
        } catch (...) {
            if (current_failure().kind == failure_kind::lost || !connection.is_open())
                throw;
            failed(self);
            rest = failures.next();
        }
    }
}

void projector::implementation::run(worker& self)
{
    std::chrono::milliseconds rest{0};
    while (self.rest(rest)) {
        try {
            database db{{.url = settings.database_url,
                         .application = "attentive-gateway projector",
                         .statement_timeout = settings.step_deadline}};
            expect_schema(db.connection());
            project_with(db.connection(), self);
            return;
        } catch (...) {
            failed(self);
            rest = failures.next();
        }
    }
}

projector::projector(projector_settings settings)
    : implementation_(std::make_unique<implementation>(std::move(settings)))
{
}

projector::~projector()
{
    stop();
}

void projector::stop()
{
    implementation_->thread.stop();
    implementation_->deadlines.end_all();
}

} // namespace gateway
