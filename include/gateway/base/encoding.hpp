// Bytes as text, and text within text: hex, base64, JSON strings. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gateway {

// 0 to 15 for a hex digit of either case, -1 for anything else.
int hex_value(char c);

// Lower-case hex, two digits a byte.
std::string to_hex(std::string_view bytes);

// Reads two hex digits of either case for each of `bytes`. False when `digits` is anything else;
// `bytes` is of no use then.
bool read_hex(std::string_view digits, std::span<std::uint8_t> bytes);

// The bytes of at least one pair of hex digits of either case; nullopt for anything else.
std::optional<std::string> from_hex(std::string_view digits);

// RFC 4648, section 4, with padding.
std::string to_base64(std::string_view bytes);

// The bytes of a text that is not empty, in either alphabet (RFC 4648, sections 4 and 5), padded or
// not; nullopt for anything else. Bits beyond the last byte are ignored.
std::optional<std::string> from_base64(std::string_view text);

// Appends `text` as a JSON string (RFC 8259, section 7): only what must be escaped is. Bytes above
// 127 stay as they are.
void append_json_string(std::string& out, std::string_view text);

// `text` with each control character (of ASCII, DEL, U+0080 to U+009F) as \u001b: fit for a
// terminal, a metric's label or within a JSON string.
std::string without_controls(std::string_view text);

// In single quotes, with a backslash before each quote and backslash: a value of libpq's connection
// strings, a word of the fish shell.
std::string single_quoted(std::string_view text);

} // namespace gateway
