// Global ids of Attentive; see gid.hpp.
#include "gateway/attentive/gid.hpp"

#include "gateway/base/encoding.hpp"

#include "attentive/text.hpp"

namespace gateway {
namespace {

int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (is_digit(c))
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

// RFC 4648, sections 4 and 5; padding may be left out. Bits beyond the last byte are ignored.
std::optional<std::string> base64_decoded(std::string_view text)
{
    while (!text.empty() && text.back() == '=')
        text.remove_suffix(1);
    if (text.empty() || text.size() % 4 == 1)
        return std::nullopt;
    std::string out;
    out.reserve(text.size() * 3 / 4);
    std::uint32_t bits = 0;
    int have = 0;
    for (const char c : text) {
        const int value = base64_value(c);
        if (value < 0)
            return std::nullopt;
        bits = (bits << 6U | static_cast<std::uint32_t>(value)) & 0xFFFFU;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out += static_cast<char>(bits >> static_cast<unsigned>(have) & 0xFFU);
        }
    }
    return out;
}

// Two digits, a colon, a letter.
bool is_decoded_gid(std::string_view text)
{
    return text.size() >= 4 && is_digit(text[0]) && is_digit(text[1]) && text[2] == ':' &&
           ((text[3] >= 'A' && text[3] <= 'Z') || (text[3] >= 'a' && text[3] <= 'z'));
}

} // namespace

std::optional<std::string> gid_decoded(std::string_view id)
{
    id = trimmed(id);
    if (is_decoded_gid(id))
        return std::string{id};
    auto decoded = base64_decoded(id);
    if (!decoded || !is_decoded_gid(*decoded) || !is_utf8(*decoded))
        return std::nullopt;
    while (decoded->back() == '\n')
        decoded->pop_back();
    return decoded;
}

std::string gid_encoded(std::string_view type, std::uint64_t number)
{
    std::string text;
    if (type.size() < 10)
        text += '0';
    text += std::to_string(type.size());
    text += ':';
    text += type;
    text += std::to_string(number);
    std::string encoded = to_base64(text);
    encoded.erase(encoded.find_last_not_of('=') + 1); // Attentive leaves the padding out
    return encoded;
}

std::string message_key(std::string_view id)
{
    constexpr std::size_t length_prefix = 3; // "07:"
    constexpr std::string_view type = "Message";
    id = trimmed(id);
    if (id.empty())
        return {};
    if (is_digits(id))
        return "Message:" + std::string{id};
    const auto decoded = gid_decoded(id);
    if (!decoded)
        return "raw:" + std::string{id};
    const auto name = std::string_view{*decoded}.substr(length_prefix);
    if (name.starts_with(type) && is_digits(name.substr(type.size())))
        return "Message:" + std::string{name.substr(type.size())};
    return {};
}

} // namespace gateway
