// Reads what is no single value of the configuration file: endpoints with their signing keys, and
// where a secret stands. A secret that stands in the file itself is refused, and never repeated.
#pragma once

#include "app/config/config.hpp"
#include "app/config/faults.hpp"

namespace gateway {

// The list of [[endpoint]]; what is wrong goes to `faults`, and the rest is still read.
std::vector<endpoint_config> read_endpoints(const toml::node& node, toml::source_position at,
                                            fault_list& faults);

// The value of `path`, a key that names one secret: nothing when it names none.
std::optional<secret_source> read_secret_place(const toml::node& node, toml::source_position at,
                                               const std::string& path, fault_list& faults);

} // namespace gateway
