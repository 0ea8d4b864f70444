// Syntax of identifiers and the id derived from them; see identifiers.hpp.
#include "attentive/identifiers.hpp"

#include "gateway/base/text.hpp"

#include <algorithm>
#include <array>

namespace gateway {
namespace {

constexpr std::string_view blanks = " \t\n\v\f\r";

constexpr std::array<std::string_view, 6> strongest_first = {
    "attentive_external_id", "phone", "email", "client_user_id", "shopify_id", "klaviyo_id"};

bool is_placeholder(std::string_view text)
{
    constexpr std::array<std::string_view, 6> words = {"null",      "none", "undefined",
                                                       "anonymous", "n/a",  "-1"};
    if (text.find_first_not_of("0-") == std::string_view::npos)
        return true;
    constexpr std::size_t longest = 9;
    return text.size() <= longest &&
           std::find(words.begin(), words.end(), ascii_lower(text)) != words.end();
}

} // namespace

std::string without_punctuation(std::string_view text)
{
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text.substr(i, 2) == no_break_space)
            ++i;
        else if (blanks.find(text[i]) == std::string_view::npos &&
                 std::string_view{"().-"}.find(text[i]) == std::string_view::npos)
            out += text[i];
    }
    return out;
}

std::optional<std::string> normal_phone(std::string_view text)
{
    const std::string out = without_punctuation(text);
    const auto digits = std::string_view{out}.substr(out.empty() ? 0 : 1);
    if (!out.starts_with('+') || !is_digits(digits) || digits.front() == '0' || digits.size() < 7 ||
        digits.size() > 15)
        return std::nullopt;
    return out;
}

std::optional<std::string> north_american_phone(std::string_view text)
{
    const std::string all = without_punctuation(text);
    const auto digits = std::string_view{all}.substr(all.size() == 11 && all[0] == '1' ? 1 : 0);
    const auto is_code = [&](std::size_t at) { // N11 is a service, as 911
        return digits[at] >= '2' && digits.substr(at + 1, 2) != "11";
    };
    if (digits.size() != 10 || !is_digits(digits) || !is_code(0) || !is_code(3))
        return std::nullopt;
    return "+1" + std::string{digits};
}

std::optional<std::string> normal_email(std::string_view text)
{
    constexpr std::size_t bytes_max = 254;
    text = trimmed(text);
    const auto at = text.find('@');
    if (text.size() > bytes_max || at == 0 || at == std::string_view::npos ||
        text.find('@', at + 1) != std::string_view::npos ||
        text.find_first_of(blanks) != std::string_view::npos ||
        text.find(no_break_space) != std::string_view::npos)
        return std::nullopt;
    // A dot inside the domain, with at least one byte on either side.
    const auto domain = text.substr(at + 1);
    const auto dot = domain.find('.', 1);
    if (dot == std::string_view::npos || dot + 1 == domain.size())
        return std::nullopt;
    return ascii_lower(text);
}

std::optional<std::string> normal_identifier(std::string_view text)
{
    text = trimmed(text);
    if (text.size() > identifier_bytes_max || is_placeholder(text))
        return std::nullopt;
    return std::string{text};
}

std::optional<uuid> derive_subscriber_id(std::string_view company_id,
                                         const identifier_map& identifiers)
{
    auto strongest = identifiers.end();
    for (const auto kind : strongest_first) {
        strongest = identifiers.find(std::string{kind});
        if (strongest != identifiers.end())
            break;
    }
    if (strongest == identifiers.end())
        strongest = identifiers.begin(); // only custom kinds are left, in order
    if (strongest == identifiers.end() || strongest->second.empty())
        return std::nullopt;
    std::string text{company_id};
    text += '\x1f';
    text += strongest->first;
    text += '\x1f';
    text += *std::min_element(strongest->second.begin(), strongest->second.end());
    return uuid_from_digest(sha256(text));
}

} // namespace gateway
