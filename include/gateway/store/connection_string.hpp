// What of the way to a database time cannot heal: a misspelt option, which libpq names only when it
// is asked to connect, and a login that the server turns away.
#pragma once

#include "gateway/base/result.hpp"

#include <string>

namespace gateway {

// In plain words what libpq would refuse of `url` (a URI or keyword=value pairs): an option it does
// not know, a number or word that the option does not take. Empty when nothing is wrong. Names
// options and never a password. Connects to nothing. Source: PostgreSQL manual, "Parameter Key
// Words" of libpq.
std::string connection_string_fault(const std::string& url);

// Connects once, within 3 seconds. Fails with database_failed when the server turns the login away
// (password, role, database, pg_hba.conf), in the server's words and with its SQLSTATE; with
// database_unavailable when nobody answers or it is not open for writing.
result<void> check_login(const std::string& url);

} // namespace gateway
