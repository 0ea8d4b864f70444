// The decisions of a batch, without a database: order, equality, and where to look for poison.
// Kept apart from the writer so that tests can go through every step of it.
#include "store/write/pending.hpp"

#include <algorithm>
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
    bool failed;         // an attempt failed; otherwise the unit behind the written is poison
};

// `units` was rejected as a whole: halves it until one unit is left. What was written is always a
// prefix: a written left half proves the poison to be in the right one.
narrowed isolate(std::span<unit> units, const attempt& write)
{
    std::size_t low = 0;
    std::size_t high = units.size();
    while (high - low > 1) {
        const std::size_t middle = low + (high - low) / 2;
        switch (write(units.subspan(low, middle - low))) {
        case verdict::written: low = middle; break;
        case verdict::rejected: high = middle; break;
        case verdict::failed: return {low, true};
        }
    }
    return {low, false};
}

} // namespace

uuid quarantine_id(const verified_delivery& d)
{
    return uuid_from_digest(sha256(d.endpoint() + '\x1f' + d.body()));
}

std::size_t weight(const pending& p)
{
    return sizeof(pending) + 2 * p.delivery.body().size();
}

void map_all(std::vector<std::unique_ptr<pending>>& batch, const mapping_function& map)
{
    for (auto& p : batch) {
        try {
            if (!p->what)
                p->what.emplace(map(p->delivery));
        } catch (const std::exception&) {
            p->done(fail(errc::overloaded, "out of memory while mapping"));
            p.reset();
        }
    }
    std::erase(batch, nullptr);
}

std::vector<unit> units_of(std::vector<verified_delivery> deliveries, const mapping_function& map)
{
    std::vector<std::unique_ptr<pending>> all;
    all.reserve(deliveries.size());
    for (auto& d : deliveries) {
        auto what = map(d);
        all.push_back(std::make_unique<pending>(
            pending{std::move(d), [](const result<receipt>&) {}, std::move(what)}));
    }
    return group(std::move(all));
}

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

unwritten write_all(std::vector<unit> units, const attempt& write)
{
    unwritten left;
    while (!units.empty()) {
        const verdict all = write(units);
        if (all == verdict::written)
            return left;
        narrowed found{0, true};
        if (all == verdict::rejected)
            found = isolate(units, write);
        units.erase(units.begin(), units.begin() + static_cast<std::ptrdiff_t>(found.written));
        if (found.failed) {
            left.failed = std::move(units);
            return left;
        }
        if (!condemn(units.front())) {
            left.hopeless.push_back(std::move(units.front()));
            units.erase(units.begin());
        }
        units = regroup(std::move(units));
    }
    return left;
}

} // namespace gateway
