// A row of a spool file, and the digests by which a row and the mark are believed, wherever they
// were found.
#pragma once

#include "gateway/base/digest.hpp"
#include "gateway/model/delivery.hpp"

#include <cstdint>

namespace gateway {

struct spool_row {
    std::int64_t seq;
    verified_delivery content;
};

// What a row's checksum column holds: SHA-256 over all other columns, with their lengths.
digest256 row_checksum(std::int64_t seq, const verified_delivery& d);
// What the checksum column of the mark (the number of the last removed row) holds.
digest256 mark_checksum(std::int64_t removed_to);

} // namespace gateway
