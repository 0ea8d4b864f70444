// Maps a payload of any of Attentive's event types to the canonical source event, or says field
// by field why it cannot. Tolerant: unknown fields, enumerations and spellings are kept, never
// refused. A plain function: no clock, no I/O, no globals.
// Source: Attentive documentation, "Webhook payloads", and its quirks as measured on its examples.
#pragma once

#include "gateway/model/delivery.hpp"
#include "gateway/model/mapping.hpp"
#include "gateway/model/quarantine.hpp"

#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace gateway {

// Raised whenever the same bytes would give another row.
inline constexpr int mapping_version = 4;

// Whether a number of North America may come without "+1".
struct phone_rule {
    bool north_america = true;                           // where Attentive is at home
    std::set<std::string, std::less<>> not_of_companies; // whose customers are elsewhere

    bool takes_north_america(std::string_view company_id) const
    {
        return north_america && !not_of_companies.contains(company_id);
    }
};

// The event of `body`, or the reason for quarantine. Never throws, for any bytes. Any thread.
normalized normalize(std::string_view body, const phone_rule& phones = {});

// The same, as the store wants it: see gateway/model/mapping.hpp. Flags an event that is dated more
// than a day ahead of its receipt.
normalized normalize_delivery(const verified_delivery& d);

// The same with phones of one's own. Any thread.
mapping_function normalizer_of(phone_rule phones);

} // namespace gateway
