// Waiting for what a test needs, instead of for a time that is long enough on some machine.
#pragma once
#include <chrono>
#include <functional>
#include <thread>

namespace gateway::test {

// Whether `condition` came true within `limit`; asked every 20 ms.
inline bool becomes(const std::function<bool()>& condition,
                    std::chrono::milliseconds limit = std::chrono::seconds{20})
{
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
    return true;
}

} // namespace gateway::test
