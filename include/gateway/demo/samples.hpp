// Payloads in the form Attentive documents them, for `send`, `demo` and the tests: one for each
// event type, and any number of distinct ones from a seed.
#pragma once

#include "gateway/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gateway {

// The types of the catalogue that there is a sample of, in its order.
const std::vector<std::string>& sampled_types();

// The documented example of `type`. The e-mail address stands where the documentation's web page
// obscures it. A type that the documentation shows no example of has that of another about the same
// section. Empty when there is none either.
std::string_view documented_sample(std::string_view type);

// Body number `n` of the stream that `seed` starts, of `type`: the documented form with its own
// subscriber, time, message and text. Equal arguments give equal bytes; different n differ.
std::string unique_sample(std::string_view type, std::uint64_t seed, std::uint64_t n);

} // namespace gateway
