// The metrics that are a state rather than a count: set from what the layers say of themselves,
// whenever somebody asks for the metrics.
#pragma once

#include "app/daemon/process_metrics.hpp"
#include "app/daemon/process_state.hpp"
#include "gateway/base/metrics.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace gateway {

class state_metrics {
public:
    state_metrics();
    // One thread.
    void set(const process_state& s);

private:
    struct feed_metrics {
        gauge newest, usual, silent;
    };
    void set_feeds(const process_state& s);

    std::vector<gauge> plain_; // by row of the table
    gauge feeds_left_out_;
    std::map<std::pair<std::string, std::string>, feed_metrics> feeds_; // at most feeds_max
    process_metrics process_;
};

} // namespace gateway
