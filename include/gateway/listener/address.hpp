// What a listening socket is bound to, as configuration writes it. Pure; any thread.
#pragma once

#include "gateway/base/result.hpp"

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <string>

namespace gateway {

struct listen_address {
    boost::asio::ip::address host;
    std::uint16_t port; // 0: any that is free
};

// Reads "0.0.0.0:8443" or "[::1]:8443": a literal address, because a socket needs one. Fails with
// config_invalid.
result<listen_address> parse_listen_address(const std::string& text);

} // namespace gateway
