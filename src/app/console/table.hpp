// Prints a query's result as a table a person can read, fitted to the width of the terminal.
#pragma once

#include "gateway/store/query.hpp"

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace gateway {

inline constexpr std::size_t width_unlimited = std::numeric_limits<std::size_t>::max();

// Rows of aligned cells under a ruled header; columns without any value are left out. When the
// table is wider than `width_max` characters, the names in the header are folded behind their
// underscores, then texts are cut, with an ellipsis. Numbers, times and keys never are: a table of
// those alone can be wider. Control characters are shown as blanks: no value of a sender's reaches
// the terminal raw.
std::string to_text(const query_table& table, std::size_t width_max);

// Whether to_text() fits `width_max` and leaves texts as wide as they usually are, of which 40
// characters are enough.
bool fits_well(const query_table& table, std::size_t width_max);

// What a value of the column has on the average, rounded up: characters.
std::size_t usual_width(const query_table& table, std::size_t column);

// `text` with blanks for control characters, fit for a terminal.
std::string printable(std::string text);

// Columns of the terminal on standard output: $COLUMNS, else what the terminal says, else 80; or
// width_unlimited when it is none and COLUMNS is not set.
std::size_t terminal_width();

} // namespace gateway
