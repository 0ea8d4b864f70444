// What the listener grants a peer. Apart from listener.hpp, so that configuration needs no Asio.
#pragma once

#include "gateway/base/result.hpp"

#include <chrono>
#include <cstddef>
#include <string>

namespace gateway {

// Absolute deadlines: bytes that trickle in do not extend them.
struct listener_limits {
    std::size_t header_bytes_max = 8U << 10U; // request line and header fields
    std::size_t header_fields_max = 64;
    std::size_t body_bytes_max = 256U << 10U; // decoded; a chunked body may add a quarter on the
                                              // wire
    std::size_t requests_per_connection_max = 10'000;
    std::size_t connections_max = 12'000;
    std::size_t connections_per_peer_max = 64; // binds no trusted proxy, but its clients
    std::chrono::milliseconds handshake_timeout{5'000};
    std::chrono::milliseconds header_timeout{5'000};
    std::chrono::milliseconds body_timeout{10'000};
    std::chrono::milliseconds answer_timeout{4'000}; // from body read to durable; then 503
    std::chrono::milliseconds write_timeout{5'000};
    std::chrono::milliseconds idle_timeout{75'000};
    std::chrono::seconds retry_after{5}; // of a 503
};

// Success when `text` is an IPv4 or IPv6 address or network; config_invalid otherwise. Any thread.
result<void> check_trusted_proxy(const std::string& text);

} // namespace gateway
