// The promise of the store, kept by threads that share an inbox: a completion says "accepted" only
// after COMMIT here, or after an fsync in the spool, and every completion runs, once.
//
//   submit -> inbox -> thread: map_all -> intake_session -> answer_accepted
//               |                 |             |
//               +-----------------+-------------+--> fallback: spooled, or refused
//
// Invariants:
// - Whoever holds a `pending` owes its sender an answer: it is moved on, or its completion is
//   called; there is no third way out of a function here.
// - A batch in doubt (the connection broke, the deadline passed) counts as not written. It goes to
//   the spool, or once more to a new connection, or back to the sender, and may so be appended
//   twice: it is applied once, by its content key.
// - `serving` is the only switch between database and spool. Nothing waits in the inbox while it is
//   zero: submit() looks before its push and again behind it, and the thread that brings it to zero
//   empties the inbox.
// - With a spool a sender is answered within batch_deadline, counted from when it was heard,
//   whatever the threads do: another one takes out of the inbox what is late. Without a spool
//   nothing is gained by giving up early.
// - A connection that has nothing to write is tried each second, so `connected` counts those that
//   take events.
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
#include "store/write/drainer.hpp"
#include "store/write/fallback.hpp"
#include "store/write/inbox.hpp"
#include "store/write/intake_session.hpp"
#include "store/write/metrics.hpp"
#include "store/write/pending.hpp"
#include "store/write/sabotage.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

#include <unistd.h>

namespace gateway {

namespace {

using clock = std::chrono::steady_clock;
using pendings = std::vector<std::unique_ptr<pending>>;

// What has nothing to write for as long looks whether it still could. Behind it stand the states
// that are told: a database that goes shows within this and one deadline.
constexpr std::chrono::milliseconds idle_max{1'000};
constexpr std::chrono::seconds pause_max{3};

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

delivery_list deliveries_of(const pendings& all)
{
    delivery_list out;
    out.reserve(all.size());
    for (const auto& p : all)
        out.push_back(&p->delivery);
    return out;
}

} // namespace

struct writer::implementation {
    // What a thread knows beyond its connection.
    struct lane {
        std::size_t number = 0;
        delivery_metrics metrics;
        backoff pause{std::chrono::milliseconds{100}, pause_max};
        unsigned failures = 0; // in a row
        pendings again;        // was under way when the connection broke
        bool trying_again = false;
    };

    explicit implementation(writer_settings s)
        : settings(std::move(s)), box({settings.inbox_events_max, settings.inbox_bytes_max}),
          serving(settings.threads), otherwise(settings)
    {
    }

    void run(lane& l, worker& self);
    std::unique_ptr<intake_session> open(const lane& l);
    bool serve(intake_session& session, lane& l, worker& self);
    bool store(intake_session& session, pendings taken, lane& l);
    bool is_worth_another_try(const failure& why, const intake_session& session, const lane& l,
                              clock::time_point since) const;
    void spool_late();
    void empty_inbox();
    void note(std::optional<error> now, bool is_login);

