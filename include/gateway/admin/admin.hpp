// The admin port: whether the process lives and whether it is ready, its metrics, and a page to
// look at, apart from the traffic and in plain HTTP. Bind it to loopback, or to a network that only
// monitoring reaches.
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

    // What is as somebody wants it, and worth knowing, in words. Asked likewise.
    std::function<std::vector<std::string>()> notes;

    // Called before each GET /metrics, so that what is a state can be set.
    std::function<void()> before_metrics;

    // The JSON document that the page shows beside the metrics. Asked on each GET /page.json, on
    // the loop's thread: it must not block. Without it, an empty object.
    std::function<std::string()> page_document;

    // What /metrics and /page.json want as "Authorization: Bearer …"; empty: nothing.
    std::string token;
};

// Serves GET (and HEAD) /livez: 200 {"status":"alive"} while the loop runs; /readyz: 200
// {"status":"ready"}, with "degraded":[…] when something is wrong and "notes":[…], or 503
// {"status":"not_ready","reasons":[…]}; /metrics in Prometheus' text format; and / with its files,
// the page, which holds no data of its own and fetches /metrics and /page.json. On a loopback
// address these two are for requests to an address or localhost only: a foreign name is a web page
// that had its name resolved to this host (DNS rebinding), and gets 421. One request for each
// connection; its header within two seconds. When there are too many connections, the oldest that
// has sent no whole header makes room for the newest. All calls on the thread that runs the
// acceptor's io_context.
class admin_server {
public:
    admin_server(boost::asio::ip::tcp::acceptor acceptor, admin_settings settings);
    ~admin_server();
    admin_server(const admin_server&) = delete;
    admin_server& operator=(const admin_server&) = delete;

    void start();

    // Stops accepting; exchanges under way end within their time. The destructor does the same.
    void stop();

private:
    struct implementation;
    // Shared with the exchanges, which may end after the server was told to stop.
    std::shared_ptr<implementation> implementation_;
};

} // namespace gateway
