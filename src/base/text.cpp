// The few rules of text that need no library; see text.hpp.
#include "gateway/base/text.hpp"

#include "gateway/base/encoding.hpp"

#include <algorithm>

namespace gateway {
namespace {

bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_continuation(char c)
{
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

// Bytes of the well-formed sequence that `text` begins with, 0 when there is none.
// Source: The Unicode Standard, table 3-7.
std::size_t sequence_length(std::string_view text)
{
    const auto lead = static_cast<unsigned char>(text[0]);
    if (lead < 0x80U)
        return 1;
    const std::size_t length = lead < 0xC2U   ? 0
                               : lead < 0xE0U ? 2
                               : lead < 0xF0U ? 3
                               : lead < 0xF5U ? 4
                                              : 0;
    if (length == 0 || text.size() < length)
        return 0;
    if (!std::all_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(length),
                     is_continuation))
        return 0;
    const auto second = static_cast<unsigned char>(text[1]);
    const bool overlong = (lead == 0xE0U && second < 0xA0U) || (lead == 0xF0U && second < 0x90U);
    const bool surrogate = lead == 0xEDU && second > 0x9FU;
    const bool too_big = lead == 0xF4U && second > 0x8FU;
    return overlong || surrogate || too_big ? 0 : length;
}

} // namespace

std::string_view trimmed(std::string_view text)
{
    for (;;) {
        if (!text.empty() && is_space(text.front()))
            text.remove_prefix(1);
        else if (text.substr(0, 2) == no_break_space)
            text.remove_prefix(2);
        else
            break;
    }
    for (;;) {
        if (!text.empty() && is_space(text.back()))
            text.remove_suffix(1);
        else if (text.size() >= 2 && text.substr(text.size() - 2) == no_break_space)
            text.remove_suffix(2);
        else
            break;
    }
    return text;
}

std::string ascii_lower(std::string_view text)
{
    std::string out{text};
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

bool is_utf8(std::string_view text)
{
    while (!text.empty()) {
        const std::size_t length = sequence_length(text);
        if (length == 0)
            return false;
        text.remove_prefix(length);
    }
    return true;
}

bool is_digits(std::string_view text)
{
    return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

namespace {

// What escapes stand for, up to byte `last`.
std::string unescaped(std::string_view text, int last, bool plus_is_space)
{
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const int high = text[i] == '%' && i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
        const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
        if (low >= 0 && high * 16 + low <= last) {
            out += static_cast<char>(high * 16 + low);
            i += 2;
        } else {
            out += plus_is_space && text[i] == '+' ? ' ' : text[i];
        }
    }
    return out;
}

} // namespace

std::string percent_decoded(std::string_view text, bool plus_is_space)
{
    auto out = unescaped(text, 0xff, plus_is_space);
    return is_utf8(out) ? out : std::string{text};
}

std::string ascii_percent_decoded(std::string_view text)
{
    return unescaped(text, 0x7f, false);
}

} // namespace gateway