    const writer_settings settings;
    inbox box;
    call_deadlines deadlines;
    log_limit connect_log;
    log_limit late_log;
    std::mutex trouble_mutex;
    std::optional<error> trouble; // of the last connection tried
    bool login_refused = false;
    std::atomic<std::size_t> connected{0};
    // Threads that have a connection or may have one at once. At zero nothing is queued for them:
    // submissions go to the spool, or are refused, and so does what was in the inbox.
    std::atomic<std::size_t> serving;
    fallback otherwise;
    std::unique_ptr<drainer> draining; // with a spool only
    std::unique_ptr<worker> watching;  // the same: takes out of the inbox what is late
    std::deque<lane> lanes;
    std::deque<worker> threads; // one for each lane
};

// A thread that lost its connection tries once at once, and without a spool takes along what was
// under way: one backend may have died, not the server. When that fails too, or the server hung
// until the deadline, the thread is down: it waits, longer each time, and takes nothing from the
// inbox. What queued behind a batch that hung does not wait for the next one to hang.
void writer::implementation::run(lane& l, worker& self)
{
    bool down = false;
    while (true) {
        bool hung = false;
        self.idle(); // a connect may take as long as the url's addresses have
        if (auto session = open(l)) {
            if (std::exchange(down, false))
                ++serving;
            ++connected;
            const bool goes_on = serve(*session, l, self);
            --connected;
            if (!goes_on)
                return;
            hung = session->deadline_passed();
            if ((++l.failures == 1 || !l.again.empty()) && !hung)
                continue;
        }
        otherwise.take_refused(
            std::exchange(l.again, {}),
            fail(errc::database_unavailable, "the connection broke, and no other was made"));
        if (!std::exchange(down, true))
            --serving;
        if (serving == 0 || (hung && otherwise.has_spool()))
            empty_inbox();
        if (!self.rest(l.pause.next()))
            return;
    }
}

// Until `session` is of no more use. False: the inbox is closed, and all is written.
bool writer::implementation::serve(intake_session& session, lane& l, worker& self)
{
    while (true) {
        self.idle();
        l.trying_again = !l.again.empty();
        auto taken =
            l.trying_again
                ? std::exchange(l.again, {})
                : box.take({settings.batch_events_max, settings.batch_bytes_max}, idle_max);
        if (taken.empty() && box.at_end())
            return false;
        self.beat();
        if (taken.empty()) {
            l.failures = 0;
            if (!session.takes_deliveries())
                return true;
        } else {
            const bool written = store(session, std::move(taken), l);
            if (!l.trying_again)
                box.finished();
            if (!written)
                return true;
        }
        l.failures = 0;
        l.pause.reset();
    }
}

std::unique_ptr<intake_session> writer::implementation::open(const lane& l)
{
    try {
        if (sabotaged(sabotage::leak_connection))
            leave_connection(settings.database_url);
        auto session =
            std::make_unique<intake_session>(settings, instance_name(l.number), deadlines);
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
        write_log(connect_log, level, "database_not_ready",
                  "database not ready to write, trying on ({error.type}): {error.message}",
                  {{"error.type", name(why.code)}, {"error.message", why.detail}});
        return nullptr;
    }
}

void writer::implementation::note(std::optional<error> now, bool is_login)
{
    const std::lock_guard lock{trouble_mutex};
    trouble = std::move(now);
    login_refused = is_login;
}

// Whether the batch was dealt with; otherwise the connection is given up.
bool writer::implementation::store(intake_session& session, pendings taken, lane& l)
{
    batch_events.observe(static_cast<double>(taken.size()));
    const auto since = taken.front()->since;
    map_all(taken, settings.map);
    // With a spool, a sender is answered within the deadline, counted from when it was heard.
    // Without one nothing is gained by giving up early.
    const auto why =
        session.append(deliveries_of(taken), otherwise.has_spool() ? since + settings.batch_deadline
                                                                   : intake_session::no_limit);
    if (!why) {
        answer_accepted(taken, l.metrics);
        return true;
    }
    if (sabotaged(sabotage::forget_late) && session.deadline_passed())
        acknowledge(taken, settings.map);
    if (is_worth_another_try(*why, session, l, since))
        l.again = std::move(taken);
    else
        otherwise.take_refused(std::move(taken), to_error(*why));
    return false;
}

// Once, on the connection that is made at once: what the first try stored is found by its key. A
// spool is as good and does not depend on that connection.
bool writer::implementation::is_worth_another_try(const failure& why, const intake_session& session,
                                                  const lane& l, clock::time_point since) const
{
    return !otherwise.has_spool() && why.kind == failure_kind::lost && !session.deadline_passed() &&
           !l.trying_again && clock::now() < since + settings.batch_deadline;
}

// Who has waited half of the deadline for a batch to begin goes to the spool, so that the others
// have time enough in theirs. It does not matter what keeps the threads: a batch, a connect.
void writer::implementation::spool_late()
{
    auto late = box.take_older(clock::now() - settings.batch_deadline / 2);
    const auto events = late.size();
    otherwise.take(std::move(late), fail(errc::overloaded, "the database does not keep up"));
    if (events == 0)
        return;
    write_log(late_log, severity::warn, "deliveries_late",
              "{attentive.delivery.count} deliveries waited too long for the database, spooled",
              {{"attentive.delivery.count", events}});
}

void writer::implementation::empty_inbox()
{
    otherwise.take(box.take_all(),
                   fail(errc::database_unavailable, "the database is out of reach"));
}

writer::writer(writer_settings settings)
    : implementation_(std::make_unique<implementation>(std::move(settings)))
{
    auto& i = *implementation_;
    const auto& s = i.settings;
    if (i.otherwise.has_spool()) {
        i.draining = std::make_unique<drainer>(s, s.fallback, instance_name(s.threads),
                                               [&i] { return i.connected > 0; });
        i.watching = std::make_unique<worker>("inbox watch", [&i](worker& self) {
            while (self.rest(i.settings.batch_deadline / 20))
                i.spool_late();
        });
    }
    for (std::size_t n = 0; n < s.threads; ++n) {
        auto& l = i.lanes.emplace_back();
        l.number = n;
        i.threads.emplace_back("writer", [&i, &l](worker& self) { i.run(l, self); });
    }
}

writer::~writer()
{
    auto& i = *implementation_;
    i.box.close();
    for (auto& thread : i.threads)
        thread.stop();
    i.draining.reset();
    i.threads.clear();
    i.watching.reset();
    i.empty_inbox();
}

void writer::submit(verified_delivery d, completion done)
{
    auto p = std::make_unique<pending>(pending{std::move(d), std::move(done)});
    auto& i = *implementation_;
    if (sabotaged(sabotage::ack_before_commit))
        acknowledge(*p, i.settings.map);
    if (i.serving == 0)
        return i.otherwise.take(std::move(p),
                                fail(errc::database_unavailable, "the database is out of reach"));
    if (!i.box.push(p))
        return i.otherwise.take(std::move(p),
                                fail(errc::overloaded, "the inbox is full or closed"));
    // The last thread may have gone down meanwhile, and have emptied the inbox before this push.
    if (i.serving == 0)
        i.empty_inbox();
}

bool writer::available() const
{
    if (sabotaged(sabotage::always_ready))
        return true;
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
    s.stalled_for = std::max(s.stalled_for, i.otherwise.busy_for(now));
    if (i.draining)
        s.stalled_for = std::max(s.stalled_for, i.draining->busy_for(now));
    return s;
}

} // namespace gateway
