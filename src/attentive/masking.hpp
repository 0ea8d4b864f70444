// What looks like a person's address or number in texts that analysts read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gateway {

// `text` with "***" for each of its parts (between blanks and / ? & = , ; : !) that is one of these
// once its percent-escapes are gone, be they escaped in turn:
// - an e-mail address;
// - a phone number with its plus;
// - one of North America without: ten digits of its numbering plan, or eleven from 1 on;
// - seven digits or more that one of `phones` (E.164) ends with, zeros before them set aside.
// Blanks, brackets, dots and dashes between its digits make a number no other. Other digits stay:
// they are ids, times and order numbers as a rule. The same rule as gateway.masked.
std::string masked(std::string_view text, const std::vector<std::string>& phones = {});

} // namespace gateway
