// The loop runs until the listener has drained, as the daemon's does: never stopped from outside.
#include "listener_server.hpp"
#include "support/waiting.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <fstream>
#include <future>
#include <stdexcept>

#include <unistd.h>

namespace gateway::test {
namespace asio = boost::asio;

listener_limits short_limits()
{
    listener_limits limits;
    limits.handshake_timeout = 300ms;
    limits.header_timeout = 300ms;
    limits.body_timeout = 300ms;
    limits.answer_timeout = 300ms;
    limits.write_timeout = 300ms;
    limits.idle_timeout = 600ms;
    return limits;
}

std::filesystem::path make_folder()
{
    std::string name = (std::filesystem::temp_directory_path() / "gateway-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
        throw std::runtime_error{"mkdtemp failed"};
    return name;
}

tls_context write_and_load(const self_signed& pair, const std::filesystem::path& folder)
{
    std::ofstream{folder / "certificate.pem"} << pair.certificate;
    std::ofstream{folder / "key.pem"} << pair.private_key;
    auto context = load_tls_context(folder / "certificate.pem", folder / "key.pem");
    if (context.has_error())
        throw std::runtime_error{context.error().detail};
    return std::move(context).value();
}

std::string post(std::string_view body, std::string_view more_fields)
{
    std::string out = "POST " + std::string{hook_path} + " HTTP/1.1\r\nHost: localhost\r\n";
    out.append("Content-Type: application/json\r\nX-Signature: s\r\nContent-Length: ");
    out.append(std::to_string(body.size())).append("\r\n").append(more_fields).append("\r\n");
    return out.append(body);
}

listener_server::listener_server(server_options options)
    : folder_(make_folder()), tls_(options.tls), handler_(std::move(options.handler)),
      delay_(std::move(options.delay))
{
    listener_settings settings;
    if (tls_)
        settings.tls = write_and_load(make_self_signed_certificate(), folder_);
    settings.limits = options.limits;
    settings.trusted_proxies = std::move(options.trusted_proxies);
    settings.proxy_protocol = options.proxy_protocol;
    settings.healthy = [this] {
        ++health_asked;
        return healthy.load();
    };
    delivery_handler remembering = [this](delivery d, completion done) {
        remember(std::move(d), std::move(done));
    };
    settings.routes.push_back({std::string{hook_path}, "test", "X-Signature", remembering});
    auto acceptor = open_acceptor(io_, "127.0.0.1:0");
    if (acceptor.has_error())
        throw std::runtime_error{acceptor.error().detail};
    port_ = acceptor.value().local_endpoint().port();
    listener_ = std::make_unique<listener>(std::move(acceptor).value(), std::move(settings));
    listener_->start();
    thread_ = std::thread{[this] { io_.run(); }};
}

listener_server::~listener_server()
{
    drain(500ms);
    work_.reset();
    thread_.join();
    listener_.reset();
    std::filesystem::remove_all(folder_);
}

client_options listener_server::client() const
{
    client_options options;
    options.port = port_;
    options.tls = tls_;
    return options;
}

void listener_server::on_loop(const std::function<void(listener&)>& work)
{
    std::promise<void> done;
    asio::post(io_, [this, &work, &done] {
        work(*listener_);
        done.set_value();
    });
    done.get_future().wait();
}

void listener_server::at_each_turn(std::function<bool()> work)
{
    asio::post(io_, [this, work = std::move(work)]() mutable {
        if (work())
            at_each_turn(std::move(work));
    });
}

void listener_server::announce_drain()
{
    on_loop([](listener& l) { l.announce_drain(); });
}

std::chrono::milliseconds listener_server::drain(std::chrono::milliseconds time)
{
    const auto begin = std::chrono::steady_clock::now();
    std::promise<void> done;
    asio::post(io_, [this, time, begin, &done] {
        auto draining = listener_->drain(begin + time);
        asio::co_spawn(io_, std::move(draining), [&done](std::exception_ptr) { done.set_value(); });
    });
    done.get_future().wait();
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 begin);
}

std::size_t listener_server::connections()
{
    std::size_t n = 0;
    on_loop([&n](listener& l) { n = l.connections(); });
    return n;
}

bool listener_server::wait_for_connections(std::size_t n, std::chrono::milliseconds time)
{
    return becomes([this, n] { return connections() == n; }, time);
}

std::vector<delivery> listener_server::handled() const
{
    const std::lock_guard lock{mutex_};
    return handled_;
}

void listener_server::remember(delivery d, completion done)
{
    {
        const std::lock_guard lock{mutex_};
        handled_.push_back(d);
    }
    if (handler_)
        return handler_(std::move(d), std::move(done));
    const receipt r{disposition::accepted, uuid_from_digest(sha256(d.body)), std::nullopt};
    if (!delay_)
        return done(r);
    const auto timer = std::make_shared<asio::steady_timer>(io_, delay_(d));
    timer->async_wait([timer, done = std::move(done), r](auto) { done(r); });
}

} // namespace gateway::test
