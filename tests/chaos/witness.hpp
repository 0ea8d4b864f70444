// Asks every daemon of a run how it is, several times a second, on both of its ports, and the
// server how many sessions the daemons have there. It judges nothing: states.cpp does.
#pragma once

#include "chaos/gateway_daemon.hpp"
#include "chaos/states.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace gateway::chaos {

// Asks from construction until stop(). The daemons have to outlive it.
class witness {
public:
    witness(const std::vector<std::unique_ptr<gateway_daemon>>& daemons, std::string database_url);
    ~witness();

    void stop();

    // After stop() only. A daemon that does not answer has said nothing.
    const std::vector<observation>& observations() const { return observations_; }
    // The most sessions that the daemons had together for as long as `lasting`.
    std::size_t sessions_for(std::chrono::milliseconds lasting) const;

private:
    struct count {
        moment at;
        std::size_t sessions;
    };

    void ask_daemons();
    void count_sessions();

    const std::vector<std::unique_ptr<gateway_daemon>>& daemons_;
    const std::string database_url_;
    std::atomic<bool> stopping_{false};
    std::vector<observation> observations_;
    std::vector<count> counts_;
    std::thread asking_;
    std::thread counting_;
};

} // namespace gateway::chaos
