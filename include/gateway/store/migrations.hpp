// The schema, embedded in the binary as src/store/sql/README.md says, and the two things done with
// it: apply it, or say whether a database's is one to serve on. Each step records the oldest
// program that can go on beneath it, so that an upgrade of the schema, or going back to the program
// of yesterday, stops nobody where it only added something.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/store/role.hpp"

#include <memory>
#include <string>
#include <vector>

namespace gateway {

// Applies what is missing, all of it or nothing, under an advisory lock, so that any number of
// replicas may call it at once. Returns the names of the steps applied ("0001_event_log"), and
// "functions and views" when some of those were; nothing when the schema was current, or is newer
// and serves this binary. Fails with database_unavailable, database_failed, or schema_mismatch when
// the database is newer than this binary can serve or an applied step has changed.
result<std::vector<std::string>> migrate(const std::string& database_url);

// Success when the schema is this binary's, or a newer one that serves it; schema_mismatch in plain
// words, with what to do, when it is not; database_unavailable or database_failed when nobody can
// tell. A user that may not look is told which grant of `needed` it lacks. With `on_standby` it is
// asked of one where no server takes writes.
result<void> check_schema(const std::string& database_url,
                          database_role needed = database_role::writer, bool on_standby = false);

// Calls migrate() on a thread of its own until it succeeds: for a daemon that was told to migrate
// and has to serve while its database is away. Logs what it applied, and each reason that keeps it.
class migrator {
public:
    explicit migrator(std::string database_url);
    ~migrator(); // waits for the migration under way
    migrator(const migrator&) = delete;
    migrator& operator=(const migrator&) = delete;

private:
    struct implementation;
    std::unique_ptr<implementation> implementation_;
};

} // namespace gateway
