// The promise of the store, kept by threads that share an inbox: a completion says "stored" only
// after COMMIT here, or after an fsync in the spool, and every completion runs, once.
//
//   submit -> inbox -> thread: map_all -> group -> batch_session -> answer_written
//               |                 |                     |
//               +-----------------+---------------------+--> divert -> spooler, or refused
//
// Invariants:
// - Whoever holds a `pending` owes its sender an answer: it is moved on, or its completion is
//   called; there is no third way out of a function here.
// - A batch in doubt (the connection broke, the deadline passed) counts as not written. It goes to
//   the spool or back to the sender, and may so be written twice: the content key makes one row.
// - `serving` is the only switch between database and spool. Nothing waits in the inbox while it is
//   zero: submit() looks before its push and again behind it, and the thread that brings it to zero
//   empties the inbox.
// - With a spool a sender is answered within batch_deadline, counted from when it was heard.
//   Without one nothing is gained by giving up early.
//
// Tried and left: mapping on the thread that read the delivery, where one took twice the time it
// takes in a row with others. A second batch beside the first whenever anything queued: small
// batches cost PostgreSQL a third more an event at 64 connections. A deadline counted from the
// start of a batch: with both backends frozen, p99.9 was 4.7 s and is 2.0 s.
#include "gateway/store/writer.hpp"
#include "gateway/base/backoff.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/log_limit.hpp"
#include "gateway/base/worker.hpp"
#include "store/database/call_deadlines.hpp"
#include "store/database/missing_grant.hpp"
#include "store/write/answers.hpp"
#include "store/write/batch_session.hpp"
#include "store/write/drainer.hpp"
#include "store/write/inbox.hpp"
#include "store/write/metrics.hpp"
#include "store/write/pending.hpp"
#include "store/write/sabotage.hpp"
#include "store/write/spooler.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include <unistd.h>

namespace gateway {

namespace {

const histogram batch_events =
    make_histogram("attentive_gateway_batch_events",
                   "Deliveries in one batch, which is one transaction as a rule.",
                   {1, 2, 5, 10, 25, 50, 100, 250, 500, 1'000, 2'500, 5'000, 10'000});

std::string instance_name(std::size_t thread)
{
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) != 0)
        host[0] = '?';
    return std::string{host.data()} + "/" + std::to_string(::getpid()) + "/" +
           std::to_string(thread);
}

} // namespace

struct writer::implementation {
    explicit implementation(writer_settings s)
        : settings(std::move(s)), box({settings.inbox_events_max, settings.inbox_bytes_max}),
          metrics(settings.threads), serving(settings.threads)
    {
    }

    void run(std::size_t thread, worker& self);
    std::unique_ptr<batch_session> open(std::size_t thread);
    std::optional<failure> store(batch_session& session,
                                 std::vector<std::unique_ptr<pending>> taken, std::size_t thread,
                                 worker& self);
    std::chrono::steady_clock::time_point limit_of(const pending& oldest) const;
    void not_taken(std::vector<unit> units, const error& why);
    void divert(std::unique_ptr<pending> p, const error& why);
    void refuse(std::unique_ptr<pending> p, const error& why);
    void spool_late(std::vector<std::unique_ptr<pending>>& taken);
    void empty_inbox();
    void note(std::optional<error> now, bool is_login);

    const writer_settings settings;
    inbox box;
    call_deadlines deadlines;
    log_limit connect_log;
    log_limit batch_log;
    log_limit poison_log;
    log_limit late_log;
    std::vector<delivery_metrics> metrics; // one for each thread
    std::mutex trouble_mutex;
    std::optional<error> trouble; // of the last connection tried
    bool login_refused = false;
    std::mutex refused_mutex; // refusals happen on any thread, and seldom
    delivery_metrics refused;
    std::atomic<std::size_t> connected{0};
    // Threads that have a connection or may have one at once. At zero nothing is queued for them:
    // submissions go to the spool, or are refused, and so does what was in the inbox.
    std::atomic<std::size_t> serving;
    std::unique_ptr<spooler> spooling; // with a spool only
    std::unique_ptr<drainer> draining;
    std::deque<worker> threads;
};

