// Asks the database apart from the traffic, in two rhythms. How it is, always: a night without
// events must not hide that it went, and nobody should have to look for what waits in quarantine or
// for the read models, or for events that do not come any more. And what the admin port's page
// shows, only while somebody looks: nobody waits for the database, and an answer that has grown old
// says how old it is.
#pragma once

#include "gateway/base/time.hpp"
#include "gateway/store/durability.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

// What log and read models do not know yet: gateway.projection_lag().
struct projection_lag {
    std::uint64_t deliveries = 0;       // wait in the intake, for the log
    std::uint64_t events = 0;           // wait in the log, for the read models
    std::uint64_t set_aside = 0;        // groups of events that could not be projected
    std::chrono::milliseconds oldest{}; // how long the oldest of all these has waited
    std::uint64_t refused = 0;          // of the deliveries: the database takes others
    std::string refusal{};              // SQLSTATE of one of them
};

// A company's type of event against its own rhythm: a row of report.feed_silence.
struct feed {
    std::string company_id;
    std::string event_name;
    timestamp newest_event{};                               // when it was received
    std::optional<std::chrono::milliseconds> usual_silence; // not known yet: nothing
    bool is_silent = false;
};

inline constexpr std::size_t feeds_max = 2'200; // 200 companies with eleven types each

struct observation {
    bool reachable = false;
    std::optional<timestamp> since; // of `reachable` being so; nothing before the first answer
    std::string trouble;            // in words; empty while reachable
    std::optional<std::uint64_t> quarantine_waiting; // rows; unknown before the first answer
    std::optional<projection_lag> projection;        // the same
    std::optional<replication> follows;              // the same
    std::optional<std::uint64_t> default_rows;       // the same; wait for a partition of their time
    std::vector<feed> feeds;          // at most feeds_max; empty before the first answer
    std::uint64_t feeds_left_out = 0; // that there are beyond these
};

struct page_answer {
    std::string name;               // "quarantine", "consent", "messages", "lag", "recent",
                                    // "silence"
    std::string rows = "[]";        // a JSON array of objects, as PostgreSQL wrote it
    std::optional<timestamp> as_of; // when they were read; nothing before the first time
    std::string trouble;            // why they are not newer, in words; empty after a success
};

class database_observer {
public:
    // Starts two threads, each with a connection of its own: a slow answer for the page is not to
    // hide that the database is there. One asks how it is every second and, for what costs more,
    // every thirty; a server that does not answer within two seconds counts as gone. The other
    // connects when look() is called and lets go half a minute after the last call. It asks every
    // few seconds, and rests ten times as long as the asking took; a statement has five seconds.
    explicit database_observer(std::string database_url);
    ~database_observer();
    database_observer(const database_observer&) = delete;
    database_observer& operator=(const database_observer&) = delete;

    // Cuts what is being asked: for whoever waits for the destructor beside others. Any thread.
    void stop();

    // Any thread, at once.
    observation last() const;

    // What was last read for the page, at once. Any thread.
    std::vector<page_answer> look();

private:
    struct implementation;
    std::unique_ptr<implementation> implementation_;
};

} // namespace gateway
