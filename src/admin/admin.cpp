#include "gateway/admin/admin.hpp"

#include "admin/access.hpp"
#include "admin/assets.hpp"
#include "gateway/base/log.hpp"
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

#include <algorithm>
#include <list>
#include <optional>
#include <utility>

namespace gateway {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using error_code = boost::system::error_code;
using request = http::request<http::empty_body>;
using response = http::response<http::string_body>;

constexpr std::size_t connections_max = 64;
constexpr std::uint32_t header_bytes_max = 4U << 10U;
constexpr std::chrono::seconds exchange_timeout{2};    // from accept to the header's last byte
constexpr std::size_t bytes_a_second_min = 16U << 10U; // what a slow line gets time for
constexpr std::chrono::milliseconds accept_pause{100};

// Scripts, styles, images and connections of our own and nothing else, in no frame.
constexpr std::string_view content_security_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

response text_response(http::status status, beast::string_view type, std::string body)
{
    response r{status, 11};
    r.set(http::field::content_type, type);
    r.set(http::field::cache_control, "no-store");
    r.set("X-Content-Type-Options", "nosniff");
    r.body() = std::move(body);
    return r;
}

response json_response(http::status status, const nlohmann::json& body)
{
    return text_response(status, "application/json",
                         body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
                             "\n");
}

response asset_response(const asset& file)
{
    auto r = text_response(http::status::ok, file.content_type, std::string{file.text});
    r.set(http::field::cache_control, file.cache_control);
    r.set("Content-Security-Policy", content_security_policy);
    r.set("Referrer-Policy", "no-referrer");
    r.set("Cross-Origin-Resource-Policy", "same-origin");
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
    if (const auto notes = settings.notes ? settings.notes() : std::vector<std::string>{};
        !notes.empty())
        body["notes"] = notes;
    const auto status = reasons.empty() ? http::status::ok : http::status::service_unavailable;
    return json_response(status, body);
}

response metrics(const admin_settings& settings)
{
    if (settings.before_metrics)
        settings.before_metrics();
    return text_response(http::status::ok, "text/plain; version=0.0.4; charset=utf-8",
                         metrics_text());
}

response page_document(const admin_settings& settings)
{
    return text_response(http::status::ok, "application/json",
                         settings.page_document ? settings.page_document() : "{}\n");
}

// Why `req` may not read what the gateway knows; nothing when it may.
std::optional<response> refusal(const request& req, const admin_settings& settings, bool loopback)
{
    if (settings.token.empty()) {
        if (!loopback || is_local_name(req[http::field::host]))
            return std::nullopt;
        return json_response(http::status::misdirected_request,
                             {{"status", "misdirected"},
                              {"message", "ask for an IP address or localhost, not for a name"}});
    }
    if (has_token(req[http::field::authorization], settings.token))
        return std::nullopt;
    auto r = json_response(http::status::unauthorized,
                           {{"status", "unauthorized"},
                            {"message", "send the token of [admin] as Authorization: Bearer …"}});
    r.set(http::field::www_authenticate, "Bearer");
    return r;
}

response respond_to(const request& req, const admin_settings& settings, bool loopback)
{
    const beast::string_view path = req.target().substr(0, req.target().find('?'));
    const asset* const file = find_asset(path);
    const bool guarded = path == "/metrics" || path == "/page.json";
    if (file == nullptr && !guarded && path != "/livez" && path != "/readyz")
        return json_response(http::status::not_found, {{"status", "not_found"}});
    if (req.method() != http::verb::get && req.method() != http::verb::head) {
        auto r = json_response(http::status::method_not_allowed, {{"status", "not_allowed"}});
        r.set(http::field::allow, "GET, HEAD");
        return r;
    }
    if (file != nullptr)
        return asset_response(*file);
    if (guarded) {
        if (auto refused = refusal(req, settings, loopback))
            return std::move(*refused);
        return path == "/metrics" ? metrics(settings) : page_document(settings);
    }
    if (path == "/readyz")
        return readiness(settings);
    return json_response(http::status::ok, {{"status", "alive"}});
}

// A connection from accept to close.
struct visitor {
    beast::tcp_stream stream;
    bool has_asked = false; // its header is whole
    bool evicted = false;
};

} // namespace

struct admin_server::implementation {
    implementation(asio::ip::tcp::acceptor a, admin_settings s)
        : acceptor(std::move(a)), pause(acceptor.get_executor()), settings(std::move(s)),
          loopback(acceptor.local_endpoint().address().is_loopback())
    {
    }

    static asio::awaitable<void> accept_connections(std::shared_ptr<implementation> self);
    static asio::awaitable<void> serve(std::shared_ptr<implementation> self,
                                       asio::ip::tcp::socket socket);
    asio::awaitable<void> exchange(visitor& v) const;
    void make_room();

    asio::ip::tcp::acceptor acceptor;
    asio::steady_timer pause;
    admin_settings settings;
    bool loopback;
    std::list<visitor*> visitors; // the oldest first
    counter evictions =
        make_counter("attentive_gateway_admin_connections_evicted_total",
                     "Connections to the admin port that were closed to make room.");
};

// Whoever comes is let in, because an orchestrator restarts a gateway that does not answer /livez:
// the oldest that has asked nothing yet goes, or else the one that takes longest over its answer.
void admin_server::implementation::make_room()
{
    const auto is_there = [](const visitor* v) { return !v->evicted; };
    if (std::count_if(visitors.begin(), visitors.end(), is_there) <
        static_cast<std::ptrdiff_t>(connections_max))
        return;
    auto leaving = std::find_if(visitors.begin(), visitors.end(),
                                [](const visitor* v) { return !v->evicted && !v->has_asked; });
    if (leaving == visitors.end())
        leaving = std::find_if(visitors.begin(), visitors.end(), is_there);
    (*leaving)->evicted = true;
    (*leaving)->stream.close();
    evictions.add();
}

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
        if (ec)
            continue;
        self->make_room();
        auto serving = serve(self, std::move(socket));
        asio::co_spawn(self->acceptor.get_executor(), std::move(serving), asio::detached);
    }
}

// Whatever an exchange throws ends here.
asio::awaitable<void> admin_server::implementation::serve(std::shared_ptr<implementation> self,
                                                          asio::ip::tcp::socket socket)
{
    visitor v{beast::tcp_stream{std::move(socket)}};
    const auto place = self->visitors.insert(self->visitors.end(), &v);
    try {
        co_await self->exchange(v);
    } catch (const std::exception& e) {
        write_log(severity::error, "admin_connection_failed",
                  "an admin connection ended by an unexpected fault: {error.message}",
                  {{"error.message", e.what()}});
    }
    self->visitors.erase(place);
}

// Reads the header only: there is no body that anybody would want, and no second request.
asio::awaitable<void> admin_server::implementation::exchange(visitor& v) const
{
    beast::tcp_stream& stream = v.stream;
    stream.expires_after(exchange_timeout);
    beast::flat_buffer buffer{2 * header_bytes_max};
    http::request_parser<http::empty_body> parser;
    parser.header_limit(header_bytes_max);
    error_code ec;
    co_await http::async_read_header(stream, buffer, parser,
                                     asio::redirect_error(asio::use_awaitable, ec));
    if (ec)
        co_return;
    v.has_asked = true;
    response answer = respond_to(parser.get(), settings, loopback);
    answer.keep_alive(false);
    answer.prepare_payload();
    stream.expires_after(exchange_timeout +
                         std::chrono::seconds{answer.body().size() / bytes_a_second_min});
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
