// The metrics that are a state rather than a count: set from what the layers say of themselves,
// whenever somebody asks for the metrics.
#pragma once

#include "gateway/base/metrics.hpp"
#include "gateway/base/time.hpp"
#include "gateway/store/observer.hpp"
#include "gateway/store/spool.hpp"
#include "gateway/store/writer.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

struct process_state {
    writer_status writing;
    bool database_takes_events = false;
    observation database;
    std::optional<spool_status> spool; // without one: nothing
    std::size_t spool_bytes_max = 0;
    std::optional<timestamp> certificate_ends; // plain HTTP: nothing
    bool accepting = true;                     // an event given now could be made durable
    bool draining = false;
};

class gauges {
public:
    gauges();
    void set(const process_state& s) const;

private:
    gauge inbox_events_, inbox_bytes_, stalled_, up_, takes_, quarantine_, spool_events_,
        spool_bytes_, spool_bytes_max_, spool_age_, spool_damaged_, certificate_, ready_;
};

// What an operator reads at /readyz, in `systemctl status` and in the log. Why the process should
// get no traffic; empty when it should.
std::vector<std::string> not_ready_because(const process_state& s);

// What is wrong though events are still taken: "the database is out of reach since …".
std::vector<std::string> degraded_because(const process_state& s);

// One line of both.
std::string status_line(const process_state& s);

} // namespace gateway
