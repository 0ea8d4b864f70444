// Name-based identifiers: 128 bits of a SHA-256 digest with version 8 and the variant set, as
// RFC 9562, appendix B.2 does it; 122 bits are left of the digest.
#pragma once

#include "gateway/base/digest.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gateway {

struct uuid {
    std::array<std::uint8_t, 16> bytes{};

    // Byte order, which is PostgreSQL's order of uuid too: sorting by it is sorting by key.
    auto operator<=>(const uuid&) const = default;
};

// Version 8 (RFC 9562) from the first 128 bits of `digest`.
uuid uuid_from_digest(const digest256& digest);

// "01234567-89ab-8cde-8f01-23456789abcd"
std::string to_string(const uuid& id);

// The same in reverse, of either case; nullopt for anything else.
std::optional<uuid> uuid_from_text(std::string_view text);

} // namespace gateway
