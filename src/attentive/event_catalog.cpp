// Look-up in the table of event types; see gateway/attentive/event_catalog.hpp.
#include "gateway/attentive/event_catalog.hpp"

#include <algorithm>

namespace gateway {

const event_type* find_event_type(std::string_view type)
{
    const auto found = std::find_if(event_catalog.begin(), event_catalog.end(),
                                    [&](const event_type& row) { return row.type == type; });
    return found == event_catalog.end() ? nullptr : &*found;
}

const std::vector<std::string_view>& event_type_names()
{
    static const std::vector<std::string_view> names = [] {
        std::vector<std::string_view> out;
        for (const event_type& row : event_catalog)
            out.push_back(row.type);
        return out;
    }();
    return names;
}

} // namespace gateway
