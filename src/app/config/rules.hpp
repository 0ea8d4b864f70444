// The kinds of values that keys of the configuration take: what each allows, in words, how a value
// is read out of the file, and how it is written there.
#pragma once

#include "app/config/checks.hpp"
#include "app/config/config.hpp"

#include <functional>

namespace gateway {

// Where in a configuration a value lands.
template <class Value>
using place = std::function<Value&(config&)>;

struct written_value; // what stands in the file: faults.hpp

struct rule {
    std::string allowed;                      // "1KiB to 64MiB"
    std::function<std::string(config)> shown; // the value, as TOML; empty for an empty text or path
    // Puts the value to its place, or says what is wrong with it.
    std::function<std::optional<std::string>(const written_value&, config&)> read;

    static rule text(const place<std::string>& at, const text_form& form);
    static rule path(const place<std::filesystem::path>& at, const char* allowed);
    static rule choice(const place<std::string>& at, const std::vector<std::string>& words);
    static rule list(const place<std::vector<std::string>>& at, const text_form& of_each);
    static rule flag(const place<bool>& at);
    static rule count(const place<std::size_t>& at, std::size_t min, std::size_t max);
    static rule bytes(const place<std::size_t>& at, std::size_t min, std::size_t max);
    static rule span(const place<std::chrono::milliseconds>& at, std::chrono::milliseconds min,
                     std::chrono::milliseconds max);
    static rule span(const place<std::chrono::seconds>& at, std::chrono::seconds min,
                     std::chrono::seconds max);
};

} // namespace gateway
