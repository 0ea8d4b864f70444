// Asks the database now and then how it is, apart from the traffic: a night without events must
// not hide that it went, and nobody should have to look for what waits in quarantine.
#pragma once

#include "gateway/base/time.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace gateway {

struct observation {
    bool reachable = false;
    std::optional<timestamp> since; // of `reachable` being so; nothing before the first answer
    std::string trouble;            // in words; empty while reachable
    std::optional<std::uint64_t> quarantine_waiting; // rows; unknown before the first answer
};

class database_observer {
public:
    // Starts a thread with a connection of its own, which asks every second and, for what
    // costs more, every thirty. A server that does not answer within two seconds counts as gone.
    explicit database_observer(std::string database_url);
    ~database_observer();
    database_observer(const database_observer&) = delete;
    database_observer& operator=(const database_observer&) = delete;

    // Any thread, at once.
    observation last() const;

private:
    struct implementation;
    std::unique_ptr<implementation> implementation_;
};

} // namespace gateway
