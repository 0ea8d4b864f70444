// What the process and systemd tell each other: readiness, reloads, the watchdog's pings, and the
// listening socket that outlives a restart. By libsystemd; without systemd all of it does nothing.
#pragma once

#include "gateway/base/result.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace gateway {

// Each is one message of sd_notify(3); `status` is the line that `systemctl status` shows.
void notify_ready(const std::string& status);
void notify_reloading();
void notify_stopping(const std::string& status);
void notify_status(const std::string& status);
void notify_alive();

// Within this time a notify_alive() is expected; nothing when nobody watches. See
// sd_watchdog_enabled(3).
std::optional<std::chrono::microseconds> watchdog_interval();

// The one listening socket of our .socket unit, or nothing when we were not started by one. To be
// asked once, before threads start. Fails with config_invalid when there is more than one socket.
// See sd_listen_fds(3).
result<std::optional<int>> inherited_socket();

} // namespace gateway
