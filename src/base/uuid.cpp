#include "gateway/base/uuid.hpp"

#include <algorithm>

namespace gateway {
namespace {

constexpr std::array<std::size_t, 4> dashes{8, 13, 18, 23};

} // namespace

uuid uuid_from_digest(const digest256& digest)
{
    uuid id;
    std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
    id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0FU) | 0x80U);
    id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3FU) | 0x80U);
    return id;
}

std::string to_string(const uuid& id)
{
    const std::string_view bytes{reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
    std::string out = to_hex(bytes);
    for (const std::size_t position : dashes)
        out.insert(position, 1, '-');
    return out;
}

std::optional<uuid> uuid_from_text(std::string_view text)
{
    constexpr std::size_t length = 36;
    if (text.size() != length)
        return std::nullopt;
    uuid id;
    std::size_t digits = 0;
    for (std::size_t i = 0; i < length; ++i) {
        const bool dash = std::find(dashes.begin(), dashes.end(), i) != dashes.end();
        const int digit = hex_value(text[i]);
        if (dash ? text[i] != '-' : digit < 0)
            return std::nullopt;
        if (dash)
            continue;
        auto& byte = id.bytes[digits++ / 2];
        byte = static_cast<std::uint8_t>(byte * 16 + digit);
    }
    return id;
}

} // namespace gateway
