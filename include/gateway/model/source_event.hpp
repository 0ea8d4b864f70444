// The canonical source event: one row of gateway.source_event, whatever the provider and type, and
// the one table of its columns, for all who take them one by one.
// Text is UTF-8 without NUL, which PostgreSQL's text demands. An empty string means absent and is
// stored as NULL: no field of a source event tells "empty" from "absent".
#pragma once

#include "gateway/base/time.hpp"
#include "gateway/base/uuid.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gateway {

// Kind (attentive_external_id, phone, email, client_user_id, shopify_id, klaviyo_id,
// custom:<name>) to its values, normalised; invalid values are left out.
using identifier_map = std::map<std::string, std::vector<std::string>>;

struct source_event {
    // Key
    std::string company_id;
    timestamp occurred_at{};
    uuid event_id; // content key: equal payloads have equal ids

    // What happened
    std::string event_name; // canonical, "<channel>.<action>"
    std::string channel;    // "sms", "email"; empty when the event belongs to no channel
    std::string action;
    std::string source;            // "attentive"
    std::string source_event_type; // the provider's own type, verbatim
    std::string company_name;

    // Who
    std::optional<uuid> subscriber_id; // from company and strongest identifier
    identifier_map identifiers;

    // Consent
    std::string subscription_type;
    std::string creative_name;
    std::string creative_type;
    std::string creative_subtype;

    // Message
    std::string message_id;
    std::string message_key; // "Message:<number>"; empty for ids of another space
    std::string message_type;
    std::string message_name;
    std::string message_subject;
    std::string message_text;
    std::string message_channel;
    std::string business_address;
    std::string recipient_address;
    std::string keyword_class; // inbound only: stop, stop_fuzzy, help, start, other

    // Click
    std::string link_id;
    std::string link_url;
    std::string link_host;
    std::string link_path;
    std::string utm_source;
    std::string utm_medium;
    std::string utm_campaign;
    std::string utm_content;
    std::string utm_term;

    // Attribute
    std::string attribute_id;
    std::string attribute_name;
    std::string attribute_value;

    // Lineage
    int mapping_version = 0;
    std::vector<std::string> quality_flags; // sorted, each once
    std::string extra;                      // JSON object of fields no column takes
};

// A column that holds its text as JSON.
struct json_text {
    std::string source_event::*member;
};

// The column that is not the event's own: when its delivery was received.
struct received_time {};

struct event_column {
    std::string_view name;
    std::variant<std::string source_event::*, json_text, timestamp source_event::*,
                 uuid source_event::*, std::optional<uuid> source_event::*,
                 identifier_map source_event::*, int source_event::*,
                 std::vector<std::string> source_event::*, received_time>
        value;
};

// In the order of gateway.event_row, which a test compares, and of gateway.source_event behind what
// the database adds. Each member stands here once, as another test counts.
inline constexpr event_column source_event_columns[] = {
    {"company_id", &source_event::company_id},
    {"occurred_at", &source_event::occurred_at},
    {"event_id", &source_event::event_id},
    {"event_name", &source_event::event_name},
    {"channel", &source_event::channel},
    {"action", &source_event::action},
    {"source", &source_event::source},
    {"source_event_type", &source_event::source_event_type},
    {"company_name", &source_event::company_name},
    {"subscriber_id", &source_event::subscriber_id},
    {"identifiers", &source_event::identifiers},
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
    {"received_at", received_time{}},
    {"mapping_version", &source_event::mapping_version},
    {"quality_flags", &source_event::quality_flags},
    {"extra", json_text{&source_event::extra}},
};

} // namespace gateway
