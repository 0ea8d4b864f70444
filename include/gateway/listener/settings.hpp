// What a listener serves, and how. Apart from listener.hpp, so that whoever fills it in needs no
// Asio.
#pragma once

#include "gateway/listener/limits.hpp"
#include "gateway/listener/tls.hpp"
#include "gateway/model/delivery.hpp"
#include "gateway/model/receipt.hpp"

#include <functional>
#include <string>
#include <vector>

namespace gateway {

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

} // namespace gateway
