// The schema's history, embedded in the binary, and the two things done with it: apply it, or
// refuse to serve on another one.
#pragma once

#include "gateway/base/result.hpp"

#include <string>
#include <vector>

namespace gateway {

// Applies what is missing, each migration in its own transaction, under an advisory lock, so that
// any number of replicas may call it at once. Returns the names applied ("0001_source_event"),
// none when the schema was current. Fails with database_unavailable, database_failed, or
// schema_mismatch when the database is newer than this binary or an applied file has changed.
result<std::vector<std::string>> migrate(const std::string& database_url);

// Success when the schema is exactly this binary's; schema_mismatch in plain words, with the
// command to run, when it is not; database_unavailable when nobody can tell.
result<void> check_schema(const std::string& database_url);

} // namespace gateway
