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
    if (text.size() != 36)
        return std::nullopt;
    std::string digits{text};
    for (auto dash = dashes.rbegin(); dash != dashes.rend(); ++dash) {
        if (digits[*dash] != '-')
            return std::nullopt;
        digits.erase(*dash, 1);
    }
    uuid id;
    return read_hex(digits, id.bytes) ? std::optional{id} : std::nullopt;
}

} // namespace gateway
