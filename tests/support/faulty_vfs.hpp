// A SQLite VFS that stands before the real one and does harm at a chosen call: fails it, writes
// half of it, ends the process, or takes the power away. Calls that change something are counted:
// open for writing, write, sync, truncate, delete. One at a time in a process.
#pragma once

#include <string>

namespace gateway::test {

enum class harm {
    none,
    fail_once,    // the call does nothing and reports an error
    fail_forever, // so do all after it
    short_write,  // half of a write is done, then an error; other calls fail
    full_once,    // a full disk: opens fail, and half of a write is done
    full_forever,
    kill,  // _exit() before the call, as SIGKILL would
    power, // this and all later calls fail; power_cut() then undoes what was not synced
};

struct fault_plan {
    harm what = harm::none;
    int at = 0; // the first call is 1
};

// The VFS's name, registered on first use.
std::string faulty_vfs();

// Starts counting anew. Forgets what was not synced.
void set_fault_plan(const fault_plan& plan);

// Calls counted so far.
int calls_counted();

// What a power cut does to files: writes since the last sync of a file are undone, all of them, or
// each with even chance from `seed` when `some` is set; so are those before a sync that failed,
// whatever was synced later. To be called when nobody has the files open.
void power_cut(bool some, unsigned seed);

} // namespace gateway::test
