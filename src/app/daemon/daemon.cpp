#include "app/daemon/daemon.hpp"

#include "app/config/secrets.hpp"
#include "app/console/log.hpp"
#include "app/daemon/alarms.hpp"
#include "app/daemon/health.hpp"
#include "app/daemon/metrics.hpp"
#include "app/daemon/open_stores.hpp"
#include "app/daemon/page_document.hpp"
#include "app/daemon/reload.hpp"
#include "app/daemon/systemd.hpp"
#include "gateway/admin/admin.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/worker.hpp"
#include "gateway/listener/listener.hpp"
#include "gateway/store/migrations.hpp"
#include "gateway/store/observer.hpp"
#include "gateway/store/projector.hpp"
#include "gateway/store/spool.hpp"
#include "gateway/store/writer.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <csignal>
#include <deque>
#include <optional>
#include <sstream>
#include <unistd.h>

namespace gateway {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::steady_clock;

// One I/O thread: its loop and the listener that only this loop runs.
struct lane {
    asio::io_context io{1};
    std::unique_ptr<listener> serving;
    std::atomic<steady_clock::time_point> ticked{steady_clock::now()}; // the loop ran
};

constexpr std::chrono::seconds tick_interval{1};

counter reload_count(const char* outcome)
{
    return make_counter("attentive_gateway_reloads_total",
                        "Configurations and certificates read again while serving.",
                        {{"outcome", outcome}});
}

// An exception out of a handler is a fault of ours; the connections beside it go on.
void run_loop(asio::io_context& io)
{
    for (;;) {
        try {
            io.run();
            return;
        } catch (const std::exception& e) {
            write_log(severity::error, "handler_failed",
                      "a handler failed, the loop goes on: {error.message}",
                      {{"error.message", e.what()}});
        }
    }
}

std::string shown(const tcp::endpoint& endpoint)
{
    std::ostringstream text;
    text << endpoint;
    return text.str();
}

result<tcp::acceptor> duplicate(tcp::acceptor& original, asio::io_context& io)
{
    const int descriptor = ::dup(original.native_handle());
    if (descriptor < 0)
        return fail(errc::io_failed, "the listening socket cannot be duplicated for a second "
                                     "thread: raise the limit of open files");
    return tcp::acceptor{io, original.local_endpoint().protocol(), descriptor};
}

} // namespace

struct daemon::implementation {
    explicit implementation(const config& c) : settings{c}, watch_for{c} {}

    result<void> prepare_database(bool migrate_first);
    void migrate_now();
    result<void> open_writer();
    result<tcp::acceptor> open_webhook_port();
    result<void> open_listeners();
    result<void> open_admin();
    listener_settings served_settings();
    process_state observed() const;
    process_state state() const;

    void request_stop();
    void on_signal();
    void reload();
    void take(generation next);
    void renew_certificate();
    void tick();
    void ping();
    asio::awaitable<void> watch();
    asio::awaitable<void> supervise();
    asio::awaitable<void> requested(int times, steady_clock::time_point until);

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
    std::optional<retention_keeper> retention;
    std::unique_ptr<gateway::projector> projector;
    generation serving;
    std::deque<lane> lanes;
    std::unique_ptr<admin_server> admin;
    std::optional<asio::signal_set> signals;
    std::optional<asio::steady_timer> wake;    // cancelled by each request to stop
    std::optional<asio::steady_timer> ticking; // cancelled at the end
    std::optional<std::chrono::microseconds> watchdog = watchdog_interval();
    steady_clock::time_point pinged{};
    const timestamp started_at = now();
    counter reloads = reload_count("taken");
    counter reloads_refused = reload_count("refused");
    std::string status;
    int stop_requests = 0;
    bool draining = false;
};

