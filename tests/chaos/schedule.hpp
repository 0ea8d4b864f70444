// What the nemesis will do and when, from a seed alone, so that a run can be repeated: two lanes,
// one that harms the daemons and runs the product's commands beside them, and one that harms the
// database and the disks.
// Every kind of fault comes once before any comes again.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gateway::chaos {

enum class fault {
    daemon_killed,         // SIGKILL
    daemon_killed_at_call, // SIGKILL at the N-th write, fsync or send
    daemon_stopped,        // SIGTERM
    daemon_reloaded,       // SIGHUP
    postgres_smart_stop,
    postgres_fast_stop,
    postgres_immediate_stop,
    postmaster_killed,
    backend_killed,
    backend_frozen,              // SIGSTOP for longer than the deadline
    backends_frozen_then_killed, // all of the daemons', past the deadline: nothing of them commits
    server_frozen_then_killed,   // the same of every process of the server
    power_lost,                  // what PostgreSQL's WAL writer has not written by then is gone
    database_disk_full,          // under PostgreSQL
    spool_disk_full,             // under the spool, while its database is out of reach
    spool_power_lost,            // what the spool did not sync, names too, is gone; likewise
    connections_cut,             // to the database: closed and refused
    connections_stalled,         // open, but nothing moves
    log_locked,                  // as VACUUM FULL or ALTER TABLE lock it
    month_begun,                 // without a partition, while somebody reads the log for long
    role_limited,                // to statements of 20 ms and locks of 1 ms
    connections_limited,         // of the role, to fewer than the daemons have
    event_refused,               // one of 256, by a trigger: SQLSTATE P0001
    read_models_rebuilt,         // by the command
    quarantine_replayed,         // likewise
    person_erased,               // likewise, none of those whom the senders tell of
    retention_run,               // likewise, with nothing that is old enough
    replies_lost,                // the database works, its answers get lost
};

// "daemon_killed_at_call"
std::string_view name(fault f);
const std::vector<fault>& all_faults();
std::vector<std::string> fault_names();
bool in_daemon_lane(fault f);

struct strike {
    std::chrono::milliseconds at{}; // after the start
    fault what = fault::daemon_killed;
    std::size_t daemon = 0;            // which one, where it is one's own
    std::chrono::milliseconds lasts{}; // of the harm
    std::string call;                  // daemon_killed_at_call only
    unsigned number = 0;               // of that call
};

// "12.3 s daemon_killed_at_call 1, fdatasync number 17, 0.5 s"
std::string to_string(const strike& s);

// In order of time; none begins later than `length` less five seconds. `possible` is what
// there is to choose from.
std::vector<strike> make_schedule(std::uint64_t seed, std::chrono::milliseconds length,
                                  std::size_t daemons, const std::vector<fault>& possible);

} // namespace gateway::chaos
