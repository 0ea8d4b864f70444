// Puts a daemon together, and takes it down in the order that loses nothing.
#include "app/daemon/daemon.hpp"

#include "app/config/secrets.hpp"
#include "app/daemon/health.hpp"
#include "app/daemon/implementation.hpp"
#include "app/daemon/page_document.hpp"
#include "gateway/base/log.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include <csignal>
#include <sstream>

namespace gateway {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

std::string shown(const tcp::endpoint& endpoint)
{
    std::ostringstream text;
    text << endpoint;
    return text.str();
}

} // namespace

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
        const auto tried = opened.try_disk();
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
    applier = std::make_unique<gateway::applier>(
        applier_settings{.database_url = database.url, .map = w.map});
    writer = std::make_unique<gateway::writer>(std::move(w));
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

// systemd's socket wins: it is bound already, and connections wait in it over a restart.
result<tcp::acceptor> daemon::implementation::open_webhook_port()
{
    auto& io = serving_on.first();
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
    BOOST_OUTCOME_TRY(auto acceptor, open_webhook_port());
    addresses.listener = shown(acceptor.local_endpoint());
    return serving_on.listen(std::move(acceptor), served_settings());
}

result<void> daemon::implementation::open_admin()
{
    auto& io = serving_on.first();
    BOOST_OUTCOME_TRY(auto acceptor, open_acceptor(io, settings.admin.address));
    addresses.admin = shown(acceptor.local_endpoint());
    observer.emplace(database.url);
    shown_state.emplace();
    admin_settings s;
    s.not_ready_because = [this] { return gateway::not_ready_because(state()); };
    s.degraded_because = [this] { return gateway::degraded_because(state()); };
    s.notes = [this] { return gateway::notes(state()); };
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

daemon::daemon(std::unique_ptr<implementation> i) : implementation_{std::move(i)} {}

daemon::~daemon()
{
    // The writer before the loops: it commits what it holds and answers into loops that still
    // exist.
    implementation_->migrating.reset();
    implementation_->applier.reset();
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
    i->keeper.emplace(i->database.url, i->settings.retention);
    for (const int number : {SIGINT, SIGTERM})
        i->signals.add(number);
    if (i->reread)
        i->signals.add(SIGHUP);
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
    i.serving_on.start();
    asio::co_spawn(i.serving_on.first(), i.supervise(), asio::detached);
    asio::co_spawn(i.serving_on.first(), i.watch(), asio::detached);
    write_log(severity::info, "listening",
              "listening on {attentive.listener.address}, admin on {attentive.admin.address}",
              {{"attentive.listener.address", i.addresses.listener},
               {"attentive.admin.address", i.addresses.admin}});
    notify_ready("Listening on " + i.addresses.listener);

    i.serving_on.run();
    // A database that hangs lets each of these wait: they end beside each other and the writer,
    // which alone holds what somebody waits for.
    i.observer->stop();
    i.applier->stop();
    i.keeper->stop();
    i.writer.reset();
    i.observer.reset();
    i.applier.reset();
    i.keeper.reset();
    i.migrating.reset();
    write_log(severity::info, "stopped", "stopped");
}

void daemon::stop()
{
    asio::post(implementation_->serving_on.first(),
               [i = implementation_.get()] { i->request_stop(); });
}

} // namespace gateway
