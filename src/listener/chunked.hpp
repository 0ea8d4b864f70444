// Decodes a chunked body (RFC 9112, section 7.1) with a bound on everything the sender chooses:
// data, size lines with their extensions, trailers, and all of it together on the wire. Beast's
// own decoder bounds neither extensions nor trailers and adds trailers to the header fields; here
// both are read over and never seen by anybody. No I/O.
#pragma once

#include "gateway/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gateway {

class chunked_decoder {
public:
    // One size line or trailer line, and all trailer lines together, in bytes.
    static constexpr std::size_t line_bytes_max = 256;
    static constexpr std::size_t trailer_bytes_max = 1'024;

    // `body_bytes_max` bounds the decoded body; the wire may carry a quarter more.
    explicit chunked_decoder(std::size_t body_bytes_max);

    // Takes what it can from `wire` and appends the data to `body`. Returns the bytes taken: all
    // of them, unless done(). Fails with body_too_large or framing_invalid; it is of no use then.
    result<std::size_t> feed(std::string_view wire, std::string& body);

    // The closing empty line was read; what follows is the next request.
    bool done() const { return state_ == state::done; }

private:
    enum class state { size_line, data, data_end, trailer_line, done };

    result<void> take_line_byte(char c);
    result<void> end_line();
    result<void> end_size_line();
    result<void> end_trailer_line();

    std::size_t body_room_;
    std::size_t wire_room_;
    state state_ = state::size_line;
    std::string line_; // without its line end
    std::size_t trailer_bytes_ = 0;
    std::uint64_t data_left_ = 0;
};

} // namespace gateway
