// What of a query's result a person needs to see: values without what only a program wants, and as
// many columns as the terminal has room for.
#pragma once

#include "gateway/store/query.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace gateway {

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

} // namespace gateway
