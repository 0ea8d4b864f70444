// What the sender may be told once a delivery is durable. A receipt exists only after the commit.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/base/uuid.hpp"
#include "gateway/model/quarantine.hpp"

#include <functional>
#include <optional>

namespace gateway {

enum class disposition { accepted, quarantined };

// "accepted", "quarantined"
constexpr std::string_view name(disposition d)
{
    switch (d) {
    case disposition::accepted: return "accepted";
    case disposition::quarantined: return "quarantined";
    }
    return "unknown";
}

struct receipt {
    disposition what;
    uuid id; // the event's id, or the quarantine row's when `what` is quarantined
    std::optional<quarantine_reason> reason; // only when quarantined
};

// Called once with what became of a delivery, on whichever thread knows it. Must not block or
// throw.
using completion = std::function<void(result<receipt>)>;

} // namespace gateway
