// The bugs that the harness has to catch, or its silence about the real daemon would prove nothing:
// the faults that show each of them, and the sign that the judge has to see.
#pragma once

#include "chaos/schedule.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace gateway::chaos {

enum class sign { lost, duplicates, states, sessions, disorder, other };

struct known_bug {
    std::string_view name;
    sign seen_as = sign::lost;
    std::vector<fault> shown_by{}; // nothing: any run shows it
};

inline const std::vector<known_bug>& known_bugs()
{
    static const std::vector<known_bug> all = {
        {"ack-before-commit", sign::lost, {fault::daemon_killed}},
        {"drop-batch", sign::lost, {fault::connections_cut, fault::postgres_fast_stop}},
        {"no-fsync", sign::lost, {fault::power_lost}},
        {"forget-late",
         sign::lost,
         {fault::server_frozen_then_killed, fault::backends_frozen_then_killed}},
        {"spool-no-fsync", sign::lost, {fault::spool_power_lost}},
        {"spool-no-directory-fsync", sign::lost, {fault::spool_power_lost}},
        {"mark-first", sign::lost, {fault::database_disk_full, fault::connections_cut}},
        {"finish-first", sign::lost, {fault::daemon_killed, fault::connections_cut}},
        {"always-ready", sign::states, {fault::spool_disk_full}},
        {"leak-connection", sign::sessions, {fault::log_locked}},
        {"no-dedup", sign::duplicates, {}},
    };
    return all;
}

// The one of that name; the name has to be one.
inline const known_bug& bug_named(std::string_view name)
{
    return *std::find_if(known_bugs().begin(), known_bugs().end(),
                         [&](const known_bug& b) { return b.name == name; });
}

inline std::vector<std::string> bug_names()
{
    std::vector<std::string> out;
    for (const auto& b : known_bugs())
        out.emplace_back(b.name);
    return out;
}

} // namespace gateway::chaos
