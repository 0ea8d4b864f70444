// What to do about SQLSTATE 42501 (insufficient_privilege), in one place: the statement that gives
// the database's user what it lacks, ready to be copied.
#pragma once

#include "gateway/store/role.hpp"
#include "store/database/database.hpp"

#include <string>

namespace gateway {

// `f` as it is, but when it is a refused right: then its message is the statement that helps,
// `GRANT gateway_writer TO "gateway";` as a rule. Asks the catalogue on a connection of its own,
// so it blocks for as long as connecting may; does not throw.
failure with_missing_grant(failure f, const std::string& database_url, database_role needed);

// The same as a result's error.
error to_error(const failure& f, const std::string& database_url, database_role needed);

} // namespace gateway
