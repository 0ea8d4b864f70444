// What somebody has to be told though no request shows it: a key that fits nothing, events refused
// while Attentive's patience runs out, data that stopped. Judges what the layers say of themselves
// once a second, and logs each beginning and each end once.
#pragma once

#include "app/config/config.hpp"
#include "app/daemon/process_state.hpp"
#include "gateway/base/metrics.hpp"
#include "gateway/base/time.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace gateway {

// One thread. What it knows is of this process: after a restart it begins anew.
class alarms {
public:
    explicit alarms(const config& c);

    // After a reload: other endpoints, keys or settings. Endpoints that stay keep their history.
    void serve(const config& c);

    // Judges `s` and logs what has changed since the last look.
    void look(const process_state& s, timestamp at);

    // Adds what the last look found.
    void add_to(process_state& s) const;

private:
    struct endpoint {
        std::string name;
        std::vector<counter> verified; // by key
        counter mismatches;
        double verified_before = 0;
        double mismatches_before = 0;
        wrong_key failing; // failures: 0 while all is well
        timestamp last_failure{};
        bool told = false;
    };
    struct stray {
        misdirected found; // requests: 0 while none come
        counter requests;
        double requests_before = 0;
        timestamp last{};
        bool told = false;
    };
    using feed_key = std::pair<std::string, std::string>;

    void look_at_key(endpoint& e, timestamp at);
    void look_at_strays(stray& s, timestamp at) const;
    void look_at_refusals(const process_state& s, timestamp at);
    void look_at_feeds(const process_state& s, timestamp at);
    void tell_silent(const std::vector<const feed*>& fallen, timestamp at) const;
    bool is_wrong(const endpoint& e, timestamp at) const;

    alarms_section settings_;
    std::vector<endpoint> endpoints_;
    std::vector<stray> strays_; // by status
    timestamp verified_at_{};   // when a signature was last right
    std::optional<timestamp> refusing_since_;
    std::optional<timestamp> refusals_told_; // when last
    std::optional<timestamp> taking_since_;  // nothing of ours has kept events away since
    timestamp spooled_at_{};                 // when events last waited in the spool
    bool feeds_judged_ = false;
    std::set<feed_key> silent_; // that was told
    bool left_out_told_ = false;
};

} // namespace gateway
