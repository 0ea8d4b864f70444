// The stages of the guard in the order of its header: raw lines, Beast's grammar, then the rules
// on target, Host, Content-Length, Transfer-Encoding, Content-Encoding and Expect.
#include "listener/framing.hpp"

#include "gateway/base/text.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <charconv>
#include <limits>

namespace gateway {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

std::string_view to_std(beast::string_view text)
{
    return {text.data(), text.size()};
}

error invalid(std::string_view what)
{
    return fail(errc::framing_invalid, std::string{what});
}

// Collects views instead of copies. It never sees a body: skip() ends it behind the header.
class head_parser final : public http::basic_parser<true> {
public:
    head_parser(request_head& head, std::size_t fields_max) : head_(head), fields_max_(fields_max)
    {
        skip(true);
        header_limit(std::numeric_limits<std::uint32_t>::max()); // the block is bounded already
    }

    bool too_many_fields() const { return head_.fields.size() > fields_max_; }

private:
    void on_request_impl(http::verb, beast::string_view method, beast::string_view target,
                         int version, beast::error_code&) override
    {
        head_.method = to_std(method);
        head_.target = to_std(target);
        head_.version = version;
    }

    void on_field_impl(http::field, beast::string_view name, beast::string_view value,
                       beast::error_code& ec) override
    {
        head_.fields.push_back({to_std(name), to_std(value)});
        if (too_many_fields())
            ec = http::error::header_limit;
    }

    // What follows belongs to responses and bodies, which never come here.
    void on_response_impl(int, beast::string_view, int, beast::error_code&) override {}
    void on_header_impl(beast::error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, beast::error_code&) override {}
    std::size_t on_body_impl(beast::string_view, beast::error_code&) override { return 0; }
    void on_chunk_header_impl(std::uint64_t, beast::string_view, beast::error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view, beast::error_code&) override
    {
        return 0;
    }
    void on_finish_impl(beast::error_code&) override {}

    request_head& head_;
    std::size_t fields_max_;
};

std::string_view words(const beast::error_code& ec)
{
    if (ec == http::error::bad_version)
        return "the HTTP version has to be 1.0 or 1.1";
    if (ec == http::error::bad_method || ec == http::error::bad_target)
        return "the request line has to be a method, a target and a version";
    if (ec == http::error::bad_content_length || ec == http::error::multiple_content_length)
        return "Content-Length has to stand once, as a plain number";
    if (ec == http::error::bad_transfer_encoding)
        return "Transfer-Encoding has to be chunked, once, without Content-Length";
    return "the request header is not valid HTTP/1.1";
}

bool only(std::string_view text, std::string_view others)
{
    return std::all_of(text.begin(), text.end(), [others](char c) {
        return is_letter_or_digit(c) || others.find(c) != std::string_view::npos;
    });
}

// The forms of RFC 9112, section 3.2, each with the methods it is for. Of characters only those are
// refused that no URI has: another parser may decode them, cut there or drop them.
result<void> check_target(const request_head& head)
{
    const std::string_view target = head.target;
    if (!std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c < '\x7f'; }))
        return invalid("the target has to be ASCII; percent-encode what is not");
    const std::size_t scheme = target.find("://");
    const bool absolute =
        scheme != std::string_view::npos && scheme > 0 && only(target.substr(0, scheme), "+-.");
    if (target.starts_with('/') || absolute || head.method == "CONNECT" ||
        (target == "*" && head.method == "OPTIONS"))
        return ok();
    return invalid("the target has to be a path or a whole URL");
}

// host [ ":" port ] of RFC 3986, section 3.2.2, without user information.
bool is_host(std::string_view value)
{
    std::size_t end = value.find(':');
    if (!value.empty() && value.front() == '[') {
        end = value.find(']');
        if (end == std::string_view::npos || end == 1 || !only(value.substr(1, end - 1), ":."))
            return false;
        ++end;
    }
    const std::string_view name = value.substr(0, end);
    const std::string_view port = end >= value.size() ? ":" : value.substr(end);
    const bool port_ok = port.front() == ':' && port.size() <= 6 &&
                         std::all_of(port.begin() + 1, port.end(), is_digit);
    return port_ok && !name.empty() && (name.front() == '[' || only(name, "-._~%"));
}

struct counted {
    std::size_t times = 0;
    std::string_view value;
};

counted find_field(const request_head& head, std::string_view name)
{
    counted found;
    for (const auto& field : head.fields) {
        if (!equal_ignoring_case(field.name, name))
            continue;
        ++found.times;
        found.value = field.value;
    }
    return found;
}

