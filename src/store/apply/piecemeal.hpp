// A step that was refused as a whole, taken piece by piece.
#pragma once

#include "store/apply/apply_session.hpp"
#include "store/apply/units.hpp"

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace gateway {

// "{1,2,3}", as PostgreSQL reads an array.
template <class Numbers>
std::string array_of(const Numbers& numbers)
{
    std::string out = "{";
    for (const auto n : numbers)
        out += (out.size() == 1 ? "" : ",") + std::to_string(n);
    return out + "}";
}

inline pqxx::binarystring binary(const std::string& value)
{
    return pqxx::binarystring{value.data(), value.size()};
}

// A partition was attached between routing a row to DEFAULT and inserting it there: PostgreSQL says
// check_violation, though the row is good. The next try routes it right.
inline constexpr const char* check_violation = "23514";

// What a failure says of the units that were tried.
verdict verdict_of(const failure& f);

// One round. One thread.
class piecemeal {
public:
    // `apply` is a transaction of its own, and throws what libpqxx throws.
    using call = std::function<applied(const intake_rows&, std::span<const unit>)>;

    piecemeal(intake_rows rows, call apply) : rows_(std::move(rows)), apply_(std::move(apply)) {}

    // Applies all that can be applied. Throws what the last failure was when it is none of the
    // rows' own.
    apply_round run(takes_others others);

    // After run(): ends the waiting of rows that nothing is left of, and puts the others off.
    void finish(pqxx::transaction_base& t, std::uint32_t event_type);

private:
    verdict try_step(const intake_rows& of, std::span<const unit> units);
    verdict write(std::span<unit> part);
    void write_recorded(std::int64_t id);
    void put_off(const intake_place& at);

    intake_rows rows_;
    const call apply_;
    apply_round out_{.done = {}, .refusal = {}};
    std::exception_ptr last_;
    std::vector<std::unique_ptr<pending>> written_; // events that are in the log now, or were
    std::set<std::int64_t> put_off_;                // rows
    std::vector<std::int64_t> refused_;             // the row of each delivery, with its ordinal
    std::vector<std::int32_t> ordinals_;
};

} // namespace gateway
