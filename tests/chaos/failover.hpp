// One failover as an operator has it: a primary each of whose commits waits for a standby, two
// daemons that know both hosts, senders that send every event to both daemons at once; then the
// primary dies with all its processes and the standby takes its place. What was acknowledged has
// to be there, once.
#pragma once

#include "chaos/outcome.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace gateway::chaos {

struct failover_settings {
    std::filesystem::path program; // that is served by, and that sends
    std::filesystem::path sender;
    std::filesystem::path directory;
    std::uint64_t seed = 1;
    double rate = 0;
    std::string sabotage;
    bool spool = true;
    // The standby goes first; for some seconds commits wait, and an administrator ends what waits,
    // which then stands on the primary alone. Then the primary dies and the standby returns.
    bool standby_away = false;
};

// "with a spool, the standby away before"
std::string to_string(const failover_settings& s);

// Some ten seconds. Throws std::runtime_error when servers or daemons do not start, or nothing is
// acknowledged any more afterwards.
outcome fail_over(const failover_settings& s);

} // namespace gateway::chaos
