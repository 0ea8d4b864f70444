// The call of gateway.apply_retention for whoever may have to cut it off.
#pragma once

#include "gateway/store/privacy.hpp"
#include "store/database/call_deadlines.hpp"

#include <string>
#include <vector>

namespace gateway {

// As apply_retention() of gateway/store/privacy.hpp, under `deadlines`.
result<std::vector<retention_dropped>> apply_retention(const std::string& database_url,
                                                       const retention_settings& settings,
                                                       call_deadlines& deadlines);

} // namespace gateway
