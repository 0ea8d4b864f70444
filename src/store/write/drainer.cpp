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
// - What the database refuses while it takes others (a trigger raises, a page is damaged, a
//   partition has no space or right, a value that even quarantine refuses) goes to the end of the
//   spool: it blocks nothing, and meets whatever is better by the time it comes round. What it
//   refuses while it takes nothing else stays where it is: rewriting a whole spool helps nobody.
// - After each time round the drainer rests longer than the refused have cost, or it would turn in
//   circles over those rows alone.
#include "store/write/drainer.hpp"
#include "gateway/base/backoff.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/metrics.hpp"
#include "store/database/missing_grant.hpp"
#include "store/write/pending.hpp"
#include "store/write/sabotage.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace gateway {

namespace {

constexpr std::chrono::milliseconds idle_pause{200};
constexpr int rest_factor = 4; // of the time that refused events cost

// Made with the process, as all metrics: one that appears with its first event hides that event
// from rate() and increase().
const counter drained = make_counter("attentive_gateway_spool_drained_total",
                                     "Deliveries that went from the spool into the database.");

} // namespace

// Once through what stood in the spool at its start.
struct drainer::round {
    std::uint64_t to_come = 0;
    std::uint64_t refused = 0;
    std::string why{};
    std::chrono::steady_clock::duration spent{}; // on reads with refused events
    bool others_taken = false;                   // the database took something of it
    std::size_t rows = 0;                        // of the last read; 0: the spool is empty
};

drainer::drainer(const batch_settings& settings, spool_link link, std::string instance,
                 std::function<bool()> worth_trying, std::function<std::uint64_t()> taken_directly)
    : settings_(settings), link_(link), instance_(std::move(instance)),
      worth_trying_(std::move(worth_trying)), taken_directly_(std::move(taken_directly))
{
}

drainer::~drainer()
{
    thread_.stop();
    deadlines_.end_all();
}

refused_events drainer::refused() const
{
    const std::lock_guard lock{mutex_};
    return refused_;
}

void drainer::note_refused(std::uint64_t count, std::string why)
{
    const std::lock_guard lock{mutex_};
    refused_ = {count, std::move(why)};
}

void drainer::run(worker& self)
{
    backoff failures;
    while (self.rest(idle_pause)) {
        if (link_.to->status().events == 0) // taken by hand, perhaps
            note_refused(0, {});
        if (!worth_trying_() || link_.to->status().events == 0)
            continue;
        try {
            self.beat();
            batch_session session{settings_, instance_, deadlines_};
            if (drain_with(session, self, failures)) {
                failures.reset();
                continue;
            }
        } catch (...) {
            const error why =
                to_error(current_failure(), settings_.database_url, database_role::writer);
            write_log(failed_log_, severity::warn, "spool_not_drained",
                      "the spool is not drained for now: {error.message}",
                      {{"error.type", name(why.code)}, {"error.message", why.detail}});
        }
        if (!self.rest(failures.next()))
            return;
    }
}

// True when the spool is empty, or this stops. Throws what connecting throws.
bool drainer::drain_with(batch_session& session, worker& self, backoff& failures)
{
    using namespace std::chrono;
    round through{.to_come = link_.to->status().events};
    if (!std::exchange(begun_, true))
        write_log(severity::info, "spool_drain_begun",
                  "draining {attentive.event.count} events from the spool",
                  {{"attentive.event.count", through.to_come}});
    for (;;) {
        self.beat();
        const auto start = steady_clock::now();
        if (!next_batch(session, through, self))
            return false;
        if (through.rows == 0) {
            note_refused(0, {});
            begun_ = false;
            write_log(severity::info, "spool_drained", "the spool is empty");
            return true;
        }
        auto due = start + microseconds{through.rows * 1'000'000 / link_.drain_rate_max};
        if (through.to_come == 0) {
            note_refused(through.refused, through.why);
            taken_when_refused_.reset();
            if (through.refused > 0)
                due = steady_clock::now() + std::max<steady_clock::duration>(
                                                failures.next(), rest_factor * through.spent);
            through = {.to_come = link_.to->status().events};
        }
        if (!self.rest_until(due))
            return true;
    }
}

// False when the spool could not be read, or nothing was taken of what stands at its beginning.
bool drainer::next_batch(batch_session& session, round& through, worker& self)
{
    const auto start = std::chrono::steady_clock::now();
    auto batch =
        link_.to->read(std::min<std::uint64_t>(settings_.batch_events_max, through.to_come),
                       settings_.batch_bytes_max);
    if (batch.has_error()) {
        write_log(
            severity::error, "spool_unreadable", "the spool cannot be read: {error.message}",
            {{"error.type", name(batch.error().code)}, {"error.message", batch.error().detail}});
        return false;
    }
    through.rows = batch.value().deliveries.size();
    if (through.rows == 0)
        return true;
    const bool others =
        through.others_taken || (taken_when_refused_ && taken_directly_() > *taken_when_refused_);
    const auto done = drain_batch(session, *link_.to, std::move(batch).value(), settings_.map,
                                  others ? takes_others::yes : takes_others::unknown);
    if (done.has_error()) {
        failed(done.error(), through.rows, self);
        return false;
    }
    through.others_taken = through.others_taken || done.value().refused < through.rows;
    drained.add(static_cast<double>(through.rows - done.value().refused));
    through.to_come -= std::min<std::uint64_t>(through.to_come, through.rows);
    if (done.value().refused == 0)
        return true;
    through.refused += done.value().refused;
    through.why = done.value().why;
    through.spent += std::chrono::steady_clock::now() - start;
    note_refused(std::max(through.refused, refused().count), through.why);
    write_log(refused_log_, severity::error, "spooled_deliveries_refused",
              "{attentive.delivery.count} spooled deliveries are refused by the database "
              "({error.message}): they stay in the spool and are tried again, the others go "
              "on",
              {{"attentive.delivery.count", through.refused}, {"error.message", through.why}});
    return true;
}

void drainer::failed(const error& why, std::size_t rows, worker& self)
{
    if (self.is_stopping()) // which cuts the call under way
        return;
    if (why.code == errc::database_failed) {
        if (!taken_when_refused_)
            taken_when_refused_ = taken_directly_();
        note_refused(std::max<std::uint64_t>(rows, refused().count), why.detail);
    }
    // What is refused may be so for days.
    auto& limit = why.code == errc::database_failed ? refused_log_ : failed_log_;
    write_log(limit, severity::warn, "spool_batch_kept",
              "a batch stays in the spool for now: {error.message}",
              {{"error.type", name(why.code)},
               {"error.message", why.detail},
               {"attentive.delivery.count", rows}});
}

result<drained_batch> drain_batch(batch_session& session, spool& from, spool_batch batch,
                                  const mapping_function& map, takes_others others)
{
    if (sabotaged(sabotage::mark_first)) {
        BOOST_OUTCOME_TRY(from.remove(batch));
    }
    failure last{};
    auto left = session.write_parts(
        units_of(std::exchange(batch.deliveries, {}), map),
        [](std::span<unit>, const batch_written&) {}, last, batch_session::no_limit, others);
    if (!left.failed.empty())
        return to_error(last);
    std::vector<const verified_delivery*> kept;
    for (const auto& u : left.refused) {
        for (const auto& member : u.members)
            kept.push_back(&member->delivery);
    }
    if (kept.empty()) {
        BOOST_OUTCOME_TRY(from.remove(batch));
    } else {
        BOOST_OUTCOME_TRY(from.move_to_end(batch, kept));
    }
    return drained_batch{kept.size(), to_error(last).detail};
}

} // namespace gateway
