// Whether a server keeps what it committed. A 200 promises that, and PostgreSQL has settings that
// break it without a word: fsync = off loses committed transactions when the host goes down,
// full_page_writes = off can tear pages. synchronous_commit is not looked at here:
// gateway.write_batch sees to it in each transaction, whatever role, database or cluster say.
// Source: PostgreSQL manual, "Write Ahead Log", settings.
#pragma once

#include "gateway/store/durability.hpp"

#include <pqxx/pqxx>

#include <stdexcept>

namespace gateway {

// A server that nothing may be acknowledged from; what() says why and what to do.
struct weak_database : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Gives one row for refuse_weak(). Any role may ask.
extern const char* const durability_query;

// Throws weak_database when the server runs with fsync = off, unless `accepted`; then, and for
// full_page_writes = off, it raises the alarm (a log line at level error) and returns.
void refuse_weak(const pqxx::row& settings, bool accepted);

// Gives one row for replication_of(). Any role may ask; what a standby is doing, only some may see.
extern const char* const replication_query;

replication replication_of(const pqxx::row& row);

} // namespace gateway
