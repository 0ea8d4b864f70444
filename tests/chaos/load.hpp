// The senders of a run: one after the other for each daemon, the real `attentive-gateway send` with
// a journal. A quarter of the rounds goes to both daemons at once, a quarter is sent again, to
// whichever daemon comes first, when anything in it got no 2xx: so duplicates arrive all the time.
#pragma once

#include "chaos/checker.hpp"
#include "chaos/gateway_daemon.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace gateway::chaos {

struct load_settings {
    std::filesystem::path binary;   // that sends
    std::filesystem::path journals; // a directory
    std::uint64_t seed = 1;         // of the first round; each further round takes the next
    double rate = 3'000;            // events per second to all daemons together
    std::size_t connections = 32;   // to each daemon
    double round_seconds = 4;
    bool all_twice = false; // every round to all daemons at once, not a quarter of them
};

// Sends from construction until stop(). The daemons have to outlive it.
class load {
public:
    load(const load_settings& settings,
         const std::vector<std::unique_ptr<gateway_daemon>>& daemons);
    ~load();

    // Kills the senders in the middle of what they do, and reads their last journals.
    void stop();

    // Distinct events answered 2xx so far.
    std::uint64_t acked() const;
    // What all journals say. After stop() only.
    const history& sent() const { return sent_; }

private:
    struct round {
        std::uint64_t seed;
        int resends_left;
    };

    enum class outcome { all_acked, some_not, nobody_there };

    void run(std::size_t to);
    round next_round(std::size_t to);
    outcome send(const round& r, std::size_t to, std::uint64_t number);
    outcome take_in(const std::filesystem::path& journal, std::size_t from);

    const load_settings settings_;
    const std::vector<std::unique_ptr<gateway_daemon>>& daemons_;
    std::atomic<bool> stopping_{false};
    mutable std::mutex mutex_;
    std::uint64_t next_seed_;
    std::deque<round> again_;                 // for whoever comes first
    std::vector<std::deque<round>> mirrored_; // for one daemon each
    history sent_;
    std::vector<std::thread> senders_;
};

} // namespace gateway::chaos
