// The canonical source event: one row of gateway.source_event, whatever the provider and type.
// Text is UTF-8 without NUL, which PostgreSQL's text demands. An empty string means absent and is
// stored as NULL: no field of a source event tells "empty" from "absent".
#pragma once

#include "gateway/base/time.hpp"
#include "gateway/base/uuid.hpp"

#include <map>
#include <optional>
#include <string>
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

} // namespace gateway
