// One part after the other; see masking.hpp.
#include "attentive/masking.hpp"

#include "attentive/identifiers.hpp"
#include "gateway/base/text.hpp"

#include <algorithm>

namespace gateway {
namespace {

constexpr std::string_view between = "/?&= ,;:!";
constexpr std::string_view of_numbers = "0123456789+().- ";
constexpr std::size_t digits_min = 7;

// Nearly all texts cannot: no address is without "@", and no number without digits.
bool may_name_somebody(std::string_view text)
{
    std::size_t digits = 0;
    for (const char c : text) {
        if (c == '@' || c == '%')
            return true;
        digits += is_digit(c) ? 1 : 0;
    }
    return digits >= digits_min;
}

std::string without_escapes(std::string text)
{
    constexpr int layers_max = 5;
    for (int layer = 0; layer < layers_max && text.find('%') != std::string::npos; ++layer)
        text = ascii_percent_decoded(text);
    return text;
}

bool is_number(std::string_view text, const std::vector<std::string>& phones)
{
    if (text.find_first_not_of(of_numbers) != std::string_view::npos)
        return false;
    if (normal_phone(text) || north_american_phone(text))
        return true;
    std::string digits = without_punctuation(text);
    digits.erase(0, digits.find_first_not_of('0'));
    return digits.size() >= digits_min &&
           std::any_of(phones.begin(), phones.end(), [&](auto& p) { return p.ends_with(digits); });
}

bool names_somebody(std::string_view part, const std::vector<std::string>& phones)
{
    if (part.find('%') != std::string_view::npos) {
        const std::string plain = without_escapes(std::string{part});
        if (plain != part) // and shorter
            return masked(plain, phones) != plain;
    }
    return part.find('@') == std::string_view::npos ? is_number(part, phones)
                                                    : normal_email(part).has_value();
}

// Bytes of the address or number that `text` begins with; 0 when its first part is none. A number
// may go on behind a blank.
std::size_t named_length(std::string_view text, const std::vector<std::string>& phones)
{
    constexpr std::size_t bytes_max = 40;
    auto end = std::min(text.find_first_of(between), text.size());
    std::size_t found = names_somebody(text.substr(0, end), phones) ? end : 0;
    while (end > 0 && end < bytes_max && text.substr(end, 1) == " " &&
           text.find_first_not_of(of_numbers) >= end) {
        end = std::min(text.find_first_of(between, end + 1), text.size());
        if (is_number(text.substr(0, end), phones))
            found = end;
    }
    return found;
}

} // namespace

std::string masked(std::string_view text, const std::vector<std::string>& phones)
{
    if (!may_name_somebody(text))
        return std::string{text};
    std::string out;
    while (!text.empty()) {
        auto end = named_length(text, phones);
        if (end > 0) {
            out += "***";
        } else {
            end = std::min(text.find_first_of(between), text.size());
            out += text.substr(0, end);
        }
        if (end < text.size())
            out += text[end];
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

} // namespace gateway
