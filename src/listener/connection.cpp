// OpenSSL reads and writes the socket itself: Asio's ssl::stream keeps buffers of 17 KiB in both
// directions for each connection, and copies through them. What OpenSSL cannot do yet is awaited
// and asked for again; its error queue is the thread's, so it is cleared before each call. In an
// assignment, g++ 12 runs a co_await behind `&&` whatever stands before it.
#include "listener/connection.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>

#include <openssl/bio.h>

#include <array>
#include <new>

namespace gateway {
namespace asio = boost::asio;
using error_code = connection::error_code;

namespace {

loop_socket& socket_of(BIO* bio)
{
    return *static_cast<loop_socket*>(BIO_get_data(bio));
}

bool is_not_ready(const error_code& ec)
{
    return ec == asio::error::would_block || ec == asio::error::interrupted;
}

int read_socket(BIO* bio, char* into, int length)
{
    BIO_clear_retry_flags(bio);
    error_code ec;
    const auto n =
        socket_of(bio).receive(asio::buffer(into, static_cast<std::size_t>(length)), 0, ec);
    if (is_not_ready(ec))
        BIO_set_retry_read(bio);
    return ec ? -1 : static_cast<int>(n);
}

int write_socket(BIO* bio, const char* from, int length)
{
    BIO_clear_retry_flags(bio);
    error_code ec;
    const auto n = socket_of(bio).send(asio::buffer(from, static_cast<std::size_t>(length)), 0, ec);
    if (is_not_ready(ec))
        BIO_set_retry_write(bio);
    return ec ? -1 : static_cast<int>(n);
}

long control_socket(BIO*, int what, long, void*)
{
    return what == BIO_CTRL_FLUSH ? 1 : 0; // nothing is held back
}

// OpenSSL's own writes to a descriptor: it would raise SIGPIPE, and might meet, behind a close, the
// next connection that the kernel gave the same number.
const BIO_METHOD* socket_method()
{
    static const BIO_METHOD* const method = [] {
        BIO_METHOD* const m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
        if (m == nullptr || BIO_meth_set_read(m, read_socket) != 1 ||
            BIO_meth_set_write(m, write_socket) != 1 || BIO_meth_set_ctrl(m, control_socket) != 1)
            throw std::bad_alloc{};
        return m;
    }();
    return method;
}

} // namespace

connection::connection(loop_socket socket, tls_context tls) : socket_(std::move(socket))
{
    error_code ignored;
    socket_.set_option(asio::ip::tcp::no_delay{true}, ignored);
    if (tls == nullptr)
        return;
    tls_.reset(SSL_new(tls->native_handle()));
    BIO* const bio = tls_ == nullptr ? nullptr : BIO_new(socket_method());
    if (bio == nullptr)
        throw std::bad_alloc{};
    BIO_set_data(bio, &socket_);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls_.get(), bio, bio);
    SSL_set_accept_state(tls_.get());
    SSL_set_read_ahead(tls_.get(), 1); // else each record is two reads: how long it is, and it
    socket_.non_blocking(true, ignored);
}

task<std::size_t> connection::read_before_tls(asio::mutable_buffer into, error_code& ec)
{
    return asio::async_read(socket_, into, asio::redirect_error(use_task, ec));
}

// Waits when it is the socket that OpenSSL waits for; else `ec` says what ended the connection.
task<bool> connection::may_try_again(int outcome, error_code& ec)
{
    switch (SSL_get_error(tls_.get(), outcome)) {
    case SSL_ERROR_WANT_READ:
        co_await socket_.async_wait(loop_socket::wait_read, asio::redirect_error(use_task, ec));
        co_return !ec;
    case SSL_ERROR_WANT_WRITE:
        co_await socket_.async_wait(loop_socket::wait_write, asio::redirect_error(use_task, ec));
        co_return !ec;
    case SSL_ERROR_SSL:
        ec = {static_cast<int>(ERR_get_error()), asio::error::get_ssl_category()};
        co_return false;
    default: // closed by the peer, in TLS or below
        ec = asio::error::eof;
        co_return false;
    }
}

template <class Call>
task<bool> connection::waited_for(Call& call, error_code& ec)
{
    for (bool has_waited = false;; has_waited = true) {
        ERR_clear_error();
        const int outcome = call();
        if (outcome == 1)
            co_return has_waited;
        if (!co_await may_try_again(outcome, ec))
            co_return true;
    }
}

task<void> connection::handshake(error_code& ec)
{
    if (tls_ == nullptr)
        co_return;
    auto shake_hands = [this] { return SSL_do_handshake(tls_.get()); };
    co_await waited_for(shake_hands, ec);
}

task<std::size_t> connection::read_some(asio::mutable_buffer into, error_code& ec)
{
    if (tls_ != nullptr)
        return read_tls(into, ec);
    return socket_.async_read_some(into, asio::redirect_error(use_task, ec));
}

task<std::size_t> connection::read_tls(asio::mutable_buffer into, error_code& ec)
{
    std::size_t done = 0;
    auto read = [&] { return SSL_read_ex(tls_.get(), into.data(), into.size(), &done); };
    const bool has_waited = co_await waited_for(read, ec);
    if (!has_waited) // others have their turn beside a peer that always has more to say
        co_await asio::post(executor(), use_task);
    co_return done;
}

task<std::size_t> connection::write_some(asio::const_buffer from, error_code& ec)
{
    if (tls_ != nullptr)
        return write_tls(from, ec);
    return socket_.async_write_some(from, asio::redirect_error(use_task, ec));
}

task<std::size_t> connection::write_tls(asio::const_buffer from, error_code& ec)
{
    std::size_t done = 0;
    auto write = [&] { return SSL_write_ex(tls_.get(), from.data(), from.size(), &done); };
    co_await waited_for(write, ec);
    co_return done;
}

task<void> connection::finish(std::size_t bytes_max)
{
    if (tls_ != nullptr) {
        ERR_clear_error();
        SSL_shutdown(tls_.get()); // what it needs no answer for
    }
    error_code ec;
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
