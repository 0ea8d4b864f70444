// Ends database calls that take too long. Nothing in libpq frees a call on a backend that is
// frozen: not statement_timeout (the backend would have to run), not keepalives (its kernel
// answers), not tcp_user_timeout. So another thread shuts the socket down, and the call returns
// with a lost connection.
#pragma once

#include "gateway/base/worker.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>

namespace gateway {

// Any thread. Outlives its guards.
class call_deadlines {
public:
    call_deadlines() = default;
    call_deadlines(const call_deadlines&) = delete;
    call_deadlines& operator=(const call_deadlines&) = delete;

    // Ends the calls under way, and those to come at their start: nobody waits for them any more.
    void end_all();

    // While it lives, `socket` is shut down when `limit` has passed. It must end before the
    // socket's number can mean another file.
    class guard {
    public:
        guard(call_deadlines& owner, int socket, std::chrono::milliseconds limit);
        ~guard();
        guard(const guard&) = delete;
        guard& operator=(const guard&) = delete;

        bool expired() const;

    private:
        call_deadlines& owner_;
        std::uint64_t ticket_;
    };

private:
    struct watched {
        int socket;
        worker::clock::time_point until;
        bool expired;
    };

    worker::clock::time_point look();

    mutable std::mutex mutex_;
    std::map<std::uint64_t, watched> watched_; // by ticket; a handful, one for each writer thread
    std::uint64_t next_ticket_ = 0;
    bool ended_ = false;
    worker::clock::time_point wakes_at_{}; // when the thread looks again by itself
    worker thread_{"call deadlines", [this](worker& self) {
                       while (self.rest_until(look())) {
                       }
                   }};
};

} // namespace gateway
