// What a session reads: whose connection it is, TLS, a request's header and its body. See
// session.cpp.
#include "listener/session.hpp"

#include "gateway/base/log.hpp"

#include "listener/proxy_header.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>

#include <algorithm>

namespace gateway {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

constexpr std::size_t read_bytes = 4U << 10U; // a usual request fits into one read

// A probe that says nothing, or goes away, is no fault; a client that cannot agree on TLS is.
bool is_tls_fault(const connection::error_code& ec)
{
    return ec.category() == asio::error::get_ssl_category();
}

} // namespace

// The header's bytes, to the last and no further: TLS begins right behind them. Empty when the
// peer went away or was late.
task<result<std::string>> session::read_proxy_header()
{
    connection::error_code ec;
    std::string header(proxy_prefix_bytes, '\0');
    co_await connection_.read_before_tls(asio::buffer(header), ec);
    if (!ec && is_proxy_v2(header)) {
        header.resize(proxy_v2_bytes);
        const auto fixed = asio::buffer(header) + proxy_prefix_bytes;
        co_await connection_.read_before_tls(fixed, ec);
        if (ec)
            co_return std::string{};
        const auto rest = proxy_v2_rest(header);
        if (rest.has_error())
            co_return rest.error();
        header.resize(proxy_v2_bytes + rest.value());
        const auto addresses = asio::buffer(header) + proxy_v2_bytes;
        co_await connection_.read_before_tls(addresses, ec);
    } else {
        while (!ec && header.back() != '\n' && header.size() < proxy_line_bytes_max) {
            header.push_back('\0');
            const auto one = asio::buffer(header) + (header.size() - 1);
            co_await connection_.read_before_tls(one, ec);
        }
    }
    if (ec)
        header.clear();
    co_return header;
}

// A trusted proxy says whose connection it passes on. False when it does not: what follows could
// not be told from the header then.
task<bool> session::meet_proxy()
{
    if (!trusted_ || !terms_->settings.proxy_protocol)
        co_return true;
    const auto header = co_await read_proxy_header();
    if (header.has_value() && header.value().empty())
        co_return false;
    result<std::optional<asio::ip::address>> named = std::optional<asio::ip::address>{};
    if (header.has_value())
        named = parse_proxy_header(header.value());
    else
        named = header.error();
    if (named.has_error()) {
        all_->refusals.note("proxy_header", named.error().detail, peer_, steady_clock::now());
        co_return false;
    }
    if (!named.value()) // a check of the proxy's own
        co_return true;
    peer_ = *named.value();
    client_ = peer_;
    co_return terms_->trusts(peer_) || count_as(peer_);
}

// Counts the connection as one of `client`'s, until it ends. False when that has too many already.
bool session::count_as(const asio::ip::address& client)
{
    if (!all_->has_room_for(client))
        return false;
    counted_ = peer_of(client);
    all_->peers.add(*counted_);
    return true;
}

// X-Forwarded-For is hearsay, unless a proxy that we trust says it of its own client.
void session::find_client(const request_head& head)
{
    client_ = peer_;
    if (!trusted_)
        return;
    for (const auto& field : head.fields) {
        if (equal_ignoring_case(field.name, "x-forwarded-for"))
            client_ = forwarded_for(field.value, terms_->trusted).value_or(client_);
    }
}

task<bool> session::shake_hands()
{
    connection::error_code ec;
    co_await connection_.handshake(ec);
    if (!ec)
        co_return true;
    if (is_tls_fault(ec))
        all_->refusals.note("tls_handshake", ec.message(), peer_, steady_clock::now());
    else
        write_log(severity::debug, "handshake_failed",
                  "handshake with {network.peer.address} ended: {error.message}",
                  {{"network.peer.address", peer_.to_string()}, {"error.message", ec.message()}});
    co_return false;
}

// Reads once more behind what is unread.
task<session::input> session::fill()
{
    if (deadline_ <= steady_clock::now())
        co_return input::late;
    const std::size_t room = std::min(read_bytes, buffer_.max_size() - buffer_.size());
    connection::error_code ec;
    const std::size_t n = co_await connection_.read_some(buffer_.prepare(room), ec);
    buffer_.commit(n);
    if (!ec)
        co_return input::more;
    co_return deadline_ <= steady_clock::now() ? input::late : input::gone;
}

// Takes the next request's header out of the buffer, so that nothing which happens to the request
// can leave it there to be read, and answered, once more. Returns its length; 0 when the
// connection ended or stayed idle too long.
task<result<std::size_t>> session::read_header()
{
    const std::size_t bytes_max = limits().header_bytes_max;
    header_scanner scanner;
    enter(buffer_.size() == 0 ? phase::idle : phase::header);
    began_ = steady_clock::now();
    for (;;) {
        const auto found = scanner.scan(unread().substr(0, bytes_max));
        if (found.has_value() && found.value() != 0) {
            header_.assign(unread().substr(0, found.value()));
            buffer_.consume(found.value());
        }
        if (found.has_error() || found.value() != 0)
            co_return found;
        if (buffer_.size() >= bytes_max)
            co_return fail(errc::header_too_large);
        const input got = co_await fill();
        if (got == input::late && phase_ == phase::header)
            co_return fail(errc::request_timeout);
        if (got != input::more)
            co_return std::size_t{0};
        if (phase_ == phase::idle) {
            enter(phase::header);
            began_ = steady_clock::now();
        }
    }
}

// False when the connection ended first: a cut body is dropped, whatever it looks like.
task<result<bool>> session::read_body(body_framing framing, std::uint64_t length, std::string& body)
{
    if (framing == body_framing::chunked)
        co_return co_await read_chunks(body);
    body.reserve(std::min<std::size_t>(length, read_bytes)); // an announcement costs no memory
    for (;;) {
        const std::string_view part = unread().substr(0, length - body.size());
        body.append(part);
        buffer_.consume(part.size());
        if (body.size() == length)
            co_return true;
        const input got = co_await fill();
        if (got == input::late)
            co_return fail(errc::request_timeout);
        if (got == input::gone)
            co_return false;
    }
}

task<result<bool>> session::read_chunks(std::string& body)
{
    chunked_decoder decoder{limits().body_bytes_max};
    for (;;) {
        const auto taken = decoder.feed(unread(), body);
        if (taken.has_error())
            co_return taken.error();
        buffer_.consume(taken.value());
        if (decoder.done())
            co_return true;
        const input got = co_await fill();
        if (got == input::late)
            co_return fail(errc::request_timeout);
        if (got == input::gone)
            co_return false;
    }
}

} // namespace gateway
