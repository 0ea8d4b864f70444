// The real PostgreSQL for tests: one private cluster for each test binary, in a temporary
// directory, through the code that the product starts its own with.
#pragma once

#include "gateway/model/mapping.hpp"
#include "gateway/store/embedded_cluster.hpp"

#include <atomic>
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

// How many gateway_process there are: they apply by themselves.
inline std::atomic<int> gateways_running{0};

// Applies to the log what waits in the intake, by default as what was given to a writer
// (events.hpp) or else as the gateway maps it.
void apply_all(const std::string& url);
void apply_all(const std::string& url, const mapping_function& map);

// Before a statement that reads log, quarantine or reports: sees to it that all is applied that was
// acknowledged. A gateway that runs has three seconds for it, else it is done here.
void await_applied(const std::string& url, const std::string& sql);

// Runs SQL, several statements if need be, and returns the last one's rows as text; NULL is
// "NULL". Awaits what it reads: await_applied(). Throws what libpqxx throws.
std::vector<std::vector<std::string>> query(const std::string& url, const std::string& sql);

// The one value of `query`.
std::string value(const std::string& url, const std::string& sql);

} // namespace gateway::test
