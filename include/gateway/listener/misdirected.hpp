// Deliveries that nobody can verify, because their URL, method or encoding is refused before the
// body is read. A signature header of the right form tells them from the internet's probes.
#pragma once

#include "gateway/base/metrics.hpp"

#include <array>

namespace gateway {

inline constexpr std::array misdirected_statuses = {404, 405, 415};

// How many of them were answered `status`, one of the above. Any thread; a lookup.
counter misdirected_requests(int status);

} // namespace gateway
