// A daemon that runs: signals, what is looked at each second, systemd's watchdog, and the drain.
#include "app/daemon/health.hpp"
#include "app/daemon/implementation.hpp"
#include "gateway/base/log.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <csignal>

namespace gateway {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

constexpr std::chrono::seconds tick_interval{1};

} // namespace

void daemon::implementation::request_stop()
{
    ++stop_requests;
    wake.cancel();
}

void daemon::implementation::on_signal()
{
    signals.async_wait([this](const boost::system::error_code& failed, int number) {
        if (failed)
            return;
        write_log(severity::info, "signal_received", "signal {attentive.signal.number} received",
                  {{"attentive.signal.number", number}});
        if (number == SIGHUP)
            reload();
        else
            request_stop();
        on_signal();
    });
}

// systemd restarts us when pings stay away: while this loop runs, that is when another loop does
// not, or a thread of the store hangs.
void daemon::implementation::ping()
{
    const auto now = steady_clock::now();
    if (!watchdog || now - pinged < *watchdog / 4)
        return;
    const auto limit = *watchdog / 2;
    if (!serving_on.have_run_since(now - limit) || writer->status().stalled_for >= limit)
        return;
    pinged = now;
    notify_alive();
}

void daemon::implementation::tick()
{
    ping();
    if (draining)
        return;
    renew_certificate();
    auto s = observed();
    watch_for.look(s, now());
    watch_for.add_to(s);
    if (auto line = status_line(s); line != status) {
        status = std::move(line);
        notify_status(status);
    }
}

asio::awaitable<void> daemon::implementation::watch()
{
    boost::system::error_code cancelled;
    while (!cancelled) {
        ticking.expires_after(tick_interval);
        co_await ticking.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
        tick();
    }
}

// Until `times` requests to stop have come, or `until`.
asio::awaitable<void> daemon::implementation::requested(int times, steady_clock::time_point until)
{
    while (stop_requests < times && steady_clock::now() < until) {
        wake.expires_at(until);
        boost::system::error_code woken;
        co_await wake.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    }
}

asio::awaitable<void> daemon::implementation::supervise()
{
    co_await requested(1, steady_clock::time_point::max());
    draining = true;
    const config& newest = serving.from;
    const bool at_once = newest.limits.drain_delay.count() == 0;
    write_log(severity::info, "draining",
              at_once ? "draining: not ready any more"
                      : "draining: not ready any more, still serving for "
                        "{attentive.drain.duration} s",
              {{"attentive.drain.duration", newest.limits.drain_delay}});
    notify_stopping("Draining");
    serving_on.announce_drain();
    co_await requested(2, steady_clock::now() + newest.limits.drain_delay);

    co_await serving_on.drain(steady_clock::now() + newest.limits.drain_timeout);
    admin->stop();
    signals.cancel();
    ticking.cancel();
}

} // namespace gateway
