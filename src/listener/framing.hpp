// Decides where a request's header ends and whether its framing is beyond doubt. Whatever two
// parsers could read differently is refused, because behind a proxy it would smuggle a second
// request past it. Beast reads the grammar; what Beast 1.81 lets through is checked here.
// Sources: RFC 9110, RFC 9112. No I/O, no clock.
#pragma once

#include "gateway/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace gateway {

struct header_field {
    std::string_view name;
    std::string_view value; // without surrounding white space
};

enum class body_framing { none, length, chunked };

// A request line and its fields. All views point into the block that was parsed.
struct request_head {
    std::string_view method;
    std::string_view target;
    int version = 11; // or 10
    std::vector<header_field> fields;
    body_framing body = body_framing::none;
    std::uint64_t content_length = 0;
    bool keep_alive = false;
    bool encoded = false; // Content-Encoding names anything but identity
    bool expects_continue = false;
    bool expects_else = false; // what nobody here can meet

    bool announces_body() const { return body == body_framing::chunked || content_length > 0; }
};

// Finds the end of a header in bytes that arrive in pieces, each looked at once. Anything that is
// not CRLF-separated lines of printable characters is refused as soon as it is seen: bare CR or
// LF, other control characters, folded lines.
class header_scanner {
public:
    // `bytes` is all that has arrived of the request so far. Returns the header's length with its
    // closing empty line, or 0 while that is missing. Fails with framing_invalid.
    result<std::size_t> scan(std::string_view bytes);

private:
    std::size_t scanned_ = 0;
};

// Parses a whole header as header_scanner found it. Fails with framing_invalid, naming the field
// at fault, or header_too_large when it has more than `fields_max` fields.
result<request_head> parse_head(std::string_view block, std::size_t fields_max);

// Whether `c` is a control character other than a tab.
bool is_control(char c);

// Equal but for ASCII case, as field names are.
bool equal_ignoring_case(std::string_view a, std::string_view b);

} // namespace gateway
