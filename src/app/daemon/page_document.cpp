#include "app/daemon/page_document.hpp"

#include "app/daemon/health.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gateway {
namespace {

using nlohmann::json;

constexpr std::size_t deliveries_max = 40;

json time_or_null(const std::optional<timestamp>& t)
{
    return t ? json(to_string(*t)) : json(nullptr);
}

json spool_of(const process_state& s)
{
    if (!s.spool)
        return nullptr;
    return {{"events", s.spool->events},
            {"bytes", s.spool->bytes},
            {"bytes_max", s.spool_bytes_max},
            {"oldest", time_or_null(s.spool->oldest)},
            {"damaged_files", s.spool->damaged.size()}};
}

json delivery_of(const noted_delivery& d)
{
    return {{"received_at", to_string(d.received_at)},
            {"endpoint", d.endpoint},
            {"type", d.type},
            {"outcome", d.outcome},
            {"reason", d.reason},
            {"company_id", d.company_id},
            {"company_name", d.company_name}};
}

// A text that was cut in the middle of a character, or never was UTF-8, is mended.
std::string text_of(const json& j)
{
    return j.dump(-1, ' ', false, json::error_handler_t::replace);
}

// PostgreSQL's JSON goes in as it is: reading it only to write it again would cost the loop more.
std::string answers_of(const std::vector<page_answer>& answers)
{
    std::string out = "{";
    for (const auto& each : answers)
        out += fmt::format(R"({}{}:{{"as_of":{},"trouble":{},"rows":{}}})",
                           out.size() > 1 ? "," : "", text_of(each.name),
                           text_of(time_or_null(each.as_of)), text_of(each.trouble), each.rows);
    return out + "}";
}

} // namespace

std::string page_document(const page_content& content)
{
    const process_state& s = content.state;
    json deliveries = json::array();
    for (const auto& d : content.deliveries) {
        if (deliveries.size() < deliveries_max)
            deliveries.push_back(delivery_of(d));
    }
    const json rest = {
        {"version", GATEWAY_VERSION},
        {"now", to_string(now())},
        {"started_at", to_string(content.started_at)},
        {"not_ready", not_ready_because(s)},
        {"degraded", degraded_because(s)},
        {"database",
         {{"reachable", s.database.reachable},
          {"since", time_or_null(s.database.since)},
          {"takes_events", s.database_takes_events}}},
        {"inbox_events", s.writing.inbox_events},
        {"spool", spool_of(s)},
        {"certificate_ends", time_or_null(s.certificate_ends)},
        {"deliveries", std::move(deliveries)},
    };
    std::string out = text_of(rest);
    out.pop_back();
    return out + ",\"answers\":" + answers_of(content.answers) + "}\n";
}

} // namespace gateway