// HAProxy's probe is `OPTIONS *`, in either version and without a Host; it asks for nothing.
bool is_server_probe(const request_head& head)
{
    return head.method == "OPTIONS" && head.target == "*";
}

result<void> check_host(const request_head& head)
{
    const counted host = find_field(head, "Host");
    if (host.times > 1)
        return invalid("Host has to stand once");
    if (host.times == 0) {
        if (head.version >= 11 && !is_server_probe(head))
            return invalid("HTTP/1.1 demands a Host field");
        return ok();
    }
    if (!is_host(host.value))
        return invalid("Host has to be a name or an address, with or without a port");
    return ok();
}

result<std::uint64_t> parse_length(std::string_view text)
{
    std::uint64_t length = 0;
    const char* const end = text.data() + text.size();
    const bool digits = !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
    const bool leading_zero = text.size() > 1 && text.front() == '0';
    const auto parsed = std::from_chars(text.data(), end, length);
    if (!digits || leading_zero || parsed.ec != std::errc{} || parsed.ptr != end)
        return invalid("Content-Length has to be a plain number");
    return length;
}

result<void> decide_body(request_head& head)
{
    const counted length = find_field(head, "Content-Length");
    const counted coding = find_field(head, "Transfer-Encoding");
    if (coding.times > 0 && length.times > 0)
        return invalid("Transfer-Encoding and Content-Length exclude each other");
    if (coding.times > 1 || length.times > 1)
        return invalid("Content-Length or Transfer-Encoding has to stand once");
    if (coding.times == 1) {
        if (!equal_ignoring_case(coding.value, "chunked"))
            return invalid("the only transfer coding understood is chunked, alone");
        if (head.version < 11)
            return invalid("HTTP/1.0 has no chunked bodies");
        head.body = body_framing::chunked;
    }
    if (length.times == 1) {
        BOOST_OUTCOME_TRY(head.content_length, parse_length(length.value));
        head.body = body_framing::length;
    }
    return ok();
}

void read_expectation(request_head& head)
{
    const counted expect = find_field(head, "Expect");
    head.expects_else = expect.times > 1 ||
                        (expect.times == 1 && !equal_ignoring_case(expect.value, "100-continue"));
    // HTTP/1.0 cannot wait for it.
    head.expects_continue = expect.times == 1 && !head.expects_else && head.version >= 11;
}

void read_encoding(request_head& head)
{
    head.encoded = std::any_of(head.fields.begin(), head.fields.end(), [](const auto& field) {
        return equal_ignoring_case(field.name, "Content-Encoding") && !field.value.empty() &&
               !equal_ignoring_case(field.value, "identity");
    });
}

} // namespace

bool is_control(char c)
{
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20U && c != '\t') || byte == 0x7FU;
}

bool equal_ignoring_case(std::string_view a, std::string_view b)
{
    return beast::iequals({a.data(), a.size()}, {b.data(), b.size()});
}

result<std::size_t> header_scanner::scan(std::string_view bytes)
{
    for (; scanned_ < bytes.size(); ++scanned_) {
        const char c = bytes[scanned_];
        const char before = scanned_ > 0 ? bytes[scanned_ - 1] : '\0';
        if ((c == '\n') != (before == '\r'))
            return invalid("lines have to end in CR LF, and nothing else may hold either");
        if (before == '\n' && (c == ' ' || c == '\t'))
            return invalid("folded header lines are not accepted");
        if (is_control(c) && c != '\r' && c != '\n')
            return invalid("the header holds a control character");
        if (c == '\n' && scanned_ >= 3 && bytes.substr(scanned_ - 3, 2) == "\r\n")
            return ++scanned_;
        // What follows a printable character is fine as long as it is printable.
        while (c > ' ' && scanned_ + 1 < bytes.size() && !is_control(bytes[scanned_ + 1]))
            ++scanned_;
    }
    return std::size_t{0};
}

result<request_head> parse_head(std::string_view block, std::size_t fields_max)
{
    request_head head;
    head.fields.reserve(16);
    head_parser parser{head, fields_max};
    beast::error_code ec;
    const std::size_t used = parser.put({block.data(), block.size()}, ec);
    if (parser.too_many_fields())
        return fail(errc::header_too_large, "the request has too many header fields");
    if (ec)
        return invalid(words(ec));
    if (used != block.size() || !parser.is_done())
        return invalid("the request header is not valid HTTP/1.1");
    head.keep_alive = parser.keep_alive();
    BOOST_OUTCOME_TRY(check_target(head));
    BOOST_OUTCOME_TRY(check_host(head));
    BOOST_OUTCOME_TRY(decide_body(head));
    read_expectation(head);
    read_encoding(head);
    return head;
}

} // namespace gateway
