// Answers of the database for whoever looks at the admin port's page. They are read by a thread of
// its own, only while somebody looks, and kept: nobody waits for the database, and an answer that
// has grown old says how old it is.
#pragma once

#include "gateway/base/time.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

struct overview_part {
    std::string name;               // "quarantine", "consent", "messages", "projector", "recent",
                                    // "silence"
    std::string rows = "[]";        // a JSON array of objects, as PostgreSQL wrote it
    std::optional<timestamp> as_of; // when they were read; nothing before the first time
    std::string trouble;            // why they are not newer, in words; empty after a success
};

class overview {
public:
    // Starts the thread. It connects when look() is called and lets go half a minute after the
    // last call. It asks every few seconds, and rests ten times as long as the asking took; a
    // statement has five seconds.
    explicit overview(std::string database_url);
    ~overview();
    overview(const overview&) = delete;
    overview& operator=(const overview&) = delete;

    // What was last read, at once. Any thread.
    std::vector<overview_part> look();

private:
    struct implementation;
    std::unique_ptr<implementation> implementation_;
};

} // namespace gateway
