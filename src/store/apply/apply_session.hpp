// One connection that applies the intake to the log: takes the oldest rows that wait, maps their
// deliveries with the mapping of the day, and writes what they are as one step.
#pragma once

#include "gateway/model/mapping.hpp"
#include "store/apply/units.hpp"
#include "store/database/call_deadlines.hpp"
#include "store/database/database.hpp"
#include "store/database/plan_renewal.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace gateway {

// Object ids of the types in which rows travel: made by a migration, so they differ from database
// to database.
struct row_types {
    std::uint32_t intake = 0;
    std::uint32_t event = 0;
    std::uint32_t quarantine = 0;
};
row_types read_row_types(pqxx::transaction_base& t);

// Rows of the intake, and what is to become of them.
struct intake_rows {
    bool is_active = true; // false: another session writes log or read models
    std::vector<std::int64_t> ids;
    std::vector<std::int64_t> recorded; // of them: by gateway.record_event, one event each
    std::vector<unit> units;            // of all others, in key order
    std::size_t deliveries = 0;         // one for a row that nothing is left of
    bool was_refused = false;           // one of them, before
};

struct applied {
    bool is_active = true; // false: others took the rows meanwhile
    std::uint64_t stored = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t quarantined = 0;
    double rest_factor = 0; // of the time it took: gateway.rest_factor
};

struct intake_range {
    std::size_t deliveries_max = 1'000; // about so many
    std::size_t bytes_max = 8U << 20U;  // the same
    std::int64_t after = 0;             // rows with larger numbers only
};

// The oldest rows that wait, mapped. One transaction.
intake_rows read_intake(pqxx::transaction_base& t, const intake_range& range,
                        const mapping_function& map);

// The one call of a step, for units in key order.
applied apply_units(pqxx::transaction_base& t, const row_types& types, const intake_rows& of,
                    std::span<const unit> units);

struct apply_limits : intake_range {
    std::chrono::milliseconds deadline{20'000}; // longer, and the connection is given up
};

// What one round did.
struct apply_round {
    bool is_active = true;
    std::size_t deliveries = 0; // that were taken
    applied done;
    std::size_t refused = 0; // of the deliveries; they are put off
    std::string refusal;     // SQLSTATE
};

// One thread. After a failure of kind lost the object is of no more use.
class apply_session {
public:
    // Connects and looks whether the schema is ours. Throws what database and expect_schema()
    // throw.
    apply_session(const std::string& url, mapping_function map, call_deadlines& deadlines,
                  const apply_limits& limits = {});

    pqxx::connection& connection() { return database_.connection(); }

    // Applies the oldest rows that wait. What PostgreSQL refuses for a value is found by halving
    // and kept in quarantine; what it refuses for another reason while it takes others (or `others`
    // are known to be taken) is put off. Throws what libpqxx throws; nothing is marked then, and
    // what was written is a duplicate next time.
    apply_round round(takes_others others = takes_others::unknown);

private:
    template <class Work>
    auto in_time(Work work) -> decltype(work(std::declval<pqxx::nontransaction&>()));
    void ensure_partitions(const intake_rows& rows);
    apply_round apply_piecemeal(intake_rows rows, takes_others others);

    call_deadlines& deadlines_;
    const apply_limits limits_;
    const mapping_function map_;
    database database_;
    plan_renewal renew_plans_;
    row_types types_;
    std::set<std::chrono::sys_days> months_;             // that have a partition
    std::chrono::steady_clock::time_point months_again_; // after a failure, not before
};

} // namespace gateway
