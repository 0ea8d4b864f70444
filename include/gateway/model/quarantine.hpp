// Why a signed delivery could not become a source event: a closed vocabulary, and the fields at
// fault. Nothing here holds a value of the payload.
#pragma once

#include "gateway/model/source_event.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gateway {

enum class quarantine_reason {
    malformed_json,    // not one JSON object in valid UTF-8
    json_limits,       // nested too deep or too many members
    envelope_missing,  // no type, timestamp or company.company_id
    type_unknown,      // a type that the catalogue does not have
    timestamp_invalid, // not a time in milliseconds between 2012 and 2100
    company_invalid,   // a company id that is not text of 1 to 200 bytes
    field_invalid,     // a documented field of a shape that no column takes
    database_rejected, // PostgreSQL refused the row's values
};

// The stable name: "malformed_json".
std::string_view name(quarantine_reason reason);

// The whole vocabulary, in the order above.
const std::vector<quarantine_reason>& quarantine_reasons();

// The reason of that name; nullopt when there is none.
std::optional<quarantine_reason> quarantine_reason_of(std::string_view name);

struct field_fault {
    std::string field;    // path in the payload: "message_link_click.linkTarget"
    std::string found;    // kind of what stood there: "array", "missing", "number out of range"
    std::string expected; // what would have been taken: "string"

    bool operator==(const field_fault&) const = default;
};

struct quarantined {
    quarantine_reason reason;
    std::vector<field_fault> faults; // at least one
};

using normalized = std::variant<source_event, quarantined>;

} // namespace gateway
