// What the spool says to SQLite besides its statements: handles that close themselves, texts and
// digests in and out, and what an error code means to a file.
#pragma once

#include "gateway/base/digest.hpp"
#include "gateway/base/result.hpp"

#include <memory>
#include <string>

struct sqlite3;
struct sqlite3_stmt;

namespace gateway {

// What went wrong decides what to do.
enum class fault_kind {
    full,       // wait for space
    damaged,    // salvage
    unreadable, // the disk does not give the bytes back: damage, if it stays that way
    failed,     // anything else: says nothing of what is in the file
};

struct file_fault {
    fault_kind kind;
    std::string detail;
};

template <class T>
using file_result = result<T, file_fault>;

struct sqlite_close {
    void operator()(sqlite3* connection) const;
};
struct statement_finalize {
    void operator()(sqlite3_stmt* statement) const;
};
using sqlite_connection = std::unique_ptr<sqlite3, sqlite_close>;
using sqlite_statement = std::unique_ptr<sqlite3_stmt, statement_finalize>;

// Source: sqlite.org/rescode.
fault_kind fault_kind_of(int code, int system_error);

sqlite_connection in_memory();

// The first column of the first row, empty when there is none or on any fault.
std::string single_text(sqlite3* connection, const char* sql);

// The bytes are not copied: they have to stay until the statement is stepped or reset.
void bind_text(sqlite3_stmt* s, int index, const std::string& text);
void bind_blob(sqlite3_stmt* s, int index, const std::string& bytes);
// Not `bind`: a digest is a std::array, and where <functional> is included std::bind fits it
// better.
void bind_digest(sqlite3_stmt* s, int index, const digest256& digest);
std::string column_text(sqlite3_stmt* s, int index);
bool column_equals(sqlite3_stmt* s, int index, const digest256& digest);

// A statement left in mid-way would hold its transaction open.
class scoped_reset {
public:
    explicit scoped_reset(sqlite3_stmt* s) : statement_{s} {}
    ~scoped_reset();
    scoped_reset(const scoped_reset&) = delete;
    scoped_reset& operator=(const scoped_reset&) = delete;

private:
    sqlite3_stmt* statement_;
};

} // namespace gateway
