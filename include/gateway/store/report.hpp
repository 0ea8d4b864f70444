// Reads the views of schema report for people who have no SQL client at hand: which there are, and
// the newest rows of one, by company and time.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/base/time.hpp"
#include "gateway/store/query.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

struct report_name {
    std::string name;    // "link_clicks", without its schema
    std::string meaning; // the view's comment
};

struct report_request {
    std::string name;
    std::vector<std::string> columns; // in this order; empty: all
    std::string company;              // company_id; empty: all
    std::optional<timestamp> since;   // rows of this time or later; a day counts from its midnight
    std::optional<timestamp> until;   // rows before
    std::size_t limit = 50;           // rows, the newest
    bool as_json = false;             // one column: each row as a JSON object
};

// The views of schema report, by name. Fails with database_unavailable or database_failed.
result<std::vector<report_name>> list_reports(const std::string& database_url);

// The newest rows of the view, newest first, in a read-only transaction; times in UTC. A view with
// several columns of time is filtered by the one that its comment names. Fails with
// config_invalid when the view has no column that is asked for or that a restriction needs, else as
// above. `name` must be one of list_reports().
result<query_table> read_report(const std::string& database_url, const report_request& request);

} // namespace gateway
