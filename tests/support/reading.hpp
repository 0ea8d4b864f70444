// What a row of a table says to whoever looks for somebody in it.
#pragma once

#include <string>

namespace gateway::test {

// The text in lower case, without the escapes of URLs (%40) and of JSON (\u0040), be they escaped
// twice more; behind it what is written in it as bytea.
std::string reading_of(const std::string& row);

} // namespace gateway::test
