// What senders are told once their deliveries are durable, and that it is counted.
#pragma once

#include "store/write/batch_session.hpp"
#include "store/write/metrics.hpp"
#include "store/write/pending.hpp"

#include <span>

namespace gateway {

// After the commit of `units`. The first of equal events is what was stored, if it was new; the
// others are its duplicates.
void answer_written(std::span<unit> units, const batch_written& written, delivery_metrics& metrics);

// Of a delivery that lies in the spool: it will be the row or the quarantine row that its content
// names, once, whenever the database has it.
receipt receipt_of_spooled(const pending& p);

} // namespace gateway
