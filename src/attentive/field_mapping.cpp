// The tables of fields and the walk over them; see field_mapping.hpp. Shapes the documentation
// gives in two spellings have two rows.
#include "attentive/field_mapping.hpp"

#include "attentive/identifiers.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace gateway {
namespace {

struct field {
    std::string_view name;
    std::string source_event::*column;
    bool verbatim = false; // what a person wrote; all else is trimmed (flag text_trimmed)
};

struct section {
    std::string_view name;
    std::span<const field> fields;
};

constexpr field company_fields[] = {
    {"company_id", &source_event::company_id},
    {"display_name", &source_event::company_name},
};
constexpr field creative_fields[] = {
    {"name", &source_event::creative_name},
    {"type", &source_event::creative_type},
    {"subtype", &source_event::creative_subtype},
};
constexpr field subscription_fields[] = {
    {"type", &source_event::subscription_type},
};
constexpr field message_fields[] = {
    {"id", &source_event::message_id},
    {"type", &source_event::message_type},
    {"name", &source_event::message_name},
    {"subject", &source_event::message_subject},
    {"text", &source_event::message_text, true},
    {"channel", &source_event::message_channel},
    {"from_email", &source_event::business_address},
    {"to_phone", &source_event::business_address},
    {"to_email", &source_event::recipient_address},
};
constexpr field click_fields[] = {
    {"messageId", &source_event::message_id},     {"message_id", &source_event::message_id},
    {"messageType", &source_event::message_type}, {"message_type", &source_event::message_type},
    {"linkTarget", &source_event::link_url},      {"link_target", &source_event::link_url},
    {"linkId", &source_event::link_id},           {"link_id", &source_event::link_id},
    {"channel", &source_event::message_channel},
};
constexpr field property_fields[] = {
    {"id", &source_event::attribute_id},
    {"name", &source_event::attribute_name},
    {"value", &source_event::attribute_value},
};
constexpr section sections[] = {
    {"company", company_fields},           {"creative", creative_fields},
    {"subscription", subscription_fields}, {"message", message_fields},
    {"message_link_click", click_fields},  {"user_property", property_fields},
};

// Identifiers of third parties: the member's name is the kind.
constexpr std::array<std::string_view, 3> listed_kinds = {"client_user_id", "klaviyo_id",
                                                          "shopify_id"};

std::string without_nul(mapping& m, std::string_view text)
{
    std::string out{text};
    if (std::erase(out, '\0') > 0)
        m.add_flag("nul_removed");
    return out;
}

// The object that `parent` holds as `name`, with its members ready for their fates; null when it
// is absent, or of another kind, which is a fault.
const json_value* open_object(mapping& m, const json_value& parent, std::string_view name,
                              std::initializer_list<std::string_view> path)
{
    const json_value* value = parent.find(name);
    if (value == nullptr)
        return nullptr;
    const bool absent = is_blank(*value);
    m.fate_of(*value) = absent ? mapping::fate::taken : mapping::fate::opened;
    if (absent)
        return nullptr;
    if (value->kind != json_kind::object) {
        m.add_fault(path, *value, "object");
        return nullptr;
    }
    return value;
}

void map_field(mapping& m, std::string_view section_name, const field& f, const json_value& value)
{
    if (value.is_container()) {
        m.add_fault({section_name, ".", f.name}, value, "string");
        return;
    }
    std::string text = without_nul(m, value.text);
    if (const auto kept = trimmed(text); !f.verbatim && kept.size() != text.size()) {
        m.add_flag("text_trimmed");
        text = std::string{kept};
    }
    std::string& column = m.event.*f.column;
    if (!column.empty() && !text.empty() && text != column)
        return; // another field took the column with another value
    m.fate_of(value) = mapping::fate::taken;
    if (column.empty())
        column = std::move(text);
}

// Whether the payload has the section.
bool map_section(mapping& m, const section& s)
{
    const json_value* object = open_object(m, m.document.root(), s.name, {s.name});
    if (object == nullptr)
        return false;
    for (const json_value& member : object->children()) {
        const auto f = std::find_if(s.fields.begin(), s.fields.end(), [&](const field& candidate) {
            return candidate.name == member.key;
        });
        if (f != s.fields.end())
            map_field(m, s.name, *f, member);
    }
    return true;
}

using normal_form = std::optional<std::string> (*)(std::string_view);

// `family` names the kind in the flag: the names of custom kinds are the sender's own text.
// Returns the value's fate: taken, or refused.
mapping::fate add_identifier(mapping& m, const std::string& kind, std::string_view family,
                             const json_value& value, normal_form normal)
{
    const std::string text = clean_text(m, value.text);
    if (text.empty())
        return mapping::fate::taken;
    // Phone numbers and addresses have a syntax, which a missing NUL makes no other's.
    const bool altered = normal == normal_identifier && is_altered(m.document, value.text);
    auto identifier = value.kind == json_kind::boolean || altered ? std::nullopt : normal(text);
    if (identifier) {
        m.event.identifiers[kind].push_back(std::move(*identifier));
        return mapping::fate::taken;
    }
    m.add_flag(std::string{family} + "_invalid");
    return mapping::fate::refused;
}

void map_identifier(mapping& m, std::string_view kind, const json_value& value, normal_form normal)
{
    if (value.is_container())
        m.add_fault({"subscriber.", value.key}, value, "string or number");
    else
        m.fate_of(value) = add_identifier(m, std::string{kind}, kind, value, normal);
}

// A number without plus may be one of North America. What was given is kept in extra then.
void map_phone(mapping& m, const json_value& value)
{
    const auto& company = m.document.root().find("company")->find("company_id")->text;
    const bool fits = !value.is_container() && m.phones.takes_north_america(trimmed(company));
    const auto assumed = fits ? north_american_phone(value.text) : std::nullopt;
    if (!assumed) {
        map_identifier(m, "phone", value, normal_phone);
        return;
    }
    m.event.identifiers["phone"].push_back(*assumed);
    m.add_flag("phone_country_assumed");
}

// A list of values, or one alone. `shown` is the list's path below external_identifiers.
void map_identifier_list(mapping& m, const std::string& kind, std::string_view family,
                         std::string_view shown, const json_value& value)
{
    constexpr std::string_view path = "subscriber.external_identifiers.";
    m.fate_of(value) = mapping::fate::taken;
    if (value.kind == json_kind::object) {
        m.add_fault({path, shown}, value, "array of strings");
    } else if (value.kind != json_kind::array) {
        m.fate_of(value) = add_identifier(m, kind, family, value, normal_identifier);
    } else {
        std::size_t position = 0;
        for (const json_value& element : value.children()) {
            if (element.is_container())
                m.add_fault({path, shown, "[", std::to_string(position), "]"}, element, "string");
            else if (add_identifier(m, kind, family, element, normal_identifier) ==
                     mapping::fate::refused)
                m.fate_of(value) = mapping::fate::refused; // the list whole
            ++position;
        }
    }
}

void map_custom_identifiers(mapping& m, const json_value& external, std::string_view name)
{
    const json_value* custom =
        open_object(m, external, name, {"subscriber.external_identifiers.", name});
    if (custom == nullptr)
        return;
    for (const json_value& list : custom->children()) {
        const std::string own_name = clean_text(m, list.key);
        m.fate_of(list) = mapping::fate::taken;
        if (own_name.empty() || own_name.size() > identifier_bytes_max ||
            is_altered(m.document, list.key))
            m.add_flag("custom_invalid");
        else
            map_identifier_list(m, "custom:" + own_name, "custom", "custom_identifiers.*", list);
    }
}

bool map_subscriber(mapping& m)
{
    const json_value* subscriber = open_object(m, m.document.root(), "subscriber", {"subscriber"});
    if (subscriber == nullptr)
        return false;
    if (const auto* id = subscriber->find("external_id"))
        map_identifier(m, "attentive_external_id", *id, normal_identifier);
    if (const auto* phone = subscriber->find("phone"))
        map_phone(m, *phone);
    if (const auto* email = subscriber->find("email"))
        map_identifier(m, "email", *email, normal_email);
    const json_value* external =
        open_object(m, *subscriber, "external_identifiers", {"subscriber.external_identifiers"});
    if (external == nullptr)
        return true;
    for (const auto kind : listed_kinds) {
        if (const auto* list = external->find(kind))
            map_identifier_list(m, std::string{kind}, kind, kind, *list);
    }
    for (const std::string_view name : {"custom_identifiers", "custom identifiers"})
        map_custom_identifiers(m, *external, name);
    return true;
}

// jsonb keeps numbers as `numeric`, which has room for these, and no other reader of jsonb is
// troubled by them.
bool fits_numeric(std::string_view token)
{
    constexpr std::size_t bytes_max = 64;
    constexpr int exponent_max = 308;
    const auto mark = token.find_first_of("eE");
    if (token.size() > bytes_max || mark == std::string_view::npos)
        return token.size() <= bytes_max;
    auto digits = token.substr(mark + 1);
    if (digits.starts_with('+') || digits.starts_with('-'))
        digits.remove_prefix(1);
    int exponent = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
    return read.ec == std::errc{} && exponent <= exponent_max;
}

// Recursion as deep as the document, which json_depth_max caps.
void append_storable(mapping& m, std::string& out, const json_value& value)
{
    const bool number_as_text = value.kind == json_kind::number && !fits_numeric(value.text);
    if (value.kind == json_kind::string || number_as_text) {
        append_json_string(out, without_nul(m, value.text));
    } else if (!value.is_container()) {
        append_canonical(out, value);
    } else {
        const bool object = value.kind == json_kind::object;
        out += object ? '{' : '[';
        const char* separator = "";
        for (const json_value& child : value.children()) {
            out += separator;
            separator = ",";
            if (object) {
                append_json_string(out, without_nul(m, child.key));
                out += ':';
            }
            append_storable(m, out, child);
        }
        out += object ? '}' : ']';
    }
}

// What is left of `object`, or nothing at all when nothing is.
void append_left(mapping& m, std::string& out, const json_value& object)
{
    const std::size_t start = out.size();
    char separator = '{';
    for (const json_value& child : object.children()) {
        const auto fate = m.fate_of(child);
        if (fate == mapping::fate::taken ||
            (fate == mapping::fate::refused && m.event.action != "unsubscribed"))
            continue;
        const std::size_t before = out.size();
        out += separator;
        append_json_string(out, without_nul(m, child.key));
        out += ':';
        const std::size_t value_start = out.size();
        if (fate == mapping::fate::opened)
            append_left(m, out, child);
        else
            append_storable(m, out, child);
        if (out.size() == value_start)
            out.resize(before);
        else
            separator = ',';
    }
    if (out.size() > start)
        out += '}';
}

} // namespace

