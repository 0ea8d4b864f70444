// The steps from bytes to a source event, in order: read, check the envelope, map the sections,
// derive what follows from them. See gateway/attentive/normalizer.hpp.
#include "gateway/attentive/normalizer.hpp"

#include "attentive/field_mapping.hpp"
#include "attentive/identifiers.hpp"
#include "attentive/json_document.hpp"
#include "attentive/keyword.hpp"
#include "attentive/link.hpp"
#include "attentive/masking.hpp"
#include "gateway/attentive/event_catalog.hpp"
#include "gateway/attentive/gid.hpp"
#include "gateway/base/digest.hpp"
#include "gateway/base/shown.hpp"
#include "gateway/base/text.hpp"

#include <algorithm>
#include <charconv>

namespace gateway {
namespace {

constexpr std::size_t company_id_bytes_max = 200;
constexpr std::size_t message_id_bytes_max = 200;
constexpr std::size_t shown_type_max = 60;

// 2012-01-01 and 2100-01-01, in milliseconds: wide enough for any event, narrow enough to tell a
// time in seconds or microseconds from one in milliseconds.
constexpr std::int64_t timestamp_min = 1'325'376'000'000;
constexpr std::int64_t timestamp_end = 4'102'444'800'000;

bool is_missing(const json_value* value)
{
    return value == nullptr || value->kind == json_kind::null;
}

quarantined refuse(quarantine_reason reason, std::string field, std::string found,
                   std::string expected)
{
    return {reason, {{std::move(field), std::move(found), std::move(expected)}}};
}

// What an event cannot do without: all that is absent, in the order of the documentation.
std::vector<field_fault> envelope_faults(const json_value& root)
{
    std::vector<field_fault> faults;
    const auto* type = root.find("type");
    if (is_missing(type))
        faults.push_back({"type", "missing", "string"});
    else if (type->kind != json_kind::string)
        faults.push_back({"type", std::string{name(type->kind)}, "string"});
    else if (is_blank(*type))
        faults.push_back({"type", "blank string", "string"});
    if (is_missing(root.find("timestamp")))
        faults.push_back({"timestamp", "missing", "milliseconds since 1970"});
    const auto* company = root.find("company");
    if (!is_missing(company) && company->kind != json_kind::object)
        faults.push_back({"company", std::string{name(company->kind)}, "object"});
    else if (is_missing(company) || is_missing(company->find("company_id")))
        faults.push_back({"company.company_id", "missing", "string"});
    return faults;
}

bool in_range(std::int64_t millis)
{
    return millis >= timestamp_min && millis < timestamp_end;
}

// Why `millis`, which is out of range, may be so.
std::string range_fault(std::int64_t millis)
{
    if (millis >= timestamp_min / 1000 && millis < timestamp_end / 1000)
        return "seconds, not milliseconds";
    if (in_range(millis / 1000))
        return "microseconds, not milliseconds";
    return "number out of range";
}

struct time_reading {
    std::int64_t millis = 0;
    std::string fault; // empty when `millis` is a time
};

time_reading read_timestamp(const json_value& value)
{
    const std::string_view text = trimmed(value.text);
    if (value.kind == json_kind::string && !is_digits(text))
        return {0, "string that is not digits"};
    if (value.kind != json_kind::number && value.kind != json_kind::string)
        return {0, std::string{name(value.kind)}};
    std::int64_t millis = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), millis);
    if (read.ec == std::errc::result_out_of_range)
        return {0, "number out of range"};
    if (read.ptr != text.data() + text.size())
        return {0, "number with a fraction or exponent"};
    return in_range(millis) ? time_reading{millis, {}} : time_reading{0, range_fault(millis)};
}

// Why `value` is no company id; empty when it is one. What cannot be kept as it is stays in
// quarantine: changed, it could be another company's.
std::string company_fault(const json_document& document, const json_value& value)
{
    if (value.kind != json_kind::string && value.kind != json_kind::number)
        return std::string{name(value.kind)};
    if (trimmed(value.text).empty())
        return "blank string";
    if (trimmed(value.text).size() > company_id_bytes_max)
        return "string of " + std::to_string(trimmed(value.text).size()) + " bytes";
    if (is_altered(document, value.text))
        return "string with U+0000 or half of a surrogate pair";
    return {};
}

// The channel that the message itself claims, when it is one we know.
std::string_view claimed_channel(std::string_view message_channel)
{
    const std::string claimed = ascii_lower(message_channel);
    if (claimed == "text" || claimed == "sms")
        return "sms";
    return claimed == "email" ? "email" : "";
}

std::string read_by_all(mapping& m, const std::string& text)
{
    const auto phones = m.event.identifiers.find("phone");
    std::string out =
        phones == m.event.identifiers.end() ? masked(text) : masked(text, phones->second);
    if (out != text)
        m.add_flag("address_masked");
    return out;
}

