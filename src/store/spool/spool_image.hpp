// A spool file as bytes, without SQLite: the database, the frames of its WAL, and what of them is
// committed. Source of the layout: sqlite.org/fileformat2. Changes nothing, locks nothing, and
// every loop is bounded by the size of the image.
#pragma once

#include "gateway/base/result.hpp"

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

// A page as one frame of a WAL has it, committed or not.
struct page_image {
    std::uint32_t number;
    std::string_view bytes;
};

std::vector<page_image> frames_of(std::string_view wal);

// The number in the `width` bytes (four at most) from `at`, which have to be there.
std::uint32_t big_endian(std::string_view bytes, std::size_t at, std::size_t width);

} // namespace gateway
