// The only state that submitters and writer threads share: a queue bounded in events and bytes.
// Whoever takes gets all that queued meanwhile, up to a batch: that is the group commit.
#pragma once

#include "store/write/pending.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace gateway {

struct bounds {
    std::size_t events;
    std::size_t bytes;
};

// Any thread.
class inbox {
public:
    explicit inbox(bounds limit) : limit_(limit) {}

    // Takes `p` unless that would pass a bound or the inbox is closed; then `p` stays as it was.
    bool push(std::unique_ptr<pending>& p);

    // Waits for something, then takes the oldest within `batch`, one at least. While another batch
    // is under way it waits for `enough_beside` events: a small batch costs the database nearly as
    // much as a large one. Each batch is to be reported by finished(). Empty when the inbox is
    // closed and nothing is left, or when there was nothing to take within `patience`.
    std::vector<std::unique_ptr<pending>>
    take(bounds batch, std::optional<std::chrono::milliseconds> patience = std::nullopt);
    static constexpr std::size_t enough_beside = 32;

    // A batch that was taken is dealt with.
    void finished();

    // Takes what was submitted by `then`, without waiting and with nothing to report.
    std::vector<std::unique_ptr<pending>> take_older(std::chrono::steady_clock::time_point then);
    std::vector<std::unique_ptr<pending>> take_all();

    // Closed, and nothing is left.
    bool at_end() const;

    // What waits just now.
    bounds waiting() const;

    // No more pushes; takers get what is left.
    void close();

private:
    std::vector<std::unique_ptr<pending>> take_some(bounds batch);
    std::unique_ptr<pending> take_one();

    const bounds limit_;
    mutable std::mutex mutex_;
    std::condition_variable filled_;
    std::deque<std::unique_ptr<pending>> queue_;
    std::size_t bytes_ = 0;
    std::size_t under_way_ = 0; // batches
    bool closed_ = false;
};

} // namespace gateway
