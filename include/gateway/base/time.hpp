// Points in time as the gateway means them: UTC, millisecond resolution, like Attentive's
// `timestamp` and PostgreSQL's timestamptz(3).
#pragma once

#include <chrono>
#include <string>

namespace gateway {

using timestamp = std::chrono::sys_time<std::chrono::milliseconds>;

// Now, by the wall clock. Only for what is stored or shown; time-outs use the steady clock.
timestamp now();

// "2021-09-29T19:52:58.104Z" (RFC 3339). Years 1 to 9999.
std::string to_string(timestamp t);

} // namespace gateway
