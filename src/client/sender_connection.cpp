// Sockets, TLS and HTTP of the sender. See sender_connection.hpp.
#include "client/sender_connection.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <algorithm>
#include <poll.h>

namespace gateway {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace ssl = boost::asio::ssl;
using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr std::size_t answer_header_bytes_max = 16U << 10U;
constexpr std::size_t answer_body_bytes_max = 1U << 20U;

bool is_address(const std::string& host)
{
    error_code error;
    asio::ip::make_address(host, error);
    return !error;
}

result<std::vector<tcp::endpoint>> resolve(const std::string& host, const std::string& port)
{
    asio::io_context io;
    error_code error;
    std::vector<tcp::endpoint> endpoints;
    for (const auto& entry : tcp::resolver{io}.resolve(host, port, error))
        endpoints.push_back(entry.endpoint());
    if (error || endpoints.empty())
        return fail(errc::network_failed, host + ": " + error.message());
    return endpoints;
}

std::string certificate_fault(SSL* handle)
{
    const long verdict = SSL_get_verify_result(handle);
    if (verdict == X509_V_OK)
        return {};
    return std::string{"the certificate is not trusted: "} +
           X509_verify_cert_error_string(verdict) +
           "; name who signed it with --ca FILE, or skip the check with --insecure";
}

} // namespace

result<destination> resolve_url(const std::string& url)
{
    const auto parsed = boost::urls::parse_uri(url);
    if (!parsed || parsed->host().empty())
        return fail(errc::config_invalid, "\"" + url + "\" is not a URL like https://host/path");
    destination to;
    const std::string scheme{parsed->scheme()};
    if (scheme != "https" && scheme != "http")
        return fail(errc::config_invalid, "\"" + scheme + "\" is neither https nor http");
    if (parsed->has_userinfo())
        return fail(errc::config_invalid, "the URL holds a user name, which is not supported");
    to.tls = scheme == "https";
    to.host = parsed->host_address();
    to.authority = std::string{parsed->encoded_host_and_port()};
    to.target = std::string{parsed->encoded_target()};
    if (to.target.empty() || to.target.front() != '/')
        to.target.insert(0, "/");
    to.shown = scheme + "://" + to.authority;
    const std::string port = parsed->has_port() ? std::string{parsed->port()} : scheme;
    BOOST_OUTCOME_TRY(to.endpoints, resolve(to.host, port));
    const bool local = std::all_of(to.endpoints.begin(), to.endpoints.end(),
                                   [](const auto& e) { return e.address().is_loopback(); });
    if (!to.tls && !local)
        return fail(errc::config_invalid, "http is for this machine only: use https");
    return to;
}

result<std::shared_ptr<ssl::context>>
make_client_tls(const std::optional<std::filesystem::path>& ca_file, bool insecure)
{
    auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
    SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
    error_code error;
    context->set_verify_mode(insecure ? ssl::verify_none : ssl::verify_peer, error);
    if (ca_file) {
        context->load_verify_file(ca_file->string(), error);
        if (error)
            return fail(errc::config_invalid,
                        ca_file->string() + ": no PEM certificate: " + error.message());
    } else if (!insecure) {
        context->set_default_verify_paths(error);
    }
    return context;
}

sender_connection::sender_connection(asio::io_context& io, const destination& to,
                                     std::shared_ptr<ssl::context> tls)
    : io_(io), to_(to), tls_(std::move(tls))
{
}

error sender_connection::broken(const std::string& doing, const error_code& why)
{
    std::string cause = why.message();
    if (expired_)
        cause = "timed out";
    else if (why == http::error::end_of_stream || why == asio::error::eof ||
             why == ssl::error::stream_truncated || why == http::error::partial_message)
        cause = "the connection was closed";
    close();
    return fail(errc::network_failed, to_.shown + ": " + doing + ": " + cause);
}

