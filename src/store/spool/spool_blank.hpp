// The empty spool file: how one is made, and whether a file begins as ours do.
#pragma once

#include "store/spool/sqlite.hpp"

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace gateway {

// Makes an empty file of mode 0600 with its tables in it, durably but for the directory entry.
// Fails with full or failed; what it left behind then may be removed.
file_result<void> create_spool_file(const std::filesystem::path& file, const std::string& vfs);

// Deletes through the VFS; a file that is not there is deleted already.
file_result<void> delete_file(const std::filesystem::path& file, const std::string& vfs);

// Whether the first spool_header_bytes of a file are those of a spool file, but for its counters.
inline constexpr std::size_t spool_header_bytes = 100;
bool has_spool_header(std::string_view header);

// Asks for the tables of a database, and what it says of a spool file.
extern const char* const tables_query;
const std::string& spool_tables();

// SQLite's own complaint about the structure of a database image, empty when there is none.
std::string structure_fault(std::string database);

} // namespace gateway
