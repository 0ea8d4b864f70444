// The order of checks is the order of statuses a sender sees: 501, 417, 404, 405, 415, 411, 413.
#include "listener/routing.hpp"

#include "listener/answer.hpp"

#include "gateway/base/digest.hpp"
#include "gateway/base/shown.hpp"

#include <algorithm>
#include <array>

namespace gateway {
namespace {

constexpr std::string_view health_path = "/healthz";
constexpr std::size_t shown_path_max = 120;

// RFC 9110, section 9.3, and RFC 5789.
constexpr std::array<std::string_view, 9> known_methods = {
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};

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

bool is_known(std::string_view method)
{
    return std::find(known_methods.begin(), known_methods.end(), method) != known_methods.end();
}

// Methods that no path of a server like this one takes.
bool is_for_proxies(std::string_view method)
{
    return method == "CONNECT" || method == "TRACE";
}

} // namespace

result<plan> plan_request(const request_head& head, const std::vector<route>& routes,
                          std::size_t body_bytes_max)
{
    const std::string_view path = path_of(head.target);
    if (!is_known(head.method))
        return fail(errc::method_not_allowed, "no such method is known here");
    if (head.expects_else)
        return fail(errc::framing_invalid, "the only expectation met is 100-continue");
    if (asks_for_health(head, path))
        return plan{};
    plan p;
    p.to = find_route(routes, path);
    if (p.to == nullptr && path != health_path && !is_for_proxies(head.method))
        return fail(errc::target_unknown);
    if (p.to == nullptr || head.method != "POST")
        return fail(errc::method_not_allowed);
    if (head.encoded)
        return fail(errc::media_type_unsupported,
                    "no Content-Encoding is understood; send the body as it is");
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

bool seems_signed(const request_head& head, const std::vector<route>& routes)
{
    return std::any_of(head.fields.begin(), head.fields.end(), [&](const header_field& field) {
        return digest_from_hex(field.value) &&
               std::any_of(routes.begin(), routes.end(), [&](const route& r) {
                   return equal_ignoring_case(field.name, r.signature_header);
               });
    });
}

std::string_view allowed_methods(const request_head& head, const std::vector<route>& routes)
{
    const std::string_view path = path_of(head.target);
    if (find_route(routes, path) != nullptr)
        return "POST";
    return path == health_path ? "GET, HEAD" : "OPTIONS";
}

int status_of(const request_head& head, errc why)
{
    if (!is_known(head.method))
        return 501;
    if (head.expects_else)
        return 417;
    return http_status(why);
}

std::string shown_path(const request_head& head)
{
    return shown(path_of(head.target), shown_path_max);
}

} // namespace gateway
