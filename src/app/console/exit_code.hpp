// How a subcommand ends: the exit codes, the words of a failure, and what a long one says
// meanwhile.
#pragma once

#include "gateway/base/result.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace gateway {

inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1;  // the work could not be done
inline constexpr int exit_usage = 2;   // arguments or configuration are wrong
inline constexpr int exit_refused = 3; // done, but for lines of a file that were refused

// Says on standard error what failed. Returns the exit code for it.
int report_failure(const error& e);

// For long work: says on standard error, every five seconds, "1200 `what` so far". One thread.
std::function<void(std::uint64_t)> progress_lines(std::string what);

} // namespace gateway
