// The command line: which subcommands there are, what they take, and what the process returns.
#pragma once

#include "gateway/base/result.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace gateway {

inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1; // the work could not be done
inline constexpr int exit_usage = 2;  // arguments or configuration are wrong

// Says on standard error what failed. Returns the exit code for it.
int report_failure(const error& e);

// For long work: says on standard error, every five seconds, "1200 `what` so far". One thread.
std::function<void(std::uint64_t)> progress_lines(std::string what);

// Parses the arguments, runs the subcommand and returns the process's exit code.
int run_command_line(int argc, const char* const* argv);

} // namespace gateway