// A thread that lost its connection tries once at once: one backend may have died, not the server.
// When that fails too, or the server hung until the deadline, the thread is down: it waits, longer
// each time, and takes nothing from the inbox. What queued behind a batch that hung does not wait
// for the next one to hang.
void writer::implementation::run(std::size_t thread, worker& self)
{
    backoff pause;
    bool down = false;
    unsigned failures = 0; // since the last batch that was written
    while (true) {
        bool hung = false;
        self.beat();
        if (auto session = open(thread)) {
            if (std::exchange(down, false))
                ++serving;
            ++connected;
            std::optional<failure> end;
            while (!end) {
                self.idle();
                auto taken = box.take({settings.batch_events_max, settings.batch_bytes_max});
                if (taken.empty())
                    return; // closed, and all is written
                self.beat();
                spool_late(taken);
                if (!taken.empty())
                    end = store(*session, std::move(taken), thread, self);
                box.finished();
                if (!end) {
                    failures = 0;
                    pause.reset();
                }
            }
            --connected;
            hung = session->deadline_passed();
            if (++failures == 1 && !hung)
                continue;
        }
        if (!std::exchange(down, true))
            --serving;
        if (serving == 0 || (hung && spooling))
            empty_inbox();
        if (!self.rest(pause.next()))
            return;
    }
}

std::unique_ptr<batch_session> writer::implementation::open(std::size_t thread)
{
    try {
        auto session = std::make_unique<batch_session>(settings, instance_name(thread), deadlines);
        note(std::nullopt, false);
        return session;
    } catch (...) {
        const failure f =
            with_missing_grant(current_failure(), settings.database_url, database_role::writer);
        const error why = to_error(f);
        note(why, f.kind == failure_kind::refused);
        // An outage ends by itself; anything else takes somebody to change something.
        const auto level =
            why.code == errc::database_unavailable ? severity::warn : severity::error;
        if (const auto held_back = connect_log.pass())
            write_log(level, "database_not_ready",
                      "database not ready to write, trying on ({error.type}): {error.message}",
                      {{"error.type", name(why.code)},
                       {"error.message", why.detail},
                       held_back_field(*held_back)});
        return nullptr;
    }
}

void writer::implementation::note(std::optional<error> now, bool is_login)
{
    const std::lock_guard lock{trouble_mutex};
    trouble = std::move(now);
    login_refused = is_login;
}

// Nothing when the batch was dealt with; otherwise why the connection is given up.
std::optional<failure> writer::implementation::store(batch_session& session,
                                                     std::vector<std::unique_ptr<pending>> taken,
                                                     std::size_t thread, worker& self)
{
    batch_events.observe(static_cast<double>(taken.size()));
    const auto by = limit_of(*taken.front());
    map_all(taken, settings.map);
    failure last{};
    auto left = session.write_parts(
        group(std::move(taken)),
        [&, this](std::span<unit> units, const batch_written& written) {
            self.beat();
            answer_written(units, written, metrics[thread]);
        },
        last, by);

    if (!last.sqlstate.empty() && left.failed.empty()) {
        if (const auto held_back = poison_log.pass())
            write_log(severity::warn, "values_refused",
                      "PostgreSQL refused values (SQLSTATE {db.response.status_code}): kept in "
                      "quarantine as {attentive.quarantine.reason}",
                      {{"db.response.status_code", last.sqlstate},
                       {"attentive.quarantine.reason", "database_rejected"},
                       held_back_field(*held_back)});
    }
    if (!left.hopeless.empty())
        not_taken(std::move(left.hopeless), fail(errc::database_failed, "refused twice"));
    if (left.failed.empty())
        return std::nullopt;
    not_taken(std::move(left.failed), to_error(last));
    return last;
}

// Decides what becomes of events that the database did not take, or may not have taken: the spool
// keeps them, or the sender has to send them again.
void writer::implementation::not_taken(std::vector<unit> units, const error& why)
{
    std::size_t events = 0;
    for (auto& u : units) {
        for (auto& member : u.members) {
            divert(std::move(member), why);
            ++events;
        }
    }
    if (const auto held_back = batch_log.pass())
        write_log(severity::warn, "batch_not_taken",
                  "{attentive.delivery.count} deliveries not taken by the database, "
                  "{attentive.delivery.outcome} ({error.type}): {error.message}",
                  {{"attentive.delivery.count", events},
                   {"attentive.delivery.outcome", spooling ? "spooled" : "refused"},
                   {"error.type", name(why.code)},
                   {"error.message", why.detail},
                   held_back_field(*held_back)});
}

void writer::implementation::divert(std::unique_ptr<pending> p, const error& why)
{
    if (sabotaged(sabotage::drop_batch))
        acknowledge(*p, settings.map);
    else if (spooling)
        spooling->take(std::move(p));
    else
        refuse(std::move(p), why);
}

