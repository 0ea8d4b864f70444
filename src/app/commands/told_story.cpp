// Which of the two ways each event of the story goes. See told_story.hpp.
#include "app/commands/told_story.hpp"

#include <fmt/format.h>

namespace gateway {
namespace {

recorded_event recorded(const story_event& e)
{
    recorded_event out;
    out.source = "shop";
    out.company_id = story_company_id(e.company);
    out.occurred_at = e.at;
    out.identifiers = R"(
{"email":")" + story_email(e) +
                      "\"}";
    if (e.kind == story_kind::page_viewed) {
        out.event_name = "page.viewed";
        out.page_url = "https://" + std::string{story_host} + std::string{story_page(e.choice)};
        return out;
    }
    out.event_name = e.kind == story_kind::order_completed  ? "order.completed"
                     : e.kind == story_kind::order_refunded ? "order.refunded"
                                                            : "order.cancelled";
    out.order_id = story_order_id(e);
    if (e.kind == story_kind::order_cancelled)
        return out;
    out.order_value = fmt::format("{}.{:02}", e.cents / 100, e.cents % 100);
    out.currency = story_currency(e.currency);
    return out;
}

} // namespace

told_story tell(const std::vector<story_event>& events)
{
    told_story out;
    for (const story_event& e : events) {
        if (is_attentives(e))
            out.posted.push_back(story_body(e));
        else
            out.recorded.push_back(recorded(e));
    }
    return out;
}

} // namespace gateway
