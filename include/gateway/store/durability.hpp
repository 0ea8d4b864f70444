// Asks a database, before anything is written to it, whether it keeps what it commits. The writer
// asks again at each of its connects.
#pragma once

#include "gateway/base/result.hpp"

#include <cstddef>
#include <string>

namespace gateway {

// Success when commits survive a crash of the host, or when weak ones are `accepted`: then the
// weakness is logged at level error. Fails with database_failed, saying in plain words what to
// change, or database_unavailable when nobody can tell.
result<void> check_durability(const std::string& database_url, bool accepted);

// How commits get to other hosts.
struct replication {
    bool synchronous = false; // a commit waits for a standby: synchronous_standby_names is set
    std::size_t standbys = 0; // that follow just now, by stream
};

// What a failover may lose although it was committed, in words; empty when nothing is known to be.
// A standby that is away, or follows by archive alone, is seen by nobody.
std::string failover_loss(const replication& r);
inline constexpr const char* failover_remedy =
    "set synchronous_standby_names on the server, or accept that loss";

} // namespace gateway
