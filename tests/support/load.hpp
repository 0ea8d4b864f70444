// Signed events, as fast as they are answered, while a test does something to the gateway; and a
// count of every answer, so that "no request failed" is a number.
#pragma once

#include "gateway/client/sender.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

namespace gateway::test {

// Sends distinct events signed with gateway_options' key, over four connections, in a thread of its
// own until stop(). Trusts any certificate: it may change under the load.
class load {
public:
    explicit load(const std::string& url);
    ~load();
    load(const load&) = delete;
    load& operator=(const load&) = delete;

    void stop();

    // After stop().
    std::uint64_t answered = 0; // 200
    std::uint64_t failed = 0;   // anything else, or nothing
    std::string first_failure;

private:
    void send_all();

    send_request request_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

} // namespace gateway::test
