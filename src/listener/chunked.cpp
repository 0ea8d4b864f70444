// A byte-wise machine for lines, block-wise for data: bodies are small and chunks few.
#include "listener/chunked.hpp"

#include "listener/framing.hpp"

#include "gateway/base/text.hpp"

#include <algorithm>
#include <charconv>

namespace gateway {
namespace {

// What fits into any 64-bit integer: with more, parsers differ in what they take it for.
constexpr std::size_t size_digits_max = 15;

error invalid_chunk(std::string_view what)
{
    return fail(errc::framing_invalid, std::string{what});
}

// tchar of RFC 9110, section 5.6.2.
bool is_token_byte(char c)
{
    return is_letter_or_digit(c) ||
           std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
}

// Takes the token that `text` begins with. False when there is none.
bool take_token(std::string_view& text)
{
    const auto* const end = std::find_if_not(text.begin(), text.end(), is_token_byte);
    const auto length = static_cast<std::size_t>(end - text.begin());
    text.remove_prefix(length);
    return length > 0;
}

bool take(std::string_view& text, char c)
{
    const bool there = text.starts_with(c);
    text.remove_prefix(there ? 1 : 0);
    return there;
}

void skip_blanks(std::string_view& text)
{
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
}

bool take_quoted_string(std::string_view& text)
{
    if (!take(text, '"'))
        return false;
    while (!text.empty() && text.front() != '"')
        text.remove_prefix(text.front() == '\\' && text.size() > 1 ? 2 : 1);
    return take(text, '"');
}

// *( ";" name [ "=" value ] ) of RFC 9112, section 7.1.1.
bool are_extensions(std::string_view text)
{
    while (take(text, ';')) {
        skip_blanks(text);
        if (!take_token(text))
            return false;
        skip_blanks(text);
        if (take(text, '=')) {
            skip_blanks(text);
            if (!take_token(text) && !take_quoted_string(text))
                return false;
            skip_blanks(text);
        }
    }
    return text.empty();
}

} // namespace

chunked_decoder::chunked_decoder(std::size_t body_bytes_max)
    : body_room_(body_bytes_max), wire_room_(body_bytes_max + body_bytes_max / 4)
{
}

result<std::size_t> chunked_decoder::feed(std::string_view wire, std::string& body)
{
    std::size_t taken = 0;
    while (taken < wire.size() && !done()) {
        std::size_t n = 1;
        if (state_ == state::data)
            n = std::min<std::size_t>(wire.size() - taken, data_left_);
        if (n > wire_room_)
            return fail(errc::body_too_large, "the chunked body is too large on the wire");
        wire_room_ -= n;
        if (state_ == state::data) {
            body.append(wire.substr(taken, n));
            data_left_ -= n;
            if (data_left_ == 0)
                state_ = state::data_end;
        } else {
            BOOST_OUTCOME_TRY(take_line_byte(wire[taken]));
        }
        taken += n;
    }
    return taken;
}

// A line ends in CR LF; either of them anywhere else is refused, like any control character.
result<void> chunked_decoder::take_line_byte(char c)
{
    const bool after_cr = !line_.empty() && line_.back() == '\r';
    if ((c == '\n') != after_cr)
        return invalid_chunk("lines of a chunked body have to end in CR LF");
    if (c == '\n') {
        line_.pop_back();
        const auto ended = end_line();
        line_.clear();
        return ended;
    }
    if (c != '\r' && is_control(c))
        return invalid_chunk("a line of the chunked body holds a control character");
    if (state_ == state::data_end && c != '\r')
        return invalid_chunk("a chunk is longer than its size says");
    if (line_.size() > line_bytes_max)
        return invalid_chunk("a chunk extension or trailer is too long");
    line_ += c;
    return ok();
}

result<void> chunked_decoder::end_line()
{
    switch (state_) {
    case state::size_line: return end_size_line();
    case state::trailer_line: return end_trailer_line();
    case state::data_end: state_ = state::size_line; break;
    case state::data:
    case state::done: break;
    }
    return ok();
}

result<void> chunked_decoder::end_size_line()
{
    const char* const begin = line_.data();
    const char* const end = begin + line_.size();
    std::uint64_t size = 0;
    const auto parsed = std::from_chars(begin, end, size, 16);
    const auto digits = static_cast<std::size_t>(parsed.ptr - begin);
    if (digits == 0 || *begin == '-')
        return invalid_chunk("a chunk has no size");
    if (parsed.ptr != end && *parsed.ptr != ';')
        return invalid_chunk("a chunk size is not a hexadecimal number");
    if (digits > size_digits_max)
        return invalid_chunk("a chunk size has too many digits");
    if (!are_extensions({parsed.ptr, static_cast<std::size_t>(end - parsed.ptr)}))
        return invalid_chunk("a chunk extension is not a name, or a name and its value");
    if (size > body_room_)
        return fail(errc::body_too_large, "the body is too large");
    body_room_ -= static_cast<std::size_t>(size);
    data_left_ = size;
    state_ = size > 0 ? state::data : state::trailer_line;
    return ok();
}

result<void> chunked_decoder::end_trailer_line()
{
    if (line_.empty()) {
        state_ = state::done;
        return ok();
    }
    std::string_view rest = line_;
    if (!take_token(rest) || !take(rest, ':'))
        return invalid_chunk("a trailer is not a field name, a colon and a value");
    trailer_bytes_ += line_.size() + 2;
    if (trailer_bytes_ > trailer_bytes_max)
        return invalid_chunk("the trailers are too long");
    return ok();
}

} // namespace gateway
