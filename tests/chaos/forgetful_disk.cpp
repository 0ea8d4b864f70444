// A disk under the spool that can lose its power: preloaded into a daemon, it keeps beside the
// files what of them would be there afterwards, by the words of POSIX and no more. A write is
// durable by an fsync of its file; that a name exists, is gone or another, by an fsync of its
// directory. `gateway_daemon::lose_power` then puts that in the
// place of what is there.
//
// In $FORGETFUL_DISK_MEMORY: data/<inode> has a file's bytes as they were last synced; names is a
// link to a directory with the names as they were last synced, hard links into data, so that a
// removed file keeps its bytes for as long as its name is not durably gone. Whoever dies in the
// middle of an fsync leaves some of it, which is what a disk may do.
//
// $GATEWAY_SABOTAGE may name one kind of fsync that then never happens.
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;

struct known_file {
    bool whole = true; // everything may be unsynced: nobody was there to see
    std::vector<std::pair<off_t, std::size_t>> unsynced{};
};

struct state {
    std::recursive_mutex mutex;
    std::string directory; // of the spool; empty when this process has none
    fs::path memory;
    std::string sabotage;
    std::map<ino_t, known_file> files;
    // Descriptors of the directory and of files in it.
    std::array<std::atomic<bool>, std::size_t{1} << 16U> open{};
};

// Never destroyed: threads may write until the process ends.
state& the()
{
    static state& s = *new state;
    return s;
}

