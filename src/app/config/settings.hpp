// The table of every scalar key of the configuration file: where it lands, which values it takes,
// whether a reload takes it up. Reading, refusing, describing and reloading all go by this table:
// a new key is a member of its section (config.hpp), which has the default, and a row.
#pragma once

#include "app/config/rules.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gateway {

enum class taken_up { at_start, by_reload };

struct setting {
    std::string_view section;
    std::string_view key;
    rule how;
    taken_up when;

    std::string path() const { return std::string{section} + "." + std::string{key}; }
};

// In the order in which they are documented.
const std::vector<setting>& settings();

} // namespace gateway
