// Prints a query's result as a table a person can read, fitted to the width of the terminal.
#pragma once

#include "gateway/store/query.hpp"

#include <cstddef>
#include <string>

namespace gateway {

// Rows of aligned cells under a ruled header; columns without any value are left out. When the
// table is wider than `width_max` characters, the widest columns are cut, with an ellipsis.
// Control characters are shown as blanks: no value of a sender's reaches the terminal raw.
std::string to_text(const query_table& table, std::size_t width_max);

// `text` with blanks for control characters, fit for a terminal.
std::string printable(std::string text);

// Columns of the terminal on standard output, or 160 when it is none.
std::size_t terminal_width();

} // namespace gateway
