#include "store/spool/spool_file.hpp"

#include "gateway/store/stored_delivery.hpp"

#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <system_error>

namespace gateway {
namespace {

namespace fs = std::filesystem;

// spool_image.cpp reads these columns without SQLite: change both, and the versions.
constexpr const char* schema = R"(
PRAGMA page_size = 4096;
PRAGMA application_id = 1095197520;
PRAGMA user_version = 1;
CREATE TABLE delivery (
    seq INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, endpoint TEXT NOT NULL,
    key_id TEXT NOT NULL, checksum BLOB NOT NULL, body BLOB NOT NULL);
CREATE TABLE mark (id INTEGER PRIMARY KEY, removed_to INTEGER NOT NULL, checksum BLOB NOT NULL);
)";

constexpr const char* schema_query =
    "SELECT group_concat(type || ' ' || name || ' ' || rootpage || ' ' || sql, ';')"
    " FROM (SELECT * FROM sqlite_schema ORDER BY rootpage)";

constexpr std::size_t header_bytes = 100;

fault_kind kind_of(int code, int system_error)
{
    switch (code & 0xFF) {
    case SQLITE_FULL: return fault_kind::full;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return fault_kind::damaged;
    case SQLITE_IOERR:
        if (code == SQLITE_IOERR_READ || code == SQLITE_IOERR_SHORT_READ)
            return fault_kind::unreadable;
        // SQLite knows ENOSPC on a write as SQLITE_FULL, but not a quota.
        return code == SQLITE_IOERR_WRITE && system_error == EDQUOT ? fault_kind::full
                                                                    : fault_kind::failed;
    default: return fault_kind::failed;
    }
}

void bind(sqlite3_stmt* s, int index, const std::string& text, bool as_text)
{
    // data() is never null: a null pointer would bind NULL.
    if (as_text)
        sqlite3_bind_text64(s, index, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
    else
        sqlite3_bind_blob64(s, index, text.data(), text.size(), SQLITE_STATIC);
}

void bind(sqlite3_stmt* s, int index, const digest256& digest)
{
    sqlite3_bind_blob(s, index, digest.data(), static_cast<int>(digest.size()), SQLITE_TRANSIENT);
}

std::string column_text(sqlite3_stmt* s, int index)
{
    const void* bytes = sqlite3_column_blob(s, index);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(s, index));
    return bytes == nullptr ? std::string{} : std::string(static_cast<const char*>(bytes), size);
}

bool column_equals(sqlite3_stmt* s, int index, const digest256& digest)
{
    const std::string bytes = column_text(s, index);
    return bytes.size() == digest.size() &&
           std::memcmp(bytes.data(), digest.data(), digest.size()) == 0;
}

// A statement left in mid-way would hold its transaction open.
class scoped_reset {
public:
    explicit scoped_reset(sqlite3_stmt* s) : statement_{s} {}
    ~scoped_reset()
    {
        sqlite3_reset(statement_);
        sqlite3_clear_bindings(statement_);
    }
    scoped_reset(const scoped_reset&) = delete;
    scoped_reset& operator=(const scoped_reset&) = delete;

private:
    sqlite3_stmt* statement_;
};

sqlite_connection in_memory()
{
    sqlite3* connection = nullptr;
    sqlite3_open_v2(":memory:", &connection,
                    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    return sqlite_connection{connection};
}

std::string single_text(sqlite3* connection, const char* sql)
{
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(connection, sql, -1, &raw, nullptr) != SQLITE_OK)
        return {};
    const sqlite_statement statement{raw};
    return sqlite3_step(raw) == SQLITE_ROW ? column_text(raw, 0) : std::string{};
}

struct empty_file {
    std::string bytes;  // a database in WAL mode with nothing in its tables
    std::string schema; // what schema_query says of it
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
        bind(raw, 1, mark_checksum(0));
        sqlite3_step(raw);
        sqlite3_int64 size = 0;
        unsigned char* bytes = sqlite3_serialize(connection.get(), "main", &size, 0);
        empty_file out{std::string(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size)),
                       single_text(connection.get(), schema_query)};
        sqlite3_free(bytes);
        out.bytes[18] = 2; // read and write version: WAL
        out.bytes[19] = 2;
        return out;
    }();
    return made;
}

