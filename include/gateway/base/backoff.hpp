// How long a writer thread waits before it tries the database again: twice as long each time,
// with jitter, so that replicas do not return in step.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace gateway {

// One thread.
class backoff {
public:
    static constexpr std::chrono::milliseconds shortest{100};
    static constexpr std::chrono::milliseconds longest{5'000};

    // Between half and all of the current step, which then doubles.
    std::chrono::milliseconds next()
    {
        std::uniform_int_distribution<std::chrono::milliseconds::rep> within{step_.count() / 2,
                                                                             step_.count()};
        step_ = std::min(step_ * 2, longest);
        return std::chrono::milliseconds{within(random_)};
    }

    void reset() { step_ = shortest; }

private:
    std::chrono::milliseconds step_ = shortest;
    std::mt19937 random_{std::random_device{}()};
};

} // namespace gateway
