// Global ids of Attentive; see gid.hpp.
#include "gateway/attentive/gid.hpp"

#include "gateway/base/encoding.hpp"
#include "gateway/base/text.hpp"

namespace gateway {
namespace {

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
    auto decoded = from_base64(id);
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
