// When to take a step, how large, and what a failure of one means. First to the log, then to the
// read models: the first is what the intake waits for, the second may lag while much arrives.
#include "gateway/store/applier.hpp"
#include "gateway/base/backoff.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/log_limit.hpp"
#include "gateway/base/metrics.hpp"
#include "gateway/base/worker.hpp"
#include "store/apply/apply_session.hpp"
#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace gateway {

namespace {

using clock = worker::clock;

constexpr std::size_t busy_events_min = 3'000; // a second: whoever writes them needs the processor
constexpr std::chrono::milliseconds others_pause{50};
constexpr std::chrono::seconds patience{2};
constexpr int refusals_max = 3; // of all that was taken, in a row: then they are put off one by one

counter applied_counter(const char* outcome)
{
    return make_counter("attentive_gateway_applied_total",
                        "Deliveries that were applied to the log, by what became of them.",
                        {{"outcome", outcome}});
}

const counter stored = applied_counter("stored");
const counter duplicate = applied_counter("duplicate");
const counter quarantined_anew = applied_counter("quarantined");

struct projected {
    bool is_active; // false: another session writes log or read models
    std::size_t events;
    std::size_t set_aside;
    std::size_t arriving; // events of the last second
    clock::duration took;
};

projected project(pqxx::connection& connection, std::size_t events_max)
{
    const auto start = clock::now();
    pqxx::nontransaction work{connection};
    work.exec("DISCARD PLANS"); // tables grow from nothing: the plans of a minute ago may be a trap
    const auto row = work.exec_params(
        "SELECT is_active, events, set_aside, arriving FROM gateway.project($1)", events_max)[0];
    return {row[0].as<bool>(), row[1].as<std::size_t>(), row[2].as<std::size_t>(),
            row[3].as<std::size_t>(), clock::now() - start};
}

} // namespace

struct applier::implementation {
    explicit implementation(applier_settings s)
        : settings(std::move(s)), events_max(settings.events_max)
    {
    }

    void run(worker& self);
    void work_with(apply_session& session, worker& self);
    bool apply(apply_session& session);
    bool project_with(apply_session& session);
    void failed(worker& self, const char* event, const char* text, log_limit& limit);

    const applier_settings settings;
    std::size_t events_max;            // halved by each failure, doubled by each success
    clock::time_point project_after{}; // the log comes first
    int refused_in_a_row = 0;
    call_deadlines deadlines;
    backoff failures;
    log_limit failed_log;
    log_limit projection_log;
    log_limit set_aside_log;
    log_limit refused_log{std::chrono::minutes{10}};
    worker thread{"applier", [this](worker& self) { run(self); }};
};

void applier::implementation::failed(worker& self, const char* event, const char* text,
                                     log_limit& limit)
{
    if (self.is_stopping()) // which cuts the step
        return;
    const error why = to_error(current_failure(), settings.database_url, database_role::writer);
    write_log(limit, severity::warn, event, text,
              {{"error.type", name(why.code)}, {"error.message", why.detail}});
}

// Whether more waits.
bool applier::implementation::apply(apply_session& session)
{
    const auto others =
        refused_in_a_row >= refusals_max ? takes_others::yes : takes_others::unknown;
    ++refused_in_a_row; // unless it comes back
    const auto round = session.round(others);
    refused_in_a_row = 0;
    stored.add(static_cast<double>(round.done.stored));
    duplicate.add(static_cast<double>(round.done.duplicates));
    quarantined_anew.add(static_cast<double>(round.done.quarantined));
    if (round.refused > 0)
        write_log(refused_log, severity::error, "deliveries_put_off",
                  "{attentive.delivery.count} deliveries are refused by the database (SQLSTATE "
                  "{db.response.status_code}): they wait in the intake and are tried again, the "
                  "others go on",
                  {{"attentive.delivery.count", round.refused},
                   {"db.response.status_code", round.refusal}});
    return round.deliveries >= settings.deliveries_max;
}