// What of the header never changes: magic, page size, versions; text encoding, user_version,
// application_id.
bool header_is_ours(std::string_view header)
{
    const std::string_view expected = std::string_view{blank().bytes}.substr(0, header_bytes);
    return header.size() == header_bytes && header.substr(0, 24) == expected.substr(0, 24) &&
           header.substr(44, 28) == expected.substr(44, 28);
}

// Before SQLite may touch the file: it deletes the WAL of an empty one, rolls a foreign journal
// back and cuts a WAL off at the first bad frame, all of which would destroy evidence.
file_result<void> check_untouched(const fs::path& file)
{
    std::error_code error;
    if (fs::symlink_status(file, error).type() != fs::file_type::regular)
        return file_fault{fault_kind::damaged, "is not a regular file"};
    std::string header(header_bytes, '\0');
    std::ifstream in{file, std::ios::binary};
    if (!in)
        return file_fault{fault_kind::failed, "cannot be opened"};
    in.read(header.data(), header_bytes);
    if (in.bad())
        return file_fault{fault_kind::unreadable, "has a header that cannot be read"};
    header.resize(static_cast<std::size_t>(in.gcount()));
    if (!header_is_ours(header))
        return file_fault{fault_kind::damaged, "has not the header of a spool file"};
    if (fs::exists(file.string() + "-journal", error))
        return file_fault{fault_kind::damaged,
                          "has a rollback journal, which the spool never makes"};
    const fs::path wal = file.string() + "-wal";
    const auto wal_bytes = fs::file_size(wal, error);
    if (error || wal_bytes == 0)
        return ok();
    const auto bytes = load_wal(file);
    if (!bytes)
        return file_fault{fault_kind::failed, bytes.error().detail};
    if (summarize_wal(bytes.value()).broken)
        return file_fault{fault_kind::damaged, "has a WAL with broken frames"};
    return ok();
}

sqlite3_vfs* find_vfs(const std::string& name)
{
    return sqlite3_vfs_find(name.empty() ? nullptr : name.c_str());
}

} // namespace

void sqlite_close::operator()(sqlite3* connection) const
{
    sqlite3_close_v2(connection);
}

void statement_finalize::operator()(sqlite3_stmt* statement) const
{
    sqlite3_finalize(statement);
}

spool_file::spool_file(fs::path file, sqlite_connection connection)
    : file_{std::move(file)}, connection_{std::move(connection)}
{
}

file_result<std::unique_ptr<spool_file>> spool_file::open(const fs::path& file,
                                                          const std::string& vfs)
{
    BOOST_OUTCOME_TRY(check_untouched(file));
    sqlite3* raw = nullptr;
    const int code = sqlite3_open_v2(file.c_str(), &raw,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                                         SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW,
                                     vfs.empty() ? nullptr : vfs.c_str());
    std::unique_ptr<spool_file> out{new spool_file{file, sqlite_connection{raw}}};
    if (code != SQLITE_OK)
        return out->fault("open");
    BOOST_OUTCOME_TRY(out->configure());
    BOOST_OUTCOME_TRY(out->take_stock());
    BOOST_OUTCOME_TRY(out->prepare());
    return out;
}

// A pragma that does not take effect says nothing: each answer is checked.
file_result<void> spool_file::configure()
{
    sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    struct setting {
        const char* sql;
        const char* expected; // null: it gives no answer
    };
    // Exclusive before the first access: that is what keeps the WAL's index on the heap.
    for (const setting s :
         {setting{"PRAGMA locking_mode = EXCLUSIVE", "exclusive"},
          setting{"PRAGMA mmap_size = 0", "0"}, setting{"PRAGMA wal_autocheckpoint = 0", "0"},
          setting{"PRAGMA journal_mode", "wal"}, setting{"PRAGMA synchronous = FULL", nullptr},
          setting{"PRAGMA synchronous", "2"}, setting{"PRAGMA cell_size_check = ON", nullptr},
          setting{"PRAGMA trusted_schema = OFF", nullptr},
          setting{"PRAGMA cache_size = -16384", nullptr}}) {
        BOOST_OUTCOME_TRY(const auto answer, text_of(s.sql));
        if (s.expected != nullptr && answer != s.expected)
            return file_fault{fault_kind::failed,
                              std::string{s.sql} + " gives '" + answer + "', not " + s.expected};
    }
    return ok();
}

