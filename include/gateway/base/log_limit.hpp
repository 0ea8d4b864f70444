// Lets one of many equal log lines through: an outage repeats its warning with every batch.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

namespace gateway {

// Any thread.
class log_limit {
public:
    explicit log_limit(std::chrono::seconds pause = std::chrono::seconds{10}) : pause_(pause) {}

    // How many lines were held back since the last one, when a line may be written now.
    std::optional<unsigned> pass()
    {
        const std::lock_guard lock{mutex_};
        const auto now = std::chrono::steady_clock::now();
        if (last_ && now - *last_ < pause_) {
            ++held_back_;
            return std::nullopt;
        }
        last_ = now;
        return std::exchange(held_back_, 0);
    }

private:
    const std::chrono::seconds pause_;
    std::mutex mutex_;
    std::optional<std::chrono::steady_clock::time_point> last_;
    unsigned held_back_ = 0;
};

} // namespace gateway
