#include "support/site.hpp"

#include <map>
#include <set>

namespace gateway::test {
namespace {

constexpr std::int64_t minute = 60'000;
constexpr std::int64_t day = 24 * 60 * minute;
constexpr std::array<const char*, 4> activities = {"page.viewed", "product.viewed", "cart.updated",
                                                   "checkout.started"};

bool is_page(const site_event& e)
{
    return e.name == "page.viewed" || e.name == "product.viewed";
}

bool is_step(const site_event& e, std::size_t step)
{
    return step == 0 ? is_page(e)
                     : e.name == std::array{"", "cart.updated", "checkout.started",
                                            "order.completed"}[step];
}

} // namespace

std::vector<site_session> sessions_of(const std::vector<site_event>& events)
{
    struct open_session {
        site_session session;
        std::int64_t active_at = 0;
        std::set<std::string> orders;
    };
    std::vector<site_session> out;
    std::map<std::string, open_session> open;
    const auto close = [&](open_session& o) {
        o.session.orders = static_cast<int>(o.orders.size());
        if (o.session.first != nullptr)
            out.push_back(o.session);
        o = {};
    };
    for (const auto& e : events) {
        auto& o = open[e.visitor];
        const bool is_order = e.name == "order.completed";
        const bool goes_on = o.session.first != nullptr && e.at - o.active_at <= 30 * minute;
        if (is_order && !goes_on)
            continue;
        if (!goes_on)
            close(o);
        if (!is_order)
            o.active_at = e.at;
        if (o.session.first == nullptr)
            o.session.first = &e;
        if (e.at - o.session.first->at >= day)
            continue;
        o.session.ended_at = e.at;
        for (std::size_t i = 0; i < activities.size(); ++i)
            o.session.counts[i] += e.name == activities[i] ? 1 : 0;
        if (is_order)
            o.orders.insert(e.order);
    }
    for (auto& [visitor, o] : open)
        close(o);
    return out;
}

std::array<bool, 4> steps_after(std::int64_t at, const std::string& visitor,
                                const std::vector<site_event>& events,
                                const std::array<bool, 4>& told)
{
    std::array<bool, 4> out{};
    std::int64_t reached = at;
    for (std::size_t step = 0; step < out.size(); ++step) {
        if (!told[step])
            continue;
        for (const auto& e : events) {
            const bool is_late = e.at > at + (step == 0 ? 30 * minute : 5 * day);
            if (out[step] || e.visitor != visitor || e.at < reached || is_late || !is_step(e, step))
                continue;
            out[step] = true;
            reached = e.at;
        }
        if (!out[step])
            break;
    }
    return out;
}

std::string share(std::int64_t part, std::int64_t whole)
{
    if (whole == 0)
        return "NULL";
    const auto rounded = (part * 20'000 + whole) / (2 * whole);
    auto places = std::to_string(rounded % 10'000);
    places.insert(0, 4 - places.size(), '0');
    return std::to_string(rounded / 10'000) + "." + places;
}

} // namespace gateway::test
