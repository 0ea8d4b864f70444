// Tables as CSV (RFC 4180), for spreadsheets and other programs.
#pragma once

#include "gateway/store/query.hpp"

#include <string>
#include <vector>

namespace gateway {

std::string csv_line(const std::vector<std::string>& cells); // with its CRLF

// A line of names, and one for each row.
std::string to_csv(const query_table& table);

} // namespace gateway
