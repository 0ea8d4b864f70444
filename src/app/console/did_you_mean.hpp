// "Did you mean …?": the known word that a mistyped one was probably meant to be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gateway {

// The word of `words` with the fewest edits from `word`, at most two or a third of its length;
// empty when none is that near.
std::string nearest(std::string_view word, const std::vector<std::string>& words);

} // namespace gateway