void derive_link(mapping& m)
{
    source_event& e = m.event;
    if (e.link_url.empty())
        return;
    auto parts = parse_link(e.link_url);
    if (!parts) {
        m.add_flag("link_invalid");
        return;
    }
    constexpr std::array<std::string source_event::*, utm_names.size()> columns = {
        &source_event::utm_source, &source_event::utm_medium, &source_event::utm_campaign,
        &source_event::utm_content, &source_event::utm_term};
    e.link_host = clean_text(m, parts->host); // decoding can bring a NUL
    e.link_path = read_by_all(m, parts->path);
    for (std::size_t i = 0; i < columns.size(); ++i)
        e.*columns[i] = read_by_all(m, clean_text(m, parts->utm[i]));
}

// What follows from the mapped columns.
void derive(mapping& m, const event_type& type)
{
    source_event& e = m.event;
    if (e.message_id.size() > message_id_bytes_max)
        m.add_flag("message_id_invalid");
    else
        e.message_key = message_key(e.message_id);
    const auto claimed = claimed_channel(e.message_channel);
    if (!claimed.empty() && !type.channel.empty() && claimed != type.channel)
        m.add_flag("channel_mismatch");
    if (type.action == "inbound_received")
        e.keyword_class = keyword_class(e.message_text);
    derive_link(m);
    e.message_subject = read_by_all(m, e.message_subject);
    e.subscriber_id = derive_subscriber_id(e.company_id, e.identifiers);
    if (type.action == "unsubscribed" && !e.subscriber_id)
        m.add_flag("opt_out_of_nobody");
}

uuid content_id(const json_document& document, std::size_t bytes)
{
    std::string canonical;
    canonical.reserve(bytes);
    append_canonical(canonical, document.root());
    canonical += document.lone_surrogates(); // else two events could differ in nothing
    return uuid_from_digest(sha256(canonical));
}

// The event of a payload whose envelope is sound.
normalized map_event(const json_document& document, const event_type& type, timestamp at,
                     std::size_t bytes, const phone_rule& phones)
{
    mapping m{document, phones};
    map_sections(m, type.section);
    if (!m.faults.empty())
        return quarantined{quarantine_reason::field_invalid, std::move(m.faults)};
    for (const auto* envelope : {"type", "timestamp"})
        m.fate_of(*document.root().find(envelope)) = mapping::fate::taken;
    source_event& e = m.event;
    e.occurred_at = at;
    e.event_id = content_id(document, bytes);
    e.event_name = type.event_name;
    e.channel = type.channel;
    e.action = type.action;
    e.source = "attentive";
    e.source_event_type = type.type;
    e.mapping_version = mapping_version;
    derive(m, type);
    e.extra = extra_of(m);
    if (document.has_duplicate_member())
        m.add_flag("duplicate_member");
    if (!document.lone_surrogates().empty())
        m.add_flag("surrogate_replaced");
    if (document.root().find("timestamp")->kind == json_kind::string)
        m.add_flag("timestamp_quoted");
    std::sort(e.quality_flags.begin(), e.quality_flags.end());
    e.quality_flags.erase(std::unique(e.quality_flags.begin(), e.quality_flags.end()),
                          e.quality_flags.end());
    return std::move(m.event);
}

// With timestamp_ahead, if it is.
normalized flagged(normalized what, const verified_delivery& d)
{
    auto* const e = std::get_if<source_event>(&what);
    if (e != nullptr && e->occurred_at > d.received_at() + std::chrono::hours{24}) {
        auto& flags = e->quality_flags;
        flags.insert(std::upper_bound(flags.begin(), flags.end(), "timestamp_ahead"),
                     "timestamp_ahead");
    }
    return what;
}

} // namespace

normalized normalize(std::string_view body, const phone_rule& phones)
{
    auto read = parse_json(body);
    if (auto* refusal = std::get_if<quarantined>(&read))
        return std::move(*refusal);
    const auto& document = std::get<json_document>(read);
    const json_value& root = document.root();
    if (root.kind != json_kind::object)
        return refuse(quarantine_reason::malformed_json, "body", std::string{name(root.kind)},
                      "one JSON object in UTF-8");
    if (auto faults = envelope_faults(root); !faults.empty())
        return quarantined{quarantine_reason::envelope_missing, std::move(faults)};
    const event_type* type = find_event_type(root.find("type")->text);
    if (type == nullptr)
        return refuse(quarantine_reason::type_unknown, "type",
                      "unknown type " + shown(root.find("type")->text, shown_type_max),
                      "a type of the event catalogue");
    const auto time = read_timestamp(*root.find("timestamp"));
    if (!time.fault.empty())
        return refuse(quarantine_reason::timestamp_invalid, "timestamp", time.fault,
                      "milliseconds since 1970, from 2012 to 2099");
    if (auto fault = company_fault(document, *root.find("company")->find("company_id"));
        !fault.empty())
        return refuse(quarantine_reason::company_invalid, "company.company_id", std::move(fault),
                      "string of 1 to 200 bytes");
    return map_event(document, *type, timestamp{std::chrono::milliseconds{time.millis}},
                     body.size(), phones);
}

normalized normalize_delivery(const verified_delivery& d)
{
    return flagged(normalize(d.body()), d);
}

mapping_function normalizer_of(phone_rule phones)
{
    return [phones = std::move(phones)](const verified_delivery& d) {
        return flagged(normalize(d.body(), phones), d);
    };
}

} // namespace gateway
