// The mapping of fields to columns as data: three tables, and one loop that encodes any of them.
// A new column is a row here and in a migration.
#include "store/write/batch_rows.hpp"

#include "gateway/base/encoding.hpp"

#include <algorithm>

namespace gateway {

namespace {

template <std::string source_event::*Field>
void text(row_encoder& out, const unit& u)
{
    out.text(u.first().event().*Field);
}

void occurred_at(row_encoder& out, const unit& u)
{
    out.time(u.first().event().occurred_at);
}

void id(row_encoder& out, const unit& u)
{
    out.id(u.id);
}

void subscriber_id(row_encoder& out, const unit& u)
{
    if (const auto& subscriber = u.first().event().subscriber_id)
        out.id(*subscriber);
    else
        out.null();
}

void identifiers(row_encoder& out, const unit& u)
{
    out.jsonb(to_json(u.first().event().identifiers));
}

void mapping_version(row_encoder& out, const unit& u)
{
    out.integer(u.first().event().mapping_version);
}

void quality_flags(row_encoder& out, const unit& u)
{
    out.text_array(u.first().event().quality_flags);
}

void extra(row_encoder& out, const unit& u)
{
    out.jsonb(u.first().event().extra);
}

void received_at(row_encoder& out, const unit& u)
{
    out.time(u.first().delivery.received_at());
}

void last_received_at(row_encoder& out, const unit& u)
{
    timestamp last = u.first().delivery.received_at();
    for (const auto& member : u.members)
        last = std::max(last, member->delivery.received_at());
    out.time(last);
}

void endpoint(row_encoder& out, const unit& u)
{
    out.text_or_empty(u.first().delivery.endpoint());
}

void key_id(row_encoder& out, const unit& u)
{
    out.text_or_empty(u.first().delivery.key_id());
}

void body(row_encoder& out, const unit& u)
{
    out.bytea(u.first().delivery.body());
}

void body_sha256(row_encoder& out, const unit& u)
{
    const digest256 digest = sha256(u.first().delivery.body());
    out.bytea({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

void reason(row_encoder& out, const unit& u)
{
    out.text(name(u.first().refusal().reason));
}

void detail(row_encoder& out, const unit& u)
{
    out.jsonb(to_json(u.first().refusal().faults));
}

void answered(row_encoder& out, const unit& u)
{
    out.integer(http_status(u.first().refusal().reason));
}

void deliveries(row_encoder& out, const unit& u)
{
    out.integer(static_cast<std::int32_t>(u.members.size()));
}

constexpr column event_table[] = {
    {"company_id", column_type::text, text<&source_event::company_id>},
    {"occurred_at", column_type::timestamptz, occurred_at},
    {"event_id", column_type::uuid, id},
    {"event_name", column_type::text, text<&source_event::event_name>},
    {"channel", column_type::text, text<&source_event::channel>},
    {"action", column_type::text, text<&source_event::action>},
    {"source", column_type::text, text<&source_event::source>},
    {"source_event_type", column_type::text, text<&source_event::source_event_type>},
    {"company_name", column_type::text, text<&source_event::company_name>},
    {"subscriber_id", column_type::uuid, subscriber_id},
    {"identifiers", column_type::jsonb, identifiers},
    {"subscription_type", column_type::text, text<&source_event::subscription_type>},
    {"creative_name", column_type::text, text<&source_event::creative_name>},
    {"creative_type", column_type::text, text<&source_event::creative_type>},
    {"creative_subtype", column_type::text, text<&source_event::creative_subtype>},
    {"message_id", column_type::text, text<&source_event::message_id>},
    {"message_key", column_type::text, text<&source_event::message_key>},
    {"message_type", column_type::text, text<&source_event::message_type>},
    {"message_name", column_type::text, text<&source_event::message_name>},
    {"message_subject", column_type::text, text<&source_event::message_subject>},
    {"message_text", column_type::text, text<&source_event::message_text>},
    {"message_channel", column_type::text, text<&source_event::message_channel>},
    {"business_address", column_type::text, text<&source_event::business_address>},
    {"recipient_address", column_type::text, text<&source_event::recipient_address>},
    {"keyword_class", column_type::text, text<&source_event::keyword_class>},
    {"link_id", column_type::text, text<&source_event::link_id>},
    {"link_url", column_type::text, text<&source_event::link_url>},
    {"link_host", column_type::text, text<&source_event::link_host>},
    {"link_path", column_type::text, text<&source_event::link_path>},
    {"utm_source", column_type::text, text<&source_event::utm_source>},
    {"utm_medium", column_type::text, text<&source_event::utm_medium>},
    {"utm_campaign", column_type::text, text<&source_event::utm_campaign>},
    {"utm_content", column_type::text, text<&source_event::utm_content>},
    {"utm_term", column_type::text, text<&source_event::utm_term>},
    {"attribute_id", column_type::text, text<&source_event::attribute_id>},
    {"attribute_name", column_type::text, text<&source_event::attribute_name>},
    {"attribute_value", column_type::text, text<&source_event::attribute_value>},
    {"received_at", column_type::timestamptz, received_at},
    {"mapping_version", column_type::integer, mapping_version},
    {"quality_flags", column_type::text_array, quality_flags},
    {"extra", column_type::jsonb, extra},
};

constexpr column delivery_table[] = {
    {"company_id", column_type::text, text<&source_event::company_id>},
    {"received_at", column_type::timestamptz, received_at},
    {"event_id", column_type::uuid, id},
    {"endpoint", column_type::text, endpoint},
    {"key_id", column_type::text, key_id},
    {"body", column_type::bytea, body},
};

constexpr column quarantine_table[] = {
    {"quarantine_id", column_type::uuid, id},
    {"endpoint", column_type::text, endpoint},
    {"reason", column_type::text, reason},
    {"detail", column_type::jsonb, detail},
    {"http_status", column_type::integer, answered},
    {"body", column_type::bytea, body},
    {"body_sha256", column_type::bytea, body_sha256},
    {"key_id", column_type::text, key_id},
    {"received_at", column_type::timestamptz, received_at},
    {"last_received_at", column_type::timestamptz, last_received_at},
    {"deliveries", column_type::integer, deliveries},
};

} // namespace

std::span<const column> event_columns()
{
    return event_table;
}

std::span<const column> delivery_columns()
{
    return delivery_table;
}

std::span<const column> quarantine_columns()
{
    return quarantine_table;
}

std::string encode(std::span<const column> columns, std::uint32_t row_type,
                   std::span<const unit> units)
{
    std::size_t bytes = 64;
    for (const auto& u : units)
        bytes += columns.size() * 8 + 2 * u.first().delivery.body().size();
    row_encoder out{row_type, units.size(), bytes};
    for (const auto& u : units) {
        out.begin_row(columns.size());
        for (const auto& c : columns) {
            out.begin_column(c.type);
            c.append(out, u);
        }
        out.end_row();
    }
    return out.take();
}

std::string to_json(const identifier_map& identifiers)
{
    if (identifiers.empty())
        return {};
    std::string out;
    for (const auto& [kind, values] : identifiers) {
        out += out.empty() ? '{' : ',';
        append_json_string(out, kind);
        out += ':';
        char separator = '[';
        for (const auto& value : values) {
            out += separator;
            append_json_string(out, value);
            separator = ',';
        }
        out += values.empty() ? "[]" : "]";
    }
    out += '}';
    return out;
}

std::string to_json(const std::vector<field_fault>& faults)
{
    std::string out = "[";
    for (const auto& fault : faults) {
        out += out.size() == 1 ? "{" : ",{";
        out += "\"field\":";
        append_json_string(out, fault.field);
        out += ",\"found\":";
        append_json_string(out, fault.found);
        out += ",\"expected\":";
        append_json_string(out, fault.expected);
        out += '}';
    }
    return out + "]";
}

} // namespace gateway
