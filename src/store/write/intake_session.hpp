// One connection that makes deliveries durable: all that queued as one call of gateway.append,
// which is one round trip and one transaction.
#pragma once

#include "gateway/model/delivery.hpp"
#include "gateway/store/batch_settings.hpp"
#include "store/database/call_deadlines.hpp"
#include "store/database/database.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

// A message of its own, written and flushed, and read by nobody: a server can answer and yet commit
// nothing, while a frozen process holds the lock on its WAL. Events would be the ones to find out.
extern const char* const prove_commit_query;

using delivery_list = std::vector<const verified_delivery*>;

// Object id of the type in which rows of the intake travel: made by a migration, so it differs from
// database to database.
std::uint32_t read_intake_type(pqxx::transaction_base& t);

// `deliveries` as a binary array of gateway.intake_row, one for each endpoint and key.
std::string encode_intake(std::uint32_t row_type, const delivery_list& deliveries);

// The one call, in a transaction that ends elsewhere. `instance` is who writes: "host/1234/0".
void append_deliveries(pqxx::transaction_base& t, std::uint32_t row_type,
                       const std::string& instance, const delivery_list& deliveries);

// One thread. After any failure of kind lost the object is of no more use.
class intake_session {
public:
    // Connects, looks whether the server keeps what it commits and has a schema of ours, and proves
    // with a commit and an empty append that it can be written to. Throws what database,
    // refuse_weak() and refuse_unfit() throw, and hanging_commit.
    intake_session(const batch_settings& settings, std::string instance, call_deadlines& deadlines);

    // Makes `deliveries` durable, by `by` or not at all as far as we know. Nothing when they are;
    // otherwise why not, and they are in doubt: they may be appended again, for what is there twice
    // is applied once. Does not throw.
    std::optional<failure> append(const delivery_list& deliveries,
                                  std::chrono::steady_clock::time_point by = no_limit);
    static constexpr auto no_limit = std::chrono::steady_clock::time_point::max();

    // Whether the database would take deliveries. Without a word of any a server that went, hangs,
    // is read-only or locked, or has lost its schema is found. Does not throw; when false, the
    // object is of no more use.
    bool takes_deliveries() { return !append({}); }

    // The last call was ended by the deadline.
    bool deadline_passed() const { return deadline_passed_; }

private:
    void check_schema();
    void refuse_hanging();
    void refuse_unreplicated();
    std::chrono::milliseconds time_left() const;
    template <class Work>
    auto in_time(Work work) -> decltype(work(std::declval<pqxx::nontransaction&>()));
    pqxx::result ask(const char* sql);

    const std::chrono::milliseconds deadline_;
    const std::string instance_;
    call_deadlines& deadlines_;
    database database_;
    std::chrono::steady_clock::time_point by_ = no_limit; // of the call under way
    bool deadline_passed_ = false;
    std::uint32_t row_type_ = 0;
};

} // namespace gateway
