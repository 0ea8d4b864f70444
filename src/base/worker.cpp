#include "gateway/base/worker.hpp"

#include <csignal>
#include <pthread.h>
#include <utility>

namespace gateway {

namespace {

// While it lives, this thread takes no signal; a thread that it starts never does.
class signals_blocked {
public:
    signals_blocked()
    {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    signals_blocked(const signals_blocked&) = delete;
    signals_blocked& operator=(const signals_blocked&) = delete;

private:
    sigset_t before_{};
};

} // namespace

worker::worker(const char* name, body work, std::nullptr_t)
{
    const signals_blocked during_start;
    thread_ = std::thread{[this, name, run = std::move(work)] {
        pthread_setname_np(pthread_self(), name);
        run(*this);
    }};
}

worker::~worker()
{
    stop();
    thread_.join();
}

bool worker::rest_until(clock::time_point until)
{
    idle();
    std::unique_lock lock{mutex_};
    const auto called = [this] { return woken_ || stopping_; };
    if (until == for_ever) // which some clocks cannot count to
        changed_.wait(lock, called);
    else
        changed_.wait_until(lock, until, called);
    woken_ = false;
    return !stopping_;
}

bool worker::is_stopping()
{
    const std::lock_guard lock{mutex_};
    return stopping_;
}

void worker::wake()
{
    {
        const std::lock_guard lock{mutex_};
        woken_ = true;
    }
    changed_.notify_all();
}

void worker::stop()
{
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
    }
    changed_.notify_all();
}

std::chrono::milliseconds worker::busy_for(clock::time_point now) const
{
    const clock::rep since = busy_since_;
    if (since == 0)
        return {};
    const auto busy = now.time_since_epoch() - clock::duration{since};
    return std::chrono::duration_cast<std::chrono::milliseconds>(busy);
}

} // namespace gateway
