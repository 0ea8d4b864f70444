#include "app/commands/event_lines.hpp"

#include "app/console/did_you_mean.hpp"
#include "gateway/base/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <set>

namespace gateway {
namespace {

using nlohmann::json;

const std::vector<std::string> identifier_kinds = {
    "attentive_external_id", "phone", "email", "client_user_id", "shopify_id", "klaviyo_id",
    "anonymous_id"};

std::optional<event_field> field_named(const std::string& name)
{
    const auto* found = std::find(event_field_names.begin(), event_field_names.end(), name);
    if (found == event_field_names.end())
        return std::nullopt;
    return static_cast<event_field>(found - event_field_names.begin());
}

bool is_identifier_kind(const std::string& name)
{
    return std::find(identifier_kinds.begin(), identifier_kinds.end(), name) !=
               identifier_kinds.end() ||
           (name.starts_with("custom:") && name.size() > std::string_view{"custom:"}.size());
}

bool is_known(const std::string& name)
{
    return field_named(name).has_value() || is_identifier_kind(name);
}

// "emial (did you mean email?)"
std::string unknown(const std::string& name)
{
    constexpr std::size_t shown_max = 50;
    std::vector<std::string> names{event_field_names.begin(), event_field_names.end()};
    names.insert(names.end(), identifier_kinds.begin(), identifier_kinds.end());
    const auto meant = nearest(name, names);
    return name.substr(0, shown_max) + (meant.empty() ? "" : " (did you mean " + meant + "?)");
}

bool is_decimal(std::string_view text)
{
    constexpr std::size_t digits_max = 30;
    if (text.starts_with('-'))
        text.remove_prefix(1);
    const auto dot = text.find('.');
    const auto whole = text.substr(0, dot);
    const auto rest = dot == std::string_view::npos ? "0" : text.substr(dot + 1);
    return is_digits(whole) && is_digits(rest) && whole.size() <= digits_max &&
           rest.size() <= digits_max;
}

bool is_whole(std::string_view text)
{
    constexpr std::size_t digits_max = 9;
    if (text.starts_with('-'))
        text.remove_prefix(1);
    return is_digits(text) && text.size() <= digits_max;
}

// The number that `text` begins with, of so many digits; they are taken away from it.
std::optional<int> leading_number(std::string_view& text, std::size_t digits)
{
    if (text.size() < digits || !is_digits(text.substr(0, digits)))
        return std::nullopt;
    int value = 0;
    for (const char c : text.substr(0, digits))
        value = value * 10 + (c - '0');
    text.remove_prefix(digits);
    return value;
}

bool take(std::string_view& text, char c)
{
    const bool is_there = text.starts_with(c);
    text.remove_prefix(is_there ? 1 : 0);
    return is_there;
}

bool take_date(std::string_view& text)
{
    const auto year = leading_number(text, 4);
    const auto month = year && take(text, '-') ? leading_number(text, 2) : std::nullopt;
    const auto day = month && take(text, '-') ? leading_number(text, 2) : std::nullopt;
    return day && *year > 0 && (std::chrono::year{*year} / *month / *day).ok();
}

bool take_clock(std::string_view& text)
{
    constexpr std::size_t fraction_max = 9;
    const auto hours = leading_number(text, 2);
    const auto minutes = hours && take(text, ':') ? leading_number(text, 2) : std::nullopt;
    if (!minutes || *hours > 23 || *minutes > 59)
        return false;
    if (!take(text, ':'))
        return true;
    const auto seconds = leading_number(text, 2);
    if (!seconds || *seconds > 59)
        return false;
    if (!take(text, '.'))
        return true;
    const auto fraction = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(fraction);
    return fraction > 0 && fraction <= fraction_max;
}

bool take_zone(std::string_view& text)
{
    if (take(text, 'Z'))
        return true;
    if (!take(text, '+') && !take(text, '-'))
        return false;
    const auto hours = leading_number(text, 2);
    if (!hours || *hours > 15)
        return false;
    const bool colon = take(text, ':');
    const auto minutes = text.empty() && !colon ? std::optional<int>{0} : leading_number(text, 2);
    return minutes && *minutes <= 59;
}

// The identifiers of a line: those in one JSON object, and those that stand beside it.
class gathered_identifiers {
public:
    // False when it is no object.
    bool add_object(const json& object)
    {
        if (!object.is_object())
            return false;
        for (const auto& [kind, value] : object.items())
            add(kind, value);
        return true;
    }

    void add(const std::string& kind, const json& value)
    {
        json& list = all_[kind];
        if (list.is_null())
            list = json::array();
        if (value.is_array())
            list.insert(list.end(), value.begin(), value.end());
        else
            list.push_back(value);
    }

