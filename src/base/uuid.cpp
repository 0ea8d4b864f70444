#include "gateway/base/uuid.hpp"

#include <algorithm>

namespace gateway {

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
    for (const std::size_t position : {8U, 13U, 18U, 23U})
        out.insert(position, 1, '-');
    return out;
}

} // namespace gateway