result<void> daemon::implementation::prepare_database(bool migrate_first)
{
    BOOST_OUTCOME_TRY(database, open_database(settings));
    addresses.database_url = database.url;
    if (migrate_first || database.cluster)
        migrate_now();
    // Nothing that is wrong with a database keeps us from serving: it may get well at any time, and
    // each connect of the writer asks anew. What is known now stands at the log's beginning.
    const auto checked = check_schema(database.url);
    if (checked)
        return ok();
    const std::string kept = settings.spool.directory.empty()
                                 ? "events are answered 503, and Attentive sends them again"
                                 : "events go to the spool";
    const bool away = checked.error().code == errc::database_unavailable;
    write_log(
        away ? severity::warn : severity::error, "database_out_of_reach",
        "serving begins without the database, and " + kept +
            " until it takes them: {error.message}",
        {{"error.type", name(checked.error().code)}, {"error.message", checked.error().detail}});
    return ok();
}

void daemon::implementation::migrate_now()
{
    const auto applied = migrate(database.url);
    if (!applied) {
        write_log(severity::error, "migration_failed",
                  "migrating failed, trying on: {error.message}",
                  {{"error.type", gateway::name(applied.error().code)},
                   {"error.message", applied.error().detail}});
        migrating.emplace(database.url);
        return;
    }
    for (const auto& name : applied.value())
        write_log(severity::info, "migration_applied",
                  "applied migration {attentive.migration.name}",
                  {{"attentive.migration.name", name}});
}

result<void> daemon::implementation::open_writer()
{
    writer_settings w{batch_settings_of(settings, database.url)};
    if (!settings.spool.directory.empty()) {
        BOOST_OUTCOME_TRY(auto opened, spool::open(spool_settings_of(settings)));
        const auto tried = try_spool_directory(spool_settings_of(settings));
        // A full disk gets room again, by draining too; anything else would show in an outage only.
        if (tried.has_error() && tried.error().code != errc::spool_full)
            return tried.error();
        if (tried.has_error())
            write_log(severity::error, "spool_full",
                      "{error.message}: make room, or an outage of the database is answered with "
                      "503",
                      {{"error.type", name(tried.error().code)},
                       {"error.message", tried.error().detail}});
        local_spool.emplace(std::move(opened));
        w.fallback.to = &*local_spool;
        w.fallback.drain_rate_max = settings.spool.drain_rate_max;
    } else {
        write_log(severity::warn, "spool_not_configured",
                  "no [spool] is configured: while the database is out of reach, events are "
                  "refused with 503");
    }
    w.threads = settings.database.writers;
    w.inbox_events_max = settings.limits.inbox_events_max;
    w.inbox_bytes_max = settings.limits.inbox_bytes_max;
    writer = std::make_unique<gateway::writer>(std::move(w));
    projector =
        std::make_unique<gateway::projector>(projector_settings{.database_url = database.url});
    return ok();
}

// Without what the alarms make of it.
process_state daemon::implementation::observed() const
{
    process_state s;
    s.writing = writer->status();
    s.database_takes_events = writer->direct();
    s.database = observer->last();
    if (local_spool)
        s.spool = local_spool->status();
    s.spool_bytes_max = settings.spool.bytes_max;
    if (serving.tls != nullptr)
        s.certificate_ends = expires_at(serving.tls);
    s.accepting = writer->available();
    s.draining = draining;
    return s;
}

process_state daemon::implementation::state() const
{
    auto s = observed();
    watch_for.add_to(s);
    return s;
}

listener_settings daemon::implementation::served_settings()
{
    return settings_of(serving, [this] { return writer->available(); });
}

// systemd's socket wins: it is bound already, and connections wait in it over a restart.
result<tcp::acceptor> daemon::implementation::open_webhook_port()
{
    auto& io = lanes.front().io;
    BOOST_OUTCOME_TRY(const auto inherited, inherited_socket());
    if (!inherited)
        return open_acceptor(io, settings.listener.address);
    BOOST_OUTCOME_TRY(auto acceptor, adopt_acceptor(io, *inherited));
    write_log(severity::info, "socket_inherited",
              "the service manager handed over the socket: listener.address = "
              "{attentive.listener.address} is not used",
              {{"attentive.listener.address", settings.listener.address}});
    return acceptor;
}

