// Who may read what the admin port knows: whoever has the token, where one is set, and no web page
// that got at a loopback address by its own name.
#pragma once

#include <string>
#include <string_view>

namespace gateway {

// Whether `authorization` (the value of that field) is "Bearer <token>". The time it takes tells
// nothing of the token. Source: RFC 6750, section 2.1; the scheme's case does not count.
bool has_token(std::string_view authorization, std::string_view token);

// Whether a Host field names an IP address or localhost, with or without a port. DNS rebinding
// needs a name of the attacker's own.
bool is_local_name(std::string_view host);

} // namespace gateway
