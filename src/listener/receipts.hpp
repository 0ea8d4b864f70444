// How a receipt comes back to the session that waits for it. The store's threads finish a whole
// batch at once, so the first receipt of a burst wakes the loop and the rest come along with it.
#pragma once

#include "listener/loop.hpp"

#include "gateway/base/result.hpp"
#include "gateway/model/receipt.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace gateway {

// A session's place to wait. Outlives the session when the receipt is late.
struct awaited_receipt {
    explicit awaited_receipt(const loop_executor& executor)
        : arrived(executor, loop_timer::time_point::max())
    {
    }

    loop_timer arrived; // cancelled when `what` is there, or when waiting is over
    std::optional<result<receipt>> what;
};

// Made by std::make_shared; the io_context outlives whoever calls put().
class receipt_queue : public std::enable_shared_from_this<receipt_queue> {
public:
    explicit receipt_queue(loop_executor executor) : executor_(std::move(executor)) {}

    // Any thread. `to` gets `r` on the loop's thread, later, and is released there.
    void put(std::shared_ptr<awaited_receipt> to, result<receipt> r);

private:
    void deliver();

    struct entry {
        std::shared_ptr<awaited_receipt> to;
        result<receipt> what;
    };

    loop_executor executor_;
    std::mutex mutex_;
    std::vector<entry> arrived_;
    std::vector<entry> delivering_; // the loop's own; kept for its capacity
};

} // namespace gateway
