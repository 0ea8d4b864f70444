// The operator's view of gateway.quarantine: what waits there and why, and trying it again with
// today's mapping.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/base/time.hpp"
#include "gateway/base/uuid.hpp"
#include "gateway/model/quarantine.hpp"
#include "gateway/store/batch_settings.hpp"
#include "gateway/store/query.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

// What is left open does not restrict.
struct quarantine_filter {
    std::optional<uuid> id;
    std::optional<quarantine_reason> reason;
    std::optional<timestamp> since; // came first at this time or later
};

struct quarantine_listing {
    query_table rows;           // the newest `limit` of them: no bodies, no values
    std::uint64_t matching = 0; // all that wait and match
};

// What waits, newest first; what was replayed is left out. Fails with database_unavailable or
// database_failed, as all below.
result<quarantine_listing> list_quarantine(const std::string& database_url,
                                           const quarantine_filter& only, std::size_t limit);

// One row whole. Times are text in UTC (RFC 3339).
struct quarantine_entry {
    std::string endpoint;
    std::string reason;
    std::string key_id;
    std::string version; // of the gateway that refused it
    int deliveries = 0;  // how often it came
    std::string received_at;
    std::string last_received_at;
    std::string replayed_at; // empty: waiting
    std::vector<field_fault> faults;
    std::string body; // personal data
};

// The row with this id, waiting or replayed; nullopt when there is none.
result<std::optional<quarantine_entry>> read_quarantine(const std::string& database_url,
                                                        const uuid& id);

struct replay_settings : batch_settings { // a batch is a page of the waiting rows
    quarantine_filter only = {};
    bool dry_run = false;                             // map and count, write nothing
    std::function<void(std::uint64_t)> progress = {}; // how many were looked at; may be empty
};

struct replay_report {
    std::uint64_t examined = 0;                      // waiting rows that matched
    std::uint64_t mapped = 0;                        // go back into the intake, or would (dry run)
    std::map<quarantine_reason, std::uint64_t> left; // still waiting, by today's reason
};

// Maps what waits once more; what now maps goes back into the intake as it came, and waits in
// quarantine no longer, in one transaction. The applier makes events of it: of what the log has by
// then, none. What still does not map stays as it is. Page by page: a failure keeps what earlier
// pages did, and a second call goes on.
result<replay_report> replay_quarantine(const replay_settings& settings);

} // namespace gateway
