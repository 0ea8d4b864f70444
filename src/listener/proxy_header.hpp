// Whose connection a balancer passes on: the PROXY protocol, versions 1 and 2, and the field
// X-Forwarded-For. Only what a configured proxy says is ever asked for here. Pure.
// Source: HAProxy, "The PROXY protocol", versions 1 & 2 (doc/proxy-protocol.txt).
#pragma once

#include "listener/peers.hpp"

#include "gateway/base/result.hpp"

#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace gateway {

inline constexpr std::size_t proxy_prefix_bytes = 12; // tells the versions apart, and no more
inline constexpr std::size_t proxy_line_bytes_max = 107;
inline constexpr std::size_t proxy_v2_bytes = 16; // before the addresses
inline constexpr std::size_t proxy_v2_bytes_max = 1024;

// Whether the first twelve bytes begin a header of version 2.
bool is_proxy_v2(std::string_view prefix);

// How many bytes follow the first sixteen of version 2. Fails with framing_invalid on another
// version, or when they would be too many.
result<std::size_t> proxy_v2_rest(std::string_view first_sixteen);

// The client that a whole header names; nothing when the proxy speaks for itself (a health check)
// or names no internet address. Fails with framing_invalid.
result<std::optional<boost::asio::ip::address>> parse_proxy_header(std::string_view header);

// The client of a request that came through trusted proxies: the rightmost address that is none
// of them, since whatever stands left of it is hearsay. Nothing when there is none.
std::optional<boost::asio::ip::address> forwarded_for(std::string_view field,
                                                      const std::vector<network>& trusted);

} // namespace gateway
