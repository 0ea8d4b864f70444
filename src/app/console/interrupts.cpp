#include "app/console/interrupts.hpp"

#include <csignal>

namespace gateway {
namespace {

volatile std::sig_atomic_t interrupted = 0;

void interrupt(int)
{
    interrupted = 1;
}

} // namespace

void catch_interrupts(system_calls under_way)
{
    struct sigaction action {};
    action.sa_handler = interrupt;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    if (under_way == system_calls::restarted)
        action.sa_flags |= SA_RESTART;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
}

bool was_interrupted()
{
    return interrupted != 0;
}

} // namespace gateway
