// Events and quarantines as JSON; see gateway/attentive/event_json.hpp. Written by hand in thirty
// lines because `extra` holds number tokens that no JSON library would print unchanged.
#include "gateway/attentive/event_json.hpp"

#include "attentive/json_document.hpp"
#include "gateway/base/encoding.hpp"

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

struct text_column {
    std::string_view name;
    std::string source_event::*column;
};

constexpr text_column columns_before_subscriber[] = {
    {"event_name", &source_event::event_name},
    {"channel", &source_event::channel},
    {"action", &source_event::action},
    {"source", &source_event::source},
    {"source_event_type", &source_event::source_event_type},
    {"company_name", &source_event::company_name},
};

constexpr text_column columns_behind_subscriber[] = {
    {"subscription_type", &source_event::subscription_type},
    {"creative_name", &source_event::creative_name},
    {"creative_type", &source_event::creative_type},
    {"creative_subtype", &source_event::creative_subtype},
    {"message_id", &source_event::message_id},
    {"message_key", &source_event::message_key},
    {"message_type", &source_event::message_type},
    {"message_name", &source_event::message_name},
    {"message_subject", &source_event::message_subject},
    {"message_text", &source_event::message_text},
    {"message_channel", &source_event::message_channel},
    {"business_address", &source_event::business_address},
    {"recipient_address", &source_event::recipient_address},
    {"keyword_class", &source_event::keyword_class},
    {"link_id", &source_event::link_id},
    {"link_url", &source_event::link_url},
    {"link_host", &source_event::link_host},
    {"link_path", &source_event::link_path},
    {"utm_source", &source_event::utm_source},
    {"utm_medium", &source_event::utm_medium},
    {"utm_campaign", &source_event::utm_campaign},
    {"utm_content", &source_event::utm_content},
    {"utm_term", &source_event::utm_term},
    {"attribute_id", &source_event::attribute_id},
    {"attribute_name", &source_event::attribute_name},
    {"attribute_value", &source_event::attribute_value},
};

void print(json_printer& p, const source_event& e)
{
    p.open('{');
    p.text_member("company_id", e.company_id);
    p.text_member("occurred_at", to_string(e.occurred_at));
    p.text_member("event_id", to_string(e.event_id));
    for (const auto& [name, column] : columns_before_subscriber)
        p.text_member(name, e.*column);
    if (e.subscriber_id)
        p.text_member("subscriber_id", to_string(*e.subscriber_id));
    if (!e.identifiers.empty()) {
        p.key("identifiers");
        print_identifiers(p, e.identifiers);
    }
    for (const auto& [name, column] : columns_behind_subscriber)
        p.text_member(name, e.*column);
    p.key("mapping_version");
    p.token(std::to_string(e.mapping_version));
    if (!e.quality_flags.empty()) {
        p.key("quality_flags");
        print_strings(p, e.quality_flags);
    }
    const auto extra = parse_json(e.extra);
    if (const auto* document = std::get_if<json_document>(&extra)) {
        p.key("extra");
        print(p, document->root());
    }
    p.close('}');
}

void print(json_printer& p, const quarantined& q)
{
    p.open('{');
    p.text_member("reason", name(q.reason));
    p.key("http_status");
    p.token(std::to_string(http_status(q.reason)));
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
