#include "support/json_schema.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <regex>
#include <set>

namespace gateway::test {
namespace {

using nlohmann::json;

bool has_type(const json& value, const std::string& type)
{
    if (type == "integer")
        return value.is_number_integer();
    if (type == "boolean")
        return value.is_boolean();
    return (type == "object" && value.is_object()) || (type == "array" && value.is_array()) ||
           (type == "string" && value.is_string()) || (type == "number" && value.is_number()) ||
           (type == "null" && value.is_null());
}

bool has_type_of(const json& value, const json& types)
{
    if (types.is_string())
        return has_type(value, types.get<std::string>());
    return std::any_of(types.begin(), types.end(),
                       [&](const json& t) { return has_type(value, t.get<std::string>()); });
}

std::string members_fault(const json& value, const json& schema, const json& document,
                          const std::string& place)
{
    for (const auto& name : schema.value("required", json::array())) {
        if (!value.contains(name.get<std::string>()))
            return place + ": " + name.get<std::string>() + " is missing";
    }
    const json properties = schema.value("properties", json::object());
    for (const auto& [name, member] : value.items()) {
        const std::string at = place + "/" + name;
        if (!properties.contains(name)) {
            if (!schema.value("additionalProperties", true))
                return at + " is not described";
            continue;
        }
        if (auto fault = schema_fault(member, properties[name], document, at); !fault.empty())
            return fault;
    }
    return {};
}

std::string combined_fault(const json& value, const json& schema, const json& document,
                           const std::string& place)
{
    for (const auto& part : schema.value("allOf", json::array())) {
        if (auto fault = schema_fault(value, part, document, place); !fault.empty())
            return fault;
    }
    const json any = schema.value("anyOf", json::array());
    const bool fits = std::any_of(any.begin(), any.end(), [&](const json& part) {
        return schema_fault(value, part, document, place).empty();
    });
    return any.empty() || fits ? std::string{} : place + " is none of what it may be";
}

} // namespace

std::string schema_fault(const json& value, const json& schema, const json& document,
                         const std::string& place)
{
    static const std::set<std::string> known = {
        "$ref",  "type",  "enum",  "const",       "pattern",  "properties", "additionalProperties",
        "allOf", "anyOf", "items", "description", "required",
    };
    for (const auto& [word, meaning] : schema.items()) {
        if (!known.count(word))
            return place + ": the schema's " + word + " is not known";
    }
    if (schema.contains("$ref")) {
        const auto to = schema["$ref"].get<std::string>().substr(1);
        return schema_fault(value, document.at(json::json_pointer{to}), document, place);
    }
    if (schema.contains("type") && !has_type_of(value, schema["type"]))
        return place + " is of another type: " + value.dump();
    if (schema.contains("const") && value != schema["const"])
        return place + " is " + value.dump();
    const json choices = schema.value("enum", json::array());
    if (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end())
        return place + " is " + value.dump();
    if (schema.contains("pattern") &&
        !std::regex_search(value.get<std::string>(),
                           std::regex{schema["pattern"].get<std::string>()}))
        return place + " is " + value.dump();
    if (value.is_object()) {
        if (auto fault = members_fault(value, schema, document, place); !fault.empty())
            return fault;
    }
    if (value.is_array() && schema.contains("items")) {
        for (std::size_t i = 0; i < value.size(); ++i) {
            auto fault =
                schema_fault(value[i], schema["items"], document, place + "/" + std::to_string(i));
            if (!fault.empty())
                return fault;
        }
    }
    return combined_fault(value, schema, document, place);
}

} // namespace gateway::test
