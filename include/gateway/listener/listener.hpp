// Sockets, TLS, HTTP framing, limits, deadlines, statuses and drain: everything between the
// network and a delivery. Knows nothing of signatures or databases: a route's handler does.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/listener/tls.hpp"
#include "gateway/model/delivery.hpp"
#include "gateway/model/receipt.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace boost::asio {
class io_context;
}

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

// Takes a delivery and calls back, once, when it is durable: at once or later, on any thread, but
// before the io_context ends.
using delivery_handler = std::function<void(delivery, completion)>;

struct route {
    std::string path;             // exact: "/webhooks/attentive"
    std::string endpoint;         // name given to the delivery
    std::string signature_header; // whose values the delivery carries
    delivery_handler handle;
};

struct listener_settings {
    tls_context tls; // null: plain HTTP
    std::vector<route> routes;
    listener_limits limits;
    std::vector<std::string> trusted_proxies; // addresses or networks: "10.0.0.0/8", "::1"; what
                                              // check_trusted_proxy refuses is trusted by nobody
    bool proxy_protocol = false;              // connections of trusted proxies begin with a
                                              // PROXY header (v1 or v2), which names the client
    std::function<bool()> healthy;            // decides GET /healthz: 200 or 503
};

// Success when `text` is an IPv4 or IPv6 address or network; config_invalid otherwise. Any thread.
result<void> check_trusted_proxy(const std::string& text);

// Opens a listening socket on "0.0.0.0:8443" or "[::1]:0". Fails with config_invalid when the
// text is no address, network_failed when it cannot be bound.
result<boost::asio::ip::tcp::acceptor> open_acceptor(boost::asio::io_context& io,
                                                     const std::string& address);

// Takes over a socket that somebody else has bound and listens on: systemd, or the test. Owns the
// descriptor from then on. Fails with network_failed when it is no listening TCP socket.
result<boost::asio::ip::tcp::acceptor> adopt_acceptor(boost::asio::io_context& io, int descriptor);

// Serves one acceptor on one io_context that a single thread runs: no locks. For more threads
// make more listeners on duplicates of the socket. All calls on that thread.
class listener {
public:
    listener(boost::asio::ip::tcp::acceptor acceptor, listener_settings settings);
    ~listener();
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;

    // Starts accepting. The io_context has to outlive the sessions: drain before destroying.
    void start();

    // New connections use `tls` from now on; those that are open keep what they have.
    void replace_tls(tls_context tls);

    // Requests whose header is read from now on are served by `settings`, those before by what they
    // began with; new connections use its tls.
    void replace(listener_settings settings);

    // From now on GET /healthz says 503 and every answer carries Connection: close, so that the
    // balancer takes us out while we still serve.
    void announce_drain();

    // Stops accepting, closes idle connections, lets requests under way finish. Completes when
    // the last session ended, or at `deadline`, when the rest are closed.
    boost::asio::awaitable<void> drain(std::chrono::steady_clock::time_point deadline);

    std::size_t connections() const;

private:
    struct implementation;
    // Shared with the sessions, which may end after the listener was told to stop.
    std::shared_ptr<implementation> implementation_;
};

} // namespace gateway
