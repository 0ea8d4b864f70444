// What the normalizer made of a payload, as JSON for people and tests: `explain` prints exactly
// this, and the expected files of the fixtures are exactly this.
#pragma once

#include "gateway/model/quarantine.hpp"

#include <string>

namespace gateway {

// Pretty-printed, with a newline at the end. Of an event: its fields by name in the order of
// source_event, absent ones left out, ids as UUID, occurred_at as RFC 3339, identifiers, flags and
// `extra` as JSON. Of a quarantined payload: reason and faults (field, found,
// expected). Any thread.
std::string to_json(const normalized& what);

} // namespace gateway
