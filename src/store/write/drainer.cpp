// The way back from the spool into the database, beside new events that go there directly.
//
// A step reads the oldest rows of the oldest file, maps their bytes with the mapping of the day,
// writes them as any batch is written, and only then removes them from the spool: a crash in
// between writes them again, and the content key makes that one row. So order is by age as far as
// the spool has it, not by time of the event, and nothing behind waits for new events or holds them
// up for longer than one batch; the rate is bounded (drain_rate_max), since what waited for hours
// can wait for seconds.
//
// Invariants:
// - The drainer connects only while a writer's thread has a connection: it never is the one to find
//   out that the database is back, and so needs no deadline of a sender's.
// - What failed stays where it is, whole; only the batch that was written is removed.
// - What the database refuses even as a quarantine row goes to the end of the spool: it blocks
//   nothing, and meets whatever is better by the time it comes round. Then the drainer pauses, or
//   it would turn in circles over those rows alone.
#include "store/write/drainer.hpp"
#include "gateway/base/backoff.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/metrics.hpp"
#include "store/database/missing_grant.hpp"
#include "store/write/pending.hpp"
#include "store/write/sabotage.hpp"

#include <utility>
#include <vector>

namespace gateway {

namespace {

constexpr std::chrono::milliseconds idle_pause{200};

// Made with the process, as all metrics: one that appears with its first event hides that event
// from rate() and increase().
const counter drained = make_counter("attentive_gateway_spool_drained_total",
                                     "Deliveries that went from the spool into the database.");

} // namespace

drainer::drainer(const batch_settings& settings, spool_link link, std::string instance,
                 call_deadlines& deadlines, std::function<bool()> worth_trying)
    : settings_(settings), link_(link), instance_(std::move(instance)), deadlines_(deadlines),
      worth_trying_(std::move(worth_trying))
{
}

void drainer::run(worker& self)
{
    backoff failures;
    while (self.rest(idle_pause)) {
        if (!worth_trying_() || link_.to->status().events == 0)
            continue;
        try {
            self.beat();
            batch_session session{settings_, instance_, deadlines_};
            if (drain_with(session, self)) {
                failures.reset();
                continue;
            }
        } catch (...) {
            const error why =
                to_error(current_failure(), settings_.database_url, database_role::writer);
            if (const auto held_back = failed_log_.pass())
                write_log(severity::warn, "spool_not_drained",
                          "the spool is not drained for now: {error.message}",
                          {{"error.type", name(why.code)},
                           {"error.message", why.detail},
                           held_back_field(*held_back)});
        }
        if (!self.rest(failures.next()))
            return;
    }
}

// True when the spool is empty, or this stops. Throws what connecting throws.
bool drainer::drain_with(batch_session& session, worker& self)
{
    using namespace std::chrono;
    const auto events = link_.to->status().events;
    write_log(severity::info, "spool_drain_begun",
              "draining {attentive.event.count} events from the spool",
              {{"attentive.event.count", events}});
    for (;;) {
        self.beat();
        const auto start = steady_clock::now();
        auto batch = link_.to->read(settings_.batch_events_max, settings_.batch_bytes_max);
        if (batch.has_error()) {
            write_log(severity::error, "spool_unreadable",
                      "the spool cannot be read: {error.message}",
                      {{"error.type", name(batch.error().code)},
                       {"error.message", batch.error().detail}});
            return false;
        }
        if (batch.value().deliveries.empty()) {
            write_log(severity::info, "spool_drained", "the spool is empty");
            return true;
        }
        const std::size_t rows = batch.value().deliveries.size();
        const auto kept = drain_batch(session, *link_.to, std::move(batch).value(), settings_.map);
        if (kept.has_error()) {
            if (const auto held_back = failed_log_.pass())
                write_log(severity::warn, "spool_batch_kept",
                          "a batch stays in the spool for now: {error.message}",
                          {{"error.type", name(kept.error().code)},
                           {"error.message", kept.error().detail},
                           {"attentive.delivery.count", rows},
                           held_back_field(*held_back)});
            return false;
        }
        if (kept.value() > 0)
            return false;
        drained.add(static_cast<double>(rows));
        const auto due = start + microseconds{rows * 1'000'000 / link_.drain_rate_max};
        if (!self.rest_until(due))
            return true;
    }
}

result<std::size_t> drain_batch(batch_session& session, spool& from, spool_batch batch,
                                const mapping_function& map)
{
    if (sabotaged(sabotage::mark_first)) {
        BOOST_OUTCOME_TRY(from.remove(batch));
    }
    failure last{};
    auto left = session.write_parts(
        units_of(std::exchange(batch.deliveries, {}), map),
        [](std::span<unit>, const batch_written&) {}, last);
    if (!left.failed.empty())
        return to_error(last);
    std::vector<const verified_delivery*> kept;
    for (const auto& u : left.hopeless) {
        for (const auto& member : u.members)
            kept.push_back(&member->delivery);
    }
    if (!kept.empty()) {
        write_log(severity::error, "spooled_deliveries_refused",
                  "{attentive.delivery.count} spooled deliveries are refused by the database even "
                  "as quarantine rows: they stay in the spool",
                  {{"attentive.delivery.count", kept.size()},
                   {"db.response.status_code", last.sqlstate}});
        BOOST_OUTCOME_TRY(from.append(kept));
    }
    BOOST_OUTCOME_TRY(from.remove(batch));
    return kept.size();
}

} // namespace gateway
