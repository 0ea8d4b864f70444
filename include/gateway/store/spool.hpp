// The local spool: where verified deliveries are made durable while PostgreSQL takes none. SQLite
// files in WAL mode with synchronous=FULL, one transaction a batch, rotated so that a drained file
// is deleted and its space returns. It keeps what was verified (raw bytes, endpoint, key id, time),
// not the mapping: draining maps with the code of the day.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/base/time.hpp"
#include "gateway/model/delivery.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

struct spool_settings {
    std::filesystem::path directory;
    std::uint64_t bytes_max = 2ULL << 30U;       // of all files, as they lie on disk
    std::uint64_t file_bytes_max = 64ULL << 20U; // a file that reached it takes no more
    bool any_file_system = false;                // else tmpfs and network file systems are refused
};

// What stands in the spool. Counts exclude damaged files, which are listed by name.
struct spool_status {
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;
    std::uint64_t files = 0;
    std::optional<timestamp> oldest;  // received_at of the oldest event
    std::vector<std::string> damaged; // file names set aside as evidence
};

// The deliveries of one read, with the token that removes exactly them.
struct spool_batch {
    std::vector<verified_delivery> deliveries; // oldest first
    std::string file;
    std::int64_t first = 0;
    std::int64_t last = 0;
};

// All calls from any thread; appends and drains do not block each other for longer than one
// SQLite transaction.
class spool {
public:
    // Opens or creates `directory` (0700), locks it (flock: one daemon at a time), and takes in
    // the files that are there. A damaged file (torn, truncated, bits flipped, foreign, zeroes) is
    // salvaged row by row into a new one, renamed to *.damaged and reported by status(); it never
    // keeps the spool from opening and is never deleted. Costs little whatever the spool holds:
    // rows are counted from file headers or in the background, not read. Fails with spool_failed,
    // saying what to do: locked by another process, not writable, tmpfs or network file system.
    static result<spool> open(const spool_settings& settings);

    spool(spool&&) noexcept;
    spool& operator=(spool&&) noexcept;
    ~spool();

    // Makes all of `deliveries` durable (fsync) or none. Fails with spool_full when bytes_max would
    // be passed or the disk is full, spool_failed on any other fault. A failed fsync is never
    // retried on the same file: the batch goes to a fresh file once before this gives up.
    result<void> append(const std::vector<const verified_delivery*>& deliveries);

    // The oldest deliveries, at most `events_max` of one file and about `bytes_max` bytes; empty
    // when there are none. Reading removes nothing.
    result<spool_batch> read(std::size_t events_max, std::size_t bytes_max);

    // Removes what read() gave, once it is durable elsewhere; deletes the file when it is empty
    // and closed for appending.
    result<void> remove(const spool_batch& batch);

    spool_status status() const;

    // Whether append() would find room for one more event of the largest size. Cheap.
    bool has_room() const;

private:
    struct implementation;
    explicit spool(std::unique_ptr<implementation> i);
    std::unique_ptr<implementation> implementation_;
};

// Checks every row of every file in `directory` without changing or locking anything: what is
// whole, what is damaged and where, in plain words, one line a file.
result<std::vector<std::string>> verify_spool(const std::filesystem::path& directory);

// Writes the deliveries of `directory`, without removing them, as files below `to`:
// <n>.json holds the raw bytes, index.jsonl one line for each (n, endpoint, key id, received_at,
// sha256). Returns how many.
result<std::uint64_t> export_spool(const std::filesystem::path& directory,
                                   const std::filesystem::path& to);

} // namespace gateway
