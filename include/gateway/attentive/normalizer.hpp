// Maps a payload of any of Attentive's event types to the canonical source event, or says field
// by field why it cannot. Tolerant: unknown fields, enumerations and spellings are kept, never
// refused. A plain function: no clock, no I/O, no globals.
// Source: Attentive documentation, "Webhook payloads", and its quirks as measured on its examples.
#pragma once

#include "gateway/model/delivery.hpp"
#include "gateway/model/quarantine.hpp"

#include <string_view>

namespace gateway {

// Raised whenever the same bytes would give another row.
inline constexpr int mapping_version = 3;

// The event of `body`, or the reason for quarantine. Never throws, for any bytes. Any thread.
normalized normalize(std::string_view body);

// The same, as the store wants it: see gateway/model/mapping.hpp. Flags an event that is dated more
// than a day ahead of its receipt.
normalized normalize_delivery(const verified_delivery& d);

} // namespace gateway
