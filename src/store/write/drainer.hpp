// Empties the spool into the database, oldest first and at a bounded rate, while new events
// already go there directly. What it writes twice (a crash between commit and removal) is one row
// all the same: the content key sees to that.
#pragma once

#include "gateway/base/log_limit.hpp"
#include "gateway/base/worker.hpp"
#include "gateway/model/mapping.hpp"
#include "gateway/store/batch_settings.hpp"
#include "gateway/store/spool.hpp"
#include "store/database/call_deadlines.hpp"
#include "store/write/batch_session.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <string>

namespace gateway {

// Writes one read of `from` into the database and removes it there. A row that is refused even as
// a quarantine row goes to the end of the spool: it is kept, and blocks nothing that is behind it;
// returns how many did. On a failure the batch stays where it is, and what was written of it is a
// duplicate next time. Fails with database_unavailable, database_failed, spool_full, spool_failed.
result<std::size_t> drain_batch(batch_session& session, spool& from, spool_batch batch,
                                const mapping_function& map);

class drainer {
public:
    // `settings` outlive this object. `worth_trying` says whether the database takes events, as far
    // as the writer threads know.
    drainer(const batch_settings& settings, spool_link link, std::string instance,
            call_deadlines& deadlines, std::function<bool()> worth_trying);
    // Its end finishes the batch under way.

    // For how long the thread has been at one step. Any thread.
    std::chrono::milliseconds busy_for(worker::clock::time_point now) const
    {
        return thread_.busy_for(now);
    }

private:
    void run(worker& self);
    bool drain_with(batch_session& session, worker& self);

    const batch_settings& settings_;
    const spool_link link_;
    const std::string instance_;
    call_deadlines& deadlines_;
    const std::function<bool()> worth_trying_;
    log_limit failed_log_;
    worker thread_{"drainer", [this](worker& self) { run(self); }};
};

} // namespace gateway
