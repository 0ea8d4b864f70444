// What a shell offers at TAB, written from the tree of subcommands and options itself, so that it
// cannot go stale.
#pragma once

#include <string>

namespace CLI {
class App;
} // namespace CLI

namespace gateway {

// The script for "bash", "zsh" or "fish" that completes the program `root`.
std::string completion_script(const CLI::App& root, const std::string& shell);

} // namespace gateway
