// nlohmann's SAX events into the tree. The guards around it (NUL, byte order mark, -0, caps) are
// for what nlohmann 3.11.2 does when left alone: it ignores everything behind a NUL byte, skips a
// byte order mark, reads -0 as 0, and refuses a whole text for a surrogate that stands alone. It
// never sees an exception leave: parse_error() stops it.
#include "attentive/json_document.hpp"

#include "gateway/base/encoding.hpp"
#include "gateway/base/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace gateway {

namespace {

// The code unit of the escape at `at`: a backslash, "u" and four hex digits. -1 when there is none.
int escaped_unit(std::string_view bytes, std::size_t at)
{
    if (bytes.size() < at + 6 || bytes[at] != '\\' || bytes[at + 1] != 'u')
        return -1;
    std::array<std::uint8_t, 2> unit{};
    return read_hex(bytes.substr(at + 2, 4), unit) ? unit[0] << 8U | unit[1] : -1;
}

bool is_high_surrogate(int unit)
{
    return unit >= 0xD800 && unit < 0xDC00;
}

bool is_low_surrogate(int unit)
{
    return unit >= 0xDC00 && unit < 0xE000;
}

// Where, from `at` on, half of a surrogate pair is escaped without the other half; npos: nowhere.
std::size_t find_lone_surrogate(std::string_view bytes, std::size_t at)
{
    while ((at = bytes.find('\\', at)) != std::string_view::npos) {
        const int unit = escaped_unit(bytes, at);
        if (is_high_surrogate(unit) && is_low_surrogate(escaped_unit(bytes, at + 6)))
            at += 12;
        else if (is_high_surrogate(unit) || is_low_surrogate(unit))
            return at;
        else
            at += 2;
    }
    return at;
}

} // namespace

std::string_view name(json_kind kind)
{
    switch (kind) {
    case json_kind::null: return "null";
    case json_kind::boolean: return "boolean";
    case json_kind::number: return "number";
    case json_kind::string: return "string";
    case json_kind::array: return "array";
    case json_kind::object: return "object";
    }
    return "unknown";
}

const json_value* json_value::find(std::string_view wanted) const
{
    const auto members = children();
    if (kind != json_kind::object)
        return nullptr;
    constexpr std::size_t few = 12; // where asking each beats searching
    const auto found =
        members.size() <= few
            ? std::find_if(members.begin(), members.end(),
                           [&](const json_value& member) { return member.key == wanted; })
            : std::lower_bound(members.begin(), members.end(), wanted,
                               [](const json_value& member, std::string_view name) {
                                   return member.key < name;
                               });
    return found != members.end() && found->key == wanted ? &*found : nullptr;
}

// The handler of nlohmann's SAX interface. Values of containers that are still open wait in
// `pending_`; when one closes, its children move to their final place, next to each other.
class json_builder {
public:
    using number_integer_t = nlohmann::json::number_integer_t;
    using number_unsigned_t = nlohmann::json::number_unsigned_t;

    json_builder(std::size_t bytes, std::string lone_surrogates)
    {
        document_.lone_surrogates_ = std::move(lone_surrogates);
        // A value takes two bytes at least, and no decoded text is longer than its token: with
        // these reserves nothing below ever moves.
        document_.values_.reserve(std::min(bytes / 2 + 1, json_values_max));
        document_.text_.reserve(bytes);
        pending_.reserve(32);
    }

    bool null() { return add(json_kind::null, {}); }
    bool boolean(bool value) { return add(json_kind::boolean, value ? "true" : "false"); }
    bool string(std::string& value) { return add(json_kind::string, kept(value)); }
    bool binary(nlohmann::json::binary_t& /*value*/) { return false; } // not in JSON
    bool number_float(double /*value*/, const std::string& token)
    {
        return add(json_kind::number, kept(token));
    }
    // nlohmann calls this for tokens with a minus sign only, so that 0 was written -0.
    bool number_integer(number_integer_t value)
    {
        return value == 0 ? add(json_kind::number, "-0") : add_integer(value);
    }
    bool number_unsigned(number_unsigned_t value) { return add_integer(value); }

    bool key(std::string& value)
    {
        key_ = kept(value);
        return true;
    }
    bool start_object(std::size_t /*unknown*/) { return open(json_kind::object); }
    bool start_array(std::size_t /*unknown*/) { return open(json_kind::array); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }

    // `last_token` and `reason` show the payload, so neither is kept.
    bool parse_error(std::size_t position, const std::string& /*last_token*/,
                     const nlohmann::detail::exception& reason)
    {
        constexpr int number_overflow = 406; // nlohmann::json, "out_of_range.406"
        refuse(quarantine_reason::malformed_json,
               (reason.id == number_overflow ? "number beyond double's range at byte "
                                             : "syntax error at byte ") +
                   std::to_string(position));
        return false;
    }

