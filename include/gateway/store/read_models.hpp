// What an operator does to read models by hand, beside the running daemon: make them again from
// the log, take a profile apart, ask why two profiles are one.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/base/uuid.hpp"
#include "gateway/store/query.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace gateway {

// "company", "identity", "consent", "message", "engagement", "feed": the names that rebuild()
// takes.
const std::vector<std::string>& read_models();

struct rebuild_settings {
    std::string database_url; // of a session: behind a transaction pooler this fails
    std::vector<std::string> models = read_models();
    std::size_t step_events_max = 5'000;
    std::function<void(std::uint64_t)> progress = {}; // batches so far; may be empty
};

// Projects the log once more into fresh tables while the daemon goes on, then gives the tables in
// use their contents in one transaction, and has batches that were set aside tried again. Returns
// for each table its rows, and how many were removed and added: none when all was right. When it
// fails, nothing has changed. Fails with database_unavailable or database_failed. Blocks.
result<query_table> rebuild(const rebuild_settings& settings);

struct identity_split {
    std::string company;
    uuid subscriber;
    std::string kind = "*"; // of identifiers; "*": all
    bool undo = false;
};

// Takes a subscriber out of its profile for good: identifiers of the kind join it to nobody, also
// after a rebuild. Returns subscriber and profile of all who were together with it. Fails with
// database_unavailable, or database_failed, also when there is no such subscriber.
result<query_table> split_identity(const std::string& database_url, const identity_split& split);

// The chain of shared identifiers, values masked, that makes a profile of subscribers: one row for
// each, none when the subscriber is not known. Fails with database_unavailable or database_failed.
result<query_table> explain_identity(const std::string& database_url, const std::string& company,
                                     const uuid& subscriber);

} // namespace gateway
