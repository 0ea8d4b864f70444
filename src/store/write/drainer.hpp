// Empties the spool into the database's intake, oldest first and at a bounded rate, while new
// deliveries already go there directly. What it appends twice (a crash between commit and removal)
// is applied once: the content key sees to that.
#pragma once

#include "gateway/base/backoff.hpp"
#include "gateway/base/log_limit.hpp"
#include "gateway/base/result.hpp"
#include "gateway/base/worker.hpp"
#include "gateway/store/batch_settings.hpp"
#include "gateway/store/spool.hpp"
#include "store/database/call_deadlines.hpp"
#include "store/write/intake_session.hpp"

#include <chrono>
#include <functional>
#include <string>

namespace gateway {

// Appends one read of `from` to the intake and removes it there. On a failure the batch stays where
// it is. Fails with database_unavailable, database_failed, spool_failed.
result<void> drain_batch(intake_session& session, spool& from, const spool_batch& batch);

class drainer {
public:
    // `settings` outlive this object. `worth_trying` says whether the database takes deliveries, as
    // far as the writer threads know.
    drainer(const batch_settings& settings, spool_link link, std::string instance,
            std::function<bool()> worth_trying);
    // Its end cuts the batch under way, which stays in the spool.
    ~drainer();
    drainer(const drainer&) = delete;
    drainer& operator=(const drainer&) = delete;

    // For how long the thread has been at one step. Any thread.
    std::chrono::milliseconds busy_for(worker::clock::time_point now) const
    {
        return thread_.busy_for(now);
    }

private:
    void run(worker& self);
    bool drain_with(intake_session& session, worker& self);
    void failed(const error& why, worker& self);

    const batch_settings& settings_;
    const spool_link link_;
    const std::string instance_;
    const std::function<bool()> worth_trying_;
    bool begun_ = false; // and not come to the spool's end since
    log_limit failed_log_;
    call_deadlines deadlines_; // of its own: what drains may be cut off at any time
    worker thread_{"drainer", [this](worker& self) { run(self); }};
};

} // namespace gateway
