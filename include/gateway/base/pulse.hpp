// Whether a thread of the store gets on: it says when it begins something that has to end, and
// whoever watches the process sees for how long it has been at it.
#pragma once

#include <atomic>
#include <chrono>

namespace gateway {

// beat() and rest() by the one thread, the rest by any.
class pulse {
public:
    using clock = std::chrono::steady_clock;

    // Busy from now on, or still, with a step done.
    void beat() { since_ = clock::now().time_since_epoch().count(); }
    // Waits for work, or for its turn to try again: as long as it likes.
    void rest() { since_ = idle; }

    // Since the last step; zero at rest.
    std::chrono::milliseconds busy_for(clock::time_point now) const
    {
        const clock::rep since = since_;
        if (since == idle)
            return {};
        const auto busy = now.time_since_epoch() - clock::duration{since};
        return std::chrono::duration_cast<std::chrono::milliseconds>(busy);
    }

private:
    static constexpr clock::rep idle = 0;
    std::atomic<clock::rep> since_{idle};
};

} // namespace gateway