// The same. Full steps follow each other, but take a third of the time while many events arrive.
// Behind a small step some events gather, since a step of few costs nearly as much as one of many.
bool applier::implementation::project_with(apply_session& session)
{
    if (clock::now() < project_after)
        return false;
    const call_deadlines::guard limit{deadlines, session.connection().sock(),
                                      settings.step_deadline};
    const std::size_t asked = std::exchange(events_max, std::max<std::size_t>(events_max / 2, 1));
    const auto done = project(session.connection(), asked); // when it throws, half of it is next
    events_max = std::min(asked * 2, settings.events_max);
    if (done.set_aside > 0)
        write_log(set_aside_log, severity::error, "events_set_aside",
                  "{attentive.event.count} events hold a value that the read models refuse and "
                  "were set aside: see gateway.set_aside",
                  {{"attentive.event.count", done.set_aside}});
    const bool full = done.events >= asked;
    if (full && done.arriving >= busy_events_min)
        project_after = clock::now() + 2 * done.took;
    return full;
}

// Until this stops. Throws when the connection is of no more use.
void applier::implementation::work_with(apply_session& session, worker& self)
{
    clock::duration rest{0};
    const auto step = [&](auto work, const char* event, const char* text, log_limit& limit) {
        try {
            const bool more = work();
            failures.reset();
            return more;
        } catch (...) {
            if (current_failure().kind == failure_kind::lost || !session.connection().is_open())
                throw;
            failed(self, event, text, limit);
            rest = failures.next();
            return false;
        }
    };
    while (self.rest(rest)) {
        rest = clock::duration::zero();
        const bool more =
            step([&] { return apply(session); }, "not_applied",
                 "the intake is not applied to the log for now: {error.message}", failed_log);
        if (self.is_stopping())
            return;
        const bool more_to_project = step(
            [&] { return project_with(session); }, "projection_failed",
            "the read models are not brought up to date for now: {error.message}", projection_log);
        if (rest == clock::duration::zero() && !more && !more_to_project)
            rest = settings.idle_pause;
    }
}

void applier::implementation::run(worker& self)
{
    clock::duration rest{0};
    while (self.rest(rest)) {
        try {
            apply_session session{
                settings.database_url,
                settings.map,
                deadlines,
                {{.deliveries_max = settings.deliveries_max}, settings.step_deadline}};
            work_with(session, self);
            return;
        } catch (...) {
            failed(self, "not_applied",
                   "the intake is not applied to the log for now: {error.message}", failed_log);
            rest = failures.next();
        }
    }
}

result<void> apply_waiting(const std::string& database_url, const mapping_function& map)
{
    try {
        call_deadlines deadlines;
        apply_session session{database_url, map, deadlines};
        for (;;) {
            const auto done = session.round();
            if (done.is_active && done.deliveries == 0)
                return ok();
            if (!done.is_active) // a gateway is at it, or an erasure
                std::this_thread::sleep_for(others_pause);
        }
    } catch (...) {
        return to_error(current_failure(), database_url, database_role::writer);
    }
}

result<std::uint64_t> await_applied(const std::string& database_url)
{
    try {
        database db{{.url = database_url, .application = "attentive-gateway"}};
        pqxx::nontransaction t{db.connection()};
        const auto last = t.exec("SELECT coalesce(max(intake_id), 0) FROM gateway.intake_waiting"
                                 " WHERE tries = 0")[0][0]
                              .as<std::int64_t>();
        for (const auto until = clock::now() + patience;;
             std::this_thread::sleep_for(others_pause)) {
            const auto left = t.exec_params("SELECT coalesce(sum(deliveries), 0)"
                                            " FROM gateway.intake_waiting"
                                            " WHERE intake_id <= $1 AND tries = 0",
                                            last)[0][0]
                                  .as<std::uint64_t>();
            if (left == 0 || clock::now() > until)
                return left;
        }
    } catch (...) {
        return to_error(current_failure(), database_url, database_role::writer);
    }
}

applier::applier(applier_settings settings)
    : implementation_(std::make_unique<implementation>(std::move(settings)))
{
}

applier::~applier()
{
    stop();
}

void applier::stop()
{
    implementation_->thread.stop();
    implementation_->deadlines.end_all();
}

} // namespace gateway
