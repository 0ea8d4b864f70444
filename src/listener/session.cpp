// A phase's deadline is set once, on entering it, and never moved by bytes that come. The sweep
// cancels the socket of a session whose deadline passed; the step that was waiting then sees that
// it is late and still has a working connection to say so on.
//
// Here a session lives and decides: its phases, and what becomes of a request. What it reads is in
// session_reading.cpp, what it says in session_answering.cpp. Each step is a coroutine that returns
// how it ended; nothing but run() and exchange() chooses the next one. A request's header is out of
// the buffer before anything is decided of it, its body is read whole or the connection ends, so
// that no path of a refusal leaves bytes that could be taken for the next request and answered
// twice. Whatever is awaited is named first: g++ 12 destroys temporaries of a co_await expression
// twice.
#include "listener/session.hpp"

#include "gateway/base/log.hpp"

#include "listener/answer.hpp"
#include "listener/metrics.hpp"

#include <boost/asio/redirect_error.hpp>

#include <algorithm>

namespace gateway {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

constexpr std::size_t linger_bytes_max = 64U << 10U;
constexpr std::chrono::milliseconds linger_timeout{1'000};
// After a drain began: for requests that were on the wire already.
constexpr std::chrono::milliseconds drain_grace{250};
constexpr std::string_view continue_line = "HTTP/1.1 100 Continue\r\n\r\n";

} // namespace

session::session(std::shared_ptr<listener_state> all, loop_socket socket,
                 const asio::ip::address& peer)
    : all_(std::move(all)), terms_(all_->newest),
      connection_(std::move(socket), terms_->settings.tls), peer_(peer), buffer_(buffer_room())
{
    client_ = peer;
    trusted_ = terms_->trusts(peer);
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

// Routes, keys and limits of what follows are those of the day.
void session::adopt_newest()
{
    if (terms_ == all_->newest)
        return;
    terms_ = all_->newest;
    buffer_.max_size(std::max(buffer_room(), buffer_.size()));
}

// One request and its answer.
task<session::next> session::exchange()
{
    version_ = 11;
    head_only_ = false;
    close_ = false;
    adopt_newest();
    const auto header = co_await read_header();
    if (header.has_error())
        co_return co_await refuse(header.error());
    if (header.value() == 0)
        co_return next::close_silently;
    ++requests_;
    adopt_newest(); // the wait may have been long
    auto parsed = parse_head(header_, limits().header_fields_max);
    if (parsed.has_error())
        co_return co_await refuse(parsed.error());
    const request_head& head = parsed.value();
    find_client(head);
    version_ = head.version;
    head_only_ = head.method == "HEAD";
    close_ = !head.keep_alive || requests_ >= limits().requests_per_connection_max;
    const auto& routes = terms_->settings.routes;
    auto planned = plan_request(head, routes, limits().body_bytes_max);
    if (planned.has_error())
        co_return co_await refuse_unread(std::move(parsed).value(), planned.error());
    co_return co_await receive(std::move(parsed).value(), std::move(planned).value());
}

task<session::next> session::receive(request_head head, plan p)
{
    if (p.to == nullptr) {
        close_ = close_ || head.announces_body();
        const auto& healthy = terms_->settings.healthy;
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
