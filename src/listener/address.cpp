#include "gateway/listener/address.hpp"

#include <algorithm>
#include <charconv>

namespace gateway {

result<listen_address> parse_listen_address(const std::string& text)
{
    const auto colon = std::min(text.rfind(':'), text.size());
    std::string host = text.substr(0, colon);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed)
        host = host.substr(1, host.size() - 2);
    boost::system::error_code ec;
    listen_address parsed{boost::asio::ip::make_address(host, ec), 0};
    const char* const end = text.data() + text.size();
    const char* const begin = text.data() + std::min(colon + 1, text.size());
    const auto port = std::from_chars(begin, end, parsed.port);
    if (ec || parsed.host.is_v6() != bracketed || port.ec != std::errc{} || port.ptr != end)
        return fail(errc::config_invalid,
                    "\"" + text + "\" is no address and port such as 0.0.0.0:8443 or [::1]:8443");
    return parsed;
}

} // namespace gateway
