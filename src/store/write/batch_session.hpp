// One connection of one writer thread: writes a batch of units as one call of
// gateway.write_batch, which is one round trip and one transaction, and makes the partitions that
// the batch needs beforehand, in a transaction of their own.
#pragma once

#include "gateway/store/batch_settings.hpp"
#include "store/database/call_deadlines.hpp"
#include "store/database/database.hpp"
#include "store/write/pending.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace gateway {

struct batch_written {
    std::vector<bool> fresh; // by position among the events: it was not there before
};

// Object ids of the types in which rows travel: made by a migration, so they differ from database
// to database.
struct row_types {
    std::uint32_t event = 0;
    std::uint32_t delivery = 0;
    std::uint32_t quarantine = 0;
};
row_types read_row_types(pqxx::transaction_base& t);

// A message of its own, written and flushed, and read by nobody: a server can answer and yet commit
// nothing, while a frozen process holds the lock on its WAL. Events would be the ones to find out.
extern const char* const prove_commit_query;

// The one call of a batch, for units in key order, in a transaction that ends elsewhere.
batch_written write_units(pqxx::transaction_base& t, const row_types& types,
                          const std::string& instance, std::span<const unit> units);

// One thread. After any failure of kind lost the object is of no more use.
class batch_session {
public:
    // Connects, looks whether the server keeps what it commits and has a schema of ours, and proves
    // with a commit and an empty batch that it can be written to. Throws what database,
    // refuse_weak() and refuse_unfit() throw, and hanging_commit.
    // `instance` is who writes, in gateway.batch: "host/1234/0".
    batch_session(const batch_settings& settings, std::string instance, call_deadlines& deadlines);

    // Writes `units`, which stand in key order. Throws what libpqxx throws; conflicts were tried
    // again by then. When the deadline passes, the connection is gone and the batch in doubt:
    // it may be written again, the keys make that harmless.
    batch_written write(std::span<const unit> units);

    // Writes all units but the poison among them and what is refused, found as write_all() does.
    // `written` is told of each part once it is committed. When anything failed or was refused,
    // `last` says why. All of it is over at `by`, each call at the session's own deadline at the
    // latest. Does not throw.
    unwritten write_parts(std::vector<unit> units,
                          const std::function<void(std::span<unit>, const batch_written&)>& written,
                          failure& last, std::chrono::steady_clock::time_point by = no_limit,
                          takes_others others = takes_others::unknown);
    static constexpr auto no_limit = std::chrono::steady_clock::time_point::max();

    // Writes an empty batch: whether the database would take one. Without a word of any event a
    // server that went, hangs, is read-only or locked, or has lost its schema is found. Does not
    // throw; when false, the object is of no more use.
    bool takes_batches();

    // The last call was ended by the deadline.
    bool deadline_passed() const { return deadline_passed_; }

private:
    struct partitions {
        const char* table;
        std::set<std::chrono::sys_days> known;         // that are there, by first day
        std::chrono::steady_clock::time_point again{}; // after a failure, not before
    };

    void check_schema();
    void refuse_hanging();
    void refuse_unreplicated();
    void write_nothing();
    std::chrono::milliseconds time_left() const;
    template <class Work>
    auto in_time(Work work) -> decltype(work(std::declval<pqxx::nontransaction&>()));
    pqxx::result ask(const char* sql);
    void ensure_partitions(std::span<const unit> events);
    void ensure(const std::set<std::chrono::sys_days>& starts, partitions& of);

    const std::chrono::milliseconds deadline_;
    const std::string instance_;
    call_deadlines& deadlines_;
    database database_;
    std::chrono::steady_clock::time_point by_ = no_limit; // of the batch under way
    bool deadline_passed_ = false;
    row_types types_;
    partitions months_{"source_event", {}, {}};
    partitions days_{"delivery", {}, {}};
};

} // namespace gateway
