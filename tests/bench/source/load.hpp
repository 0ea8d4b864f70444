// Drives connections with prepared requests and counts what comes back. A closed loop sends the
// next request of a connection when its last is answered; an open loop sends at a rate, whatever
// the answers do, and counts latency from when a request was due.
#pragma once

#include "bodies.hpp"
#include "connection.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace gateway::bench {

using steady = std::chrono::steady_clock;

struct load_settings {
    int port = 0;
    std::size_t connections = 64;
    double rate = 0; // events a second; 0: closed loop
    steady::duration warm_up = std::chrono::seconds{1};
    steady::duration window = std::chrono::seconds{3};
    bool repeats = false;       // begin anew when no prepared request is left
    std::size_t introduced = 0; // requests that are answered before anything else
};

struct load_report {
    std::uint64_t acks = 0;                  // 2xx, warm-up and the rest after the window included
    std::uint64_t events = 0;                // 2xx in the window
    double seconds = 0;                      // of the window
    double cpu_us = 0;                       // of this process in the window
    std::vector<std::uint32_t> latencies_us; // of the window, in order of size
    std::map<int, std::uint64_t> statuses;
    std::uint64_t unanswered = 0; // connections that broke under a request
    bool ran_out = false;         // of prepared requests
};

class load {
public:
    load(const load_settings& settings, const prepared_requests& requests);

    // Says "introduced", and waits for a line on standard input, when it has to introduce; then
    // "begin" and "end" where the window does.
    load_report run();

private:
    struct slot {
        std::unique_ptr<connection> link;
        steady::time_point since{}; // sent, or was due
        bool busy = false;
    };

    void introduce();
    void run_until(steady::time_point end);
    void drain();
    void take_answers(int timeout_us);
    void answered(std::size_t number);
    void send(std::size_t number, steady::time_point since);
    void send_what_is_due();
    void connect(std::size_t number);
    void broke(std::size_t number);

    const load_settings settings_;
    const prepared_requests& requests_;
    tls_context context_ = make_client_context();
    int poll_;
    std::vector<slot> slots_;
    std::vector<std::size_t> idle_;
    std::size_t next_ = 0;
    std::uint64_t due_ = 0; // requests that were due so far
    steady::time_point start_{};
    steady::time_point begin_ = steady::time_point::max(); // of the window
    steady::time_point end_{};
    bool sending_ = false; // a closed loop goes on
    bool in_window_ = false;
    load_report report_;
};

} // namespace gateway::bench
