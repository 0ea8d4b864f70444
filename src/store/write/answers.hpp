// What senders are told once their deliveries are durable, and that it is counted.
#pragma once

#include "gateway/model/receipt.hpp"
#include "store/write/metrics.hpp"
#include "store/write/pending.hpp"

#include <memory>
#include <vector>

namespace gateway {

// What becomes of a delivery that is kept, wherever it is: the event, or the quarantine row, that
// its content names.
receipt receipt_of(const pending& p);

// After the commit.
void answer_accepted(const std::vector<std::unique_ptr<pending>>& all, delivery_metrics& metrics);

} // namespace gateway
