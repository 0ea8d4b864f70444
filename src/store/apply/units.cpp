// The decisions of a batch, without a database: order, equality, and where to look for poison.
// Kept apart from the writer so that tests can go through every step of it.
#include "store/apply/units.hpp"

#include <algorithm>
#include <deque>
#include <iterator>
#include <tuple>
#include <utility>

namespace gateway {

namespace {

bool same_row(const unit& u, const pending& p, const uuid& id)
{
    if (u.is_event() != p.is_event() || u.id != id)
        return false;
    return !p.is_event() || (u.first().event().company_id == p.event().company_id &&
                             u.first().event().occurred_at == p.event().occurred_at);
}

struct identified {
    std::unique_ptr<pending> entry;
    uuid id;
};

bool before(const identified& a, const identified& b)
{
    if (a.entry->is_event() != b.entry->is_event())
        return a.entry->is_event();
    if (!a.entry->is_event())
        return a.id < b.id;
    const auto& x = a.entry->event();
    const auto& y = b.entry->event();
    return std::tie(x.company_id, x.occurred_at, x.event_id) <
           std::tie(y.company_id, y.occurred_at, y.event_id);
}

// Whether `u` could be made quarantine rows of; it could not when it is one that was made so.
bool condemn(unit& u)
{
    if (!u.is_event() && u.first().refusal().reason == quarantine_reason::database_rejected)
        return false;
    for (auto& member : u.members) {
        member->what = quarantined{.reason = quarantine_reason::database_rejected,
                                   .faults = {{.field = "",
                                               .found = "a value that PostgreSQL refuses",
                                               .expected = "values that its types can hold"}}};
    }
    return true;
}

std::vector<unit> regroup(std::vector<unit> units)
{
    std::vector<std::unique_ptr<pending>> all;
    for (auto& u : units)
        std::move(u.members.begin(), u.members.end(), std::back_inserter(all));
    return group(std::move(all));
}

struct narrowed {
    std::size_t written; // the first so many units are committed
    verdict next;        // of the unit behind them: it is poison; or of the attempt that ended this
};

// `units` was rejected as a whole: halves it until one unit is left. What was written is always a
// prefix: a written left half proves the poison to be in the right one.
narrowed isolate(std::span<unit> units, const attempt& write)
{
    std::size_t low = 0;
    std::size_t high = units.size();
    while (high - low > 1) {
        const std::size_t middle = low + (high - low) / 2;
        switch (const verdict half = write(units.subspan(low, middle - low))) {
        case verdict::written: low = middle; break;
        case verdict::rejected: high = middle; break;
        case verdict::refused:
        case verdict::failed: return {low, half};
        }
    }
    return {low, verdict::rejected};
}

// Writes `units` but for the poison among them, which is kept in quarantine; what even that refuses
// joins `hopeless`. Leaves in `units` what an attempt behind its verdict refused, or failed with.
verdict write_but_poison(std::vector<unit>& units, const attempt& write,
                         std::vector<unit>& hopeless, bool& any_written)
{
    while (!units.empty()) {
        narrowed found{0, write(units)};
        if (found.next == verdict::written)
            found.written = units.size();
        if (found.next == verdict::rejected)
            found = isolate(units, write);
        any_written = any_written || found.written > 0;
        units.erase(units.begin(), units.begin() + static_cast<std::ptrdiff_t>(found.written));
        if (found.next == verdict::refused || found.next == verdict::failed)
            return found.next;
        if (found.next == verdict::rejected && !condemn(units.front())) {
            hopeless.push_back(std::move(units.front()));
            units.erase(units.begin());
        }
        units = regroup(std::move(units));
    }
    return verdict::written;
}

// Moves the second half of `units` out.
std::vector<unit> split_off_half(std::vector<unit>& units)
{
    const auto middle = units.begin() + static_cast<std::ptrdiff_t>((units.size() + 1) / 2);
    std::vector<unit> half{std::make_move_iterator(middle), std::make_move_iterator(units.end())};
    units.erase(middle, units.end());
    return half;
}

void move_behind(std::vector<unit>& to, std::vector<unit>& from)
{
    std::move(from.begin(), from.end(), std::back_inserter(to));
    from.clear();
}

} // namespace

std::vector<unit> group(std::vector<std::unique_ptr<pending>> given)
{
    std::vector<identified> sorted;
    sorted.reserve(given.size());
    for (auto& entry : given) {
        const uuid id =
            entry->is_event() ? entry->event().event_id : quarantine_id(entry->delivery);
        sorted.push_back({std::move(entry), id});
    }
    std::stable_sort(sorted.begin(), sorted.end(), before);

    std::vector<unit> units;
    units.reserve(sorted.size());
    for (auto& [entry, id] : sorted) {
        if (units.empty() || !same_row(units.back(), *entry, id))
            units.push_back({.members = {}, .id = id});
        units.back().members.push_back(std::move(entry));
    }
    return units;
}

// Breadth first, so that what is written shows early whether others are taken at all.
unwritten write_all(std::vector<unit> units, const attempt& write, takes_others others)
{
    constexpr int refusals_max = 31; // as many as there are halves down to a sixteenth
    unwritten left;
    std::vector<unit> hopeless;
    std::deque<std::vector<unit>> parts;
    parts.push_back(std::move(units));
    bool others_are_taken = others == takes_others::yes;
    verdict last = verdict::written;
    for (int refusals = 0; !parts.empty() && last != verdict::failed;) {
        auto part = std::move(parts.front());
        parts.pop_front();
        last = write_but_poison(part, write, hopeless, others_are_taken);
        if (last == verdict::refused && ++refusals == refusals_max && !others_are_taken)
            last = verdict::failed;
        if (last == verdict::failed) {
            parts.push_front(std::move(part));
        } else if (part.size() == 1) {
            move_behind(left.refused, part);
        } else if (!part.empty()) {
            auto half = split_off_half(part);
            parts.push_back(std::move(part));
            parts.push_back(std::move(half));
        }
    }
    if (!others_are_taken)
        move_behind(left.failed, left.refused);
    for (auto& part : parts)
        move_behind(left.failed, part);
    move_behind(left.refused, hopeless);
    return left;
}

} // namespace gateway
