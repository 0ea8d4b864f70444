// Units that PostgreSQL refuses are found by halving (write_all); what one piece stored is a
// duplicate of itself when it is tried again, and rows wait until all of theirs is dealt with.
#include "store/apply/piecemeal.hpp"
#include "store/apply/event_rows.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace gateway {

namespace {

constexpr const char* unique_violation = "23505";

} // namespace

// Refused is what the database may do to one event while it takes others. Not a lock, a time limit,
// a server that is read-only or out of memory: there, trying parts would only take longer.
verdict verdict_of(const failure& f)
{
    if (f.sqlstate == unique_violation) // somebody wrote beside the lock; the next look finds it
        return verdict::failed;
    if (f.kind == failure_kind::rejected)
        return verdict::rejected;
    const std::string group = f.sqlstate.substr(0, 2);
    const bool of_all =
        group.empty() || group == "25" || group == "53" || group == "55" || group == "57";
    const bool disk_full = f.sqlstate == "53100"; // of a tablespace, perhaps
    return f.kind == failure_kind::other && (!of_all || disk_full) ? verdict::refused
                                                                   : verdict::failed;
}

apply_round piecemeal::run(takes_others others)
{
    out_.deliveries = rows_.deliveries;
    auto left = write_all(
        std::exchange(rows_.units, {}), [this](std::span<unit> part) { return write(part); },
        others);
    if (!left.failed.empty())
        std::rethrow_exception(last_);
    for (const auto& u : left.refused) {
        for (const auto& member : u.members)
            put_off(member->place);
    }
    for (const auto id : rows_.recorded)
        write_recorded(id);
    return out_;
}

void piecemeal::finish(pqxx::transaction_base& t, std::uint32_t event_type)
{
    const auto events = group(std::move(written_));
    std::vector<std::int64_t> finished;
    const std::set<std::int64_t> recorded{rows_.recorded.begin(), rows_.recorded.end()};
    std::copy_if(rows_.ids.begin(), rows_.ids.end(), std::back_inserter(finished),
                 [&](auto id) { return !put_off_.contains(id) && !recorded.contains(id); });
    const std::string encoded = encode(event_columns(), event_type, events);
    t.exec_params("SELECT gateway.postpone_intakes($1, $2, $3, $4)", array_of(refused_),
                  array_of(ordinals_), out_.refusal, binary(encoded));
    t.exec_params("SELECT gateway.finish_intakes($1, '{}', $2)", array_of(finished),
                  binary(encoded));
}

verdict piecemeal::try_step(const intake_rows& of, std::span<const unit> units)
{
    for (int tries = 1;; ++tries) {
        try {
            const auto done = apply_(of, units);
            out_.done.stored += done.stored;
            out_.done.duplicates += done.duplicates;
            out_.done.quarantined += done.quarantined;
            return verdict::written;
        } catch (...) {
            const failure f = current_failure();
            if (f.sqlstate == check_violation && tries == 1)
                continue;
            last_ = std::current_exception();
            const verdict v = verdict_of(f);
            if (v == verdict::refused)
                out_.refusal = f.sqlstate;
            return v;
        }
    }
}

verdict piecemeal::write(std::span<unit> part)
{
    const verdict v = try_step({}, part);
    for (auto& u : part) {
        if (v == verdict::written && u.is_event())
            written_.push_back(std::move(u.members.front()));
    }
    return v;
}

void piecemeal::write_recorded(std::int64_t id)
{
    const verdict v = try_step({.ids = {id}, .recorded = {id}, .units = {}}, {});
    if (v == verdict::failed)
        std::rethrow_exception(last_);
    if (v != verdict::written)
        put_off({id, 1});
}

void piecemeal::put_off(const intake_place& at)
{
    put_off_.insert(at.intake_id);
    refused_.push_back(at.intake_id);
    ordinals_.push_back(at.ordinal);
    ++out_.refused;
}

} // namespace gateway
