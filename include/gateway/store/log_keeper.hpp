// Keeps the log in its partitions: makes those to come, takes out of DEFAULT what could not be
// routed better when it came, and drops what has grown too old. None of it is ever done in front of
// a batch.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/store/privacy.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace gateway {

// One step for the log and one for the deliveries: takes the rows of a month, or a day, out of
// DEFAULT, and makes this and the next partition. Returns the partitions that rows came to. Writers
// and readers wait meanwhile, for well under a second as a rule; while another transaction holds
// the table for longer, as pg_dump does, nothing is done. Fails with database_unavailable or
// database_failed; trying again is safe, as is doing so from several hosts.
result<std::vector<std::string>> keep_partitions(const std::string& database_url);

// Does so at once and every minute, and sooner while something waits in DEFAULT; applies the
// retention soon after construction and once a day: on a thread of its own, until destruction.
// Failures are logged and tried again. Replicas may all do so.
class log_keeper {
public:
    log_keeper(std::string database_url, const retention_settings& retention);
    ~log_keeper();
    // Cuts what is under way, which is rolled back: for whoever waits for the destructor beside
    // others. Any thread.
    void stop();
    log_keeper(const log_keeper&) = delete;
    log_keeper& operator=(const log_keeper&) = delete;

private:
    struct implementation;
    std::unique_ptr<implementation> implementation_;
};

} // namespace gateway
