#include "support/faulty_vfs.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace gateway::test {
namespace {

struct undo {
    sqlite3_int64 at;
    std::string before; // shorter than what was written where the file grew
    std::size_t written = 0;
    bool truncated = false; // `before` was cut off
};

struct file_state {
    sqlite3_int64 size_synced = 0;
    std::vector<undo> unsynced; // in the order they were made
    std::size_t lost = 0;       // so many of them no later sync will bring to the disk
};

struct state {
    std::mutex mutex;
    fault_plan plan;
    int calls = 0;
    std::map<std::string, file_state> files;
};

state& the()
{
    static state s;
    return s;
}

sqlite3_vfs* real()
{
    static sqlite3_vfs* const vfs = sqlite3_vfs_find(nullptr);
    return vfs;
}

struct wrapped_file : sqlite3_file {
    sqlite3_file* inner;
    std::string* path;
};

wrapped_file* self(sqlite3_file* file)
{
    return static_cast<wrapped_file*>(file);
}

sqlite3_file* inner(sqlite3_file* file)
{
    return self(file)->inner;
}

const sqlite3_io_methods* methods(sqlite3_file* file)
{
    return inner(file)->pMethods;
}

// Counts one call; SQLITE_OK, or the error it has to give. `error` is the call's own kind. A full
// disk refuses what takes space; it still shrinks and deletes files.
int strike(int error)
{
    const int when_full =
        error == SQLITE_IOERR_WRITE || error == SQLITE_CANTOPEN ? SQLITE_FULL : SQLITE_OK;
    auto& s = the();
    const int call = ++s.calls;
    const fault_plan plan = s.plan;
    const bool now = call == plan.at;
    const bool since = plan.at != 0 && call >= plan.at;
    switch (plan.what) {
    case harm::none: return SQLITE_OK;
    case harm::fail_once:
    case harm::short_write: return now ? error : SQLITE_OK;
    case harm::fail_forever:
    case harm::power: return since ? error : SQLITE_OK;
    case harm::full_once: return now ? when_full : SQLITE_OK;
    case harm::full_forever: return since ? when_full : SQLITE_OK;
    case harm::kill:
        if (now)
            ::_exit(0);
        return SQLITE_OK;
    }
    return SQLITE_OK;
}

bool half_written()
{
    const harm what = the().plan.what;
    return what == harm::short_write || what == harm::full_once || what == harm::full_forever;
}

void remember(sqlite3_file* file, sqlite3_int64 at, std::size_t size)
{
    sqlite3_int64 now = 0;
    methods(file)->xFileSize(inner(file), &now);
    const auto old =
        static_cast<std::size_t>(std::clamp<sqlite3_int64>(now - at, 0, static_cast<int>(size)));
    undo u{at, std::string(old, '\0'), size, false};
    if (old != 0)
        methods(file)->xRead(inner(file), u.before.data(), static_cast<int>(old), at);
    the().files[*self(file)->path].unsynced.push_back(std::move(u));
}

int on_close(sqlite3_file* file)
{
    const int code = methods(file)->xClose(inner(file));
    sqlite3_free(self(file)->inner);
    delete self(file)->path;
    return code;
}

int on_read(sqlite3_file* file, void* bytes, int size, sqlite3_int64 at)
{
    return methods(file)->xRead(inner(file), bytes, size, at);
}

int on_write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 at)
{
    const std::lock_guard lock{the().mutex};
    const int harmed = strike(SQLITE_IOERR_WRITE);
    const int wanted = harmed == SQLITE_OK ? size : half_written() ? size / 2 : 0;
    if (wanted > 0) {
        remember(file, at, static_cast<std::size_t>(wanted));
        const int code = methods(file)->xWrite(inner(file), bytes, wanted, at);
        if (code != SQLITE_OK)
            return code;
    }
    return harmed;
}

int on_truncate(sqlite3_file* file, sqlite3_int64 size)
{
    const std::lock_guard lock{the().mutex};
    if (const int harmed = strike(SQLITE_IOERR_TRUNCATE); harmed != SQLITE_OK)
        return harmed;
    sqlite3_int64 now = 0;
    methods(file)->xFileSize(inner(file), &now);
    if (now > size) {
        undo u{size, std::string(static_cast<std::size_t>(now - size), '\0'), 0, true};
        methods(file)->xRead(inner(file), u.before.data(), static_cast<int>(now - size), size);
        the().files[*self(file)->path].unsynced.push_back(std::move(u));
    }
    return methods(file)->xTruncate(inner(file), size);
}

