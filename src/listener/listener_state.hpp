// What the sessions of one listener share: who is there, who may come, and by which settings
// requests are served. One thread uses it, so nothing is locked.
#pragma once

#include "listener/peers.hpp"
#include "listener/receipts.hpp"
#include "listener/refusal_log.hpp"

#include "gateway/listener/settings.hpp"

#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

class session;

using steady_time = std::chrono::steady_clock::time_point;

// What requests are served by. Replaced as a whole: a request ends by the one it began with.
struct listener_terms {
    explicit listener_terms(listener_settings s);

    bool trusts(const boost::asio::ip::address& a) const;

    listener_settings settings;
    std::vector<network> trusted;
};

// What the sessions of one listener share. Outlives them: each holds a reference.
struct listener_state {
    listener_state(const loop_executor& executor, listener_settings s)
        : newest(std::make_shared<const listener_terms>(std::move(s))),
          receipts(std::make_shared<receipt_queue>(executor)), emptied(executor)
    {
    }

    std::size_t size() const { return busy.size() + idle.size(); }

    // Whether `client`, which is no trusted proxy, may have one more connection. Log and metrics
    // hear of it when not.
    bool has_room_for(const boost::asio::ip::address& client);

    std::shared_ptr<const listener_terms> newest; // shared with the requests under way
    std::list<session*> busy;
    std::list<session*> idle; // between requests, the longest idle first
    peer_counts peers;
    refusal_log refusals;
    std::shared_ptr<receipt_queue> receipts;
    std::string date;                      // of the answers, renewed by the sweep
    bool draining = false;                 // tell the balancer, close after each answer
    std::optional<steady_time> stopped_at; // no new connections; idle ones go soon
    loop_timer emptied;                    // cancelled when the last session ends
};

} // namespace gateway
