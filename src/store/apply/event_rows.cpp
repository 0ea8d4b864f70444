// The mapping of fields to columns as data: two tables, and one loop that encodes any of them.
// That of events is made of source_event_columns, so that a new column of theirs needs nothing
// here.
#include "store/apply/event_rows.hpp"

#include "gateway/base/encoding.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace gateway {

namespace {

void received_at(row_encoder& out, const unit& u)
{
    out.time(u.first().delivery.received_at());
}

template <class Value, class Member>
constexpr bool holds = std::is_same_v<Value, Member source_event::*>;

// Column I of source_event_columns, whose kind of value the compiler knows.
template <std::size_t I>
void event_value(row_encoder& out, const unit& u)
{
    constexpr auto& column_value = source_event_columns[I].value;
    constexpr auto value = std::get<column_value.index()>(column_value);
    using kind = std::remove_const_t<decltype(value)>;
    const auto& event = u.first().event();
    if constexpr (std::is_same_v<kind, received_time>)
        received_at(out, u);
    else if constexpr (std::is_same_v<kind, json_text>)
        out.jsonb(event.*value.member);
    else if constexpr (holds<kind, std::string>)
        out.text(event.*value);
    else if constexpr (holds<kind, timestamp>)
        out.time(event.*value);
    else if constexpr (holds<kind, uuid>)
        out.id(event.*value);
    else if constexpr (holds<kind, identifier_map>)
        out.jsonb(to_json(event.*value));
    else if constexpr (holds<kind, int>)
        out.integer(event.*value);
    else if constexpr (holds<kind, std::vector<std::string>>)
        out.text_array(event.*value);
    else if (event.*value) // what may be absent
        out.id(*(event.*value));
    else
        out.null();
}

// By the alternatives of event_column::value.
constexpr column_type types_of_values[] = {
    column_type::text,    column_type::jsonb,      column_type::timestamptz,
    column_type::uuid,    column_type::uuid,       column_type::jsonb,
    column_type::integer, column_type::text_array, column_type::timestamptz,
};

void intake_id(row_encoder& out, const unit& u)
{
    out.big(u.first().place.intake_id);
}

void ordinal(row_encoder& out, const unit& u)
{
    out.integer(u.first().place.ordinal);
}

template <std::size_t... I>
constexpr auto table_of_events(std::index_sequence<I...> /*positions*/)
{
    return std::array{column{"intake_id", column_type::bigint, intake_id},
                      column{"ordinal", column_type::integer, ordinal},
                      column{source_event_columns[I].name,
                             types_of_values[source_event_columns[I].value.index()],
                             event_value<I>}...};
}

constexpr auto event_table =
    table_of_events(std::make_index_sequence<std::size(source_event_columns)>{});

void id(row_encoder& out, const unit& u)
{
    out.id(u.id);
}

// Of the delivery that stands last in the intake.
const intake_place& last_place(const unit& u)
{
    const auto last =
        std::max_element(u.members.begin(), u.members.end(), [](const auto& a, const auto& b) {
            return std::tie(a->place.intake_id, a->place.ordinal) <
                   std::tie(b->place.intake_id, b->place.ordinal);
        });
    return (*last)->place;
}

void last_intake_id(row_encoder& out, const unit& u)
{
    out.big(last_place(u).intake_id);
}

void last_ordinal(row_encoder& out, const unit& u)
{
    out.integer(last_place(u).ordinal);
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

void deliveries(row_encoder& out, const unit& u)
{
    out.integer(static_cast<std::int32_t>(u.members.size()));
}

constexpr column quarantine_table[] = {
    {"quarantine_id", column_type::uuid, id},
    {"endpoint", column_type::text, endpoint},
    {"reason", column_type::text, reason},
    {"detail", column_type::jsonb, detail},
    {"body", column_type::bytea, body},
    {"body_sha256", column_type::bytea, body_sha256},
    {"key_id", column_type::text, key_id},
    {"intake_id", column_type::bigint, last_intake_id},
    {"ordinal", column_type::integer, last_ordinal},
    {"received_at", column_type::timestamptz, received_at},
    {"last_received_at", column_type::timestamptz, last_received_at},
    {"deliveries", column_type::integer, deliveries},
};

} // namespace

std::span<const column> event_columns()
{
    return event_table;
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
