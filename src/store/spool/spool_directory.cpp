#include "store/spool/spool_directory.hpp"

#include "gateway/store/spool.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <string_view>
#include <system_error>
#include <thread>

namespace gateway {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view name_prefix = "spool-";
constexpr std::string_view name_suffix = ".db";
constexpr std::size_t sequence_digits = 12;
constexpr std::size_t name_bytes = name_prefix.size() + sequence_digits + name_suffix.size();
constexpr const char* lock_name = "spool.lock";
constexpr int set_aside_tries_max = 1'000;
// spool_in_use() holds the lock for a moment, which must not keep a daemon from starting.
constexpr int lock_tries_max = 10;
constexpr std::chrono::milliseconds lock_pause{10};

struct refused_file_system {
    std::uint32_t type;
    const char* name;
};

// Magic numbers from statfs(2) and linux/magic.h. The first two forget when the host goes; the
// others promise less than fsync says, or let two hosts write to one file.
constexpr std::array<refused_file_system, 15> refused_file_systems = {{
    {0x01021994, "tmpfs"},
    {0x858458F6, "ramfs"},
    {0x6969, "NFS"},
    {0x517B, "SMB"},
    {0xFF534D42, "CIFS"},
    {0xFE534D42, "SMB2"},
    {0x65735546, "FUSE"},
    {0x01021997, "9p"},
    {0x5346414F, "AFS"},
    {0x6B414653, "AFS"},
    {0x73757245, "Coda"},
    {0x00C36400, "Ceph"},
    {0x786F4256, "vboxsf"},
    {0x958458F6, "hugetlbfs"},
    {0x0BD00BD0, "Lustre"},
}};

std::string why(const fs::path& path, const std::string& what)
{
    const int number = errno;
    return "spool directory " + path.string() + ": " + what + ": " + std::strerror(number);
}

bool is_spool_name(std::string_view name)
{
    if (name.size() < name_bytes || name.substr(0, name_prefix.size()) != name_prefix ||
        name.substr(name_bytes - name_suffix.size(), name_suffix.size()) != name_suffix)
        return false;
    const auto digits = name.substr(name_prefix.size(), sequence_digits);
    return std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool starts_with(std::string_view text, std::string_view start)
{
    return text.substr(0, start.size()) == start;
}

// 0700 for the last part, whatever the umask; what exists above it is left as it is.
bool make_directory(const fs::path& path)
{
    std::error_code error;
    if (path.has_parent_path())
        fs::create_directories(path.parent_path(), error);
    if (::mkdir(path.c_str(), S_IRWXU) != 0)
        return errno == EEXIST;
    const int parent = ::open(path.has_parent_path() ? path.parent_path().c_str() : ".",
                              O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return false;
    const bool synced = ::fsync(parent) == 0;
    ::close(parent);
    return synced;
}

const char* refused_as(int descriptor)
{
    struct statfs info = {};
    if (::fstatfs(descriptor, &info) != 0)
        return "unknown";
    for (const auto& refused : refused_file_systems) {
        if (refused.type == static_cast<std::uint32_t>(info.f_type))
            return refused.name;
    }
    return nullptr;
}

bool locked(int descriptor)
{
    for (int i = 1; ::flock(descriptor, LOCK_EX | LOCK_NB) != 0; ++i) {
        if (errno != EWOULDBLOCK || i == lock_tries_max)
            return false;
        std::this_thread::sleep_for(lock_pause);
    }
    return true;
}

std::string forgets(const fs::path& path, const char* type)
{
    return "spool directory " + path.string() + " is on a file system of type " + type +
           ", which does not keep what fsync promised; choose a directory on a local disk";
}

// Empty, or what is wrong with the directory and what to do about it.
std::string objection_to(const fs::path& path, int descriptor, bool any_file_system)
{
    struct stat info = {};
    if (::fstat(descriptor, &info) != 0)
        return why(path, "cannot be examined");
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0 && ::fchmod(descriptor, S_IRWXU) != 0)
        return why(path, "others may read it, and its mode cannot be changed to 0700");
    const char* type = any_file_system ? nullptr : refused_as(descriptor);
    return type == nullptr ? std::string{} : forgets(path, type);
}

// SQLite is told to follow no symlink, and means the whole path: systemd's DynamicUser= makes
// /var/lib/NAME one, and so do many hosts. So it gets the path without any.
result<fs::path> without_symlinks(const fs::path& path)
{
    std::error_code error;
    auto real = fs::canonical(path, error);
    if (error)
        return fail(errc::spool_failed,
                    "spool directory " + path.string() + ": cannot be opened: " + error.message());
    return real;
}

} // namespace

result<bool> is_spool(const fs::path& directory)
{
    std::error_code error;
    fs::directory_iterator entry{directory, error};
    if (error == std::errc::no_such_file_or_directory)
        return false;
    for (; !error && entry != fs::directory_iterator{}; entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (name == lock_name || is_spool_name(name))
            return true;
    }
    if (error)
        return fail(errc::io_failed,
                    "spool directory " + directory.string() + ": " + error.message());
    return false;
}

result<bool> spool_in_use(const fs::path& directory)
{
    const std::string file = (directory / lock_name).string();
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    std::error_code error;
    if (descriptor < 0 && errno == ENOENT && fs::is_directory(directory, error))
        return false;
    if (descriptor < 0)
        return fail(errc::io_failed, why(directory, "cannot be examined"));
    const bool free = ::flock(descriptor, LOCK_SH | LOCK_NB) == 0;
    const int number = errno;
    ::close(descriptor);
    if (!free && number != EWOULDBLOCK)
        return fail(errc::io_failed, file + ": " + std::strerror(number));
    return !free;
}

std::string spool_file_name(std::uint64_t sequence)
{
    std::string digits = std::to_string(sequence);
    if (digits.size() < sequence_digits)
        digits.insert(0, sequence_digits - digits.size(), '0');
    return std::string{name_prefix} + digits + std::string{name_suffix};
}

result<spool_listing> list_spool_directory(const fs::path& directory)
{
    std::map<std::string, std::vector<std::string>> suffixes; // of each file, in order
    std::error_code error;
    fs::directory_iterator entry{directory, error};
    for (; !error && entry != fs::directory_iterator{}; entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (is_spool_name(name))
            suffixes[name.substr(0, name_bytes)].push_back(name.substr(name_bytes));
    }
    if (error)
        return fail(errc::spool_failed,
                    "spool directory " + directory.string() + ": " + error.message());

    spool_listing out;
    for (auto& [name, endings] : suffixes) {
        out.sequence_last = std::stoull(name.substr(name_prefix.size(), sequence_digits));
        std::sort(endings.begin(), endings.end());
        const auto has = [&e = endings](const char* ending) {
            return std::find(e.begin(), e.end(), ending) != e.end();
        };
        for (const auto& ending : endings) {
            const bool wal_of_set_aside = ending.size() > 4 &&
                                          ending.find("-") != std::string::npos &&
                                          has(ending.substr(0, ending.find('-')).c_str());
            if (starts_with(ending, ".new"))
                out.leftovers.push_back(name + ending);
            if (starts_with(ending, ".damaged") && !wal_of_set_aside)
                out.damaged.push_back(name + ending);
        }
        // The WAL goes before the file: while ".drained" stands, a WAL beside it is drained too.
        if (has(".drained") && !has("")) {
            for (const char* ending : {"-wal", "-shm", ".drained"})
                out.leftovers.push_back(name + ending);
        } else if (has("") || has("-wal")) {
            out.files.push_back(name);
        }
    }
    return out;
}

spool_directory::spool_directory(fs::path path, int descriptor, int lock)
    : path_{std::move(path)}, descriptor_{descriptor}, lock_{lock}
{
}

spool_directory::spool_directory(spool_directory&& other) noexcept
    : path_{std::move(other.path_)},
      descriptor_{std::exchange(other.descriptor_, -1)}, lock_{std::exchange(other.lock_, -1)}
{
}

spool_directory::~spool_directory()
{
    if (lock_ >= 0)
        ::close(lock_);
    if (descriptor_ >= 0)
        ::close(descriptor_);
}

result<spool_directory> spool_directory::open(const fs::path& directory, bool any_file_system)
{
    if (directory.empty())
        return fail(errc::spool_failed, "no spool directory is configured");
    const fs::path path = (directory / "").parent_path(); // without a trailing slash
    if (!make_directory(path))
        return fail(errc::spool_failed, why(path, "cannot be made"));
    BOOST_OUTCOME_TRY(const auto real, without_symlinks(path));
    spool_directory out{real, ::open(real.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), -1};
    if (out.descriptor_ < 0)
        return fail(errc::spool_failed, why(path, "cannot be opened"));
    if (auto objection = objection_to(path, out.descriptor_, any_file_system); !objection.empty())
        return fail(errc::spool_failed, std::move(objection));
    out.lock_ = ::openat(out.descriptor_, lock_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                         S_IRUSR | S_IWUSR);
    if (out.lock_ < 0)
        return fail(errc::spool_failed, why(path, "is not writable"));
    if (!locked(out.lock_))
        return fail(errc::spool_failed,
                    errno == EWOULDBLOCK
                        ? "spool directory " + path.string() +
                              " is in use by another process; give each daemon its own"
                        : why(path, "cannot be locked"));
    return out;
}

result<fs::path> canonical_spool_directory(const fs::path& directory, bool any_file_system)
{
    BOOST_OUTCOME_TRY(auto real, without_symlinks(directory));
    const int descriptor = ::open(real.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return fail(errc::spool_failed, why(directory, "cannot be opened"));
    const char* type = any_file_system ? nullptr : refused_as(descriptor);
    ::close(descriptor);
    if (type != nullptr)
        return fail(errc::spool_failed, forgets(directory, type));
    return real;
}

bool spool_directory::rename(const std::string& from, const std::string& to) const
{
    return ::renameat2(descriptor_, from.c_str(), descriptor_, to.c_str(), RENAME_NOREPLACE) == 0 &&
           sync();
}

bool spool_directory::sync() const
{
    return ::fsync(descriptor_) == 0;
}

std::string spool_directory::set_aside(const std::string& name) const
{
    const auto rename_part = [&](const std::string& to, const char* part) {
        return ::renameat2(descriptor_, (name + part).c_str(), descriptor_, (to + part).c_str(),
                           RENAME_NOREPLACE) == 0 ||
               errno == ENOENT;
    };
    for (int i = 1; i <= set_aside_tries_max; ++i) {
        const std::string to = name + ".damaged" + (i == 1 ? "" : std::to_string(i));
        // SQLite looks for "<database>-wal": evidence that can be opened keeps that form.
        bool done = true;
        for (const char* part : {"", "-wal", "-shm", "-journal"})
            done = done && rename_part(to, part);
        if (done)
            return sync() ? to : std::string{};
        if (errno != EEXIST)
            return {};
    }
    return {};
}

std::uint64_t spool_directory::bytes_of(const std::string& name) const
{
    std::uint64_t bytes = 0;
    for (const char* part : {"", "-wal"}) {
        struct stat info = {};
        if (::fstatat(descriptor_, (name + part).c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0)
            bytes += static_cast<std::uint64_t>(info.st_size);
    }
    return bytes;
}

std::uint64_t spool_directory::bytes_free() const
{
    struct statvfs info = {};
    if (::fstatvfs(descriptor_, &info) != 0)
        return 0;
    return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

} // namespace gateway
