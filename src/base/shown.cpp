// A loop over bytes; see shown.hpp.
#include "gateway/base/shown.hpp"

namespace gateway {

std::string shown(std::string_view text, std::size_t bytes_max)
{
    constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789/._~-%:@&=+$!*";
    constexpr std::string_view hex = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        if (out.size() >= bytes_max)
            return out + "...";
        const auto byte = static_cast<unsigned char>(c);
        if (plain.find(c) != std::string_view::npos)
            out += c;
        else
            out.append(1, '%').append(1, hex[byte >> 4U]).append(1, hex[byte & 15U]);
    }
    return out;
}

} // namespace gateway