template <class Function>
Function* real(const char* name)
{
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

// What this file itself does with the disk is not for it to see.
thread_local bool is_own = false;

struct own_work {
    own_work() { is_own = true; }
    ~own_work() { is_own = false; }
};

bool is_idle()
{
    return is_own || the().directory.empty();
}

bool is_watched(int fd)
{
    return !is_idle() && fd >= 0 && static_cast<std::size_t>(fd) < the().open.size() &&
           the().open[static_cast<std::size_t>(fd)];
}

ino_t inode_of(int fd)
{
    struct stat info = {};
    return ::fstat(fd, &info) == 0 ? info.st_ino : 0;
}

fs::path data_of(ino_t inode)
{
    return the().memory / "data" / std::to_string(inode);
}

bool is_directory(int fd)
{
    struct stat info = {};
    return ::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
}

void copy(int from, int to, off_t at, std::size_t size)
{
    std::vector<char> bytes(std::size_t{1} << 16U);
    while (size > 0) {
        const auto read = ::pread(from, bytes.data(), std::min(size, bytes.size()), at);
        if (read <= 0)
            return; // a file that was cut off since
        if (::pwrite(to, bytes.data(), static_cast<std::size_t>(read), at) != read)
            std::abort(); // a harness without room proves nothing
        at += read;
        size -= static_cast<std::size_t>(read);
    }
}

void remember_data(int fd)
{
    struct stat info = {};
    if (::fstat(fd, &info) != 0)
        return;
    const int to = ::open(data_of(info.st_ino).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    auto& file = the().files[info.st_ino];
    if (file.whole)
        file.unsynced = {{0, static_cast<std::size_t>(info.st_size)}};
    for (const auto& [at, size] : file.unsynced)
        copy(fd, to, at, size);
    if (to < 0 || ::ftruncate(to, info.st_size) != 0)
        std::abort();
    ::close(to);
    file = {false, {}};
}

// All names at once, or none: a rename has no half.
void remember_names()
{
    const fs::path current = the().memory / "names";
    std::error_code none;
    const auto last = fs::read_symlink(current, none).string();
    const fs::path next = the().memory / (last == "names-1" ? "names-2" : "names-1");
    fs::remove_all(next);
    fs::create_directory(next);
    for (const auto& entry : fs::directory_iterator{the().directory}) {
        struct stat info = {};
        if (::stat(entry.path().c_str(), &info) != 0 || !S_ISREG(info.st_mode))
            continue;
        const auto data = data_of(info.st_ino);
        if (!fs::exists(data))
            ::close(::open(data.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        fs::create_hard_link(data, next / entry.path().filename());
    }
    fs::remove(the().memory / "names.new");
    fs::create_symlink(next.filename(), the().memory / "names.new");
    fs::rename(the().memory / "names.new", current);
}

// At the start of a disk's life all that is on it is durable.
void begin_memory()
{
    fs::create_directories(the().memory / "data");
    if (fs::exists(fs::symlink_status(the().memory / "names")))
        return;
    if (!fs::exists(the().directory))
        return;
    for (const auto& entry : fs::directory_iterator{the().directory}) {
        const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
        remember_data(fd);
        ::close(fd);
    }
    remember_names();
}

__attribute__((constructor)) void begin()
{
    const char* const directory = std::getenv("FORGETFUL_DISK");
    const char* const memory = std::getenv("FORGETFUL_DISK_MEMORY");
    const char* const sabotage = std::getenv("GATEWAY_SABOTAGE");
    if (directory == nullptr || memory == nullptr)
        return;
    const own_work work;
    the().memory = memory;
    the().sabotage = sabotage == nullptr ? "" : sabotage;
    the().directory = fs::weakly_canonical(directory).string();
    begin_memory();
}

bool is_ours(int fd)
{
    char path[PATH_MAX];
    const auto link = "/proc/self/fd/" + std::to_string(fd);
    const auto size = ::readlink(link.c_str(), path, sizeof path);
    const auto& directory = the().directory;
    const std::string_view found{path, size < 0 ? 0 : static_cast<std::size_t>(size)};
    return found.substr(0, directory.size()) == directory &&
           (found.size() == directory.size() || found[directory.size()] == '/');
}

// A new file may have the inode of one that is gone: it has no bytes of it.
void note_opened(int fd, bool is_new)
{
    if (!is_ours(fd))
        return;
    the().open.at(static_cast<std::size_t>(fd)) = true;
    if (!is_new || is_directory(fd))
        return;
    const ino_t inode = inode_of(fd);
    std::error_code none;
    fs::remove(data_of(inode), none);
    the().files[inode] = {};
}

int open_at(int directory, const char* path, int flags, mode_t mode)
{
    static auto* const call = real<int(int, const char*, int, ...)>("openat64");
    if (is_idle())
        return call(directory, path, flags, mode);
    const std::lock_guard lock{the().mutex};
    const own_work work;
    const bool is_new =
        (flags & O_CREAT) != 0 && ::faccessat(directory, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
    const int fd = call(directory, path, flags, mode);
    if (fd >= 0) {
        const int kept = errno;
        note_opened(fd, is_new);
        errno = kept;
    }
    return fd;
}

mode_t mode_of(int flags, va_list arguments)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

// Runs `call`; when it did something to a file of the spool, `note` its state.
template <class Call, class Note>
auto watched(int fd, Call call, Note note) -> decltype(call())
{
    if (!is_watched(fd))
        return call();
    const std::lock_guard lock{the().mutex};
    const own_work work;
    const auto done = call();
    const int kept = errno;
    if (done >= 0)
        note(done);
    errno = kept;
    return done;
}

void note_change(int fd, off_t at, ssize_t size)
{
    the().files[inode_of(fd)].unsynced.emplace_back(at, static_cast<std::size_t>(size));
}

void note_change(int fd)
{
    the().files[inode_of(fd)].whole = true;
}

int sync(int fd, int (*call)(int))
{
    if (!is_watched(fd))
        return call(fd);
    const bool names = is_directory(fd);
    if (the().sabotage == (names ? "spool-no-directory-fsync" : "spool-no-fsync"))
        return 0;
    return watched(
        fd, [&] { return call(fd); }, [&](int) { names ? remember_names() : remember_data(fd); });
}

} // namespace

extern "C" {

int open(const char* path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char* path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_at(directory, path, flags, mode);
}

int open64(const char* path, int flags, ...) __attribute__((alias("open")));
int openat64(int directory, const char* path, int flags, ...) __attribute__((alias("openat")));

int close(int fd)
{
    static auto* const call = real<int(int)>("close");
    if (is_watched(fd))
        the().open[static_cast<std::size_t>(fd)] = false;
    return call(fd);
}

ssize_t pwrite(int fd, const void* bytes, std::size_t size, off_t at)
{
    static auto* const call = real<ssize_t(int, const void*, std::size_t, off_t)>("pwrite");
    return watched(
        fd, [&] { return call(fd, bytes, size, at); },
        [&](ssize_t written) { note_change(fd, at, written); });
}

ssize_t pwrite64(int fd, const void* bytes, std::size_t size, off_t at)
    __attribute__((alias("pwrite")));

ssize_t write(int fd, const void* bytes, std::size_t size)
{
    static auto* const call = real<ssize_t(int, const void*, std::size_t)>("write");
    return watched(
        fd, [&] { return call(fd, bytes, size); }, [&](ssize_t) { note_change(fd); });
}

int ftruncate(int fd, off_t size) noexcept
{
    static auto* const call = real<int(int, off_t)>("ftruncate");
    return watched(
        fd, [&] { return call(fd, size); }, [&](int) { note_change(fd); });
}

int ftruncate64(int fd, off_t size) noexcept __attribute__((alias("ftruncate")));

int fsync(int fd)
{
    static auto* const call = real<int(int)>("fsync");
    return sync(fd, call);
}

int fdatasync(int fd)
{
    static auto* const call = real<int(int)>("fdatasync");
    return sync(fd, call);
}
}
