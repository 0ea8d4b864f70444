// Events of other sources than Attentive, through gateway.record_event: what a shop's own pipeline
// calls in SQL, for the parts of this program that play the shop.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/base/time.hpp"

#include <string>
#include <vector>

namespace gateway {

struct recorded_event {
    std::string source;     // "shop"
    std::string event_name; // "page.viewed", "order.completed", ...: see gateway.record_event
    std::string company_id;
    timestamp occurred_at{};
    std::string identifiers; // JSON object: {"email":"jane@example.com"}
    std::string page_url;    // these, empty: absent
    std::string order_id;
    std::string order_value; // decimal: "84.20"
    std::string currency;
};

// Records all in one transaction, which is one batch; those known already change nothing. Fails
// with database_unavailable, or database_failed when one is refused.
result<void> record_events(const std::string& database_url,
                           const std::vector<recorded_event>& events);

} // namespace gateway
