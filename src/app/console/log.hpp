// How the process logs: one line an event. systemd's journal gets fields and priorities, when
// standard error leads there; otherwise standard error gets JSON for machines or text for people.
// Whatever stands in a message, it stays one line.
#pragma once

#include "gateway/base/log.hpp"
#include "gateway/base/time.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gateway {

// Makes spdlog's default logger write there. `level` is trace, debug, info, warn or error; `format`
// is json or text, as the configuration has checked. Call before threads start.
void set_up_log(const std::string& level, const std::string& format);

// From now on lines below `level` are left out. Any thread.
void set_log_level(const std::string& level);

// "<3>" and the like before what a command prints to standard error, when that is systemd's
// journal: sd-daemon(3). Empty elsewhere.
std::string journal_prefix(severity level);

// A line before it has a form.
struct log_line {
    timestamp at;
    severity level;
    std::string_view message;
    std::string_view event{};
    std::vector<log_field> fields{};
};

// {"time":"2026-11-21T10:00:00.000Z","level":"info","message":"…","event.name":"…",…} without a
// newline. Control characters are escaped, bytes that are not UTF-8 become U+FFFD.
std::string json_log_line(const log_line& line);

// "2026-11-21T10:00:00.000Z info  … event.name=… …", control characters escaped likewise.
std::string text_log_line(const log_line& line);

// PRIORITY=6, MESSAGE=…, EVENT_NAME=… and so on: what sd_journal_sendv(3) takes.
std::vector<std::string> journal_log_fields(const log_line& line);

} // namespace gateway
