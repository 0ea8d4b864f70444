#include "listener/proxy_header.hpp"

#include "gateway/base/text.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace gateway {
namespace {

namespace ip = boost::asio::ip;

constexpr std::string_view signature{"\r\n\r\n\0\r\nQUIT\n", proxy_prefix_bytes};

error malformed()
{
    return fail(errc::framing_invalid, "a trusted proxy sent no valid PROXY header");
}

unsigned byte_at(std::string_view text, std::size_t at)
{
    return static_cast<unsigned char>(text[at]);
}

template <class Address>
Address address_at(std::string_view text)
{
    typename Address::bytes_type bytes;
    std::memcpy(bytes.data(), text.data(), bytes.size());
    return Address{bytes};
}

// "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\r\n"
result<std::optional<ip::address>> parse_line(std::string_view line)
{
    if (line.size() > proxy_line_bytes_max || !line.starts_with("PROXY ") ||
        !line.ends_with("\r\n"))
        return malformed();
    line.remove_prefix(6);
    line.remove_suffix(2);
    if (line.starts_with("UNKNOWN"))
        return std::optional<ip::address>{};
    const bool v4 = line.starts_with("TCP4 ");
    if (!v4 && !line.starts_with("TCP6 "))
        return malformed();
    line.remove_prefix(5);
    if (std::count(line.begin(), line.end(), ' ') != 3)
        return malformed();
    boost::system::error_code ec;
    const auto source = ip::make_address(std::string{line.substr(0, line.find(' '))}, ec);
    if (ec || source.is_v4() != v4)
        return malformed();
    return std::optional<ip::address>{source};
}

result<std::optional<ip::address>> parse_v2(std::string_view header)
{
    const unsigned command = byte_at(header, 12) & 0x0FU;
    const unsigned family = byte_at(header, 13) >> 4U;
    const std::string_view addresses = header.substr(proxy_v2_bytes);
    if (command > 1)
        return malformed();
    if (command == 0) // LOCAL: the proxy's own
        return std::optional<ip::address>{};
    if (family == 1 && addresses.size() >= 12)
        return std::optional<ip::address>{address_at<ip::address_v4>(addresses)};
    if (family == 2 && addresses.size() >= 36)
        return std::optional<ip::address>{address_at<ip::address_v6>(addresses)};
    if (family == 1 || family == 2)
        return malformed();
    return std::optional<ip::address>{};
}

} // namespace

bool is_proxy_v2(std::string_view prefix)
{
    return prefix.substr(0, proxy_prefix_bytes) == signature;
}

result<std::size_t> proxy_v2_rest(std::string_view first_sixteen)
{
    const std::size_t rest = (byte_at(first_sixteen, 14) << 8U) | byte_at(first_sixteen, 15);
    if (byte_at(first_sixteen, 12) >> 4U != 2 || proxy_v2_bytes + rest > proxy_v2_bytes_max)
        return malformed();
    return rest;
}

result<std::optional<ip::address>> parse_proxy_header(std::string_view header)
{
    if (!is_proxy_v2(header))
        return parse_line(header);
    if (header.size() < proxy_v2_bytes)
        return malformed();
    return parse_v2(header);
}

std::optional<ip::address> forwarded_for(std::string_view field,
                                         const std::vector<network>& trusted)
{
    while (!field.empty()) {
        const auto comma = field.rfind(',');
        const auto last =
            trimmed(comma == std::string_view::npos ? field : field.substr(comma + 1));
        field = comma == std::string_view::npos ? std::string_view{} : field.substr(0, comma);
        boost::system::error_code ec;
        const auto address = ip::make_address(std::string{last}, ec);
        if (ec)
            return std::nullopt;
        if (!is_within(trusted, address))
            return address;
    }
    return std::nullopt;
}

} // namespace gateway
