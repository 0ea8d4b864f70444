// The seam between the provider's layer and the store: the store keeps what a function, given in by
// the composition root, makes of a delivery.
#pragma once

#include "gateway/model/delivery.hpp"
#include "gateway/model/quarantine.hpp"

#include <functional>

namespace gateway {

// What the normalizer makes of a delivery. Any thread.
using mapping_function = std::function<normalized(const verified_delivery&)>;

} // namespace gateway
