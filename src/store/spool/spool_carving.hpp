// Finds the rows of a spool file among its pages, whatever is broken around them. SQLite refuses a
// whole file for one broken page, and a whole WAL for one flipped bit near its start; every row
// carries a checksum of its own, so a row that checks out may be believed wherever it was found.
// Source of the layout: sqlite.org/fileformat2. Every loop is bounded by the size of the image.
#pragma once

#include "store/spool/spool_image.hpp"
#include "store/spool/spool_row.hpp"

#include <cstdint>
#include <vector>

namespace gateway {

struct carved_rows {
    std::vector<spool_row> rows; // whole and not removed, by seq, each once
    std::int64_t mark = 0;       // rows up to here were removed; 0 when no mark is whole
    bool mark_found = false;
    std::uint64_t missing = 0; // gaps between the mark and the last whole row
    std::uint64_t broken = 0;  // cells of the committed view that are no whole row
};

// Every whole row of `image`, whatever is broken around it.
carved_rows carve(const spool_image& image);

} // namespace gateway
