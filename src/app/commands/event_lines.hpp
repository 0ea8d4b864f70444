// What a line of a file of a shop's events means: columns of CSV or members of JSON by their names,
// which are gateway.record_event's without p_, and kinds of identifiers beside them. Decides what
// can be said without the database: whether a time, a number or JSON is one at all.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/store/record.hpp"

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace gateway {

using event_line = std::variant<staged_event, refused_event>;

struct event_defaults {
    std::string source;  // of lines without one; empty: none
    std::string company; // the same
    bool ignore_unknown = false;
};

// The columns of a CSV file. Immutable after construction.
class event_columns {
public:
    // Fails with config_invalid, naming every column that is unknown, doubled or missing.
    static result<event_columns> of(const std::vector<std::string>& header,
                                    const event_defaults& defaults);

    event_line read(std::uint64_t line, const std::vector<std::string>& cells) const;

private:
    std::vector<std::string> names_; // empty: passed over
    event_defaults defaults_;
};

// A line of NDJSON: an object with the same names. `identifiers` is an object.
event_line read_json_event(std::uint64_t line, const std::string& text,
                           const event_defaults& defaults);

// A date and a time with its zone, as RFC 3339 and ISO 8601 have it: "2026-11-21T10:00:00.5Z",
// "2026-11-21 10:00+01:00". For days and hours that there are.
bool is_zoned_time(std::string_view text);

} // namespace gateway
