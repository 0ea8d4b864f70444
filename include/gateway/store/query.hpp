// A small result as text, for the tables that the command line prints.
#pragma once

#include <string>
#include <vector>

namespace gateway {

struct query_table {
    std::vector<std::string> columns;
    std::vector<std::vector<std::string>> rows; // NULL as an empty text
};

} // namespace gateway
