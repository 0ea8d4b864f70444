// Keeps the read models up with the log: one thread that merges what was committed, a step at a
// time. Any replica may run one; one of them is active at a time. The merges themselves are SQL, so
// that a step is one round trip and no event leaves the database.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

namespace gateway {

struct projector_settings {
    std::string database_url;
    std::size_t step_events_max = 4'000;
    std::chrono::milliseconds step_deadline{20'000}; // longer, and the connection is given up
    std::chrono::milliseconds idle_pause{500};       // between looks when nothing waits
};

class projector {
public:
    // Starts the thread, which connects by itself, with back-off, for as long as it takes. A batch
    // with a value that a read model refuses is set aside in gateway.batch and logged as an error;
    // any other failure is logged, and tried again with fewer events at a time.
    explicit projector(projector_settings settings);
    // Cuts the step under way, which is rolled back.
    ~projector();
    projector(const projector&) = delete;
    projector& operator=(const projector&) = delete;

    // The same, without waiting for it. Any thread.
    void stop();

private:
    struct implementation;
    std::unique_ptr<implementation> implementation_;
};

} // namespace gateway
