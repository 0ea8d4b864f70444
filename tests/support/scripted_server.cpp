// See scripted_server.hpp.
#include "support/scripted_server.hpp"

#include "gateway/listener/tls.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace gateway {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace ssl = boost::asio::ssl;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using tls_stream = ssl::stream<tcp::socket>;

std::filesystem::path make_directory()
{
    std::string pattern = (std::filesystem::temp_directory_path() / "scripted-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
        throw std::runtime_error{"no temporary directory"};
    return pattern;
}

} // namespace

struct scripted_server::implementation {
    implementation(script s, bool with_tls)
        : answer(std::move(s)), tls(with_tls), acceptor(io, {asio::ip::address_v4::any(), 0})
    {
        const auto made = make_self_signed_certificate();
        certificate = (directory / "certificate.pem").string();
        std::ofstream{certificate} << made.certificate;
        context.use_certificate_chain(asio::buffer(made.certificate));
        context.use_private_key(asio::buffer(made.private_key), ssl::context::pem);
        port = acceptor.local_endpoint().port();
        asio::co_spawn(io, accept(), asio::detached);
        thread = std::thread{[this] { io.run(); }};
    }

    ~implementation()
    {
        io.stop();
        thread.join();
        std::filesystem::remove_all(directory);
    }

    asio::awaitable<void> accept()
    {
        for (;;) {
            error_code error;
            auto socket =
                co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
            if (error)
                co_return;
            std::size_t number = 0;
            {
                const std::lock_guard lock{mutex};
                number = connections++;
            }
            asio::co_spawn(io, serve(std::move(socket), number), asio::detached);
        }
    }

    asio::awaitable<void> serve(tcp::socket socket, std::size_t number)
    {
        tls_stream stream{std::move(socket), context};
        if (!tls) {
            co_await converse(stream.next_layer(), stream.next_layer(), number);
            co_return;
        }
        error_code error;
        co_await stream.async_handshake(ssl::stream_base::server,
                                        asio::redirect_error(asio::use_awaitable, error));
        if (error)
            co_return;
        {
            const std::lock_guard lock{mutex};
            resumed += SSL_session_reused(stream.native_handle()) == 1 ? 1U : 0U;
        }
        co_await converse(stream, stream.next_layer(), number);
    }

    template <class Stream>
    asio::awaitable<void> converse(Stream& stream, tcp::socket& socket, std::size_t number)
    {
        boost::beast::flat_buffer buffer;
        for (;;) {
            http::request<http::string_body> request;
            error_code error;
            co_await http::async_read(stream, buffer, request,
                                      asio::redirect_error(asio::use_awaitable, error));
            if (error) {
                const std::lock_guard lock{mutex};
                goodbyes += error == http::error::end_of_stream ? 1U : 0U;
                co_return;
            }
            const seen_request seen = seen_as(request, number);
            const scripted_answer told = answer(remember(seen), seen);
            if (told.delay_ms > 0 || told.act == scripted_answer::what::never) {
                const bool never = told.act == scripted_answer::what::never;
                asio::steady_timer timer{io};
                timer.expires_after(std::chrono::milliseconds{never ? 60'000 : told.delay_ms});
                co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
            }
            if (told.act == scripted_answer::what::cut) {
                socket.close(error);
                co_return;
            }
            http::response<http::string_body> response{static_cast<http::status>(told.status), 11,
                                                       told.body};
            response.keep_alive(told.act != scripted_answer::what::reply_and_close);
            if (!told.retry_after.empty())
                response.set(http::field::retry_after, told.retry_after);
            response.prepare_payload();
            co_await http::async_write(stream, response,
                                       asio::redirect_error(asio::use_awaitable, error));
            if (error || told.act != scripted_answer::what::reply)
                co_return;
        }
    }

    static seen_request seen_as(const http::request<http::string_body>& request, std::size_t number)
    {
        return {number,
                std::string{request.target()},
                std::string{request[http::field::host]},
                std::string{request[http::field::content_type]},
                std::string{request["x-attentive-hmac-sha256"]},
                request.body(),
                std::string{request.method_string()},
                std::string{request[http::field::authorization]}};
    }

    std::size_t remember(const seen_request& seen)
    {
        const std::lock_guard lock{mutex};
        requests.push_back(seen);
        return requests.size() - 1;
    }

    script answer;
    bool tls;
    std::filesystem::path directory = make_directory();
    std::string certificate;
    asio::io_context io;
    ssl::context context{ssl::context::tls_server};
    tcp::acceptor acceptor;
    unsigned short port = 0;
    mutable std::mutex mutex; // guards what follows
    std::vector<seen_request> requests;
    std::size_t connections = 0;
    std::size_t resumed = 0;
    std::size_t goodbyes = 0;
    std::thread thread;
};

scripted_server::scripted_server(script answer, bool tls)
    : implementation_(std::make_unique<implementation>(std::move(answer), tls))
{
}

scripted_server::~scripted_server() = default;

unsigned short scripted_server::port() const
{
    return implementation_->port;
}

std::string scripted_server::url(const std::string& path) const
{
    return (implementation_->tls ? "https" : "http") + std::string{"://localhost:"} +
           std::to_string(port()) + path;
}

const std::string& scripted_server::certificate_file() const
{
    return implementation_->certificate;
}

std::vector<seen_request> scripted_server::requests() const
{
    const std::lock_guard lock{implementation_->mutex};
    return implementation_->requests;
}

std::size_t scripted_server::connections() const
{
    const std::lock_guard lock{implementation_->mutex};
    return implementation_->connections;
}

std::size_t scripted_server::resumed() const
{
    const std::lock_guard lock{implementation_->mutex};
    return implementation_->resumed;
}

std::size_t scripted_server::goodbyes() const
{
    const std::lock_guard lock{implementation_->mutex};
    return implementation_->goodbyes;
}

} // namespace gateway
