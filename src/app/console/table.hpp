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

// Of columns that hold nothing else: times to the second, intervals as 39:01:22 or, from two days
// on, 4 d 07:22, and fractions to the thousandth.
query_table readable(query_table table);

struct narrowed_table {
    query_table table;
    std::vector<std::string> same;     // "currency USD": columns with one value in all rows
    std::vector<std::string> left_out; // names of others
};

// Leaves columns out until to_text() fits `width_max`: first what is the same in all rows, then the
// day beside a time, ids without a meaning of their own, further times, words, and numbers, each
// from the right; sentences stay. Moves those ids to the end. Returns `table` as it is when
// `width_max` is width_unlimited.
narrowed_table narrowed(query_table table, std::size_t width_max);

// `text` with blanks for control characters, fit for a terminal.
std::string printable(std::string text);

// Columns of the terminal on standard output: $COLUMNS, else what the terminal says, else 80; or
// width_unlimited when it is none and COLUMNS is not set.
std::size_t terminal_width();

} // namespace gateway
