// A thread that sleeps until the next deadline. Guards wake it only when theirs is sooner, which
// with one limit for all happens when nothing was watched.
#include "store/database/call_deadlines.hpp"

#include <algorithm>

#include <sys/socket.h>

namespace gateway {

// Ends what is due; returns when to look again.
worker::clock::time_point call_deadlines::look()
{
    const std::lock_guard lock{mutex_};
    const auto now = worker::clock::now();
    wakes_at_ = worker::for_ever;
    for (auto& [ticket, w] : watched_) {
        if (!w.expired && (ended_ || w.until <= now)) {
            w.expired = true;
            ::shutdown(w.socket, SHUT_RDWR);
        }
        if (!w.expired)
            wakes_at_ = std::min(wakes_at_, w.until);
    }
    return wakes_at_;
}

void call_deadlines::end_all()
{
    {
        const std::lock_guard lock{mutex_};
        ended_ = true;
    }
    thread_.wake();
}

call_deadlines::guard::guard(call_deadlines& owner, int socket, std::chrono::milliseconds limit)
    : owner_(owner)
{
    bool sooner = false;
    {
        const std::lock_guard lock{owner_.mutex_};
        const auto until = worker::clock::now() + limit;
        ticket_ = owner_.next_ticket_++;
        owner_.watched_.emplace(ticket_, watched{socket, until, false});
        sooner = owner_.ended_ || until < owner_.wakes_at_;
    }
    if (sooner)
        owner_.thread_.wake();
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
