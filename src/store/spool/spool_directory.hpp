// The spool's directory: who may use it, what the files in it are called, and how they change
// their names. A file's whole life is in its name, because a rename is the one step that a crash
// cannot leave half done:
//   spool-<12 digits>.db.new -> spool-<12 digits>.db -> .drained (then deleted) or .damaged (kept)
#pragma once

#include "gateway/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace gateway {

// "spool-000000000007.db": order of names is order of age.
std::string spool_file_name(std::uint64_t sequence);

struct spool_listing {
    std::vector<std::string> files;     // oldest first, some of them perhaps only a WAL by now
    std::vector<std::string> damaged;   // databases and lone WALs that were set aside
    std::vector<std::string> leftovers; // of files never finished, or drained: hold nothing
    std::uint64_t sequence_last = 0;    // of all names, whatever became of the file
};

// Fails with spool_failed when the directory cannot be read. Names that are not the spool's are
// left alone.
result<spool_listing> list_spool_directory(const std::filesystem::path& directory);

// The path of a directory that exists, without symlinks in it. Fails with spool_failed when it
// cannot be opened, or is on a file system that open() below refuses.
result<std::filesystem::path> canonical_spool_directory(const std::filesystem::path& directory,
                                                        bool any_file_system);

// Holds the directory open and locked; the lock goes with the process, however it ends.
class spool_directory {
public:
    // Makes `directory` (0700) where it is missing, takes rights from others, refuses a file
    // system that forgets or that others write to (unless `any_file_system`), and locks. Fails
    // with spool_failed, saying what to do.
    static result<spool_directory> open(const std::filesystem::path& directory,
                                        bool any_file_system);
    spool_directory(spool_directory&& other) noexcept;
    spool_directory& operator=(spool_directory&&) = delete;
    ~spool_directory();

    // Without symlinks, whatever was asked for.
    const std::filesystem::path& path() const { return path_; }
    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

    // Renames below the directory, and makes that durable. Never replaces a file. False on any
    // fault, with errno set.
    bool rename(const std::string& from, const std::string& to) const;
    // Makes the names durable.
    bool sync() const;
    // Sets `name` and what belongs to it aside as <name>.damaged, or .damaged2 and so on where
    // that is taken; returns the name it has now, empty when the disk refused. Nothing to rename
    // is no fault.
    std::string set_aside(const std::string& name) const;
    // Bytes of the file and its WAL, as they lie there.
    std::uint64_t bytes_of(const std::string& name) const;
    // Bytes the file system has left for us.
    std::uint64_t bytes_free() const;

private:
    spool_directory(std::filesystem::path path, int descriptor, int lock);

    std::filesystem::path path_;
    int descriptor_ = -1;
    int lock_ = -1;
};

} // namespace gateway