    std::string text() const { return all_.dump(); }

private:
    json all_ = json::object();
};

std::optional<refused_event> refusal(std::uint64_t line, std::string field, std::string reason)
{
    return refused_event{line, std::move(field), std::move(reason)};
}

// What the database could only throw at, since a value of its types is made of it.
std::optional<refused_event> what_is_wrong(staged_event& e)
{
    for (const auto f : {event_field::occurred_at, event_field::updated_at}) {
        if (e[f] && !is_zoned_time(*e[f]))
            return refusal(e.line, event_field_names.at(static_cast<std::size_t>(f)),
                           "must be a time with its zone, such as 2026-11-21T10:00:00Z");
    }
    if (const auto& value = e[event_field::order_value]; value && !is_decimal(*value))
        return refusal(e.line, "order_value", "must be a decimal number, such as 84.20");
    if (const auto& count = e[event_field::items_count]; count && !is_whole(*count))
        return refusal(e.line, "items_count", "must be a whole number");
    for (std::size_t i = 0; i < e.values.size(); ++i) {
        const auto& value = e.values.at(i);
        if (value && (!is_utf8(*value) || value->find('\0') != std::string::npos))
            return refusal(e.line, event_field_names.at(i), "must be UTF-8 without NUL");
    }
    return std::nullopt;
}

event_line finished(staged_event e, const gathered_identifiers& identifiers,
                    const event_defaults& defaults)
{
    e[event_field::identifiers] = identifiers.text();
    if (!e[event_field::source] && !defaults.source.empty())
        e[event_field::source] = defaults.source;
    if (!e[event_field::company_id] && !defaults.company.empty())
        e[event_field::company_id] = defaults.company;
    if (auto wrong = what_is_wrong(e))
        return *wrong;
    return e;
}

// Discarded when it is none, or nested deeper than identifiers are.
json parsed(const std::string& text)
{
    constexpr int depth_max = 3;
    bool is_too_deep = false;
    auto value = json::parse(
        text,
        [&](int depth, json::parse_event_t /*event*/, json& /*value*/) {
            is_too_deep = is_too_deep || depth > depth_max;
            return depth <= depth_max;
        },
        false);
    return is_too_deep ? json(json::value_t::discarded) : value;
}

bool holds_nul(const json& value)
{
    if (value.is_string())
        return value.get_ref<const std::string&>().find('\0') != std::string::npos;
    return value.is_structured() &&
           std::any_of(value.begin(), value.end(), [](const json& v) { return holds_nul(v); });
}

// One member of an event in JSON. Returns what is wrong with it.
std::optional<refused_event> take_member(staged_event& e, gathered_identifiers& identifiers,
                                         const std::string& name, const json& value)
{
    const auto field = field_named(name);
    if (holds_nul(value))
        return refusal(e.line, name, "must be UTF-8 without NUL");
    if (field == event_field::identifiers) {
        if (!identifiers.add_object(value))
            return refusal(e.line, name,
                           "must be a JSON object, such as {\"email\": \"jane@example.com\"}");
    } else if (!field) {
        identifiers.add(name, value);
    } else if (value.is_string()) {
        e[*field] = value.get<std::string>();
    } else if (value.is_number()) {
        e[*field] = value.dump();
    } else {
        return refusal(e.line, name, "must be a text or a number");
    }
    return std::nullopt;
}

} // namespace

bool is_zoned_time(std::string_view text)
{
    return take_date(text) && (take(text, 'T') || take(text, ' ')) && take_clock(text) &&
           take_zone(text) && text.empty();
}

result<event_columns> event_columns::of(const std::vector<std::string>& header,
                                        const event_defaults& defaults)
{
    event_columns columns;
    columns.defaults_ = defaults;
    std::string faults;
    std::set<std::string> seen;
    const auto fault = [&](const std::string& what) {
        faults += (faults.empty() ? "" : "; ") + what;
    };
    for (const auto& cell : header) {
        const std::string name{trimmed(cell)};
        if (!is_known(name) && !defaults.ignore_unknown)
            fault("unknown column " + unknown(name));
        else if (is_known(name) && !seen.insert(name).second)
            fault("two columns " + name);
        columns.names_.push_back(is_known(name) ? name : std::string{});
    }
    for (const auto& [name, otherwise] :
         std::map<std::string, std::string>{{"event_name", ""},
                                            {"occurred_at", ""},
                                            {"source", defaults.source},
                                            {"company_id", defaults.company}}) {
        if (otherwise.empty() && !seen.contains(name))
            fault("no column " + name);
    }
    if (!faults.empty())
        return error{errc::config_invalid, "the header (line 1): " + faults};
    return columns;
}

event_line event_columns::read(std::uint64_t line, const std::vector<std::string>& cells) const
{
    staged_event e{.line = line, .values = {}};
    if (cells.size() != names_.size())
        return refused_event{line, "",
                             std::to_string(cells.size()) + " cells where the header has " +
                                 std::to_string(names_.size())};
    gathered_identifiers identifiers;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string& name = names_[i];
        if (name.empty() || cells[i].empty())
            continue;
        const auto field = field_named(name);
        if (!is_utf8(cells[i]) || cells[i].find('\0') != std::string::npos)
            return refused_event{line, name, "must be UTF-8 without NUL"};
        if (field == event_field::identifiers) {
            const auto object = parsed(cells[i]);
            if (holds_nul(object) || !identifiers.add_object(object))
                return refused_event{
                    line, name, "must be a JSON object, such as {\"email\": \"jane@example.com\"}"};
        } else if (field) {
            e[*field] = cells[i];
        } else {
            identifiers.add(name, cells[i]);
        }
    }
    return finished(std::move(e), identifiers, defaults_);
}

event_line read_json_event(std::uint64_t line, const std::string& text,
                           const event_defaults& defaults)
{
    const auto object = parsed(text);
    if (!object.is_object())
        return refused_event{line, "", "is no JSON object"};
    staged_event e{.line = line, .values = {}};
    gathered_identifiers identifiers;
    for (const auto& [name, value] : object.items()) {
        if (value.is_null())
            continue;
        if (!is_known(name) && defaults.ignore_unknown)
            continue;
        if (!is_known(name))
            return refused_event{line, name.substr(0, name.find('\0')),
                                 "unknown: " + unknown(name)};
        if (auto wrong = take_member(e, identifiers, name, value))
            return *wrong;
    }
    return finished(std::move(e), identifiers, defaults);
}

} // namespace gateway
