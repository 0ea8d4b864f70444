// Reads a small result as text, for the tables that the command line prints.
#pragma once

#include "gateway/base/result.hpp"

#include <string>
#include <vector>

namespace gateway {

struct query_table {
    std::vector<std::string> columns;
    std::vector<std::vector<std::string>> rows; // NULL as an empty text
};

// Runs one statement on a connection of its own, in a read-only transaction. The whole result is
// held in memory: ask for few rows. Fails with database_unavailable or database_failed.
result<query_table> query(const std::string& database_url, const std::string& sql);

} // namespace gateway
