// One read of a small result as text, for whatever of the store is asked by a command.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/store/query.hpp"

#include <string>
#include <vector>

namespace gateway {

// Runs one statement, whose $1, $2, ... are `parameters`, on a connection of its own, in a
// read-only transaction. The whole result is held in memory: ask for few rows. Fails with
// database_unavailable or database_failed.
result<query_table> query(const std::string& database_url, const std::string& sql,
                          const std::vector<std::string>& parameters = {});

} // namespace gateway
