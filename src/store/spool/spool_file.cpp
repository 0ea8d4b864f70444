#include "store/spool/spool_file.hpp"
#include "gateway/store/stored_delivery.hpp"
#include "store/spool/spool_blank.hpp"
#include "store/spool/spool_image.hpp"
#include "store/spool/spool_row.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <system_error>

namespace gateway {
namespace {

namespace fs = std::filesystem;

// Before SQLite may touch the file: it deletes the WAL of an empty one, rolls a foreign journal
// back and cuts a WAL off at the first bad frame, all of which would destroy evidence.
file_result<void> check_untouched(const fs::path& file)
{
    std::error_code error;
    if (fs::symlink_status(file, error).type() != fs::file_type::regular)
        return file_fault{fault_kind::damaged, "is not a regular file"};
    std::string header(spool_header_bytes, '\0');
    std::ifstream in{file, std::ios::binary};
    if (!in)
        return file_fault{fault_kind::failed, "cannot be opened"};
    in.read(header.data(), spool_header_bytes);
    if (in.bad())
        return file_fault{fault_kind::unreadable, "has a header that cannot be read"};
    header.resize(static_cast<std::size_t>(in.gcount()));
    if (!has_spool_header(header))
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

} // namespace

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
    BOOST_OUTCOME_TRY(const auto tables, text_of(tables_query));
    if (tables != spool_tables())
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
    bind_text(s, 3, d.endpoint());
    bind_text(s, 4, d.key_id());
    bind_digest(s, 5, row_checksum(seq, d));
    bind_blob(s, 6, d.body());
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
    bind_digest(s, 2, mark_checksum(seq));
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
    return file_fault{fault_kind_of(code, system_error), std::move(detail)};
}

} // namespace gateway
