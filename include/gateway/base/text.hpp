// What the gateway takes for blank, for lower case and for text at all. Text on its way to
// PostgreSQL is UTF-8 without NUL; everything here keeps it so. ASCII rules only: no locale.
#pragma once

#include <string>
#include <string_view>

namespace gateway {

inline constexpr std::string_view no_break_space = "\xC2\xA0";

// Without ASCII white space and no-break spaces (U+00A0) at either end. A view into `text`.
std::string_view trimmed(std::string_view text);

// ASCII letters in lower case, all other bytes unchanged.
std::string ascii_lower(std::string_view text);

// Whether `text` is well-formed UTF-8 (RFC 3629): no overlong form, no surrogate, nothing beyond
// U+10FFFF. PostgreSQL's verdict for all but NUL, which it refuses and this accepts.
bool is_utf8(std::string_view text);

constexpr bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Of ASCII.
constexpr bool is_letter_or_digit(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// At least one digit and nothing else.
bool is_digits(std::string_view text);

// The bytes that `text` stands for, with "%41" as "A" and, when `plus_is_space`, "+" as " ".
// `text` itself when those bytes would not be UTF-8. A "%" without two hex digits stays.
std::string percent_decoded(std::string_view text, bool plus_is_space);

// The same of escapes that stand for ASCII; others stay.
std::string ascii_percent_decoded(std::string_view text);

} // namespace gateway
