#include "app/config/endpoints.hpp"

#include "app/config/checks.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gateway {
namespace {

using position = toml::source_position;

const std::vector<std::string> source_keys = {"file", "credential", "environment"};

constexpr std::string_view signing_keys_allowed =
    "at least one { id = \"…\", file = \"…\" }, with credential or environment in place of file "
    "if you like";
constexpr std::string_view source_allowed =
    "exactly one of file = \"/path\", credential = \"name\", environment = \"VARIABLE\"";
constexpr const char* nothing_verified = ": without a key nothing could be verified";

std::optional<std::string> check_filled(const std::string& text)
{
    if (text.empty() || text.find('\0') != std::string::npos)
        return "is empty or no text";
    return std::nullopt;
}

std::optional<std::string> check_credential(const std::string& text)
{
    if (text.empty() || text == "." || text == ".." || text.find('/') != std::string::npos)
        return "is not a credential's name";
    return std::nullopt;
}

// What a secret is called for, when it stands where only its place belongs.
std::string wrong_kind(const toml::node& node, const char* expected)
{
    return node.is_string() ? secret_remedy : expected + (" is expected, not " + kind_of(node));
}

// Reads the texts of one table.
struct table_reader {
    const toml::table& table;
    position at;
    std::string where;
    fault_list& faults;

    // The text of `key`, checked; empty when it is missing.
    std::string text(const char* key, const text_form& form) const
    {
        const toml::node* const node = table.get(key);
        if (node == nullptr)
            return {};
        const auto read = node->value_exact<std::string>();
        auto wrong = read ? form.check(*read) : "text is expected, not " + kind_of(*node);
        if (!wrong)
            return *read;
        faults.add(node->source().begin, where + "." + key, *wrong, form.allowed);
        return {};
    }

    std::string required(const char* key, const text_form& form) const
    {
        if (!table.contains(key))
            faults.add(at, where + "." + key, "missing", form.allowed);
        return text(key, form);
    }

    secret_source source() const
    {
        secret_source s;
        s.file = text("file", {check_filled, "a path"});
        s.credential = text(
            "credential", {check_credential, "a name below $CREDENTIALS_DIRECTORY, without \"/\""});
        s.environment = text("environment", {check_filled, "a variable's name"});
        int given = 0;
        for (const std::string& key : source_keys) {
            if (const toml::node* const node = table.get(key)) {
                s.at = faults.place(node->source().begin);
                ++given;
            }
        }
        if (given != 1)
            faults.add(at, where,
                       given == 0 ? "says not where the secret stands"
                                  : fmt::format("names {} places for one secret", given),
                       source_allowed);
        return s;
    }

    // Whether `value` is that of an earlier one; then it is refused.
    void refuse_taken(const char* key, const std::string& value, const std::string& other,
                      const char* of, const char* allowed) const
    {
        if (!value.empty() && value == other)
            faults.add(table.get(key)->source().begin, where + "." + key,
                       fmt::format("\"{}\" is taken by another {}", value, of), allowed);
    }
};

void read_signing_key(const toml::table& table, endpoint_config& endpoint, fault_list& faults)
{
    const table_reader read{table, table.source().begin, "endpoint.signing_keys", faults};
    faults.add_unknown_keys(table, read.where, {"id", "file", "credential", "environment"});
    signing_key_config key;
    key.id = read.required("id", name_form);
    for (const signing_key_config& other : endpoint.signing_keys)
        read.refuse_taken("id", key.id, other.id, "key of this endpoint", "an id of its own");
    key.secret = read.source();
    endpoint.signing_keys.push_back(std::move(key));
}

void read_signing_keys(const toml::table& table, endpoint_config& endpoint, fault_list& faults)
{
    const std::string where = "endpoint.signing_keys";
    const toml::node* const node = table.get("signing_keys");
    if (node == nullptr)
        return faults.add(table.source().begin, where, std::string{"missing"} + nothing_verified,
                          signing_keys_allowed);
    const toml::array* const list = node->as_array();
    if (list == nullptr)
        return faults.add(node->source().begin, where, wrong_kind(*node, "a list"),
                          signing_keys_allowed);
    if (list->empty())
        return faults.add(node->source().begin, where, std::string{"empty"} + nothing_verified,
                          signing_keys_allowed);
    for (const toml::node& element : *list) {
        if (const toml::table* const key = element.as_table())
            read_signing_key(*key, endpoint, faults);
        else
            faults.add(element.source().begin, where, wrong_kind(element, "a table"),
                       signing_keys_allowed);
    }
}

endpoint_config read_endpoint(const toml::table& table, const std::vector<endpoint_config>& others,
                              fault_list& faults)
{
    const table_reader read{table, table.source().begin, "endpoint", faults};
    faults.add_unknown_keys(table, "endpoint", {"name", "path", "signing_keys"});
    endpoint_config endpoint;
    endpoint.name = read.required("name", name_form);
    endpoint.path = read.required("path", endpoint_path_form);
    for (const endpoint_config& other : others) {
        read.refuse_taken("name", endpoint.name, other.name, "endpoint", "a name of its own");
        read.refuse_taken("path", endpoint.path, other.path, "endpoint", "a path of its own");
    }
    read_signing_keys(table, endpoint, faults);
    return endpoint;
}

} // namespace

std::vector<endpoint_config> read_endpoints(const toml::node& node, position at, fault_list& faults)
{
    std::vector<endpoint_config> endpoints;
    const toml::array* const list = node.as_array();
    if (list == nullptr || list->empty() || !list->is_homogeneous(toml::node_type::table)) {
        faults.add(at, "endpoint", "a list of tables is expected",
                   "[[endpoint]], in double brackets, once for each endpoint");
        return endpoints;
    }
    for (const toml::node& element : *list)
        endpoints.push_back(read_endpoint(*element.as_table(), endpoints, faults));
    return endpoints;
}

std::optional<secret_source> read_secret_place(const toml::node& node, position at,
                                               const std::string& path, fault_list& faults)
{
    const toml::table* const table = node.as_table();
    if (table == nullptr) {
        faults.add(node.source().begin, path, wrong_kind(node, "a table"),
                   "{ file = \"/path\" } or another source");
        return std::nullopt;
    }
    faults.add_unknown_keys(*table, path, source_keys);
    return table_reader{*table, at, path, faults}.source();
}

} // namespace gateway
