// A stranger's text on its way to people: into a log line, an answer, a list. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace gateway {

// `text` percent-encoded but for letters, digits and what stands in names and paths, and cut with
// "..." behind about `bytes_max` bytes: no blank, comma, quote or control character is in it, and
// nothing beyond ASCII.
std::string shown(std::string_view text, std::size_t bytes_max);

} // namespace gateway
