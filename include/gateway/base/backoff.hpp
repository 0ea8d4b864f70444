// How long to wait before the next try of what failed: twice as long each time, with jitter, so
// that those who failed together do not return in step.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace gateway {

// One thread.
class backoff {
public:
    explicit backoff(std::chrono::milliseconds shortest = std::chrono::milliseconds{100},
                     std::chrono::milliseconds longest = std::chrono::seconds{5},
                     std::uint32_t seed = std::random_device{}())
        : shortest_(shortest), longest_(longest), step_(shortest), random_(seed)
    {
    }

    // Between half and all of the current step, which then doubles.
    std::chrono::milliseconds next()
    {
        std::uniform_int_distribution<std::chrono::milliseconds::rep> within{step_.count() / 2,
                                                                             step_.count()};
        step_ = std::min(step_ * 2, longest_);
        return std::chrono::milliseconds{within(random_)};
    }

    void reset() { step_ = shortest_; }

private:
    std::chrono::milliseconds shortest_;
    std::chrono::milliseconds longest_;
    std::chrono::milliseconds step_;
    std::minstd_rand random_;
};

} // namespace gateway