result<void> daemon::implementation::open_listeners()
{
    BOOST_OUTCOME_TRY(serving, prepare(settings, *writer));
    for (std::size_t i = 0; i < settings.listener.threads; ++i)
        lanes.emplace_back();
    BOOST_OUTCOME_TRY(auto acceptor, open_webhook_port());
    addresses.listener = shown(acceptor.local_endpoint());
    for (std::size_t i = 1; i < lanes.size(); ++i) {
        BOOST_OUTCOME_TRY(auto copy, duplicate(acceptor, lanes[i].io));
        lanes[i].serving = std::make_unique<listener>(std::move(copy), served_settings());
    }
    lanes.front().serving = std::make_unique<listener>(std::move(acceptor), served_settings());
    return ok();
}

result<void> daemon::implementation::open_admin()
{
    auto& io = lanes.front().io;
    BOOST_OUTCOME_TRY(auto acceptor, open_acceptor(io, settings.admin.address));
    addresses.admin = shown(acceptor.local_endpoint());
    observer.emplace(database.url);
    shown_state.emplace();
    admin_settings s;
    s.not_ready_because = [this] { return gateway::not_ready_because(state()); };
    s.degraded_because = [this] { return gateway::degraded_because(state()); };
    s.before_metrics = [this] { shown_state->set(state()); };
    s.page_document = [this] {
        return gateway::page_document({.state = state(),
                                       .started_at = started_at,
                                       .deliveries = newest_deliveries().newest_first(),
                                       .answers = observer->look()});
    };
    BOOST_OUTCOME_TRY(s.token, read_admin_token(settings));
    admin = std::make_unique<admin_server>(std::move(acceptor), std::move(s));
    return ok();
}

void daemon::implementation::request_stop()
{
    ++stop_requests;
    wake->cancel();
}

