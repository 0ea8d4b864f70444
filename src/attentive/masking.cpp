// One part after the other; see masking.hpp.
#include "attentive/masking.hpp"

#include "gateway/base/text.hpp"

#include <algorithm>

namespace gateway {
namespace {

constexpr std::string_view between = "/?&= ";

std::string without_escapes(std::string text)
{
    constexpr int layers_max = 5;
    for (int layer = 0; layer < layers_max && text.find('%') != std::string::npos; ++layer)
        text = ascii_percent_decoded(text);
    return text;
}

bool names_somebody(std::string_view text)
{
    constexpr std::size_t digits_min = 7;
    constexpr std::size_t digits_max = 15;
    const auto digits = text.substr(text.empty() ? 0 : 1);
    if (text.starts_with('+'))
        return digits.size() >= digits_min && digits.size() <= digits_max && is_digits(digits);
    const auto at = text.find('@');
    if (at == 0 || at == std::string_view::npos || text.find('@', at + 1) != std::string_view::npos)
        return false;
    const auto dot = text.find('.', at + 2);
    return dot != std::string_view::npos && dot + 1 < text.size();
}

} // namespace

std::string masked(std::string_view text)
{
    if (text.find_first_of("@+%") == std::string_view::npos) // as nearly all are
        return std::string{text};
    std::string out;
    while (!text.empty()) {
        const auto end = std::min(text.find_first_of(between), text.size());
        const auto part = text.substr(0, end);
        out += names_somebody(without_escapes(std::string{part})) ? "***" : part;
        if (end < text.size())
            out += text[end];
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

} // namespace gateway
