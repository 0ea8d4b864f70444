#include "store/spool/sqlite.hpp"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>

namespace gateway {

void sqlite_close::operator()(sqlite3* connection) const
{
    sqlite3_close_v2(connection);
}

void statement_finalize::operator()(sqlite3_stmt* statement) const
{
    sqlite3_finalize(statement);
}

fault_kind fault_kind_of(int code, int system_error)
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

// data() is never null: a null pointer would bind NULL.
void bind_text(sqlite3_stmt* s, int index, const std::string& text)
{
    sqlite3_bind_text64(s, index, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

void bind_blob(sqlite3_stmt* s, int index, const std::string& bytes)
{
    sqlite3_bind_blob64(s, index, bytes.data(), bytes.size(), SQLITE_STATIC);
}

void bind_digest(sqlite3_stmt* s, int index, const digest256& digest)
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

scoped_reset::~scoped_reset()
{
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
}

} // namespace gateway