int on_sync(sqlite3_file* file, int flags)
{
    const std::lock_guard lock{the().mutex};
    auto& known = the().files[*self(file)->path];
    if (const int harmed = strike(SQLITE_IOERR_FSYNC); harmed != SQLITE_OK) {
        known.lost = known.unsynced.size(); // Linux takes the pages for clean after that
        return harmed;
    }
    const int code = methods(file)->xSync(inner(file), flags);
    if (code == SQLITE_OK) {
        known.unsynced.resize(known.lost);
        if (known.unsynced.empty())
            methods(file)->xFileSize(inner(file), &known.size_synced);
    }
    return code;
}

int on_file_size(sqlite3_file* file, sqlite3_int64* size)
{
    return methods(file)->xFileSize(inner(file), size);
}

int on_lock(sqlite3_file* file, int level)
{
    return methods(file)->xLock(inner(file), level);
}

int on_unlock(sqlite3_file* file, int level)
{
    return methods(file)->xUnlock(inner(file), level);
}

int on_check_reserved(sqlite3_file* file, int* out)
{
    return methods(file)->xCheckReservedLock(inner(file), out);
}

int on_control(sqlite3_file* file, int operation, void* argument)
{
    return methods(file)->xFileControl(inner(file), operation, argument);
}

int on_sector_size(sqlite3_file* file)
{
    return methods(file)->xSectorSize(inner(file));
}

int on_characteristics(sqlite3_file* file)
{
    return methods(file)->xDeviceCharacteristics(inner(file));
}

// Version 1: no shared memory, which the spool does without.
constexpr sqlite3_io_methods file_methods = {
    1,
    on_close,
    on_read,
    on_write,
    on_truncate,
    on_sync,
    on_file_size,
    on_lock,
    on_unlock,
    on_check_reserved,
    on_control,
    on_sector_size,
    on_characteristics,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
};

int on_open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out)
{
    const std::lock_guard lock{the().mutex};
    file->pMethods = nullptr;
    if (const int harmed = strike(SQLITE_CANTOPEN); harmed != SQLITE_OK)
        return harmed;
    auto* memory = static_cast<sqlite3_file*>(sqlite3_malloc(real()->szOsFile));
    std::memset(memory, 0, static_cast<std::size_t>(real()->szOsFile));
    const int code = real()->xOpen(real(), name, memory, flags, out);
    if (code != SQLITE_OK) {
        sqlite3_free(memory);
        return code;
    }
    self(file)->inner = memory;
    self(file)->path = new std::string{name == nullptr ? "" : name};
    file->pMethods = &file_methods;
    auto& known = the().files[*self(file)->path];
    if (known.unsynced.empty())
        memory->pMethods->xFileSize(memory, &known.size_synced);
    return code;
}

int on_delete(sqlite3_vfs*, const char* name, int sync_directory)
{
    const std::lock_guard lock{the().mutex};
    if (const int harmed = strike(SQLITE_IOERR_DELETE); harmed != SQLITE_OK)
        return harmed;
    the().files.erase(name);
    return real()->xDelete(real(), name, sync_directory);
}

bool registered()
{
    static sqlite3_vfs vfs = *real();
    vfs.zName = "gateway-faulty";
    vfs.szOsFile = static_cast<int>(sizeof(wrapped_file));
    vfs.xOpen = on_open;
    vfs.xDelete = on_delete;
    return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK;
}

void put_back(int fd, const undo& u)
{
    std::string bytes = u.before;
    if (!u.truncated)
        bytes.resize(u.written, '\0');
    if (::pwrite(fd, bytes.data(), bytes.size(), u.at) < 0)
        std::abort();
}

// The spool makes its files under another name: the bytes are the same ones.
int open_renamed(const std::string& path)
{
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    const std::size_t ending = path.rfind(".new");
    return fd >= 0 || ending == std::string::npos
               ? fd
               : ::open(path.substr(0, ending).c_str(), O_RDWR | O_CLOEXEC);
}

} // namespace

std::string faulty_vfs()
{
    static const bool done = registered();
    return done ? "gateway-faulty" : "";
}

void set_fault_plan(const fault_plan& plan)
{
    const std::lock_guard lock{the().mutex};
    the().plan = plan;
    the().calls = 0;
    the().files.clear();
}

int calls_counted()
{
    const std::lock_guard lock{the().mutex};
    return the().calls;
}

void power_cut(bool some, unsigned seed)
{
    const std::lock_guard lock{the().mutex};
    std::mt19937 random{seed};
    for (auto& [path, known] : the().files) {
        const int fd = open_renamed(path);
        if (fd < 0)
            continue;
        bool all = true;
        for (auto u = known.unsynced.rbegin(); u != known.unsynced.rend(); ++u) {
            if (some && random() % 2 == 0)
                all = false;
            else
                put_back(fd, *u);
        }
        if (all && !known.unsynced.empty() && ::ftruncate(fd, known.size_synced) != 0)
            std::abort();
        ::close(fd);
    }
    the().files.clear();
}

} // namespace gateway::test
