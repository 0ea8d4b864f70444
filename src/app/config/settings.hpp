// The table of every scalar key of the configuration file: where it lands, which values it takes.
// Reading, refusing, describing and documenting all go by this table, so that a new key is a row.
#pragma once

#include "app/config/config.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gateway {

// Free text; `check` says what is wrong with a value, or nothing.
struct text_rule {
    std::string& (*in)(config&);
    std::optional<std::string> (*check)(const std::string&);
    std::string_view allowed;
};

struct choice_rule {
    std::string& (*in)(config&);
    std::vector<std::string_view> choices;
};

struct path_rule {
    std::filesystem::path& (*in)(config&);
    std::string_view allowed;
};

struct flag_rule {
    bool& (*in)(config&);
};

struct count_rule {
    std::size_t& (*in)(config&);
    std::size_t min, max;
};

struct size_rule {
    std::size_t& (*in)(config&);
    std::size_t min, max; // bytes
};

template <class Duration>
struct duration_rule {
    Duration& (*in)(config&);
    Duration min, max;
};

struct list_rule {
    std::vector<std::string>& (*in)(config&);
    std::optional<std::string> (*check)(const std::string&); // of one element
    std::string_view allowed;
};

using rule = std::variant<text_rule, choice_rule, path_rule, flag_rule, count_rule, size_rule,
                          duration_rule<std::chrono::milliseconds>,
                          duration_rule<std::chrono::seconds>, list_rule>;

struct setting {
    std::string_view section;
    std::string_view key;
    rule how;
};

const std::vector<setting>& settings();

// What the rule takes, in words: "1KiB to 64MiB".
std::string allowed_text(const rule& r);

// The value in `c`, as TOML; empty for an empty text, path or list.
std::string value_text(const rule& r, config c);

// Checks that more than one key needs. Each says what is wrong, or nothing.
std::optional<std::string> check_address(const std::string& text);
bool is_loopback(const std::string& address);
// Whether both cannot be listened on at once. Never for port 0, which is another one each time.
bool same_port(const std::string& address, const std::string& other);
std::optional<std::string> check_name(const std::string& text);
std::optional<std::string> check_endpoint_path(const std::string& text);

inline constexpr std::string_view name_allowed = "1 to 64 letters, digits, '-', '_' or '.'";
inline constexpr std::string_view endpoint_path_allowed =
    "\"/\" and printable characters without '?', '#' or blanks, but not \"/healthz\"";

} // namespace gateway
