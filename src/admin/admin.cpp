#include "gateway/admin/admin.hpp"

#include "gateway/base/metrics.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <utility>

namespace gateway {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using error_code = boost::system::error_code;
using request = http::request<http::empty_body>;
using response = http::response<http::string_body>;

constexpr std::size_t connections_max = 32;
constexpr std::uint32_t header_bytes_max = 4U << 10U;
constexpr std::chrono::seconds exchange_timeout{2}; // from accept to the answer's last byte
constexpr std::chrono::milliseconds accept_pause{100};

response json_response(http::status status, const nlohmann::json& body)
{
    response r{status, 11};
    r.set(http::field::content_type, "application/json");
    r.set(http::field::cache_control, "no-store");
    r.body() = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    return r;
}

response readiness(const admin_settings& settings)
{
    std::vector<std::string> reasons;
    if (settings.not_ready_because)
        reasons = settings.not_ready_because();
    std::vector<std::string> degraded;
    if (settings.degraded_because)
        degraded = settings.degraded_because();
    nlohmann::json body = {{"status", reasons.empty() ? "ready" : "not_ready"}};
    if (!reasons.empty())
        body["reasons"] = reasons;
    if (!degraded.empty())
        body["degraded"] = degraded;
    const auto status = reasons.empty() ? http::status::ok : http::status::service_unavailable;
    return json_response(status, body);
}

response metrics(const admin_settings& settings)
{
    if (settings.before_metrics)
        settings.before_metrics();
    response r{http::status::ok, 11};
    r.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
    r.set(http::field::cache_control, "no-store");
    r.body() = metrics_text();
    return r;
}

response respond_to(const request& req, const admin_settings& settings)
{
    const beast::string_view path = req.target().substr(0, req.target().find('?'));
    if (path != "/livez" && path != "/readyz" && path != "/metrics")
        return json_response(http::status::not_found, {{"status", "not_found"}});
    if (req.method() != http::verb::get && req.method() != http::verb::head) {
        auto r = json_response(http::status::method_not_allowed, {{"status", "not_allowed"}});
        r.set(http::field::allow, "GET, HEAD");
        return r;
    }
    if (path == "/readyz")
        return readiness(settings);
    if (path == "/metrics")
        return metrics(settings);
    return json_response(http::status::ok, {{"status", "alive"}});
}

} // namespace

struct admin_server::implementation {
    implementation(asio::ip::tcp::acceptor a, admin_settings s)
        : acceptor(std::move(a)), pause(acceptor.get_executor()), settings(std::move(s))
    {
    }

    static asio::awaitable<void> accept_connections(std::shared_ptr<implementation> self);
    static asio::awaitable<void> serve(std::shared_ptr<implementation> self,
                                       asio::ip::tcp::socket socket);
    asio::awaitable<void> exchange(beast::tcp_stream& stream) const;

    asio::ip::tcp::acceptor acceptor;
    asio::steady_timer pause;
    admin_settings settings;
    std::size_t connections = 0;
};

asio::awaitable<void>
admin_server::implementation::accept_connections(std::shared_ptr<implementation> self)
{
    while (self->acceptor.is_open()) {
        error_code ec;
        auto socket =
            co_await self->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, ec));
        if (ec && self->acceptor.is_open()) {
            self->pause.expires_after(accept_pause);
            co_await self->pause.async_wait(asio::redirect_error(asio::use_awaitable, ec));
            continue;
        }
        if (ec || self->connections >= connections_max)
            continue; // closes the socket
        auto serving = serve(self, std::move(socket));
        asio::co_spawn(self->acceptor.get_executor(), std::move(serving), asio::detached);
    }
}

// Whatever an exchange throws ends here.
asio::awaitable<void> admin_server::implementation::serve(std::shared_ptr<implementation> self,
                                                          asio::ip::tcp::socket socket)
{
    ++self->connections;
    try {
        beast::tcp_stream stream{std::move(socket)};
        co_await self->exchange(stream);
    } catch (const std::exception& e) {
        spdlog::error("an admin connection ended by an unexpected fault: {}", e.what());
    }
    --self->connections;
}

// Reads the header only: there is no body that anybody would want, and no second request.
asio::awaitable<void> admin_server::implementation::exchange(beast::tcp_stream& stream) const
{
    stream.expires_after(exchange_timeout);
    beast::flat_buffer buffer{2 * header_bytes_max};
    http::request_parser<http::empty_body> parser;
    parser.header_limit(header_bytes_max);
    error_code ec;
    co_await http::async_read_header(stream, buffer, parser,
                                     asio::redirect_error(asio::use_awaitable, ec));
    if (ec)
        co_return;
    response answer = respond_to(parser.get(), settings);
    answer.keep_alive(false);
    answer.prepare_payload();
    if (parser.get().method() == http::verb::head)
        answer.body().clear();
    http::response_serializer<http::string_body> serializer{answer};
    co_await http::async_write(stream, serializer, asio::redirect_error(asio::use_awaitable, ec));
    stream.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ec);
}

admin_server::admin_server(asio::ip::tcp::acceptor acceptor, admin_settings settings)
    : implementation_(std::make_shared<implementation>(std::move(acceptor), std::move(settings)))
{
}

admin_server::~admin_server()
{
    stop();
}

void admin_server::start()
{
    auto accepting = implementation::accept_connections(implementation_);
    asio::co_spawn(implementation_->acceptor.get_executor(), std::move(accepting), asio::detached);
}

void admin_server::stop()
{
    error_code ignored;
    implementation_->acceptor.close(ignored);
    implementation_->pause.cancel();
}

} // namespace gateway
