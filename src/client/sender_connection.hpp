// One keep-alive connection of the sender: where it leads, how it is opened and trusted, and one
// exchange of a request for an answer. A connection that failed in any way is closed; the next
// open() makes a new one and resumes its TLS session.
#pragma once

#include "gateway/base/result.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

struct destination {
    bool tls = true;
    std::string host;      // name or address, without brackets
    std::string authority; // for the Host field: "[::1]:8443"
    std::string target;    // path and query
    std::string shown;     // scheme and authority, for messages
    std::vector<boost::asio::ip::tcp::endpoint> endpoints;
};

// Takes "https://host[:port]/path" apart and resolves the host; blocks while it does. Fails with
// config_invalid: no URL, another scheme, credentials in it, http to anything but loopback; and
// with network_failed when the host is unknown.
result<destination> resolve_url(const std::string& url);

// TLS 1.2 or newer, checked against `ca_file` or the system's authorities, or not at all. Fails
// with config_invalid when the file is no PEM certificate.
result<std::shared_ptr<boost::asio::ssl::context>>
make_client_tls(const std::optional<std::filesystem::path>& ca_file, bool insecure);

struct http_answer {
    int status = 0;
    std::string body;
    std::string retry_after; // the header field, as given; empty without one
};

// One thread. The destination outlives it.
class sender_connection {
public:
    using clock = std::chrono::steady_clock;

    sender_connection(boost::asio::io_context& io, const destination& to,
                      std::shared_ptr<boost::asio::ssl::context> tls);

    bool is_open() const { return stream_.has_value(); }

    // Connects and shakes hands. Fails with network_failed, in words.
    boost::asio::awaitable<result<void>> open();

    // Sends `request`, whole, and reads the answer. Fails with network_failed, in words; `request`
    // outlives the call.
    boost::asio::awaitable<result<http_answer>> exchange(const std::string& request);

    // Says good-bye, so that the peer does not take the end for a cut.
    boost::asio::awaitable<void> shut_down();

    // Closes, after keeping the TLS session for the next open().
    void close();

    // Whether the peer has closed while nothing was under way.
    bool is_stale();

    // What is under way fails once expire() is called past `deadline`.
    void set_deadline(clock::time_point deadline) { deadline_ = deadline; }
    void expire(clock::time_point at);

private:
    using tls_stream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket>;

    struct session_free {
        void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
    };

    template <class Stream>
    boost::asio::awaitable<result<http_answer>> exchange_over(Stream& stream,
                                                              const std::string& request);
    boost::asio::awaitable<result<void>> shake_hands();
    error broken(const std::string& doing, const boost::system::error_code& why);

    boost::asio::io_context& io_;
    const destination& to_;
    std::shared_ptr<boost::asio::ssl::context> tls_; // shared by all connections
    std::optional<tls_stream> stream_;               // plain HTTP uses its next_layer() only
    std::unique_ptr<SSL_SESSION, session_free> session_;
    boost::beast::flat_buffer buffer_;
    clock::time_point deadline_ = clock::time_point::max();
    bool expired_ = false;
};

} // namespace gateway