file_result<void> spool_file::prepare()
{
    struct wanted {
        sqlite_statement* into;
        const char* sql;
    };
    for (const wanted w :
         {wanted{&insert_, "INSERT INTO delivery VALUES (?, ?, ?, ?, ?, ?)"},
          wanted{&select_, "SELECT seq, received_at, endpoint, key_id, checksum, body FROM delivery"
                           " WHERE seq > ? ORDER BY seq LIMIT ?"},
          wanted{&update_mark_, "UPDATE mark SET removed_to = ?, checksum = ? WHERE id = 1"},
          wanted{&page_count_, "PRAGMA page_count"}}) {
        sqlite3_stmt* raw = nullptr;
        if (sqlite3_prepare_v3(connection_.get(), w.sql, -1, SQLITE_PREPARE_PERSISTENT, &raw,
                               nullptr) != SQLITE_OK)
            return fault("prepare");
        w.into->reset(raw);
    }
    return ok();
}

file_result<void> spool_file::take_stock()
{
    BOOST_OUTCOME_TRY(const auto tables, text_of(schema_query));
    if (tables != blank().schema)
        return file_fault{fault_kind::damaged, "has other tables than a spool file"};
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(connection_.get(),
                           "SELECT removed_to, checksum, (SELECT ifnull(max(seq), 0) FROM delivery)"
                           ", (SELECT ifnull(min(seq), 1) FROM delivery) FROM mark WHERE id = 1",
                           -1, &raw, nullptr) != SQLITE_OK)
        return fault("read the mark");
    const sqlite_statement statement{raw};
    const int code = sqlite3_step(raw);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return fault("read the mark");
    mark_ = sqlite3_column_int64(raw, 0);
    last_ = sqlite3_column_int64(raw, 2);
    if (code == SQLITE_DONE || !column_equals(raw, 1, mark_checksum(mark_)) || mark_ > last_ ||
        mark_ < 0 || sqlite3_column_int64(raw, 3) != 1)
        return file_fault{fault_kind::damaged, "has a mark or row numbers that cannot be"};
    return ok();
}

