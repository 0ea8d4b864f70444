// How the process is, as its layers say of themselves and its alarms judge it: what metrics, health
// and page tell, each in its own way.
#pragma once

#include "gateway/base/time.hpp"
#include "gateway/store/observer.hpp"
#include "gateway/store/spool.hpp"
#include "gateway/store/writer.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

// An endpoint that has met nothing but wrong signatures for a while.
struct wrong_key {
    std::string endpoint;
    timestamp since{};          // of the first
    std::uint64_t failures = 0; // since then
};

// Requests that carried a signature, and were refused before it was looked at.
struct misdirected {
    int status = 0; // 404, 405 or 415
    timestamp since{};
    std::uint64_t requests = 0; // since then
};

struct process_state {
    writer_status writing;
    bool database_takes_events = false;
    observation database;
    std::optional<spool_status> spool; // without one: nothing
    std::size_t spool_bytes_max = 0;
    std::optional<timestamp> certificate_ends; // plain HTTP: nothing
    bool accepting = true;                     // an event given now could be made durable
    bool draining = false;
    // Judged by the alarms (alarms.hpp).
    std::vector<wrong_key> wrong_keys;
    std::vector<misdirected> strays;         // what has come for a while
    std::optional<timestamp> refusing_since; // nothing was taken since, and something refused
    std::vector<std::string> endpoints;
    std::vector<feed> silent; // of database.feeds, when their silence is no fault of ours
};

} // namespace gateway