    std::variant<json_document, quarantined> finished()
    {
        if (!refusal_.faults.empty())
            return std::move(refusal_);
        document_.root_ = pending_.front();
        return std::move(document_);
    }

private:
    std::string_view kept(std::string_view text)
    {
        const std::size_t at = document_.text_.size();
        document_.text_.insert(document_.text_.end(), text.begin(), text.end());
        return {document_.text_.data() + at, text.size()};
    }

    template <class Integer>
    bool add_integer(Integer value)
    {
        std::array<char, 24> token{};
        const auto end = std::to_chars(token.data(), token.data() + token.size(), value).ptr;
        return add(json_kind::number,
                   kept({token.data(), static_cast<std::size_t>(end - token.data())}));
    }

    bool add(json_kind kind, std::string_view text)
    {
        if (document_.size_ > json_values_max)
            return refuse(quarantine_reason::json_limits,
                          "more than " + std::to_string(json_values_max) + " values");
        json_value value;
        value.kind = kind;
        value.key = std::exchange(key_, {});
        value.text = text;
        value.id = static_cast<std::uint32_t>(document_.size_++);
        pending_.push_back(value);
        return true;
    }

    bool open(json_kind kind)
    {
        if (open_.size() == json_depth_max)
            return refuse(quarantine_reason::json_limits,
                          "nested deeper than " + std::to_string(json_depth_max));
        open_.push_back(pending_.size());
        return add(kind, {});
    }

    bool close()
    {
        const auto container = pending_.begin() + static_cast<std::ptrdiff_t>(open_.back());
        open_.pop_back();
        const auto first = container + 1;
        auto last = pending_.end();
        if (container->kind == json_kind::object)
            last = sort_members(first, last);
        container->first_ = document_.values_.data() + document_.values_.size();
        container->count_ = static_cast<std::uint32_t>(last - first);
        document_.values_.insert(document_.values_.end(), first, last);
        pending_.erase(first, pending_.end());
        return true;
    }

    using iterator = std::vector<json_value>::iterator;

    // Sorts by key and, of members with one key, keeps the last given. Returns the new end.
    iterator sort_members(iterator first, iterator last)
    {
        std::sort(first, last, [](const json_value& a, const json_value& b) {
            const int order = a.key.compare(b.key);
            return order != 0 ? order < 0 : a.id > b.id;
        });
        const auto end = std::unique(
            first, last, [](const json_value& a, const json_value& b) { return a.key == b.key; });
        document_.has_duplicate_member_ |= end != last;
        return end;
    }

    bool refuse(quarantine_reason reason, std::string found)
    {
        refusal_ = {reason, {{"body", std::move(found), "one JSON object in UTF-8"}}};
        return false;
    }

    json_document document_;
    std::vector<json_value> pending_;
    std::vector<std::size_t> open_; // where in `pending_` each open container stands
    std::string_view key_;
    quarantined refusal_{};
};

std::variant<json_document, quarantined> parse_json(std::string_view bytes)
{
    const auto refuse = [](std::string found) {
        return quarantined{quarantine_reason::malformed_json,
                           {{"body", std::move(found), "one JSON object in UTF-8"}}};
    };
    if (bytes.empty())
        return refuse("nothing");
    if (bytes.starts_with("\xEF\xBB\xBF"))
        return refuse("byte order mark");
    if (const auto nul = bytes.find('\0'); nul != std::string_view::npos)
        return refuse("NUL at byte " + std::to_string(nul + 1));
    std::string repaired;
    std::string lone;
    for (auto at = find_lone_surrogate(bytes, 0); at != std::string_view::npos;
         at = find_lone_surrogate(bytes, at + 6)) {
        if (repaired.empty())
            repaired = bytes;
        lone += ascii_lower(bytes.substr(at + 2, 4));
        repaired.replace(at + 2, 4, "fffd");
    }
    if (!lone.empty())
        bytes = repaired;
    json_builder builder{bytes.size(), std::move(lone)};
    nlohmann::json::sax_parse(bytes.begin(), bytes.end(), &builder);
    return builder.finished();
}

// Recursion as deep as the document, which json_depth_max caps.
void append_canonical(std::string& out, const json_value& value)
{
    switch (value.kind) {
    case json_kind::null: out += "null"; return;
    case json_kind::boolean:
    case json_kind::number: out += value.text; return;
    case json_kind::string: append_json_string(out, value.text); return;
    case json_kind::array:
    case json_kind::object: break;
    }
    const bool object = value.kind == json_kind::object;
    out += object ? '{' : '[';
    const char* separator = "";
    for (const json_value& child : value.children()) {
        out += separator;
        separator = ",";
        if (object) {
            append_json_string(out, child.key);
            out += ':';
        }
        append_canonical(out, child);
    }
    out += object ? '}' : ']';
}

} // namespace gateway
