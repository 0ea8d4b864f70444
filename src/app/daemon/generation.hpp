// What a running daemon can exchange: certificate, endpoints and their keys, limits, log level.
// Everything is read and checked before anything is replaced, and then replaced as a whole.
#pragma once

#include "app/config/config.hpp"
#include "app/daemon/certificate_watch.hpp"
#include "gateway/ingest/pipeline.hpp"
#include "gateway/listener/settings.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gateway {

// One generation of what requests are served by.
struct generation {
    config from;
    tls_context tls;               // null: plain HTTP
    certificate_watch certificate; // of its files
    // In the order of the endpoints; shared with the requests that still go through them.
    std::vector<std::shared_ptr<const pipeline>> ways;
};

// Reads the keys and the certificate that `c` names. Fails with config_invalid or secret_invalid,
// as `serve` would at its start. `w` outlives the generation.
result<generation> prepare(const config& c, writer& w);

// For the listeners: all of them get the same.
listener_settings settings_of(const generation& g, std::function<bool()> healthy);

// Which keys differ between the two but are read at the start only: "listener.address".
std::vector<std::string> left_for_restart(const config& running, const config& next);

} // namespace gateway
