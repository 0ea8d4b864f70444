// What a daemon consists of, and the three things that are done with it: it is put together
// (daemon.cpp), its parts are exchanged while it serves (reload.cpp), and it is watched until its
// end (supervision.cpp).
#pragma once

#include "app/daemon/alarms.hpp"
#include "app/daemon/daemon.hpp"
#include "app/daemon/generation.hpp"
#include "app/daemon/lanes.hpp"
#include "app/daemon/metrics.hpp"
#include "app/daemon/open_stores.hpp"
#include "app/daemon/systemd.hpp"
#include "gateway/admin/admin.hpp"
#include "gateway/store/applier.hpp"
#include "gateway/store/log_keeper.hpp"
#include "gateway/store/migrations.hpp"

#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <optional>

namespace gateway {

struct reload_counts {
    static counter of(const char* outcome)
    {
        return make_counter("attentive_gateway_reloads_total",
                            "Configurations and certificates read again while serving.",
                            {{"outcome", outcome}});
    }
    counter taken = of("taken");
    counter refused = of("refused");
};

struct daemon::implementation {
    explicit implementation(const config& c)
        : settings{c}, watch_for{c}, serving_on{c.listener.threads}
    {
    }

    // --- composition: daemon.cpp ---
    result<void> prepare_database(bool migrate_first);
    void migrate_now();
    result<void> open_writer();
    result<boost::asio::ip::tcp::acceptor> open_webhook_port();
    result<void> open_listeners();
    result<void> open_admin();
    process_state observed() const;
    process_state state() const;

    // --- exchange: reload.cpp ---
    listener_settings served_settings();
    void reload();
    void take(generation next);
    void renew_certificate();

    // --- supervision.cpp ---
    void request_stop();
    void on_signal();
    void tick();
    void ping();
    boost::asio::awaitable<void> watch();
    boost::asio::awaitable<void> supervise();
    boost::asio::awaitable<void> requested(int times, std::chrono::steady_clock::time_point until);

    const config settings; // as it was at the start
    reread_function reread;
    daemon_addresses addresses;
    opened_database database;
    std::optional<migrator> migrating; // until it has
    std::optional<spool> local_spool;
    std::unique_ptr<gateway::writer> writer;
    std::optional<database_observer> observer;
    std::optional<state_metrics> shown_state;
    alarms watch_for;
    std::optional<log_keeper> keeper;
    std::unique_ptr<gateway::applier> applier;
    generation serving;
    lanes serving_on;
    std::unique_ptr<admin_server> admin;
    boost::asio::signal_set signals{serving_on.first()};
    boost::asio::steady_timer wake{serving_on.first()};    // cancelled by each request to stop
    boost::asio::steady_timer ticking{serving_on.first()}; // cancelled at the end
    std::optional<std::chrono::microseconds> watchdog = watchdog_interval();
    std::chrono::steady_clock::time_point pinged{};
    const timestamp started_at = now();
    reload_counts reloads;
    std::string status;
    int stop_requests = 0;
    bool draining = false;
};

} // namespace gateway
