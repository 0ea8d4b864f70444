// What a shell offers at TAB, written from the tree of subcommands and options itself, so that it
// cannot go stale.
#pragma once

#include "app/console/program.hpp"

#include <string>
#include <vector>

namespace gateway {

// The script for "bash", "zsh" or "fish" that completes the program with these `commands`.
std::string completion_script(const std::vector<offered_command>& commands,
                              const std::string& shell);

} // namespace gateway
