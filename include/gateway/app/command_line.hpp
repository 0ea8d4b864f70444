// The command line: which subcommands there are, what they take, and what the process returns.
#pragma once

namespace gateway {

// Parses the arguments, runs the subcommand and returns the process's exit code.
int run_command_line(int argc, const char* const* argv);

} // namespace gateway
