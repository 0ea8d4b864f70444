// Every event type the gateway knows, as one table. A new type is a row here and a fixture pair
// in tests/fixtures/attentive: fields are mapped by section, whatever the type.
// Source: Attentive documentation, "Webhook payloads".
#pragma once

#include <array>
#include <string_view>
#include <vector>

namespace gateway {

struct event_type {
    std::string_view type;       // Attentive's, case-sensitive
    std::string_view event_name; // ours
    std::string_view channel;    // "sms", "email", or empty
    std::string_view action;
    std::string_view section; // the object that such an event is about
};

// In the order of the documentation. A creative belongs to the subscribed types, but is no
// section they need: it may be missing.
inline constexpr std::array<event_type, 11> event_catalog = {{
    {"email.subscribed", "email.subscribed", "email", "subscribed", "subscription"},
    {"sms.subscribed", "sms.subscribed", "sms", "subscribed", "subscription"},
    {"email.unsubscribed", "email.unsubscribed", "email", "unsubscribed", "subscription"},
    {"sms.unsubscribed", "sms.unsubscribed", "sms", "unsubscribed", "subscription"},
    {"sms.sent", "sms.sent", "sms", "sent", "message"},
    {"email.sent", "email.sent", "email", "sent", "message"},
    {"sms.message_link_click", "sms.link_clicked", "sms", "link_clicked", "message_link_click"},
    {"email.message_link_click", "email.link_clicked", "email", "link_clicked",
     "message_link_click"},
    {"sms.inbound_message", "sms.inbound_received", "sms", "inbound_received", "message"},
    {"custom_attribute.set", "profile.attribute_set", "", "attribute_set", "user_property"},
    {"email.opened", "email.opened", "email", "opened", "message"},
}};

// Attentive's names of all of them, in the same order.
const std::vector<std::string_view>& event_type_names();

// The row of `type`, or null.
const event_type* find_event_type(std::string_view type);

} // namespace gateway
