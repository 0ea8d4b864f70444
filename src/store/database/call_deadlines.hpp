// Ends database calls that take too long. Nothing in libpq frees a call on a backend that is
// frozen: not statement_timeout (the backend would have to run), not keepalives (its kernel
// answers), not tcp_user_timeout. So another thread shuts the socket down, and the call returns
// with a lost connection.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>

namespace gateway {

// Any thread. Outlives its guards.
class call_deadlines {
public:
    call_deadlines();
    ~call_deadlines();
    call_deadlines(const call_deadlines&) = delete;
    call_deadlines& operator=(const call_deadlines&) = delete;

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
        std::chrono::steady_clock::time_point until;
        bool expired;
    };

    void run();

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::uint64_t, watched> watched_; // by ticket; a handful, one for each writer thread
    std::uint64_t next_ticket_ = 0;
    std::chrono::steady_clock::time_point wakes_at_{}; // when the thread looks again by itself
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace gateway
