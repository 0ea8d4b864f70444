// Texts and statuses as tables of switches without default: a new code does not compile until
// somebody has decided what the sender is told.
#include "listener/answer.hpp"

#include "gateway/base/encoding.hpp"

#include <boost/beast/http/status.hpp>
#include <fmt/chrono.h>

namespace gateway {
namespace {

namespace http = boost::beast::http;

constexpr int status_unauthorized = 401;
constexpr int status_unavailable = 503;

// Of RFC 9110, which has another word for one of Beast's.
std::string_view phrase(int status)
{
    if (status == 413)
        return "Content Too Large";
    const auto words = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status)));
    return {words.data(), words.size()};
}

std::string_view words(errc code)
{
    switch (code) {
    case errc::signature_missing: return "sign the body and send its signature in the header";
    case errc::signature_repeated: return "send exactly one signature header";
    case errc::signature_malformed: return "the signature has to be exactly 64 hex digits";
    case errc::signature_mismatch:
        return "the signature does not fit the body; compare the signing key, and sign the exact "
               "bytes that are sent";
    case errc::framing_invalid: return "the request is not valid HTTP/1.1";
    case errc::target_unknown: return "no endpoint has this path; compare the webhook's URL";
    case errc::method_not_allowed: return "use one of the methods in the Allow header";
    case errc::request_timeout: return "the request did not arrive in time; send it again";
    case errc::length_required: return "send a Content-Length, or a chunked body";
    case errc::body_too_large: return "the body is larger than an event may be";
    case errc::media_type_unsupported: return "send the body as it is, in no Content-Encoding";
    case errc::header_too_large: return "the request header is too large";
    case errc::overloaded: return "more events than can be stored at the moment; send it again";
    case errc::database_unavailable:
    case errc::database_failed:
    case errc::schema_mismatch:
    case errc::spool_full:
    case errc::spool_failed:
    case errc::config_invalid:
    case errc::secret_invalid:
    case errc::io_failed:
    case errc::network_failed:
    case errc::process_failed: return "the event could not be stored; send it again";
    }
    return "send it again";
}

std::string error_json(std::string_view code, std::string_view message, std::string_view more)
{
    std::string out;
    out.reserve(48 + code.size() + message.size() + more.size());
    out.append(R"({"error":{"code":")").append(code).append(R"(","message":)");
    append_json_string(out, message);
    out.append(more).append("}}\n");
    return out;
}

} // namespace

int http_status(errc code)
{
    switch (code) {
    case errc::signature_missing:
    case errc::signature_repeated:
    case errc::signature_malformed:
    case errc::signature_mismatch: return status_unauthorized;
    case errc::framing_invalid: return 400;
    case errc::target_unknown: return 404;
    case errc::method_not_allowed: return 405;
    case errc::request_timeout: return 408;
    case errc::length_required: return 411;
    case errc::body_too_large: return 413;
    case errc::media_type_unsupported: return 415;
    case errc::header_too_large: return 431;
    case errc::overloaded:
    case errc::database_unavailable:
    case errc::database_failed:
    case errc::schema_mismatch:
    case errc::spool_full:
    case errc::spool_failed:
    case errc::config_invalid:
    case errc::secret_invalid:
    case errc::io_failed:
    case errc::network_failed:
    case errc::process_failed: return status_unavailable;
    }
    return status_unavailable;
}

answer answer_to(const receipt& r)
{
    answer a;
    const std::string id = to_string(r.id);
    if (r.what == disposition::accepted) {
        a.body.append(R"({"status":")").append(name(r.what));
        a.body.append(R"(","event_id":")").append(id).append("\"}\n");
        return a;
    }
    a.status = 202;
    a.body.append(R"({"status":"quarantined","quarantine_id":")").append(id);
    a.body.append(R"(","reason":")");
    a.body.append(name(r.reason.value_or(quarantine_reason::database_rejected))).append("\"}\n");
    return a;
}

answer answer_to(const error& e, std::chrono::seconds retry_after)
{
    answer a;
    a.status = http_status(e.code);
    const bool ours = a.status == status_unavailable;
    a.body = error_json(name(e.code), ours || e.detail.empty() ? words(e.code) : e.detail, {});
    if (ours)
        a.fields = "Retry-After: " + std::to_string(retry_after.count()) + "\r\n";
    if (a.status == status_unauthorized)
        a.fields = "WWW-Authenticate: HMAC-SHA256\r\n"; // RFC 9110 demands a scheme
    return a;
}

answer answer_to_health(bool healthy, bool draining)
{
    if (healthy && !draining)
        return {200, "{\"status\":\"ok\"}\n", {}};
    std::string body = draining ? "{\"status\":\"draining\"}\n" : "{\"status\":\"unavailable\"}\n";
    return {status_unavailable, std::move(body), {}};
}

void render(const answer& a, const wire_form& form, std::string& out)
{
    out.append("HTTP/1.1 ").append(std::to_string(a.status)).append(" ").append(phrase(a.status));
    out.append("\r\nDate: ").append(form.date);
    out.append("\r\nContent-Type: application/json\r\nContent-Length: ");
    out.append(std::to_string(a.body.size())).append("\r\n").append(a.fields);
    if (form.close)
        out.append("Connection: close\r\n");
    else if (form.http_1_0)
        out.append("Connection: keep-alive\r\n");
    out.append("\r\n");
    if (!form.head_only)
        out.append(a.body);
}

std::string http_date(std::chrono::sys_seconds t)
{
    return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", t);
}

} // namespace gateway
