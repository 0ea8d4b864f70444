// What the admin port's page shows beyond the metrics, as one JSON document. Composed here,
// because the admin port knows nothing of the store.
#pragma once

#include "app/daemon/process_state.hpp"
#include "gateway/base/time.hpp"
#include "gateway/store/newest_deliveries.hpp"
#include "gateway/store/observer.hpp"

#include <string>
#include <vector>

namespace gateway {

struct page_content {
    process_state state;
    timestamp started_at{};
    std::vector<noted_delivery> deliveries; // the newest first
    std::vector<page_answer> answers;
};

// Valid JSON in UTF-8, whatever stands in the texts. "answers" has a member for each part, with its
// rows as PostgreSQL wrote them.
std::string page_document(const page_content& content);

} // namespace gateway
