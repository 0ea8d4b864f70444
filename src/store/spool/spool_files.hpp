// The files of a spool together: which there are, which of them takes what is appended, how much
// waits in each, and what becomes of one that is full, drained or damaged.
//
// A member is shared by the map of files and by whoever works on it just now. Two locks: `io`, one
// call on the file at a time, is taken first and held by the caller of every function that is given
// a member; the mutex of the set guards the counts, and is never held during I/O. So status() waits
// for no disk, and what is appended to one file does not wait for what is read from another.
#pragma once

#include "gateway/base/worker.hpp"
#include "gateway/store/spool.hpp"
#include "store/spool/spool_directory.hpp"
#include "store/spool/spool_file.hpp"
#include "store/spool/spool_row.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

struct carved_rows;

struct spool_member {
    explicit spool_member(std::string n) : name{std::move(n)} {}

    // A salvage that failed (a full disk, mostly) is tried again after the first of these, then
    // after twice as long each time, up to the second.
    static constexpr std::chrono::seconds salvage_pause_min{5};
    static constexpr std::chrono::seconds salvage_pause_max{600};

    const std::string name;
    std::mutex io;
    // By `io`:
    std::unique_ptr<spool_file> file; // null until needed
    bool gone = false;                // drained or set aside, since it was looked up
    bool writable = true;             // false after a failed write: what is there is only read
    int read_failures = 0;
    std::chrono::steady_clock::time_point salvage_after{};
    std::chrono::seconds salvage_pause = salvage_pause_min;
    // By the mutex of the set:
    std::int64_t mark = 0; // ahead of the file's own when that could not be written
    std::int64_t last = 0;
    std::optional<timestamp> oldest;
    std::uint64_t bytes = 0;
    std::uint64_t growth = 0;
    bool unknown = false; // could not be opened yet: nobody knows what is in it
    bool damaged = false; // to be salvaged

    std::uint64_t events() const { return static_cast<std::uint64_t>(last - mark); }
    bool worth_reading() const { return damaged || unknown || last > mark; }
};

using spool_member_ptr = std::shared_ptr<spool_member>;

class spool_files {
public:
    spool_files(const spool_settings& s, spool_directory d) : settings_{s}, directory_{std::move(d)}
    {
    }
    ~spool_files();
    spool_files(const spool_files&) = delete;
    spool_files& operator=(const spool_files&) = delete;

    // Takes in what the directory holds, salvages for a second at most, and starts the thread that
    // moves closed files out of their WALs. Once, before anything else.
    result<void> take_in();

    // The file that takes what is appended now: a new one when the last is full.
    file_result<spool_member_ptr> appendable();
    spool_member_ptr find(const std::string& name) const; // null when there is none
    std::vector<spool_member_ptr> by_age() const;

    // Whether so many bytes more stay below bytes_max.
    bool fits(std::uint64_t bytes) const;
    std::uint64_t bytes_free() const { return directory_.bytes_free(); }
    spool_status status() const;

    // Whether the disk took what was last written or tried. When it did not, the keeper tries each
    // second, until it does.
    bool disk_takes() const { return disk_takes_; }
    void note_disk(bool takes);
    // As try_spool_directory(), and notes what it found.
    result<void> try_disk();

    // On one file:
    bool worth_reading(const spool_member& m) const;
    std::int64_t mark_of(const spool_member& m) const;
    file_result<void> ensure_open(spool_member& m);
    void measure(spool_member& m);
    // Rows were added; `first` was received when the oldest of them was.
    void note_append(spool_member& m, timestamp first);
    // Removes rows up to `to`, and with the last of them the file.
    void remove_to(spool_member& m, std::int64_t to);
    // Nothing more is ever written to it. What it has committed stays readable, by the connection
    // that is open.
    void seal(spool_member& m, const file_fault& why);
    // True when it is damaged, and so to be salvaged.
    bool note_fault(spool_member& m, const file_fault& f);
    // True when the file is out of the way, and what was whole in it stands in a new one.
    bool salvage(spool_member& m);
    // Drops what could not be deleted when it was drained, or was found drained at the start.
    void sweep();

private:
    void take_in_file(const std::string& name);
    file_result<spool_member_ptr> create(const std::vector<spool_row>& rows);
    file_result<void> fill(const std::string& name, const std::vector<spool_row>& rows);
    void move_mark(spool_member& m, std::int64_t to);
    void drop_if_drained(spool_member& m);
    void drop(spool_member& m);
    bool salvage_rows(spool_member& m);
    bool set_aside(spool_member& m, const carved_rows& rows);
    void keep(worker& self);
    spool_member_ptr next_closed();
    void checkpoint(spool_member& m);

    const spool_settings settings_;
    const spool_directory directory_;

    mutable std::mutex mutex_; // what follows, and the members' counts
    std::map<std::string, spool_member_ptr> members_;
    spool_member_ptr current_; // the one that is appended to; it is a member too
    std::uint64_t sequence_next_ = 1;
    std::vector<std::string> damaged_;
    std::deque<spool_member_ptr> closed_; // for the keeper

    std::atomic<bool> disk_takes_{true};
    std::optional<worker> keeper_;
};

} // namespace gateway
