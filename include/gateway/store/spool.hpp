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
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

struct spool_settings {
    std::filesystem::path directory;
    // Of all files with their WALs, as they lie on disk. Damaged files that were set aside do not
    // count: evidence must not keep new events out.
    std::uint64_t bytes_max = 2ULL << 30U;
    // A file that reached it, its WAL included, takes no more. Closed files are about half of it.
    std::uint64_t file_bytes_max = 64ULL << 20U;
    // The largest delivery that has_room() keeps room for.
    std::uint64_t event_bytes_max = 512U << 10U;
    bool any_file_system = false; // else tmpfs and network file systems are refused
    std::string vfs;              // SQLite VFS by name; empty: SQLite's own. For fault injection
};

// What stands in the spool. Counts exclude damaged files, which are listed by name.
struct spool_status {
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;
    std::uint64_t files = 0;
    std::optional<timestamp> oldest;  // received_at of the oldest event
    std::vector<std::string> damaged; // file names: set aside as evidence, or about to be
};

// The deliveries of one read, with the token that removes exactly them.
struct spool_batch {
    std::vector<verified_delivery> deliveries; // oldest first
    std::string file;
    std::int64_t first = 0;
    std::int64_t last = 0;
};

class spool;

// Where events go while the database takes none, and how they come back.
struct spool_link {
    spool* to = nullptr; // outlives the writer; null: without a spool such events are refused
    std::size_t drain_rate_max = 20'000; // events per second
};

// All calls from any thread; appends and drains of one file do not block each other for longer
// than one SQLite transaction, of different files not at all. A thread of its own moves closed
// files out of their WALs, so that no append ever waits for a checkpoint.
class spool {
public:
    // Opens or creates `directory` (0700), locks it (flock: one daemon at a time), and takes in
    // the files that are there. A damaged file (torn, truncated, bits flipped, foreign, zeroes) is
    // salvaged row by row into a new one, renamed to *.damaged and reported by status(); it never
    // keeps the spool from opening and is never deleted. Costs little whatever the spool holds:
    // rows are counted by their numbers, not read; salvage that would take longer than a second
    // goes on in read(). Fails with spool_failed, saying what to do: locked by another process,
    // not writable, tmpfs or network file system.
    static result<spool> open(const spool_settings& settings);

    spool(spool&&) noexcept;
    spool& operator=(spool&&) noexcept;
    ~spool();

    // Makes all of `deliveries` durable (fsync) or none, in one transaction. Fails with spool_full
    // when bytes_max would be passed or the disk is full, spool_failed on any other fault. A failed
    // fsync is never retried on the same file: the batch goes to a fresh file once before this
    // gives up. A batch that failed can still turn up in read(): whoever drains has to take
    // duplicates.
    result<void> append(const std::vector<const verified_delivery*>& deliveries);

    // The oldest deliveries, at most `events_max` of one file and about `bytes_max` bytes, one
    // at least; empty when there are none. Reading removes nothing. Damage found here is salvaged
    // as in open(); what follows it in other files is still read. Fails with spool_failed when
    // there are events and none could be read.
    result<spool_batch> read(std::size_t events_max, std::size_t bytes_max);

    // Removes what read() gave, once it is durable elsewhere; deletes the file when it is empty.
    // A removal that the disk does not take is kept in memory, so that draining goes on: after
    // a restart those events come once more. Never fails for an unknown batch.
    result<void> remove(const spool_batch& batch);

    spool_status status() const;

    // As try_spool_directory(), beside what is here: has_room() knows then.
    result<void> try_disk();

    // Whether append() would find room for one more event of the largest size, below bytes_max and
    // on the disk; false also when the disk did not take what was last written or tried, whatever
    // it says of its room (inodes, a quota, a fault): it is tried each second then. Cheap.
    bool has_room() const;

private:
    struct implementation;
    explicit spool(std::unique_ptr<implementation> i);
    std::unique_ptr<implementation> implementation_;
};

// Whether a gateway has ever used `directory` as its spool: its lock or a file of a spool is there.
// False also when nothing is there. Fails with io_failed when it cannot be read.
result<bool> is_spool(const std::filesystem::path& directory);

// Whether a process (a daemon, as a rule) holds `directory` as its spool just now. Changes nothing.
// Fails with io_failed when that cannot be told: no such directory, no right to look.
result<bool> spool_in_use(const std::filesystem::path& directory);

// Makes a spool file in `settings.directory`, writes to it, flushes it and deletes it, with the
// user and the rights of the caller: so whether an outage could be spooled there. Leaves nothing
// behind, and may run beside a gateway that uses the spool; needs disk for one event. Fails, saying
// what to do, with spool_full when the disk is full, else with spool_failed: no such directory, a
// file system that forgets (unless any_file_system), no right to write, any fault of the disk.
result<void> try_spool_directory(const spool_settings& settings);

// What a full check of one file found.
struct spool_file_report {
    std::string file;
    bool whole = false;
    std::uint64_t events = 0; // whole and not removed yet
    std::uint64_t bytes = 0;  // with its WAL
    std::optional<timestamp> oldest;
    std::string detail; // in plain words: what is damaged, or "whole"
};

// Checks every row of every file in `directory` without changing or locking anything, so also
// beside a running daemon; files set aside earlier are listed as not whole. Costs memory for one
// file. Fails with io_failed when the directory cannot be read.
result<std::vector<spool_file_report>> verify_spool(const std::filesystem::path& directory);

// Writes the deliveries of `directory`, oldest first and without removing them, into the new
// directory `to` (0700) as deliveries.jsonl (0600): one JSON object a line with n (from 1),
// endpoint, key_id, received_at (RFC 3339), sha256 (hex, of the bytes) and body (the signed bytes
// in base64). Returns how many, once all are on the disk. Fails with io_failed when `to` is there
// already, or on any other fault of the disk.
result<std::uint64_t> export_spool(const std::filesystem::path& directory,
                                   const std::filesystem::path& to);

} // namespace gateway
