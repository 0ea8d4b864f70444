// Empties the spool into the database, oldest first and at a bounded rate, while new events
// already go there directly. What it writes twice (a crash between commit and removal) is one row
// all the same: the content key sees to that.
#pragma once

#include "gateway/store/spool.hpp"
#include "gateway/store/writer.hpp"
#include "store/batch_session.hpp"
#include "store/log_limit.hpp"
#include "store/watchdog.hpp"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace gateway {

struct drainer_settings {
    session_settings session;
    spool_link link;
    mapping_function map;
    std::size_t batch_events_max;
    std::size_t batch_bytes_max;
};

class drainer {
public:
    // `worth_trying` says whether the database takes events, as far as the writer threads know.
    drainer(drainer_settings settings, watchdog& dog, std::function<bool()> worth_trying);
    // Finishes the batch under way.
    ~drainer();
    drainer(const drainer&) = delete;
    drainer& operator=(const drainer&) = delete;

private:
    void run();
    bool drain_with(batch_session& session);
    bool drain_batch(batch_session& session, spool_batch batch);
    bool pause(std::chrono::milliseconds time); // false: stopping

    const drainer_settings settings_;
    watchdog& watchdog_;
    const std::function<bool()> worth_trying_;
    log_limit failed_log_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace gateway