asio::awaitable<result<void>> sender_connection::open()
{
    expired_ = false;
    buffer_.clear();
    stream_.emplace(io_, *tls_);
    auto& socket = stream_->next_layer();
    error_code error;
    co_await asio::async_connect(socket, to_.endpoints,
                                 asio::redirect_error(asio::use_awaitable, error));
    if (error)
        co_return broken("connecting", error);
    error_code ignored;
    socket.set_option(tcp::no_delay{true}, ignored);
    if (!to_.tls)
        co_return ok();
    co_return co_await shake_hands();
}

asio::awaitable<result<void>> sender_connection::shake_hands()
{
    SSL* const handle = stream_->native_handle();
    if (!is_address(to_.host)) { // RFC 6066, section 3: no literal addresses in SNI
        SSL_ctrl(handle, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 const_cast<char*>(to_.host.c_str())); // OpenSSL copies it
    }
    if (session_ != nullptr)
        SSL_set_session(handle, session_.get());
    error_code error;
    if ((SSL_get_verify_mode(handle) & SSL_VERIFY_PEER) != 0)
        stream_->set_verify_callback(ssl::host_name_verification{to_.host}, error);
    co_await stream_->async_handshake(ssl::stream_base::client,
                                      asio::redirect_error(asio::use_awaitable, error));
    if (!error)
        co_return ok();
    const std::string untrusted = expired_ ? std::string{} : certificate_fault(handle);
    session_.reset();
    if (untrusted.empty())
        co_return broken("TLS handshake", error);
    close();
    co_return fail(errc::network_failed, to_.shown + ": " + untrusted);
}

template <class Stream>
asio::awaitable<result<http_answer>> sender_connection::exchange_over(Stream& stream,
                                                                      const std::string& request)
{
    error_code error;
    co_await asio::async_write(stream, asio::buffer(request),
                               asio::redirect_error(asio::use_awaitable, error));
    if (error)
        co_return broken("sending", error);
    http::response_parser<http::string_body> parser;
    parser.header_limit(answer_header_bytes_max);
    parser.body_limit(answer_body_bytes_max);
    co_await http::async_read(stream, buffer_, parser,
                              asio::redirect_error(asio::use_awaitable, error));
    if (error)
        co_return broken("waiting for the answer", error);
    http_answer got{static_cast<int>(parser.get().result_int()), std::move(parser.get().body()),
                    std::string{parser.get()[http::field::retry_after]}};
    // Bytes behind the answer belong to no request of ours.
    if (!parser.keep_alive() || buffer_.size() != 0)
        close();
    co_return got;
}

asio::awaitable<result<http_answer>> sender_connection::exchange(const std::string& request)
{
    try {
        if (to_.tls)
            co_return co_await exchange_over(*stream_, request);
        co_return co_await exchange_over(stream_->next_layer(), request);
    } catch (const std::exception& e) { // Beast throws on trailers that are too long
        close();
        co_return fail(errc::network_failed, to_.shown + ": unusable answer: " + e.what());
    }
}

asio::awaitable<void> sender_connection::shut_down()
{
    if (stream_ && to_.tls) {
        error_code ignored;
        co_await stream_->async_shutdown(asio::redirect_error(asio::use_awaitable, ignored));
    }
    close();
}

void sender_connection::close()
{
    if (!stream_)
        return;
    if (to_.tls) {
        SSL* const handle = stream_->native_handle();
        if (SSL_is_init_finished(handle) == 1)
            session_.reset(SSL_get1_session(handle));
        // OpenSSL would mark the session as not resumable without a shutdown.
        SSL_set_shutdown(handle, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    stream_.reset();
}

bool sender_connection::is_stale()
{
    if (!stream_)
        return false;
    pollfd socket{stream_->next_layer().native_handle(), POLLRDHUP, 0};
    return ::poll(&socket, 1, 0) > 0;
}

void sender_connection::expire(clock::time_point at)
{
    if (!stream_ || at < deadline_)
        return;
    expired_ = true;
    error_code ignored;
    stream_->next_layer().close(ignored); // what is under way ends with operation_aborted
}

} // namespace gateway
