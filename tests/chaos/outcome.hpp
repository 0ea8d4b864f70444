// What a run came to, what of it is printed, and which of the promises it breaks.
#pragma once

#include "chaos/checker.hpp"
#include "chaos/known_bugs.hpp"
#include "chaos/schedule.hpp"
#include "chaos/states.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace gateway::chaos {

struct outcome {
    verdict found;
    states_verdict states;
    std::map<int, std::uint64_t> statuses;
    std::map<fault, int> faults;
    int at_call = 0;
    std::uint64_t refused_needlessly = 0;
    std::chrono::milliseconds refusing{}; // the longest that a daemon did so needlessly
    std::chrono::milliseconds p99{};      // of answers 2xx
    std::size_t sessions = 0;             // of the daemons on the server, for a while
    std::size_t sessions_max = 0;
    bool drained = false;
    bool in_place = true;    // each row in the partition of its time
    std::string disorder;    // what of log and read models is not right
    int crashes = 0;         // daemons that ended though nobody ended them
    int bad_exits = 0;       // daemons that did not end well on SIGTERM
    std::size_t damaged = 0; // spool files set aside
    double seconds = 0;      // of load
};

void print(const outcome& out);

struct broken_promise {
    sign seen_as;
    std::string text;
};

std::vector<broken_promise> broken_promises(const outcome& out);

} // namespace gateway::chaos
