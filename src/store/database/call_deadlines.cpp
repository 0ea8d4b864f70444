// A thread that sleeps until the next deadline. Guards wake it only when theirs is sooner, which
// with one limit for all happens when nothing was watched.
#include "store/database/call_deadlines.hpp"
#include "gateway/base/signals.hpp"

#include <algorithm>

#include <sys/socket.h>

namespace gateway {

call_deadlines::call_deadlines()
{
    const signals_blocked during_start;
    thread_ = std::thread{[this] { run(); }};
}

call_deadlines::~call_deadlines()
{
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

void call_deadlines::run()
{
    std::unique_lock lock{mutex_};
    while (!stopping_) {
        const auto now = std::chrono::steady_clock::now();
        auto next = std::chrono::steady_clock::time_point::max();
        for (auto& [ticket, w] : watched_) {
            if (!w.expired && w.until <= now) {
                w.expired = true;
                ::shutdown(w.socket, SHUT_RDWR);
            }
            if (!w.expired)
                next = std::min(next, w.until);
        }
        wakes_at_ = next;
        if (next == std::chrono::steady_clock::time_point::max())
            changed_.wait(lock);
        else
            changed_.wait_until(lock, next);
    }
}

call_deadlines::guard::guard(call_deadlines& owner, int socket, std::chrono::milliseconds limit)
    : owner_(owner)
{
    bool sooner = false;
    {
        const std::lock_guard lock{owner_.mutex_};
        const auto until = std::chrono::steady_clock::now() + limit;
        ticket_ = owner_.next_ticket_++;
        owner_.watched_.emplace(ticket_, watched{socket, until, false});
        sooner = until < owner_.wakes_at_;
    }
    if (sooner)
        owner_.changed_.notify_one();
}

call_deadlines::guard::~guard()
{
    const std::lock_guard lock{owner_.mutex_};
    owner_.watched_.erase(ticket_);
}

bool call_deadlines::guard::expired() const
{
    const std::lock_guard lock{owner_.mutex_};
    return owner_.watched_.at(ticket_).expired;
}

} // namespace gateway
