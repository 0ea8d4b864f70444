// Reads a spool file without SQLite, from its bytes: the pages of the database, the frames of the
// WAL, the rows on leaf pages. SQLite refuses a whole file for one broken page, and a whole WAL
// for one flipped bit near its start; every row carries a checksum of its own, so a row that
// checks out may be believed wherever it was found. Source of the layout: sqlite.org/fileformat2.
// Changes nothing, locks nothing, and every loop is bounded by the size of the image.
#pragma once

#include "gateway/base/digest.hpp"
#include "gateway/base/result.hpp"
#include "gateway/model/delivery.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace gateway {

inline constexpr std::size_t spool_page_bytes = 4096;

// A file larger than this was not written by the spool, and is not read into memory.
inline constexpr std::uint64_t spool_image_bytes_max = 1ULL << 30U;

// What a row's checksum column holds: SHA-256 over all other columns, with their lengths.
digest256 row_checksum(std::int64_t seq, const verified_delivery& d);
// What the checksum column of the mark (the number of the last removed row) holds.
digest256 mark_checksum(std::int64_t removed_to);

struct spool_image {
    std::string database;
    std::string wal;
};

// Whether somebody may write to the file while it is read.
enum class beside { nobody, a_writer };

// The bytes of `file` and its "-wal". What is missing, no regular file or too large is empty; what
// the disk does not give back is zeroes. Beside a writer the two are of one moment. Fails with
// io_failed when it cannot be opened just now (descriptors, memory, rights), which says nothing of
// what is in it.
result<spool_image> load_image(const std::filesystem::path& file, beside whom);

// The bytes of its "-wal" alone. Fails as load_image() does.
result<std::string> load_wal(const std::filesystem::path& file);

struct wal_summary {
    std::size_t frames = 0;           // whole frames, good or bad
    std::size_t frames_committed = 0; // of them what SQLite will use: unbroken, up to a commit
    bool broken = false;              // a commit stands behind the break: SQLite will not see it
};

wal_summary summarize_wal(std::string_view wal);

// The database as SQLite sees it: the pages with the committed frames laid over them.
std::string committed_view(const spool_image& image);

struct spool_row {
    std::int64_t seq;
    verified_delivery content;
};

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
