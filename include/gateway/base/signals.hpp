// Signals belong to the main thread: threads of the store start with all of them blocked, so that
// a SIGTERM never lands in the middle of a database call.
#pragma once

#include <csignal>

namespace gateway {

// While it lives, this thread takes no signal; threads it starts inherit that for good.
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

} // namespace gateway
