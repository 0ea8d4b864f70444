// Asio's ssl::stream clears OpenSSL's error queue before each call and sends without SIGPIPE.
#include "listener/connection.hpp"

#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>

#include <array>

namespace gateway {
namespace asio = boost::asio;

connection::connection(loop_socket socket, tls_context tls)
    : context_(std::move(tls)), socket_(std::move(socket))
{
    if (context_ != nullptr)
        tls_.emplace(socket_, *context_);
    error_code ignored;
    socket_.set_option(asio::ip::tcp::no_delay{true}, ignored);
}

task<std::size_t> connection::read_before_tls(asio::mutable_buffer into, error_code& ec)
{
    return asio::async_read(socket_, into, asio::redirect_error(use_task, ec));
}

task<void> connection::handshake(error_code& ec)
{
    if (tls_)
        co_await tls_->async_handshake(asio::ssl::stream_base::server,
                                       asio::redirect_error(use_task, ec));
}

task<std::size_t> connection::read_some(asio::mutable_buffer into, error_code& ec)
{
    if (tls_)
        return tls_->async_read_some(into, asio::redirect_error(use_task, ec));
    return socket_.async_read_some(into, asio::redirect_error(use_task, ec));
}

task<std::size_t> connection::write_some(asio::const_buffer from, error_code& ec)
{
    if (tls_)
        return tls_->async_write_some(from, asio::redirect_error(use_task, ec));
    return socket_.async_write_some(from, asio::redirect_error(use_task, ec));
}

task<void> connection::finish(std::size_t bytes_max)
{
    error_code ec;
    if (tls_)
        co_await tls_->async_shutdown(asio::redirect_error(use_task, ec));
    if (ec == asio::error::operation_aborted) // the deadline passed
        co_return;
    ec = {};
    socket_.shutdown(loop_socket::shutdown_send, ec);
    std::array<char, 4096> unread;
    std::size_t seen = 0;
    while (!ec && seen < bytes_max) {
        seen += co_await socket_.async_read_some(asio::buffer(unread),
                                                 asio::redirect_error(use_task, ec));
    }
}

void connection::cancel()
{
    error_code ignored;
    socket_.cancel(ignored);
}

void connection::close()
{
    error_code ignored;
    socket_.close(ignored);
}

} // namespace gateway
