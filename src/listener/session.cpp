// A phase's deadline is set once, on entering it, and never moved by bytes that come. The sweep
// cancels the socket of a session whose deadline passed; the step that was waiting then sees that
// it is late and still has a working connection to say so on.
#include "listener/session.hpp"

#include "gateway/base/log.hpp"

#include "listener/answer.hpp"
#include "listener/counts.hpp"
#include "listener/proxy_header.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>

#include <algorithm>

namespace gateway {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

constexpr std::size_t read_bytes = 4U << 10U;      // a usual request fits into one read
constexpr std::size_t body_buffer_max = 8U << 10U; // beside the header
constexpr std::size_t linger_bytes_max = 64U << 10U;
constexpr std::chrono::milliseconds linger_timeout{1'000};
// After a drain began: for requests that were on the wire already.
constexpr std::chrono::milliseconds drain_grace{250};
constexpr std::string_view continue_line = "HTTP/1.1 100 Continue\r\n\r\n";

bool is_framing_fault(errc code)
{
    return code == errc::framing_invalid || code == errc::header_too_large ||
           code == errc::request_timeout;
}

// A probe that says nothing, or goes away, is no fault; a client that cannot agree on TLS is.
bool is_tls_fault(const connection::error_code& ec)
{
    return ec.category() == asio::error::get_ssl_category();
}

} // namespace

service::service(listener_settings s) : settings(std::move(s))
{
    for (const auto& text : settings.trusted_proxies) {
        const auto parsed = parse_network(text);
        if (parsed.has_value())
            trusted.push_back(parsed.value());
        else
            write_log(severity::error, "proxy_not_trusted",
                      "no proxy is trusted by {error.message}",
                      {{"error.message", parsed.error().detail}});
    }
}

bool service::trusts(const asio::ip::address& a) const
{
    return std::any_of(trusted.begin(), trusted.end(),
                       [&a](const network& n) { return n.contains(a); });
}

session::session(std::shared_ptr<sessions> all, loop_socket socket, const asio::ip::address& peer)
    : all_(std::move(all)), served_by_(all_->now_serving),
      connection_(std::move(socket), served_by_->settings.tls), peer_(peer),
      buffer_(limits().header_bytes_max + body_buffer_max)
{
    client_ = peer;
    trusted_ = served_by_->trusts(peer);
    if (!trusted_)
        count_as(peer);
    count_connection_opened();
    place_ = all_->busy.insert(all_->busy.end(), this);
    enter(phase::handshake);
}

session::~session()
{
    count_connection_closed();
    auto& list = phase_ == phase::idle ? all_->idle : all_->busy;
    list.erase(place_);
    if (counted_)
        all_->peers.remove(*counted_);
    if (all_->size() == 0)
        all_->emptied.cancel();
}

std::chrono::milliseconds session::limit_of(phase p) const
{
    switch (p) {
    case phase::handshake: return limits().handshake_timeout;
    case phase::idle: return limits().idle_timeout;
    case phase::header: return limits().header_timeout;
    case phase::body: return limits().body_timeout;
    case phase::answer: return limits().answer_timeout;
    case phase::write: return limits().write_timeout;
    case phase::linger: return linger_timeout;
    }
    return linger_timeout;
}

void session::enter(phase p)
{
    if ((p == phase::idle) != (phase_ == phase::idle)) {
        auto& from = p == phase::idle ? all_->busy : all_->idle;
        auto& to = p == phase::idle ? all_->idle : all_->busy;
        to.splice(to.end(), from, place_);
    }
    phase_ = p;
    deadline_ = steady_clock::now() + limit_of(p);
    if (p == phase::idle && all_->stopped_at)
        hurry();
}

void session::expire(steady_time now)
{
    if (deadline_ > now)
        return;
    if (phase_ == phase::answer)
        awaited_->arrived.cancel();
    else
        connection_.cancel();
}

void session::hurry()
{
    if (phase_ == phase::idle)
        deadline_ = std::min(deadline_, steady_clock::now() + drain_grace);
}

void session::close()
{
    if (phase_ == phase::idle)
        enter(phase::linger); // nobody is evicted twice
    connection_.close();
    if (awaited_ != nullptr)
        awaited_->arrived.cancel();
}

std::string_view session::unread() const
{
    const auto data = buffer_.data();
    return {static_cast<const char*>(data.data()), data.size()};
}

task<void> session::run()
{
    if (!co_await meet_proxy())
        co_return;
    if (!co_await shake_hands())
        co_return;
    next step = next::request;
    while (step == next::request)
        step = co_await exchange();
    if (step == next::close_silently)
        co_return;
    enter(phase::linger);
    co_await connection_.finish(linger_bytes_max);
}

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
    if (!trusted_ || !served_by_->settings.proxy_protocol)
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
    co_return served_by_->trusts(peer_) || count_as(peer_);
}

