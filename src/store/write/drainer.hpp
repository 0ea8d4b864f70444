// Empties the spool into the database, oldest first and at a bounded rate, while new events
// already go there directly. What it writes twice (a crash between commit and removal) is one row
// all the same: the content key sees to that.
#pragma once

#include "gateway/base/backoff.hpp"
#include "gateway/base/log_limit.hpp"
#include "gateway/base/worker.hpp"
#include "gateway/model/mapping.hpp"
#include "gateway/store/batch_settings.hpp"
#include "gateway/store/spool.hpp"
#include "gateway/store/writer.hpp"
#include "store/database/call_deadlines.hpp"
#include "store/write/batch_session.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace gateway {

struct drained_batch {
    std::size_t refused = 0; // of the deliveries, by the database: they stand at the spool's end
    std::string why;         // of the last of them: its SQLSTATE
};

// Writes one read of `from` into the database and removes it there. What the database refuses while
// it takes others (or `others` are known to be taken) goes to the end of the spool: it is kept, and
// blocks nothing that is behind it. On a failure the batch stays where it is, and what was written
// of it is a duplicate next time. Fails with database_unavailable, database_failed (nothing of it
// was taken), spool_full, spool_failed.
result<drained_batch> drain_batch(batch_session& session, spool& from, spool_batch batch,
                                  const mapping_function& map,
                                  takes_others others = takes_others::unknown);

class drainer {
public:
    // `settings` outlive this object. `worth_trying` says whether the database takes events, as far
    // as the writer threads know, and `taken_directly` how many batches it took of them.
    drainer(const batch_settings& settings, spool_link link, std::string instance,
            std::function<bool()> worth_trying, std::function<std::uint64_t()> taken_directly);
    // Its end cuts the batch under way, which stays in the spool.
    ~drainer();
    drainer(const drainer&) = delete;
    drainer& operator=(const drainer&) = delete;

    // As of the last time round. Any thread.
    refused_events refused() const;

    // For how long the thread has been at one step. Any thread.
    std::chrono::milliseconds busy_for(worker::clock::time_point now) const
    {
        return thread_.busy_for(now);
    }

private:
    struct round;

    void run(worker& self);
    bool drain_with(batch_session& session, worker& self, backoff& failures);
    bool next_batch(batch_session& session, round& through, worker& self);
    void failed(const error& why, std::size_t rows, worker& self);
    void note_refused(std::uint64_t count, std::string why);

    const batch_settings& settings_;
    const spool_link link_;
    const std::string instance_;
    const std::function<bool()> worth_trying_;
    const std::function<std::uint64_t()> taken_directly_;
    bool begun_ = false;                              // and not come to the spool's end since
    std::optional<std::uint64_t> taken_when_refused_; // directly, when a whole read was refused
    log_limit failed_log_;
    log_limit refused_log_{std::chrono::minutes{10}};
    mutable std::mutex mutex_; // guards what follows
    refused_events refused_;
    call_deadlines deadlines_; // of its own: what drains may be cut off at any time
    worker thread_{"drainer", [this](worker& self) { run(self); }};
};

} // namespace gateway
