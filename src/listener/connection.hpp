// One accepted socket, plain or TLS, behind one face, so that the session is written once. Every
// operation reports by error_code and is ended from outside by cancel() or close() only; deadlines
// are the session's business.
#pragma once

#include "listener/loop.hpp"
#include "listener/openssl.hpp"

#include "gateway/listener/tls.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <openssl/ssl.h>

#include <cstddef>

namespace gateway {

class connection {
public:
    using error_code = boost::system::error_code;

    // `tls` null: plain.
    connection(loop_socket socket, tls_context tls);
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    // Reads exactly `into` before any TLS; less at the end.
    task<std::size_t> read_before_tls(boost::asio::mutable_buffer into, error_code& ec);

    // At once when plain.
    task<void> handshake(error_code& ec);
    task<std::size_t> read_some(boost::asio::mutable_buffer into, error_code& ec);
    task<std::size_t> write_some(boost::asio::const_buffer from, error_code& ec);

    // Says that nothing more will be sent (close_notify, then FIN), and reads at most `bytes_max`
    // of what still comes, so that closing does not reset the connection under our last answer.
    task<void> finish(std::size_t bytes_max);

    loop_executor executor() { return socket_.get_executor(); }

    // Ends the operation under way; the connection stays usable, so that a 408 can still be sent.
    void cancel();
    void close();

private:
    // Asks OpenSSL for `call` until it is done; else `ec` says what ended the connection. False: it
    // was done at once.
    template <class Call>
    task<bool> waited_for(Call& call, error_code& ec);
    // Whether what OpenSSL was asked for may be asked for again, now that the socket is ready.
    task<bool> may_try_again(int outcome, error_code& ec);
    task<std::size_t> read_tls(boost::asio::mutable_buffer into, error_code& ec);
    task<std::size_t> write_tls(boost::asio::const_buffer from, error_code& ec);

    loop_socket socket_;
    owned<SSL, SSL_free> tls_; // null: plain. Keeps a context alive that a reload replaced
};

} // namespace gateway
