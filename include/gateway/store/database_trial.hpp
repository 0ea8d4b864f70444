// The database seen with the gateway's own eyes, for whoever asks before events find out: why it
// does not let us in, and a batch that is written, projected and rolled back.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/model/delivery.hpp"
#include "gateway/model/mapping.hpp"
#include "gateway/store/durability.hpp"
#include "gateway/store/query.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

struct database_fault {
    std::string what;
    std::string remedy;
    bool lasting; // it stays until somebody changes something: no outage that ends by itself
};

// How many connections may be open at once, for this user in this database.
struct connection_room {
    long role;        // ALTER ROLE ... CONNECTION LIMIT; -1: no limit
    long database;    // ALTER DATABASE ... CONNECTION LIMIT; -1: no limit
    long server;      // max_connections without those that superusers have for themselves
    std::string user; // quoted
    std::string name; // of the database, quoted
};

// One connection for all questions: looking must not take what the gateway needs. One thread.
class database_trial {
public:
    // Connects as the gateway's writer does, within 3 seconds a host.
    explicit database_trial(std::string database_url);
    ~database_trial();
    database_trial(const database_trial&) = delete;
    database_trial& operator=(const database_trial&) = delete;

    // Why there is no connection; nothing when there is one. Then only may the rest be called.
    const std::optional<database_fault>& refused() const;

    // One statement, read-only.
    result<query_table> ask(const std::string& sql);

    // Appends `deliveries` to the intake, applies them as what `map` makes of them, takes a step of
    // the read models, and rolls all of it back; `limit` is for each. A running gateway's applier
    // waits meanwhile.
    std::optional<database_fault> write(const std::vector<verified_delivery>& deliveries,
                                        const mapping_function& map,
                                        std::chrono::milliseconds limit);

    // How its commits get to other hosts; nothing when that could not be asked.
    std::optional<replication> follows();

    // Nothing behind a pooler, whose connections are shared.
    std::optional<connection_room> room();

private:
    struct implementation;
    std::unique_ptr<implementation> implementation_;
};

} // namespace gateway
