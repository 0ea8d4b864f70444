// Look-up in the table of event types; see event_catalog.hpp.
#include "event_catalog.hpp"

#include <algorithm>

namespace gateway {

const event_type* find_event_type(std::string_view type)
{
    const auto found = std::find_if(event_catalog.begin(), event_catalog.end(),
                                    [&](const event_type& row) { return row.type == type; });
    return found == event_catalog.end() ? nullptr : &*found;
}

} // namespace gateway
