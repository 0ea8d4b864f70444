// Events and quarantines as JSON; see gateway/attentive/event_json.hpp. Written by hand in thirty
// lines because `extra` holds number tokens that no JSON library would print unchanged.
#include "gateway/attentive/event_json.hpp"

#include "attentive/json_document.hpp"
#include "gateway/base/encoding.hpp"

#include <type_traits>

namespace gateway {
namespace {

// Objects and arrays with two blanks a level; members and elements in the order given.
class json_printer {
public:
    void open(char bracket)
    {
        out_ += bracket;
        ++level_;
        first_ = true;
    }

    void close(char bracket)
    {
        --level_;
        if (!first_)
            new_line();
        out_ += bracket;
        first_ = false;
    }

    // Before each element, and part of key().
    void next()
    {
        if (!first_)
            out_ += ',';
        new_line();
        first_ = false;
    }

    void key(std::string_view name)
    {
        next();
        append_json_string(out_, name);
        out_ += ": ";
    }

    void string(std::string_view text) { append_json_string(out_, text); }
    void token(std::string_view text) { out_ += text; }

    // Left out when it is empty.
    void text_member(std::string_view name, std::string_view text)
    {
        if (text.empty())
            return;
        key(name);
        string(text);
    }

    std::string finished() && { return std::move(out_) + '\n'; }

private:
    void new_line()
    {
        out_ += '\n';
        out_.append(2 * level_, ' ');
    }

    std::string out_;
    std::size_t level_ = 0;
    bool first_ = true;
};

// Recursion as deep as the document, which json_depth_max caps.
void print(json_printer& p, const json_value& value)
{
    if (!value.is_container()) {
        std::string scalar;
        append_canonical(scalar, value);
        p.token(scalar);
        return;
    }
    const bool object = value.kind == json_kind::object;
    p.open(object ? '{' : '[');
    for (const json_value& child : value.children()) {
        if (object)
            p.key(child.key);
        else
            p.next();
        print(p, child);
    }
    p.close(object ? '}' : ']');
}

void print_strings(json_printer& p, const std::vector<std::string>& values)
{
    p.open('[');
    for (const auto& value : values) {
        p.next();
        p.string(value);
    }
    p.close(']');
}

void print_identifiers(json_printer& p, const identifier_map& identifiers)
{
    p.open('{');
    for (const auto& [kind, values] : identifiers) {
        p.key(kind);
        print_strings(p, values);
    }
    p.close('}');
}

void member(json_printer& p, std::string_view name, const std::string& text)
{
    p.text_member(name, text);
}

void member(json_printer& p, std::string_view name, const std::vector<std::string>& values)
{
    if (!values.empty()) {
        p.key(name);
        print_strings(p, values);
    }
}

void member(json_printer& p, std::string_view name, const identifier_map& identifiers)
{
    if (!identifiers.empty()) {
        p.key(name);
        print_identifiers(p, identifiers);
    }
}

void member(json_printer& p, std::string_view name, int number)
{
    p.key(name);
    p.token(std::to_string(number));
}

template <class Scalar> // a time or an id
void member(json_printer& p, std::string_view name, const Scalar& scalar)
{
    p.text_member(name, to_string(scalar));
}

void member(json_printer& p, std::string_view name, const std::optional<uuid>& id)
{
    p.text_member(name, id ? to_string(*id) : std::string{});
}

void print(json_printer& p, const source_event& e)
{
    const auto print_column = [&](std::string_view name, auto value) {
        if constexpr (std::is_same_v<decltype(value), json_text>) {
            const auto parsed = parse_json(e.*value.member);
            if (const auto* document = std::get_if<json_document>(&parsed)) {
                p.key(name);
                print(p, document->root());
            }
        } else if constexpr (!std::is_same_v<decltype(value), received_time>) {
            member(p, name, e.*value);
        }
    };
    p.open('{');
    for (const auto& column : source_event_columns)
        std::visit([&](auto value) { print_column(column.name, value); }, column.value);
    p.close('}');
}

void print(json_printer& p, const quarantined& q)
{
    p.open('{');
    p.text_member("reason", name(q.reason));
    p.key("faults");
    p.open('[');
    for (const auto& fault : q.faults) {
        p.next();
        p.open('{');
        p.text_member("field", fault.field);
        p.text_member("found", fault.found);
        p.text_member("expected", fault.expected);
        p.close('}');
    }
    p.close(']');
    p.close('}');
}

} // namespace

std::string to_json(const normalized& what)
{
    json_printer printer;
    std::visit([&](const auto& value) { print(printer, value); }, what);
    return std::move(printer).finished();
}

} // namespace gateway
