#include "store/spool/spool_blank.hpp"
#include "store/spool/spool_image.hpp"
#include "store/spool/spool_row.hpp"

#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>

namespace gateway {
namespace {

namespace fs = std::filesystem;

// spool_carving.cpp reads these columns without SQLite: change both, and the versions.
constexpr const char* schema = R"(
PRAGMA page_size = 4096;
PRAGMA application_id = 1095197520;
PRAGMA user_version = 1;
CREATE TABLE delivery (
    seq INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, endpoint TEXT NOT NULL,
    key_id TEXT NOT NULL, checksum BLOB NOT NULL, body BLOB NOT NULL);
CREATE TABLE mark (id INTEGER PRIMARY KEY, removed_to INTEGER NOT NULL, checksum BLOB NOT NULL);
)";

struct empty_file {
    std::string bytes;  // a database in WAL mode with nothing in its tables
    std::string tables; // what tables_query says of it
};

// Every file begins as a copy of these bytes, so that making one is a write, an fsync and a
// rename, whatever SQLite would do step by step.
const empty_file& blank()
{
    static const empty_file made = [] {
        const sqlite_connection connection = in_memory();
        sqlite3_exec(connection.get(), schema, nullptr, nullptr, nullptr);
        sqlite3_stmt* raw = nullptr;
        sqlite3_prepare_v2(connection.get(), "INSERT INTO mark VALUES (1, 0, ?)", -1, &raw,
                           nullptr);
        const sqlite_statement insert{raw};
        bind_digest(raw, 1, mark_checksum(0));
        sqlite3_step(raw);
        sqlite3_int64 size = 0;
        unsigned char* bytes = sqlite3_serialize(connection.get(), "main", &size, 0);
        empty_file out{std::string(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size)),
                       single_text(connection.get(), tables_query)};
        sqlite3_free(bytes);
        out.bytes[18] = 2; // read and write version: WAL
        out.bytes[19] = 2;
        return out;
    }();
    return made;
}

sqlite3_vfs* find_vfs(const std::string& name)
{
    return sqlite3_vfs_find(name.empty() ? nullptr : name.c_str());
}

// What SQLite says of a full disk when it opens a file is CANTOPEN, and of one without inodes the
// errno of another try.
bool takes_no_file(const char* name)
{
    struct statvfs info = {};
    return errno == ENOSPC || errno == EDQUOT ||
           (::statvfs(fs::path{name}.parent_path().c_str(), &info) == 0 && info.f_files > 0 &&
            info.f_favail == 0);
}

// SQLite's file by way of its VFS, so that faults injected there are met here too.
file_result<void> write_through(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* file,
                                const std::string& bytes)
{
    const auto failed = [&](int code, const char* what) {
        const int system_error = errno;
        return file_fault{fault_kind_of(code, system_error), std::string{what} + ": " +
                                                                 sqlite3_errstr(code) + " (" +
                                                                 std::strerror(system_error) + ")"};
    };
    int flags =
        SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE;
    const int opened = vfs->xOpen(vfs, name, file, flags, &flags);
    if (opened != SQLITE_OK)
        return failed(takes_no_file(name) ? SQLITE_FULL : opened, "create");
    int code = file->pMethods->xWrite(file, bytes.data(), static_cast<int>(bytes.size()), 0);
    const char* what = "write";
    if (code == SQLITE_OK && ::chmod(name, S_IRUSR | S_IWUSR) != 0)
        code = SQLITE_IOERR;
    if (code == SQLITE_OK) {
        what = "fsync";
        code = file->pMethods->xSync(file, SQLITE_SYNC_FULL);
    }
    const int at_fault = errno;
    file->pMethods->xClose(file);
    errno = at_fault;
    if (code != SQLITE_OK)
        return failed(code, what);
    return ok();
}

} // namespace

const char* const tables_query =
    "SELECT group_concat(type || ' ' || name || ' ' || rootpage || ' ' || sql, ';')"
    " FROM (SELECT * FROM sqlite_schema ORDER BY rootpage)";

// What of the header never changes: magic, page size, versions; text encoding, user_version,
// application_id.
bool has_spool_header(std::string_view header)
{
    const std::string_view expected = std::string_view{blank().bytes}.substr(0, spool_header_bytes);
    return header.size() == spool_header_bytes && header.substr(0, 24) == expected.substr(0, 24) &&
           header.substr(44, 28) == expected.substr(44, 28);
}

const std::string& spool_tables()
{
    return blank().tables;
}

file_result<void> create_spool_file(const fs::path& file, const std::string& vfs_name)
{
    sqlite3_vfs* vfs = find_vfs(vfs_name);
    if (vfs == nullptr)
        return file_fault{fault_kind::failed, "there is no SQLite VFS " + vfs_name};
    sqlite3_filename name = sqlite3_create_filename(file.c_str(), "", "", 0, nullptr);
    void* memory = sqlite3_malloc(vfs->szOsFile);
    if (name == nullptr || memory == nullptr)
        return file_fault{fault_kind::failed, "out of memory"};
    std::memset(memory, 0, static_cast<std::size_t>(vfs->szOsFile));
    auto done = write_through(vfs, name, static_cast<sqlite3_file*>(memory), blank().bytes);
    sqlite3_free(memory);
    sqlite3_free_filename(name);
    return done;
}

file_result<void> delete_file(const fs::path& file, const std::string& vfs_name)
{
    sqlite3_vfs* vfs = find_vfs(vfs_name);
    const int code = vfs == nullptr ? SQLITE_ERROR : vfs->xDelete(vfs, file.c_str(), 0);
    if (code != SQLITE_OK && code != SQLITE_IOERR_DELETE_NOENT)
        return file_fault{fault_kind::failed, std::string{"delete: "} + sqlite3_errstr(code)};
    return ok();
}

std::string structure_fault(std::string database)
{
    if (!has_spool_header(std::string_view{database}.substr(0, spool_header_bytes)))
        return "has not the header of a spool file";
    if (database.size() % spool_page_bytes != 0)
        return "ends within a page";
    database[18] = 1; // a database in memory has no WAL
    database[19] = 1;
    const sqlite_connection connection = in_memory();
    const auto size = static_cast<sqlite3_int64>(database.size());
    if (sqlite3_deserialize(connection.get(), "main",
                            reinterpret_cast<unsigned char*>(database.data()), size, size,
                            SQLITE_DESERIALIZE_READONLY) != SQLITE_OK)
        return "cannot be read as a database";
    if (single_text(connection.get(), tables_query) != spool_tables())
        return "has other tables than a spool file";
    const std::string verdict = single_text(connection.get(), "PRAGMA quick_check(1)");
    return verdict == "ok" ? std::string{} : "SQLite says: " + verdict;
}

} // namespace gateway
