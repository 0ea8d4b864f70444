#include "gateway/app/daemon.hpp"

#include "gateway/admin/admin.hpp"
#include "gateway/app/secrets.hpp"
#include "gateway/app/stores.hpp"
#include "gateway/attentive/normalizer.hpp"
#include "gateway/ingest/pipeline.hpp"
#include "gateway/store/durability.hpp"
#include "gateway/store/migrations.hpp"
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
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <deque>
#include <optional>
#include <sstream>
#include <thread>
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
};

// An exception out of a handler is a fault of ours; the connections beside it go on.
void run_loop(asio::io_context& io)
{
    for (;;) {
        try {
            io.run();
            return;
        } catch (const std::exception& e) {
            spdlog::error("a handler failed, the loop goes on: {}", e.what());
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

result<verifier> verifier_of(const endpoint_config& endpoint)
{
    BOOST_OUTCOME_TRY(const auto keys, read_signing_keys(endpoint));
    return verifier::make(keys);
}

} // namespace

struct daemon::implementation {
    explicit implementation(const config& c) : settings{c} {}

    result<void> prepare_database(bool migrate_first);
    result<void> open_writer();
    result<void> open_pipelines();
    result<void> open_listeners();
    result<void> open_admin();
    listener_settings settings_of_listener(tls_context tls);

    void request_stop();
    void on_signal();
    asio::awaitable<void> supervise();
    asio::awaitable<void> requested(int times, steady_clock::time_point until);

    config settings;
    daemon_addresses addresses;
    open_database database;
    std::optional<spool> local_spool;
    std::unique_ptr<gateway::writer> writer;
    std::optional<retention_keeper> retention;
    std::unique_ptr<gateway::projector> projector;
    std::deque<pipeline> pipelines; // stable addresses: the routes refer to them
    std::deque<lane> lanes;
    std::unique_ptr<admin_server> admin;
    std::optional<asio::signal_set> signals;
    std::optional<asio::steady_timer> wake; // cancelled by each request to stop
    int stop_requests = 0;
    bool draining = false;
};

result<void> daemon::implementation::prepare_database(bool migrate_first)
{
    BOOST_OUTCOME_TRY(database, open(settings));
    addresses.database_url = database.url;
    if (migrate_first || database.cluster) {
        BOOST_OUTCOME_TRY(const auto applied, migrate(database.url));
        for (const auto& name : applied)
            spdlog::info("applied migration {}", name);
    }
    const auto checked = check_schema(database.url);
    if (checked.has_error() && checked.error().code != errc::database_unavailable)
        return checked.error();
    if (checked.has_error())
        spdlog::warn("the database is out of reach, serving begins without it: {}",
                     checked.error().detail);
    if (checked.has_value()) {
        const auto kept = check_durability(database.url, settings.database.accept_weak_durability);
        if (kept.has_error() && kept.error().code != errc::database_unavailable)
            return kept.error();
    }
    return boost::outcome_v2::success();
}

result<void> daemon::implementation::open_writer()
{
    writer_settings w;
    if (!settings.spool.directory.empty()) {
        BOOST_OUTCOME_TRY(auto opened, spool::open(spool_settings_of(settings)));
        local_spool.emplace(std::move(opened));
        w.fallback.to = &*local_spool;
        w.fallback.drain_rate_max = settings.spool.drain_rate_max;
    } else {
        spdlog::warn("no [spool] is configured: while the database is out of reach, events are "
                     "refused with 503");
    }
    w.database_url = database.url;
    w.map = [](const verified_delivery& d) { return normalize(d); };
    w.threads = settings.database.writers;
    w.inbox_events_max = settings.inbox_events_max;
    w.inbox_bytes_max = settings.inbox_bytes_max;
    w.batch_events_max = settings.batch_events_max;
    w.batch_bytes_max = settings.batch_bytes_max;
    w.batch_deadline = settings.batch_deadline;
    w.accept_weak_durability = settings.database.accept_weak_durability;
    writer = std::make_unique<gateway::writer>(std::move(w));
    projector =
        std::make_unique<gateway::projector>(projector_settings{.database_url = database.url});
    return boost::outcome_v2::success();
}

result<void> daemon::implementation::open_pipelines()
{
    for (const auto& endpoint : settings.endpoints) {
        BOOST_OUTCOME_TRY(auto checks, verifier_of(endpoint));
        pipelines.emplace_back(std::move(checks), *writer);
    }
    return boost::outcome_v2::success();
}

listener_settings daemon::implementation::settings_of_listener(tls_context tls)
{
    listener_settings s;
    s.tls = std::move(tls);
    s.limits = settings.limits;
    s.trusted_proxies = settings.listener.trusted_proxies;
    s.healthy = [this] { return writer->available(); };
    for (std::size_t i = 0; i < settings.endpoints.size(); ++i) {
        const pipeline* way = &pipelines[i];
        s.routes.push_back(route{
            settings.endpoints[i].path, settings.endpoints[i].name, std::string{signature_header},
            [way](delivery d, completion done) { way->accept(std::move(d), std::move(done)); }});
    }
    return s;
}

result<void> daemon::implementation::open_listeners()
{
    tls_context tls;
    if (!settings.listener.tls_certificate.empty()) {
        BOOST_OUTCOME_TRY(auto loaded, load_tls_context(settings.listener.tls_certificate,
                                                        settings.listener.tls_private_key));
        tls = std::move(loaded);
    }
    for (std::size_t i = 0; i < settings.listener.threads; ++i)
        lanes.emplace_back();
    BOOST_OUTCOME_TRY(auto acceptor, open_acceptor(lanes.front().io, settings.listener.address));
    addresses.listener = shown(acceptor.local_endpoint());
    for (std::size_t i = 1; i < lanes.size(); ++i) {
        BOOST_OUTCOME_TRY(auto copy, duplicate(acceptor, lanes[i].io));
        lanes[i].serving = std::make_unique<listener>(std::move(copy), settings_of_listener(tls));
    }
    lanes.front().serving =
        std::make_unique<listener>(std::move(acceptor), settings_of_listener(tls));
    return boost::outcome_v2::success();
}

result<void> daemon::implementation::open_admin()
{
    auto& io = lanes.front().io;
    BOOST_OUTCOME_TRY(auto acceptor, open_acceptor(io, settings.admin.address));
    addresses.admin = shown(acceptor.local_endpoint());
    auto unready = [this] {
        std::vector<std::string> reasons;
        if (draining)
            reasons.emplace_back("draining");
        if (!writer->available())
            reasons.emplace_back("neither the database nor the spool takes events");
        return reasons;
    };
    admin = std::make_unique<admin_server>(std::move(acceptor), admin_settings{std::move(unready)});
    return boost::outcome_v2::success();
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
        spdlog::info("signal {} received", number);
        request_stop();
        on_signal();
    });
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
    spdlog::info("draining: not ready any more, still serving for {} ms",
                 settings.drain_delay.count());
    for (auto& each : lanes)
        asio::post(each.io, [&each] { each.serving->announce_drain(); });
    co_await requested(2, steady_clock::now() + settings.drain_delay);

    const auto deadline = steady_clock::now() + settings.drain_timeout;
    for (auto& each : lanes) {
        auto drained = each.serving->drain(deadline);
        co_await asio::co_spawn(each.io, std::move(drained), asio::use_awaitable);
    }
    admin->stop();
    signals->cancel();
}

