// The parts of a clicked link that reports group by. Links are made by people and tools of all
// kinds: what RFC 3986 does not allow is percent-encoded before a link is given up.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace gateway {

inline constexpr std::array<std::string_view, 5> utm_names = {
    "utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"};

struct link_parts {
    std::string host;               // decoded, lower case; empty for links such as mailto:
    std::string path;               // as encoded in the link
    std::array<std::string, 5> utm; // as utm_names; percent- and plus-decoded, trimmed
};

// The parts of an absolute URI; nullopt for anything else. Parameter names match in any case, the
// first value that is not blank wins. Decoded text is UTF-8, and may hold NUL. Never throws.
// Source: RFC 3986; application/x-www-form-urlencoded for the parameters.
std::optional<link_parts> parse_link(std::string_view link);

} // namespace gateway
