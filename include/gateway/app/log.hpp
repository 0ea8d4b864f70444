// How the process logs: one line an event on standard error, JSON for machines or text for
// people. Whatever stands in a message, it stays one line.
#pragma once

#include "gateway/base/time.hpp"

#include <string>
#include <string_view>

namespace gateway {

// Makes spdlog's default logger write to standard error. `level` is trace, debug, info, warn or
// error; `format` is json or text, as the configuration has checked. Call before threads start.
void set_up_log(const std::string& level, const std::string& format);

// From now on lines below `level` are left out. Any thread.
void set_log_level(const std::string& level);

// {"time":"2026-11-21T10:00:00.000Z","level":"info","message":"…"} without a newline. Control
// characters are escaped, bytes that are not UTF-8 become U+FFFD.
std::string json_log_line(timestamp at, std::string_view level, std::string_view message);

// "2026-11-21T10:00:00.000Z info  …", control characters escaped likewise.
std::string text_log_line(timestamp at, std::string_view level, std::string_view message);

} // namespace gateway
