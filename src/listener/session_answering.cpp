// What a session says: answers, refusals, and the bytes of them. See session.cpp.
#include "listener/session.hpp"

#include "gateway/base/log.hpp"

#include "listener/answer.hpp"
#include "listener/metrics.hpp"

namespace gateway {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

bool is_framing_fault(errc code)
{
    return code == errc::framing_invalid || code == errc::header_too_large ||
           code == errc::request_timeout;
}

} // namespace

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
    const auto& routes = terms_->settings.routes;
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

} // namespace gateway