void daemon::implementation::on_signal()
{
    signals->async_wait([this](const boost::system::error_code& failed, int number) {
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

// All is read and checked first; a fault in any part keeps every part of the old.
void daemon::implementation::reload()
{
    if (!reread || draining)
        return;
    notify_reloading();
    auto next = [this]() -> result<generation> {
        BOOST_OUTCOME_TRY(const auto c, reread());
        return prepare(c, *writer);
    }();
    if (next) {
        take(std::move(next).value());
    } else {
        reloads_refused.add();
        write_log(
            severity::error, "reload_refused",
            "the configuration was not reloaded, the old one goes on as it is: "
            "{error.message}",
            {{"error.type", name(next.error().code)}, {"error.message", next.error().detail}});
    }
    status = status_line(state());
    notify_ready(next ? status : "Reload refused, see the log; " + status);
}

void daemon::implementation::take(generation next)
{
    for (const auto& key : left_for_restart(settings, next.from))
        write_log(severity::warn, "restart_needed",
                  "{attentive.config.key} has changed: it takes effect at the next restart",
                  {{"attentive.config.key", key}});
    serving = std::move(next);
    set_log_level(serving.from.log.level);
    watch_for.serve(serving.from);
    for (auto& each : lanes) {
        auto replace = [&each, s = served_settings()]() mutable {
            each.serving->replace(std::move(s));
        };
        asio::post(each.io, std::move(replace));
    }
    reloads.add();
    write_log(severity::info, "reloaded",
              "reloaded: certificate, endpoints, signing keys, limits and log level are those of "
              "the files now");
}

void daemon::implementation::renew_certificate()
{
    if (!serving.certificate.changed())
        return;
    auto loaded = load_certificate(serving.from);
    if (!loaded) {
        if (!serving.certificate.worth_telling())
            return;
        reloads_refused.add();
        write_log(
            severity::error, "certificate_refused",
            "the certificate on the disk was not taken, the old one goes on: {error.message}",
            {{"error.type", name(loaded.error().code)}, {"error.message", loaded.error().detail}});
        return;
    }
    serving.certificate.taken();
    serving.tls = std::move(loaded).value();
    for (auto& each : lanes)
        asio::post(each.io, [&each, tls = serving.tls] { each.serving->replace_tls(tls); });
    reloads.add();
    write_log(severity::info, "certificate_taken",
              "took the certificate that was replaced on the disk, valid until "
              "{tls.server.not_after}",
              {{"tls.server.not_after", to_string(expires_at(serving.tls))}});
}

// systemd restarts us when pings stay away: while this loop runs, that is when another loop does
// not, or a thread of the store hangs.
void daemon::implementation::ping()
{
    const auto now = steady_clock::now();
    if (!watchdog || now - pinged < *watchdog / 4)
        return;
    const auto limit = *watchdog / 2;
    bool lively = writer->status().stalled_for < limit;
    for (auto& each : lanes) {
        lively = lively && now - each.ticked.load() < limit;
        asio::post(each.io, [&each] { each.ticked = steady_clock::now(); });
    }
    if (!lively)
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
        ticking->expires_after(tick_interval);
        co_await ticking->async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
        tick();
    }
}

// Until `times` requests to stop have come, or `until`.
asio::awaitable<void> daemon::implementation::requested(int times, steady_clock::time_point until)
{
    while (stop_requests < times && steady_clock::now() < until) {
        wake->expires_at(until);
        boost::system::error_code woken;
        co_await wake->async_wait(asio::redirect_error(asio::use_awaitable, woken));
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
    for (auto& each : lanes)
        asio::post(each.io, [&each] { each.serving->announce_drain(); });
    co_await requested(2, steady_clock::now() + newest.limits.drain_delay);

    const auto deadline = steady_clock::now() + newest.limits.drain_timeout;
    for (auto& each : lanes) {
        auto drained = each.serving->drain(deadline);
        co_await asio::co_spawn(each.io, std::move(drained), asio::use_awaitable);
    }
    admin->stop();
    signals->cancel();
    ticking->cancel();
}

daemon::daemon(std::unique_ptr<implementation> i) : implementation_{std::move(i)} {}

daemon::~daemon()
{
    // The writer before the loops: it commits what it holds and answers into loops that still
    // exist.
    implementation_->migrating.reset();
    implementation_->projector.reset();
    implementation_->writer.reset();
}

result<std::unique_ptr<daemon>> daemon::start(const config& c, bool migrate_first,
                                              reread_function reread)
{
    if (reread)
        std::signal(SIGHUP, SIG_IGN); // until we can reload
    auto i = std::make_unique<implementation>(c);
    i->reread = std::move(reread);
    BOOST_OUTCOME_TRY(i->prepare_database(migrate_first));
    BOOST_OUTCOME_TRY(i->open_writer());
    BOOST_OUTCOME_TRY(i->open_listeners());
    BOOST_OUTCOME_TRY(i->open_admin());
    i->retention.emplace(i->database.url, i->settings.retention);
    auto& io = i->lanes.front().io;
    i->wake.emplace(io);
    i->ticking.emplace(io);
    i->signals.emplace(io, SIGINT, SIGTERM);
    if (i->reread)
        i->signals->add(SIGHUP);
    return std::unique_ptr<daemon>{new daemon{std::move(i)}};
}

const daemon_addresses& daemon::addresses() const
{
    return implementation_->addresses;
}

void daemon::run()
{
    auto& i = *implementation_;
    i.on_signal();
    i.admin->start();
    for (auto& each : i.lanes)
        each.serving->start();
    asio::co_spawn(i.lanes.front().io, i.supervise(), asio::detached);
    asio::co_spawn(i.lanes.front().io, i.watch(), asio::detached);
    write_log(severity::info, "listening",
              "listening on {attentive.listener.address}, admin on {attentive.admin.address}",
              {{"attentive.listener.address", i.addresses.listener},
               {"attentive.admin.address", i.addresses.admin}});
    notify_ready("Listening on " + i.addresses.listener);

    std::deque<worker> threads;
    for (std::size_t n = 1; n < i.lanes.size(); ++n)
        threads.emplace_back("listener", [&io = i.lanes[n].io](worker&) { run_loop(io); });
    run_loop(i.lanes.front().io);
    threads.clear();
    i.observer.reset();
    i.migrating.reset();
    i.projector.reset();
    i.writer.reset();
    write_log(severity::info, "stopped", "stopped");
}

void daemon::stop()
{
    asio::post(implementation_->lanes.front().io,
               [i = implementation_.get()] { i->request_stop(); });
}

} // namespace gateway
