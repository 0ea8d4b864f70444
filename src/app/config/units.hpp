// Durations and sizes as people write them in the configuration, "250ms", "5s", "64KiB", "2GB",
// and times at the command line. A bare number is refused, because nobody sees its unit.
#pragma once

#include "gateway/base/time.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace gateway {

// A whole number and ms, s, m or h: "250ms". Nullopt for anything else, and beyond 1000 days.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// A whole number and B, KB, MB, GB (powers of 1000) or KiB, MiB, GiB (powers of 1024): bytes.
// Nullopt for anything else, and beyond 1000 GiB.
std::optional<std::size_t> parse_size(std::string_view text);

// A day or a time, UTC: "2026-11-21", "2026-11-21T10:00:00Z", "2026-11-21T10:00:00.250Z". Nullopt
// for anything else, and for days that no calendar has.
std::optional<timestamp> parse_time(std::string_view text);

// The same in reverse, in the largest unit that divides it: "2m", "1500ms", "256KiB".
std::string duration_text(std::chrono::milliseconds d);
std::string size_text(std::size_t bytes);

// How long something has been, for a person: "45 s", "12 min", "7 h", "3 days". Rounded down.
std::string rough_text(std::chrono::milliseconds d);

} // namespace gateway