daemon::daemon(std::unique_ptr<implementation> i) : implementation_{std::move(i)} {}

daemon::~daemon()
{
    // The writer before the loops: it commits what it holds and answers into loops that still
    // exist.
    implementation_->projector.reset();
    implementation_->writer.reset();
}

result<std::unique_ptr<daemon>> daemon::start(const config& c, bool migrate_first)
{
    std::signal(SIGPIPE, SIG_IGN); // a peer that went away is an error code, not the end
    auto i = std::make_unique<implementation>(c);
    BOOST_OUTCOME_TRY(i->prepare_database(migrate_first));
    BOOST_OUTCOME_TRY(i->open_writer());
    BOOST_OUTCOME_TRY(i->open_pipelines());
    BOOST_OUTCOME_TRY(i->open_listeners());
    BOOST_OUTCOME_TRY(i->open_admin());
    i->retention.emplace(i->database.url, i->settings.retention);
    auto& io = i->lanes.front().io;
    i->wake.emplace(io);
    i->signals.emplace(io, SIGINT, SIGTERM);
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
    spdlog::info("listening on {}, admin on {}", i.addresses.listener, i.addresses.admin);

    std::vector<std::thread> threads;
    for (std::size_t n = 1; n < i.lanes.size(); ++n)
        threads.emplace_back([&io = i.lanes[n].io] { run_loop(io); });
    run_loop(i.lanes.front().io);
    for (auto& thread : threads)
        thread.join();
    i.projector.reset();
    i.writer.reset();
    spdlog::info("stopped");
}

void daemon::stop()
{
    asio::post(implementation_->lanes.front().io,
               [i = implementation_.get()] { i->request_stop(); });
}

} // namespace gateway
