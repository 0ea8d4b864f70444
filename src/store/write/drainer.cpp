// The way back from the spool into the database, beside new deliveries that go there directly.
//
// A step reads the oldest rows of the oldest file, appends their bytes to the intake, and only then
// removes them from the spool: a crash in between appends them again, and they are applied once. So
// order is by age as far as the spool has it, not by time of the event, and nothing behind waits
// for new events or holds them up for longer than one batch; the rate is bounded (drain_rate_max),
// since what waited for hours can wait for seconds.
//
// Invariants:
// - The drainer connects only while a writer's thread has a connection: it never is the one to find
//   out that the database is back, and so needs no deadline of a sender's.
// - What failed stays where it is, whole; only the batch that was appended is removed.
#include "store/write/drainer.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/metrics.hpp"
#include "store/database/missing_grant.hpp"
#include "store/write/sabotage.hpp"

#include <utility>

namespace gateway {

namespace {

constexpr std::chrono::milliseconds idle_pause{200};

// Made with the process, as all metrics: one that appears with its first event hides that event
// from rate() and increase().
const counter drained = make_counter("attentive_gateway_spool_drained_total",
                                     "Deliveries that went from the spool into the database.");

} // namespace

drainer::drainer(const batch_settings& settings, spool_link link, std::string instance,
                 std::function<bool()> worth_trying)
    : settings_(settings), link_(link), instance_(std::move(instance)),
      worth_trying_(std::move(worth_trying))
{
}

drainer::~drainer()
{
    thread_.stop();
    deadlines_.end_all();
}

void drainer::run(worker& self)
{
    backoff failures;
    while (self.rest(idle_pause)) {
        if (!worth_trying_() || link_.to->status().events == 0)
            continue;
        try {
            self.beat();
            intake_session session{settings_, instance_, deadlines_};
            if (drain_with(session, self)) {
                failures.reset();
                continue;
            }
        } catch (...) {
            failed(to_error(current_failure(), settings_.database_url, database_role::writer),
                   self);
        }
        if (!self.rest(failures.next()))
            return;
    }
}

// True when the spool is empty, or this stops. Throws what connecting throws.
bool drainer::drain_with(intake_session& session, worker& self)
{
    using namespace std::chrono;
    if (!std::exchange(begun_, true))
        write_log(severity::info, "spool_drain_begun",
                  "draining {attentive.event.count} events from the spool",
                  {{"attentive.event.count", link_.to->status().events}});
    for (;;) {
        self.beat();
        const auto start = steady_clock::now();
        const auto batch = link_.to->read(settings_.batch_events_max, settings_.batch_bytes_max);
        if (batch.has_error()) {
            write_log(severity::error, "spool_unreadable",
                      "the spool cannot be read: {error.message}",
                      {{"error.type", name(batch.error().code)},
                       {"error.message", batch.error().detail}});
            return false;
        }
        const std::size_t rows = batch.value().deliveries.size();
        if (rows == 0) {
            begun_ = false;
            write_log(severity::info, "spool_drained", "the spool is empty");
            return true;
        }
        if (const auto done = drain_batch(session, *link_.to, batch.value()); done.has_error()) {
            failed(done.error(), self);
            return false;
        }
        drained.add(static_cast<double>(rows));
        if (!self.rest_until(start + microseconds{rows * 1'000'000 / link_.drain_rate_max}))
            return true;
    }
}

void drainer::failed(const error& why, worker& self)
{
    if (self.is_stopping()) // which cuts the call under way
        return;
    write_log(failed_log_, severity::warn, "spool_not_drained",
              "the spool is not drained for now: {error.message}",
              {{"error.type", name(why.code)}, {"error.message", why.detail}});
}

result<void> drain_batch(intake_session& session, spool& from, const spool_batch& batch)
{
    delivery_list all;
    for (const auto& d : batch.deliveries)
        all.push_back(&d);
    if (sabotaged(sabotage::mark_first)) {
        BOOST_OUTCOME_TRY(from.remove(batch));
    }
    if (const auto why = session.append(all))
        return to_error(*why);
    return from.remove(batch);
}

} // namespace gateway