// Counts the connection as one of `client`'s, until it ends. False when that has too many already.
bool session::count_as(const asio::ip::address& client)
{
    const peer_key key = peer_of(client);
    if (all_->peers.of(key) >= limits().connections_per_peer_max) {
        count_connection_refused("connections_per_peer");
        all_->refusals.note("connections_per_peer", "too many from one address", client,
                            steady_clock::now());
        return false;
    }
    all_->peers.add(key);
    counted_ = key;
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
            client_ = forwarded_for(field.value, served_by_->trusted).value_or(client_);
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

// Routes, keys and limits of what follows are those of the day.
void session::serve_by_newest()
{
    if (served_by_ == all_->now_serving)
        return;
    served_by_ = all_->now_serving;
    const std::size_t room = limits().header_bytes_max + body_buffer_max;
    buffer_.max_size(std::max(room, buffer_.size()));
}

// One request and its answer.
task<session::next> session::exchange()
{
    version_ = 11;
    head_only_ = false;
    close_ = false;
    serve_by_newest();
    const auto header = co_await read_header();
    if (header.has_error())
        co_return co_await refuse(header.error());
    if (header.value() == 0)
        co_return next::close_silently;
    ++requests_;
    serve_by_newest(); // the wait may have been long
    auto parsed = parse_head(header_, limits().header_fields_max);
    if (parsed.has_error())
        co_return co_await refuse(parsed.error());
    const request_head& head = parsed.value();
    find_client(head);
    version_ = head.version;
    head_only_ = head.method == "HEAD";
    close_ = !head.keep_alive || requests_ >= limits().requests_per_connection_max;
    const auto& routes = served_by_->settings.routes;
    auto planned = plan_request(head, routes, limits().body_bytes_max);
    if (planned.has_error())
        co_return co_await refuse_unread(std::move(parsed).value(), planned.error());
    co_return co_await receive(std::move(parsed).value(), std::move(planned).value());
}

task<session::next> session::receive(request_head head, plan p)
{
    if (p.to == nullptr) {
        close_ = close_ || head.announces_body();
        const auto& healthy = served_by_->settings.healthy;
        co_return co_await respond(answer_to_health(!healthy || healthy(), all_->draining));
    }
    delivery d;
    d.endpoint = p.to->endpoint;
    d.signatures = std::move(p.signatures);
    if (head.expects_continue && d.signatures.empty()) {
        close_ = true; // refused whatever the body is: nobody asks for it
        auto unsigned_one = co_await hand_over(*p.to, std::move(d));
        if (unsigned_one.has_value())
            unsigned_one = fail(errc::signature_missing);
        co_return co_await refuse(unsigned_one.error());
    }
    if (head.expects_continue && buffer_.size() == 0 && !co_await write(continue_line))
        co_return next::close_silently;
    enter(phase::body);
    const auto whole = co_await read_body(head.body, head.content_length, d.body);
    if (whole.has_error()) {
        close_ = true;
        co_return co_await refuse(whole.error());
    }
    if (!whole.value())
        co_return next::close_silently;
    d.received_at = now();
    const auto stored = co_await hand_over(*p.to, std::move(d));
    if (stored.has_error())
        co_return co_await refuse(stored.error());
    if (stored.value().reason)
        all_->refusals.note(name(*stored.value().reason), "kept in quarantine", client_,
                            steady_clock::now());
    co_return co_await respond(answer_to(stored.value()));
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

// Waits no longer than answer_timeout. A receipt that comes later finds nobody; the sender comes
// again, and a duplicate is harmless.
task<result<receipt>> session::hand_over(const route& to, delivery d)
{
    enter(phase::answer);
    if (awaited_ == nullptr)
        awaited_ = std::make_shared<awaited_receipt>(connection_.executor());
    if (start(to, std::move(d))) {
        connection::error_code ignored;
        co_await awaited_->arrived.async_wait(asio::redirect_error(use_task, ignored));
    }
    if (awaited_->what)
        co_return *std::exchange(awaited_->what, std::nullopt);
    awaited_.reset(); // a late receipt has the other reference, and must not answer what comes next
    co_return fail(errc::overloaded, "not stored within the time allowed");
}

// False when the handler failed.
bool session::start(const route& to, delivery d)
{
    completion done = [receipts = all_->receipts, awaited = awaited_](result<receipt> r) mutable {
        receipts->put(std::move(awaited), std::move(r));
    };
    try {
        to.handle(std::move(d), std::move(done));
        return true;
    } catch (const std::exception& e) {
        write_log(severity::error, "handler_failed",
                  "the handler of endpoint {attentive.endpoint.name} failed: {error.message}",
                  {{"attentive.endpoint.name", to.endpoint}, {"error.message", e.what()}});
        return false;
    }
}

// Answers with the status of `why`. The connection goes on only when the next request's start is
// known: not after a framing fault, nor behind a body that nobody read.
task<session::next> session::refuse(error why)
{
    all_->refusals.note(name(why.code), why.detail, client_, steady_clock::now());
    close_ = close_ || is_framing_fault(why.code);
    co_return co_await respond(answer_to(why, limits().retry_after));
}

// The same for a request that was refused by its head alone.
task<session::next> session::refuse_unread(request_head head, error why)
{
    const auto& routes = served_by_->settings.routes;
    close_ = close_ || head.announces_body();
    answer a = answer_to(why, limits().retry_after);
    a.status = status_of(head, why.code);
    if (seems_signed(head, routes))
        count_misdirected(a.status);
    if (why.code == errc::method_not_allowed)
        a.fields.append("Allow: ").append(allowed_methods(head, routes)).append("\r\n");
    if (a.status == http_status(errc::media_type_unsupported))
        a.fields.append("Accept-Encoding: identity\r\n"); // RFC 9110, section 15.5.16
    if (why.code == errc::target_unknown)
        why.detail = "no endpoint has the path " + shown_path(head);
    all_->refusals.note(name(why.code), why.detail, client_, steady_clock::now());
    co_return co_await respond(std::move(a));
}

task<session::next> session::respond(answer a)
{
    close_ = close_ || all_->draining;
    wire_form form;
    form.date = all_->date;
    form.close = close_;
    form.http_1_0 = version_ < 11;
    form.head_only = head_only_;
    out_.clear();
    render(a, form, out_);
    if (is_logged(severity::debug))
        write_log(
            severity::debug, "request_answered",
            "answered {http.response.status_code} to {client.address}",
            {{"http.response.status_code", a.status}, {"client.address", client_.to_string()}});
    const bool written = co_await write(out_);
    count_response(a.status, steady_clock::now() - began_);
    if (!written)
        co_return next::close_silently;
    co_return close_ ? next::close_politely : next::request;
}

// False when the peer did not take it all before the deadline.
task<bool> session::write(std::string_view bytes)
{
    enter(phase::write);
    while (!bytes.empty()) {
        connection::error_code ec;
        const asio::const_buffer rest{bytes.data(), bytes.size()};
        bytes.remove_prefix(co_await connection_.write_some(rest, ec));
        if (ec || (deadline_ <= steady_clock::now() && !bytes.empty()))
            co_return false;
    }
    co_return true;
}

task<void> serve(std::unique_ptr<session> s)
{
    try {
        co_await s->run();
    } catch (const std::exception& e) {
        write_log(severity::error, "connection_failed",
                  "a connection ended by an unexpected fault: {error.message}",
                  {{"error.message", e.what()}});
    }
}

} // namespace gateway
