// A byte-wise machine for lines, block-wise for data: bodies are small and chunks few.
#include "chunked.hpp"

#include <algorithm>
#include <charconv>

namespace gateway {
namespace {

// More digits than any size within a limit needs: a size never overflows its integer.
constexpr std::size_t size_digits_max = 8;

error invalid(std::string_view what)
{
    return fail(errc::framing_invalid, std::string{what});
}

bool is_control(char c)
{
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20U && c != '\t') || byte == 0x7FU;
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
        return invalid("lines of a chunked body have to end in CR LF");
    if (c == '\n') {
        line_.pop_back();
        const auto ended = end_line();
        line_.clear();
        return ended;
    }
    if (c != '\r' && is_control(c))
        return invalid("a line of the chunked body holds a control character");
    if (state_ == state::data_end && c != '\r')
        return invalid("a chunk is longer than its size says");
    if (line_.size() > line_bytes_max)
        return invalid("a chunk extension or trailer is too long");
    line_ += c;
    return boost::outcome_v2::success();
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
    return boost::outcome_v2::success();
}

result<void> chunked_decoder::end_size_line()
{
    const char* const begin = line_.data();
    const char* const end = begin + line_.size();
    std::uint64_t size = 0;
    const auto parsed = std::from_chars(begin, end, size, 16);
    const auto digits = static_cast<std::size_t>(parsed.ptr - begin);
    if (digits == 0 || *begin == '-')
        return invalid("a chunk has no size");
    if (parsed.ptr != end && *parsed.ptr != ';')
        return invalid("a chunk size is not a hexadecimal number");
    if (digits > size_digits_max || size > body_room_)
        return fail(errc::body_too_large, "the body is too large");
    body_room_ -= static_cast<std::size_t>(size);
    data_left_ = size;
    state_ = size > 0 ? state::data : state::trailer_line;
    return boost::outcome_v2::success();
}

result<void> chunked_decoder::end_trailer_line()
{
    if (line_.empty()) {
        state_ = state::done;
        return boost::outcome_v2::success();
    }
    trailer_bytes_ += line_.size() + 2;
    if (trailer_bytes_ > trailer_bytes_max)
        return invalid("the trailers are too long");
    return boost::outcome_v2::success();
}

} // namespace gateway