void writer::implementation::refuse(std::unique_ptr<pending> p, const error& why)
{
    {
        const std::lock_guard lock{refused_mutex};
        refused.count(*p, outcome::refused);
    }
    p->done(why);
}

// With a spool, a sender is answered within the deadline, counted from when it was heard. Without
// one nothing is gained by giving up early.
std::chrono::steady_clock::time_point writer::implementation::limit_of(const pending& oldest) const
{
    return spooling ? oldest.since + settings.batch_deadline : batch_session::no_limit;
}

// Who has waited half of the deadline for a batch to begin goes to the spool, so that the others
// have time enough in theirs.
void writer::implementation::spool_late(std::vector<std::unique_ptr<pending>>& taken)
{
    if (!spooling)
        return;
    const auto late = std::chrono::steady_clock::now() - settings.batch_deadline / 2;
    const auto in_time =
        std::find_if(taken.begin(), taken.end(), [&](const auto& p) { return p->since > late; });
    const auto events = in_time - taken.begin();
    std::for_each(taken.begin(), in_time, [&](auto& p) {
        divert(std::move(p), fail(errc::overloaded, "the database does not keep up"));
    });
    taken.erase(taken.begin(), in_time);
    if (events == 0)
        return;
    if (const auto held_back = late_log.pass())
        write_log(severity::warn, "deliveries_late",
                  "{attentive.delivery.count} deliveries waited too long for the database, spooled",
                  {{"attentive.delivery.count", events}, held_back_field(*held_back)});
}

void writer::implementation::empty_inbox()
{
    for (auto& p : box.take_all())
        divert(std::move(p), fail(errc::database_unavailable, "the database is out of reach"));
}

writer::writer(writer_settings settings)
    : implementation_(std::make_unique<implementation>(std::move(settings)))
{
    auto& i = *implementation_;
    const auto& s = i.settings;
    if (s.fallback.to != nullptr) {
        i.spooling =
            std::make_unique<spooler>(*s.fallback.to, bounds{s.inbox_events_max, s.inbox_bytes_max},
                                      bounds{s.batch_events_max, s.batch_bytes_max}, s.map);
        i.draining = std::make_unique<drainer>(s, s.fallback, instance_name(s.threads), i.deadlines,
                                               [&i] { return i.connected > 0; });
    }
    for (std::size_t n = 0; n < s.threads; ++n)
        i.threads.emplace_back("writer", [&i, n](worker& self) { i.run(n, self); });
}

writer::~writer()
{
    auto& i = *implementation_;
    i.draining.reset();
    i.box.close();
    for (auto& thread : i.threads)
        thread.stop();
    i.threads.clear();
    i.empty_inbox();
    i.spooling.reset();
}

void writer::submit(verified_delivery d, completion done)
{
    auto p = std::make_unique<pending>(pending{std::move(d), std::move(done)});
    auto& i = *implementation_;
    if (sabotaged(sabotage::no_dedup))
        give_random_id(*p, i.settings.map);
    if (sabotaged(sabotage::ack_before_commit))
        acknowledge(*p, i.settings.map);
    if (i.serving == 0)
        return i.divert(std::move(p),
                        fail(errc::database_unavailable, "the database is out of reach"));
    if (!i.box.push(p))
        return i.divert(std::move(p), fail(errc::overloaded, "the inbox is full or closed"));
    // The last thread may have gone down meanwhile, and have emptied the inbox before this push.
    if (i.serving == 0)
        i.empty_inbox();
}

bool writer::available() const
{
    const spool* fallback = implementation_->settings.fallback.to;
    return direct() || (fallback != nullptr && fallback->has_room());
}

bool writer::direct() const
{
    return implementation_->connected > 0;
}

writer_status writer::status() const
{
    auto& i = *implementation_;
    const auto now = worker::clock::now();
    const bounds waiting = i.box.waiting();
    writer_status s{waiting.events, waiting.bytes, {}, gateway::refusing_since(), {}, false};
    {
        const std::lock_guard lock{i.trouble_mutex};
        s.trouble = i.trouble;
        s.login_refused = i.login_refused;
    }
    for (const auto& each : i.threads)
        s.stalled_for = std::max(s.stalled_for, each.busy_for(now));
    if (i.spooling)
        s.stalled_for = std::max(s.stalled_for, i.spooling->busy_for(now));
    if (i.draining)
        s.stalled_for = std::max(s.stalled_for, i.draining->busy_for(now));
    return s;
}

} // namespace gateway
