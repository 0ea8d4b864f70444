// Sessions and funnels of a shop's site in plain code, for what the reports say of them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace gateway::test {

struct site_event {
    std::string visitor;
    std::int64_t at = 0; // milliseconds
    std::string name;    // "page.viewed"
    std::string order;   // of order.completed
    std::string path;
    std::string campaign;
};

struct site_session {
    const site_event* first = nullptr;
    std::int64_t ended_at = 0;
    std::array<int, 4> counts{}; // of page.viewed, product.viewed, cart.updated, checkout.started
    int orders = 0;
};

// Of events in order of time, at most one a millisecond. Orders begin no session.
std::vector<site_session> sessions_of(const std::vector<site_event>& events);

// Which steps after a click at `at` its visitor came to: page, cart, checkout, order. A step that
// is not `told` is passed over, and not come to.
std::array<bool, 4> steps_after(std::int64_t at, const std::string& visitor,
                                const std::vector<site_event>& events,
                                const std::array<bool, 4>& told);

// `part` of `whole`, rounded to four places as PostgreSQL does; "NULL" of none.
std::string share(std::int64_t part, std::int64_t whole);

} // namespace gateway::test