void mapping::add_fault(std::initializer_list<std::string_view> path, const json_value& found,
                        std::string_view expected)
{
    field_fault fault;
    for (const auto part : path)
        fault.field += part;
    fault.found = name(found.kind);
    fault.expected = expected;
    faults.push_back(std::move(fault));
}

bool is_blank(const json_value& value)
{
    return value.kind == json_kind::null ||
           (value.kind == json_kind::string && trimmed(value.text).empty());
}

bool is_altered(const json_document& document, std::string_view text)
{
    constexpr std::string_view replacement = "\xEF\xBF\xBD"; // U+FFFD
    return text.find('\0') != std::string_view::npos ||
           (!document.lone_surrogates().empty() &&
            text.find(replacement) != std::string_view::npos);
}

std::string clean_text(mapping& m, std::string_view text)
{
    if (text.find('\0') == std::string_view::npos)
        return std::string{trimmed(text)};
    return std::string{trimmed(without_nul(m, text))};
}

void map_sections(mapping& m, std::string_view own_section)
{
    if (!map_subscriber(m))
        m.add_flag("subscriber_missing");
    for (const section& s : sections) {
        if (s.name == own_section && !map_section(m, s))
            m.add_flag(std::string{own_section} + "_missing");
    }
    for (const section& s : sections) {
        if (s.name != own_section)
            map_section(m, s);
    }
    for (auto& [kind, values] : m.event.identifiers) {
        std::sort(values.begin(), values.end());
        values.erase(std::unique(values.begin(), values.end()), values.end());
    }
}

std::string extra_of(mapping& m)
{
    std::string out;
    append_left(m, out, m.document.root());
    return out;
}

} // namespace gateway
