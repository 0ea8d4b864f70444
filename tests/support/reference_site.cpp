// What the shop of the story saw: its pages and orders, of carts and checkouts it tells nothing.
#include "support/reference.hpp"

#include "support/reference_words.hpp"
#include "support/site.hpp"

#include <map>
#include <set>

namespace gateway::test {

using namespace words;

std::vector<site_event> reference::site_events(const std::string& company) const
{
    std::vector<site_event> out;
    for (const auto& f : facts_) {
        const bool is_order = f.event.kind == kind::order_completed;
        if (f.company == company && (is_order || f.event.kind == kind::page_viewed))
            out.push_back({to_string(f.profile), millis(f.event.at),
                           is_order ? "order.completed" : "page.viewed",
                           is_order ? story_order_id(f.event) : "",
                           std::string{is_order ? "" : story_page(f.event.choice)}, ""});
    }
    return out;
}

text_rows reference::sessions() const
{
    text_rows rows;
    std::set<std::string> companies;
    for (const auto& f : facts_)
        companies.insert(f.company);
    for (const auto& company : companies) {
        const auto events = site_events(company);
        for (const auto& s : sessions_of(events))
            rows.push_back({company, text(s.first->at), s.first->visitor, text(s.ended_at),
                            text(s.counts[0]), text(s.orders), s.first->path});
    }
    return rows;
}

text_rows reference::funnel() const
{
    struct sums {
        std::set<uuid> clickers, visitors, buyers;
        bool pages_are_told = false;
        bool orders_are_told = false;
    };
    std::map<std::vector<std::string>, sums> groups;
    std::map<std::string, std::vector<site_event>> events;
    std::map<std::string, std::string> first_page, first_order; // days
    for (const auto& f : facts_) {
        auto& of_company = events[f.company];
        if (of_company.empty())
            of_company = site_events(f.company);
        if (f.event.kind == kind::page_viewed)
            first_page.try_emplace(f.company, day(f));
        if (f.event.kind == kind::order_completed)
            first_order.try_emplace(f.company, day(f));
    }
    for (const auto& f : facts_) {
        if (!is_click(f.event) || f.is_suspect)
            continue;
        const auto is_told = [&](const std::map<std::string, std::string>& first) {
            return first.contains(f.company) && first.at(f.company) <= day(f);
        };
        auto& group =
            groups[{f.company, day(f), channel(f.event), message_key(f.event), campaign(f.event)}];
        group.pages_are_told = is_told(first_page);
        group.orders_are_told = is_told(first_order);
        const auto steps = steps_after(millis(f.event.at), to_string(f.profile), events[f.company],
                                       {group.pages_are_told, false, false, group.orders_are_told});
        group.clickers.insert(f.profile);
        if (steps[0])
            group.visitors.insert(f.profile);
        if (steps[3])
            group.buyers.insert(f.profile);
    }
    text_rows rows;
    for (const auto& group : groups) {
        const sums& s = group.second;
        const auto count = [](const std::set<uuid>& people) {
            return text(static_cast<std::int64_t>(people.size()));
        };
        const auto part = [&](const std::set<uuid>& people, bool is_told) {
            return is_told ? share(static_cast<std::int64_t>(people.size()),
                                   static_cast<std::int64_t>(s.clickers.size()))
                           : null;
        };
        rows.push_back(group.first);
        rows.back().insert(rows.back().end(),
                           {count(s.clickers), s.pages_are_told ? count(s.visitors) : null, null,
                            null, s.orders_are_told ? count(s.buyers) : null,
                            part(s.visitors, s.pages_are_told), null, null, null,
                            part(s.buyers, s.orders_are_told)});
    }
    return rows;
}

} // namespace gateway::test
