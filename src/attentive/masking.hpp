// What looks like a person's address or number in texts that analysts read.
#pragma once

#include <string>
#include <string_view>

namespace gateway {

// `text` with "***" for each of its parts (between blanks and / ? & =) that is an e-mail address or
// a phone number with its plus once its percent-escapes are gone, be they escaped in turn. The same
// rule as gateway.masked.
std::string masked(std::string_view text);

} // namespace gateway
