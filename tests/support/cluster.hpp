// The real PostgreSQL for tests: one private cluster for each test binary, in a temporary
// directory, through the code that the product starts its own with.
#pragma once

#include "gateway/store/embedded_cluster.hpp"

#include <string>
#include <vector>

namespace gateway::test {

// Started on first use, stopped and removed at exit. Aborts with the reason when it cannot start.
embedded_cluster& shared_cluster();

// A database of its own for one test, with the schema migrated; dropped with the cluster.
// Returns its libpq URI as superuser.
std::string fresh_database();

// The same without a schema.
std::string empty_database();

// `url` with another user.
std::string as_user(const std::string& url, const std::string& user);

// Sets what sessions of that database have from their start, from now on.
void set_for_database(const std::string& url, const std::string& setting, const std::string& to);

// Runs SQL, several statements if need be, and returns the last one's rows as text; NULL is
// "NULL". Throws what libpqxx throws.
std::vector<std::vector<std::string>> query(const std::string& url, const std::string& sql);

// The one value of `query`.
std::string value(const std::string& url, const std::string& sql);

} // namespace gateway::test
