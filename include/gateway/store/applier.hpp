// Makes events of what was acknowledged: one thread applies the intake to the log, another the log
// to the read models, a step at a time. Any replica may run them; they take turns. The merges
// themselves are SQL, so that a step is one round trip.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/model/mapping.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace gateway {

struct applier_settings {
    std::string database_url;
    mapping_function map;                            // called on the applier's thread
    std::size_t deliveries_max = 1'000;              // of a step to the log
    std::size_t events_max = 1'000;                  // of a step to the read models
    std::chrono::milliseconds step_deadline{20'000}; // longer, and the connection is given up
    std::chrono::milliseconds idle_pause{100};       // between looks when nothing waits
};

// Applies all that waits in the intake, for an operator whose daemon does not run. Fails with
// database_unavailable or database_failed; what was applied by then stays.
result<void> apply_waiting(const std::string& database_url, const mapping_function& map);

// Waits until all is applied that was acknowledged by now, two seconds at most: a gateway that runs
// needs less. Returns how many deliveries are not, but for those that were put off. Fails with
// database_unavailable or database_failed.
result<std::uint64_t> await_applied(const std::string& database_url);

class applier {
public:
    // Starts the threads, which connect by themselves, with back-off, for as long as it takes. A
    // value that PostgreSQL refuses goes to quarantine; an event that a read model refuses is set
    // aside in gateway.set_aside and logged as an error; what the database refuses for another
    // reason while it takes others is put off. Any other failure is logged, and tried again.
    explicit applier(applier_settings settings);
    // Cuts the steps under way, which are rolled back.
    ~applier();
    applier(const applier&) = delete;
    applier& operator=(const applier&) = delete;

    // The same, without waiting for it. Any thread.
    void stop();

private:
    struct implementation;
    std::unique_ptr<implementation> implementation_;
};

} // namespace gateway
