// What `demo` asks of the database it made: what it shows, and how far it is.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/store/query.hpp"

#include <string>

namespace gateway {

// Events of Attentive as people read them, the oldest 30, without those of that company. Fails, as
// all here, with database_unavailable or database_failed.
result<query_table> demo_events(const std::string& database_url,
                                const std::string& without_company_id);

// What the customer who spent most did and received: the newest 14 sentences.
result<query_table> demo_timeline(const std::string& database_url);

result<bool> has_events_of(const std::string& database_url, const std::string& company_id);

// Whether the read models have taken all there is.
result<bool> is_projected(const std::string& database_url);

} // namespace gateway
