#include "app/daemon/systemd.hpp"

#include <systemd/sd-daemon.h>

#include <ctime>

namespace gateway {
namespace {

// A manager that does not listen is no reason to stop serving.
void notify(const std::string& message)
{
    static_cast<void>(::sd_notify(0, message.c_str()));
}

} // namespace

void notify_ready(const std::string& status)
{
    notify("READY=1\nSTATUS=" + status);
}

// The time is what tells this reload from an earlier one; see Type=notify-reload in
// systemd.service(5).
void notify_reloading()
{
    std::timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const auto microseconds = now.tv_sec * 1'000'000LL + now.tv_nsec / 1'000;
    notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds) +
           "\nSTATUS=Reading the configuration again");
}

void notify_stopping(const std::string& status)
{
    notify("STOPPING=1\nSTATUS=" + status);
}

void notify_status(const std::string& status)
{
    notify("STATUS=" + status);
}

void notify_alive()
{
    notify("WATCHDOG=1");
}

std::optional<std::chrono::microseconds> watchdog_interval()
{
    std::uint64_t microseconds = 0;
    if (::sd_watchdog_enabled(0, &microseconds) <= 0)
        return std::nullopt;
    return std::chrono::microseconds{microseconds};
}

result<std::optional<int>> inherited_socket()
{
    constexpr int forget = 1; // children are not to take it for theirs
    const int sockets = ::sd_listen_fds(forget);
    if (sockets <= 0)
        return std::optional<int>{};
    if (sockets > 1)
        return fail(errc::config_invalid, std::to_string(sockets) +
                                              " sockets were handed over: the .socket unit may "
                                              "have one ListenStream= only");
    return std::optional<int>{SD_LISTEN_FDS_START};
}

} // namespace gateway
