#include "admin/access.hpp"

#include "gateway/base/digest.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/beast/core/string.hpp>

#include <algorithm>

namespace gateway {
namespace {

constexpr std::string_view scheme = "bearer ";

} // namespace

bool has_token(std::string_view authorization, std::string_view token)
{
    if (!boost::beast::iequals(authorization.substr(0, scheme.size()), scheme))
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
    return !none || boost::beast::iequals(name, "localhost");
}

} // namespace gateway
