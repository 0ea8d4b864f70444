// Sockets, TLS, HTTP framing, limits, deadlines, statuses and drain: everything between the
// network and a delivery. Knows nothing of signatures or databases: a route's handler does.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/listener/settings.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

namespace boost::asio {
class io_context;
}

namespace gateway {

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
