// What everybody is told who writes batches of deliveries into the database: the daemon's writer,
// `spool drain` and `quarantine replay` differ in where theirs come from.
#pragma once

#include "gateway/model/mapping.hpp"

#include <chrono>
#include <cstddef>
#include <string>

namespace gateway {

struct batch_settings {
    std::string database_url; // libpq connection string or URI
    mapping_function map;     // called on the store's threads, batch by batch
    std::size_t batch_events_max = 1'000;
    std::size_t batch_bytes_max = 8U << 20U;
    std::chrono::milliseconds batch_deadline{2'000}; // a batch the database holds longer is lost
                                                     // to us: the connection is thrown away
    // Also write to a server with fsync = off, which can lose what it committed.
    bool accept_weak_durability = false;
};

} // namespace gateway
