// What is wrong with a configuration file, gathered while it is read, and the words for it.
#pragma once

#include <toml++/toml.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gateway {

class fault_list {
public:
    using position = toml::source_position;

    explicit fault_list(std::string file) : file_(std::move(file)) {}

    // "gateway.toml:12:1: listener.threads: 0 is out of range; allowed: 1 to 64"
    void add(position at, const std::string& key, const std::string& what,
             std::string_view allowed);

    // `key` of `section` is none of `known`: says why it is refused, and what was probably meant.
    void add_unknown(position at, const std::string& section, const std::string& key,
                     const std::vector<std::string>& known);

    // Adds each key of `table` that is not `known`.
    void add_unknown_keys(const toml::table& table, const std::string& section,
                          const std::vector<std::string>& known);

    // "gateway.toml:12:40"
    std::string place(position at) const;

    bool empty() const { return faults_.empty(); }

    // All of them, a line each, in the order of the file.
    std::string text() const;

private:
    std::string file_;
    std::vector<std::pair<position, std::string>> faults_;
};

// What stands behind a key.
struct written_value {
    const toml::node& node;
};

// "a whole number", "a list", …
std::string kind_of(const toml::node& node);

inline const std::string secret_remedy =
    "a secret never stands in this file; name where it stands instead: file = \"/path\", "
    "credential = \"name\" (systemd LoadCredential) or environment = \"VARIABLE\"";

} // namespace gateway
