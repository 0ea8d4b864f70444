// Decides whether the daemons told their state rightly: what they said of themselves, all the time,
// against what the nemesis knows of the time of a fault. Pure: no sockets, no clock.
#pragma once

#include "chaos/checker.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace gateway::chaos {

// What one daemon said of itself, some of it after the other.
struct observation {
    period during; // from the first question to the last answer
    std::size_t daemon = 0;
    std::chrono::milliseconds age{}; // of its process
    bool healthy = false;            // /healthz: 200
    bool ready = false;              // /readyz: 200
    bool database_up = false;        // by /metrics, as all below
    bool database_taking_events = false;
    bool says_ready = false;
};

// What is true of one daemon for a while.
struct truth {
    period during;
    std::size_t daemon = 0;
    bool database = false; // it can be reached, and takes events
    bool room = true;      // an event can be made durable somewhere
    std::string because;   // the fault, or none
};

// So long a daemon may take to find out.
constexpr std::chrono::seconds notice_limit{5};

struct states_verdict {
    std::uint64_t judged = 0; // observations
    std::uint64_t wrong = 0;
    std::vector<std::string> violations; // "connections_cut: daemon 0 at … says …", a hundred
};

states_verdict judge_states(const std::vector<truth>& truths,
                            const std::vector<observation>& observations);

} // namespace gateway::chaos
