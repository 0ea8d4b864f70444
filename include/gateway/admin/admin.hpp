// The admin port: whether the process lives and whether it is ready, apart from the traffic and
// in plain HTTP. Bind it to loopback, or to a network that only monitoring reaches.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gateway {

struct admin_settings {
    // Why the process should get no traffic, in words; empty when it should. Asked on each
    // GET /readyz, on the loop's thread: it must not block. Without it, always ready.
    std::function<std::vector<std::string>()> not_ready_because;

    // What is wrong although the process should get traffic, in words. Asked likewise.
    std::function<std::vector<std::string>()> degraded_because;

    // Called before each GET /metrics, so that what is a state can be set.
    std::function<void()> before_metrics;
};

// Serves GET (and HEAD) /livez: 200 {"status":"alive"} while the loop runs; /readyz: 200
// {"status":"ready"}, with "degraded":[…] when something is wrong, or 503
// {"status":"not_ready","reasons":[…]}; and /metrics in Prometheus' text format. One request for
// each connection, within two seconds. All calls on the thread that runs the acceptor's io_context.
class admin_server {
public:
    admin_server(boost::asio::ip::tcp::acceptor acceptor, admin_settings settings);
    ~admin_server();
    admin_server(const admin_server&) = delete;
    admin_server& operator=(const admin_server&) = delete;

    void start();

    // Stops accepting; exchanges under way end within their two seconds. The destructor does the
    // same.
    void stop();

private:
    struct implementation;
    // Shared with the exchanges, which may end after the server was told to stop.
    std::shared_ptr<implementation> implementation_;
};

} // namespace gateway
