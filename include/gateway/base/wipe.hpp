// Secrets leave no trace in memory that is given back: what is freed may be swapped out, or read
// by whatever gets it next.
#pragma once

#include <string>

namespace gateway {

// Overwrites the bytes of `secret`, its spare room included, in a way that no compiler leaves out,
// and empties it. Any thread.
void wipe(std::string& secret) noexcept;

} // namespace gateway
