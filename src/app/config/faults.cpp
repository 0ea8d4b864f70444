#include "app/config/faults.hpp"

#include "app/config/settings.hpp"
#include "app/console/did_you_mean.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace gateway {
namespace {

// Names under which people write a secret into the file.
bool sounds_secret(std::string_view key)
{
    static const std::set<std::string_view> names = {
        "secret", "key",         "value",          "password",      "token",
        "passwd", "signing_key", "signing_secret", "webhook_secret"};
    return names.count(key) != 0;
}

} // namespace

void fault_list::add(position at, const std::string& key, const std::string& what,
                     std::string_view allowed)
{
    const position shown{std::max(at.line, 1U), std::max(at.column, 1U)};
    faults_.emplace_back(shown, fmt::format("{}: {}: {}{}{}", place(shown), key, what,
                                            allowed.empty() ? "" : "; allowed: ", allowed));
}

void fault_list::add_unknown(position at, const std::string& section, const std::string& key,
                             const std::vector<std::string>& known)
{
    const std::string path = section.empty() ? key : section + "." + key;
    const std::string allowed = fmt::format("{}", fmt::join(known, ", "));
    if (sounds_secret(key))
        return add(at, path, "unknown key; " + secret_remedy, allowed);
    for (const setting& s : settings()) {
        if (s.key == key && s.section != section)
            return add(at, path, fmt::format("stands in [{}]", s.section), {});
    }
    const std::string guess = nearest(key, known);
    add(at, path,
        fmt::format("unknown {}{}", section.empty() ? "section" : "key",
                    guess.empty() ? "" : ", did you mean " + guess + "?"),
        allowed);
}

void fault_list::add_unknown_keys(const toml::table& table, const std::string& section,
                                  const std::vector<std::string>& known)
{
    for (const auto& [key, node] : table) {
        if (std::find(known.begin(), known.end(), key.str()) == known.end())
            add_unknown(key.source().begin, section, std::string{key.str()}, known);
    }
}

std::string fault_list::place(position at) const
{
    return fmt::format("{}:{}:{}", file_, at.line, at.column);
}

std::string fault_list::text() const
{
    auto sorted = faults_;
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
        return std::pair{a.first.line, a.first.column} < std::pair{b.first.line, b.first.column};
    });
    std::string out;
    for (const auto& [at, line] : sorted)
        out += (out.empty() ? "" : "\n") + line;
    return out;
}

std::string kind_of(const toml::node& node)
{
    switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "a list";
    case toml::node_type::string: return "text";
    case toml::node_type::integer: return "a whole number";
    case toml::node_type::floating_point: return "a decimal number";
    case toml::node_type::boolean: return "true or false";
    default: return "a date or time";
    }
}

} // namespace gateway
