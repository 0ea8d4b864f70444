// The order of checks is the order of statuses a sender sees: 404, 405, 415, 411, 413.
#include "routing.hpp"

#include <algorithm>

namespace gateway {
namespace {

constexpr std::string_view health_path = "/healthz";

// The path of an origin-form or absolute-form target (RFC 9112, section 3.2), without its query.
std::string_view path_of(std::string_view target)
{
    for (const std::string_view scheme : {"https://", "http://"}) {
        if (!equal_ignoring_case(target.substr(0, scheme.size()), scheme))
            continue;
        const std::size_t path = target.find('/', scheme.size());
        target = path == std::string_view::npos ? "/" : target.substr(path);
        break;
    }
    return target.substr(0, target.find('?'));
}

const route* find_route(const std::vector<route>& routes, std::string_view path)
{
    const auto found = std::find_if(routes.begin(), routes.end(),
                                    [path](const route& r) { return r.path == path; });
    return found == routes.end() ? nullptr : &*found;
}

// HAProxy asks `OPTIONS /` or `OPTIONS *`; others GET what they are told to.
bool asks_for_health(const request_head& head, std::string_view path)
{
    if (head.method == "OPTIONS")
        return path == "*" || path == "/";
    return path == health_path && (head.method == "GET" || head.method == "HEAD");
}

bool is_json(std::string_view content_type)
{
    std::string_view type = content_type.substr(0, content_type.find(';'));
    while (!type.empty() && (type.back() == ' ' || type.back() == '\t'))
        type.remove_suffix(1);
    return content_type.empty() || equal_ignoring_case(type, "application/json");
}

} // namespace

result<plan> plan_request(const request_head& head, const std::vector<route>& routes,
                          std::size_t body_bytes_max)
{
    const std::string_view path = path_of(head.target);
    if (asks_for_health(head, path))
        return plan{};
    plan p;
    p.to = find_route(routes, path);
    if (p.to == nullptr && path != health_path)
        return fail(errc::target_unknown);
    if (p.to == nullptr || head.method != "POST")
        return fail(errc::method_not_allowed);
    if (!is_json(head.content_type))
        return fail(errc::media_type_unsupported);
    if (head.body == body_framing::none)
        return fail(errc::length_required);
    if (head.content_length > body_bytes_max)
        return fail(errc::body_too_large);
    for (const auto& field : head.fields) {
        if (equal_ignoring_case(field.name, p.to->signature_header))
            p.signatures.emplace_back(field.value);
    }
    return p;
}

std::string_view allowed_methods(const request_head& head, const std::vector<route>& routes)
{
    return find_route(routes, path_of(head.target)) != nullptr ? "POST" : "GET, HEAD";
}

} // namespace gateway