file_result<void> spool_file::append(const std::vector<const verified_delivery*>& deliveries)
{
    if (sqlite3_exec(connection_.get(), "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) != SQLITE_OK)
        return fault("begin");
    std::int64_t seq = last_;
    for (const verified_delivery* d : deliveries) {
        if (auto inserted = insert(++seq, *d); !inserted) {
            roll_back();
            return inserted;
        }
    }
    BOOST_OUTCOME_TRY(commit());
    last_ = seq;
    return still_there();
}

file_result<void> spool_file::insert(std::int64_t seq, const verified_delivery& d)
{
    sqlite3_stmt* s = insert_.get();
    const scoped_reset reset{s};
    sqlite3_bind_int64(s, 1, seq);
    sqlite3_bind_int64(s, 2, d.received_at().time_since_epoch().count());
    bind(s, 3, d.endpoint(), true);
    bind(s, 4, d.key_id(), true);
    bind(s, 5, row_checksum(seq, d));
    bind(s, 6, d.body(), false);
    if (sqlite3_step(s) != SQLITE_DONE)
        return fault("insert");
    return ok();
}

file_result<void> spool_file::commit()
{
    if (sqlite3_exec(connection_.get(), "COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK)
        return ok();
    const file_fault found = fault("commit");
    roll_back();
    return found;
}

void spool_file::roll_back()
{
    if (sqlite3_get_autocommit(connection_.get()) == 0)
        sqlite3_exec(connection_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

// Somebody who deletes files below a running daemon would make it write into nothing.
file_result<void> spool_file::still_there()
{
    int moved = 0;
    sqlite3_file_control(connection_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    std::error_code error;
    if (moved != 0 || !fs::exists(file_.string() + "-wal", error))
        return file_fault{fault_kind::failed, "was moved or deleted by somebody else"};
    return ok();
}

file_result<std::vector<verified_delivery>>
spool_file::read(std::int64_t mark, std::size_t events_max, std::size_t bytes_max)
{
    sqlite3_stmt* s = select_.get();
    const scoped_reset reset{s};
    const auto wanted = std::min<std::int64_t>(
        static_cast<std::int64_t>(std::min<std::size_t>(events_max, 1U << 20U)), last_ - mark);
    sqlite3_bind_int64(s, 1, mark);
    sqlite3_bind_int64(s, 2, wanted);
    std::vector<verified_delivery> out;
    std::int64_t expected = mark;
    for (std::size_t bytes = 0; expected < mark + wanted && bytes < bytes_max;) {
        const int code = sqlite3_step(s);
        if (code != SQLITE_ROW && code != SQLITE_DONE)
            return fault("read");
        const std::int64_t seq = code == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
        if (seq != ++expected)
            return file_fault{fault_kind::damaged, "lacks row " + std::to_string(expected)};
        const std::chrono::milliseconds at{sqlite3_column_int64(s, 1)};
        delivery d{column_text(s, 2), column_text(s, 5), {}, timestamp{at}};
        out.push_back(stored_delivery::rebuild(std::move(d), column_text(s, 3)));
        if (!column_equals(s, 4, row_checksum(seq, out.back())))
            return file_fault{fault_kind::damaged, "row " + std::to_string(seq) + " is not whole"};
        bytes += out.back().body().size();
    }
    return out;
}

file_result<void> spool_file::remove_to(std::int64_t seq)
{
    sqlite3_stmt* s = update_mark_.get();
    const scoped_reset reset{s};
    sqlite3_bind_int64(s, 1, seq);
    bind(s, 2, mark_checksum(seq));
    if (sqlite3_step(s) != SQLITE_DONE)
        return fault("move the mark");
    mark_ = seq;
    return ok();
}

file_result<void> spool_file::checkpoint()
{
    if (sqlite3_wal_checkpoint_v2(connection_.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr,
                                  nullptr) != SQLITE_OK)
        return fault("checkpoint");
    return ok();
}

std::optional<timestamp> spool_file::received_at(std::int64_t seq)
{
    sqlite3_stmt* s = select_.get();
    const scoped_reset reset{s};
    sqlite3_bind_int64(s, 1, seq - 1);
    sqlite3_bind_int64(s, 2, 1);
    if (sqlite3_step(s) != SQLITE_ROW || sqlite3_column_int64(s, 0) != seq)
        return std::nullopt;
    return timestamp{std::chrono::milliseconds{sqlite3_column_int64(s, 1)}};
}

std::uint64_t spool_file::growth() const
{
    sqlite3_stmt* s = page_count_.get();
    const scoped_reset reset{s};
    std::error_code error;
    const std::uint64_t now = fs::file_size(file_, error);
    if (error || sqlite3_step(s) != SQLITE_ROW)
        return 0;
    const auto then = static_cast<std::uint64_t>(sqlite3_column_int64(s, 0)) * spool_page_bytes;
    return then > now ? then - now : 0;
}

file_result<std::string> spool_file::text_of(const char* sql)
{
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(connection_.get(), sql, -1, &raw, nullptr) != SQLITE_OK)
        return fault(sql);
    const sqlite_statement statement{raw};
    const int code = sqlite3_step(raw);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return fault(sql);
    return code == SQLITE_ROW ? column_text(raw, 0) : std::string{};
}

file_fault spool_file::fault(const std::string& what) const
{
    const int code = sqlite3_extended_errcode(connection_.get());
    const int system_error = sqlite3_system_errno(connection_.get());
    std::string detail = what + ": " + sqlite3_errmsg(connection_.get());
    if ((code & 0xFF) == SQLITE_IOERR || (code & 0xFF) == SQLITE_CANTOPEN)
        detail += " (" + std::to_string(code) + ", " + std::strerror(system_error) + ")";
    return file_fault{kind_of(code, system_error), std::move(detail)};
}

namespace {

// SQLite's file by way of its VFS, so that faults injected there are met here too.
file_result<void> write_through(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* file,
                                const std::string& bytes)
{
    const auto failed = [&](int code, const char* what) {
        const int system_error = errno;
        return file_fault{kind_of(code, system_error), std::string{what} + ": " +
                                                           sqlite3_errstr(code) + " (" +
                                                           std::strerror(system_error) + ")"};
    };
    int flags =
        SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE;
    const int opened = vfs->xOpen(vfs, name, file, flags, &flags);
    // The error of open(2) is lost on the way: a full disk shows as CANTOPEN.
    if (opened != SQLITE_OK)
        return failed(errno == ENOSPC || errno == EDQUOT ? SQLITE_FULL : opened, "create");
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
    if (!header_is_ours(std::string_view{database}.substr(0, header_bytes)))
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
    if (single_text(connection.get(), schema_query) != blank().schema)
        return "has other tables than a spool file";
    const std::string verdict = single_text(connection.get(), "PRAGMA quick_check(1)");
    return verdict == "ok" ? std::string{} : "SQLite says: " + verdict;
}

} // namespace gateway
