#include "access.hpp"

#include "gateway/base/digest.hpp"

#include <boost/asio/ip/address.hpp>

#include <algorithm>

namespace gateway {
namespace {

constexpr std::string_view scheme = "bearer ";

bool equal_but_for_case(std::string_view a, std::string_view lower)
{
    return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), [](char x, char y) {
        return (x >= 'A' && x <= 'Z' ? x - 'A' + 'a' : x) == y;
    });
}

} // namespace

bool has_token(std::string_view authorization, std::string_view token)
{
    if (!equal_but_for_case(authorization.substr(0, scheme.size()), scheme))
        return false;
    const auto given = authorization.substr(scheme.size());
    // Digests, because comparing texts of different lengths would tell the length.
    return constant_time_equal(sha256(given), sha256(token));
}

bool is_local_name(std::string_view host)
{
    const bool bracketed = host.starts_with('[');
    auto name = host.substr(0, bracketed ? host.find(']') : host.rfind(':'));
    const auto port = host.substr(std::min(name.size() + (bracketed ? 1 : 0), host.size()));
    if (!port.empty() && port.front() != ':')
        return false;
    if (bracketed)
        name.remove_prefix(1);
    boost::system::error_code none;
    boost::asio::ip::make_address(std::string{name}, none);
    return !none || equal_but_for_case(name, "localhost");
}

} // namespace gateway
