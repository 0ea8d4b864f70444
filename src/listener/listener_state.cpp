#include "listener/listener_state.hpp"

#include "gateway/base/log.hpp"

#include "listener/metrics.hpp"

namespace gateway {

listener_terms::listener_terms(listener_settings s) : settings(std::move(s))
{
    for (const auto& text : settings.trusted_proxies) {
        const auto parsed = parse_network(text);
        if (parsed.has_value())
            trusted.push_back(parsed.value());
        else
            write_log(severity::error, "proxy_not_trusted",
                      "no proxy is trusted by {error.message}",
                      {{"error.message", parsed.error().detail}});
    }
}

bool listener_terms::trusts(const boost::asio::ip::address& a) const
{
    return is_within(trusted, a);
}

bool listener_state::has_room_for(const boost::asio::ip::address& client)
{
    if (peers.of(peer_of(client)) < newest->settings.limits.connections_per_peer_max)
        return true;
    count_connection_refused("connections_per_peer");
    refusals.note("connections_per_peer", "too many from one address", client,
                  std::chrono::steady_clock::now());
    return false;
}

} // namespace gateway
