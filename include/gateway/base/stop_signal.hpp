// How a thread of the store rests between its steps and hears that it is to end.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace gateway {

// Any thread.
class stop_signal {
public:
    // Waits for `time`, or for stop(), whichever comes first. False: this is the end.
    bool rest(std::chrono::milliseconds time)
    {
        std::unique_lock lock{mutex_};
        return !changed_.wait_for(lock, time, [this] { return stopping_; });
    }

    // For good; wakes everybody who rests.
    void stop()
    {
        {
            const std::lock_guard lock{mutex_};
            stopping_ = true;
        }
        changed_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false;
};

} // namespace gateway
