// How the events of the story look in what Attentive posts; see gateway/demo/story.hpp.
#include "gateway/attentive/gid.hpp"
#include "gateway/demo/story.hpp"

#include <array>

namespace gateway {
namespace {

constexpr std::array<std::string_view, 3> company_names = {"Maple & Moss", "Hollow Creek",
                                                           "Bay & Birch"};
constexpr std::array<std::string_view, story_creatives> creatives = {
    "Welcome pop-up 15% off", "Checkout checkbox", "Keyword MOSS", "Footer form"};
constexpr std::array<std::string_view, story_creatives> creative_types = {"DESKTOP", "CHECKOUT",
                                                                          "TEXT_TO_JOIN", "MOBILE"};
constexpr std::array<std::string_view, story_replies> replies = {
    "STOP", "please stop texting me", "HELP", "Do you ship to Oregon?", "Love it!", "START"};
constexpr std::array<std::string_view, story_pages> pages = {"/sale", "/new-in", "/jeans",
                                                             "/gift-cards"};
constexpr std::array<std::string_view, story_currencies> currencies = {"USD", "EUR", "CAD"};
constexpr std::array<std::string_view, 16> first_names = {
    "Ann", "Bob",  "Cid", "Dot", "Eve", "Finn", "Gus", "Hope",
    "Ida", "Jack", "Kim", "Leo", "Mia", "Ned",  "Ola", "Pia"};

std::string_view type_of(story_kind kind)
{
    switch (kind) {
    case story_kind::sms_subscribed: return "sms.subscribed";
    case story_kind::email_subscribed: return "email.subscribed";
    case story_kind::sms_unsubscribed: return "sms.unsubscribed";
    case story_kind::email_unsubscribed: return "email.unsubscribed";
    case story_kind::sms_sent: return "sms.sent";
    case story_kind::email_sent: return "email.sent";
    case story_kind::email_opened: return "email.opened";
    case story_kind::sms_clicked: return "sms.message_link_click";
    case story_kind::email_clicked: return "email.message_link_click";
    case story_kind::replied: return "sms.inbound_message";
    case story_kind::attribute_set: return "custom_attribute.set";
    default: return {}; // the shop's
    }
}

// {"name":"value",...}; no value of the story has to be escaped.
std::string object(std::initializer_list<std::pair<std::string_view, std::string_view>> members)
{
    std::string out = "{";
    for (const auto& [name, value] : members) {
        out += out.size() > 1 ? ",\"" : "\"";
        out.append(name).append("\":\"").append(value).append("\"");
    }
    return out + "}";
}

std::string subscription_body(const story_event& e, bool granted)
{
    const std::string subscription = R"("subscription":{"type":"MARKETING"})";
    if (e.is_untyped)
        return R"("subscription":{"type":null})";
    if (!granted)
        return subscription;
    return "\"creative\":" +
           object({{"name", story_creative(e.choice)}, {"type", creative_types[e.choice]}}) + "," +
           subscription;
}

std::string click_body(const story_event& e)
{
    const std::string medium = e.kind == story_kind::sms_clicked ? "sms" : "email";
    const std::string target = "https://" + std::string{story_host}.append(story_page(e.choice)) +
                               "?utm_source=attentive&utm_medium=" + medium +
                               "&utm_campaign=" + story_campaign(e.message);
    return "\"message_link_click\":" +
           object({{"linkTarget", target},
                   {"messageId", gid_encoded("Message", e.message)},
                   {"messageType", "ONE_TIME"},
                   {"linkId", gid_encoded("MessageLinkClick", e.serial)}});
}

std::string message_body(const story_event& e)
{
    const std::string id = gid_encoded("Message", e.message);
    if (e.kind == story_kind::sms_sent)
        return object({{"id", id},
                       {"type", "ONE_TIME"},
                       {"text", "This week only, from us to you: https://moss.attn.tv/l/abc"},
                       {"channel", "TEXT"}});
    if (e.kind == story_kind::email_sent) // names one send, not the message
        return object({{"id", gid_encoded("EmailMessageSent", e.serial)},
                       {"subject", story_subject(e)},
                       {"from_email", "hello@shop.example.com"},
                       {"to_email", story_email(e)},
                       {"channel", "EMAIL"}});
    if (e.kind == story_kind::email_opened)
        return object({{"id", id}, {"type", "ONE_TIME"}, {"name", story_title(e.message)}});
    return object(
        {{"type", "TYPE_CONVERSATION"}, {"text", story_reply(e.choice)}, {"to_phone", "+174881"}});
}

std::string context_body(const story_event& e)
{
    switch (e.kind) {
    case story_kind::sms_subscribed:
    case story_kind::email_subscribed: return subscription_body(e, true);
    case story_kind::sms_unsubscribed:
    case story_kind::email_unsubscribed: return subscription_body(e, false);
    case story_kind::sms_clicked:
    case story_kind::email_clicked: return click_body(e);
    case story_kind::attribute_set:
        return "\"user_property\":" +
               object({{"id", "287"}, {"name", "Favorite Color"}, {"value", "Blue"}});
    default: return "\"message\":" + message_body(e);
    }
}

std::string subscriber_body(const story_event& e)
{
    if (e.kind == story_kind::replied || (e.is_bare && e.kind == story_kind::sms_unsubscribed))
        return object({{"phone", story_phone(e)}});
    if (e.is_bare)
        return object({{"email", story_email(e)}});
    return object({{"email", story_email(e)},
                   {"phone", story_phone(e)},
                   {"external_id", story_external_id(e)}});
}

} // namespace

bool is_attentives(const story_event& e)
{
    return !type_of(e.kind).empty();
}

std::string story_body(const story_event& e)
{
    const std::string company = object({{"display_name", story_company_name(e.company)},
                                        {"company_id", story_company_id(e.company)}});
    return "{\"type\":\"" + std::string{type_of(e.kind)} +
           "\",\"timestamp\":" + std::to_string(e.at.time_since_epoch().count()) +
           ",\"company\":" + company + ",\"subscriber\":" + subscriber_body(e) + "," +
           context_body(e) + "}";
}

std::string story_company_id(std::size_t company)
{
    return gid_encoded("Company", 90 + company);
}

std::string story_company_name(std::size_t company)
{
    return std::string{company_names[company]};
}

std::string story_external_id(const story_event& e)
{
    return std::to_string(900'000'000 + e.person);
}

std::string story_phone(const story_event& e)
{
    return "+1206" + std::to_string(2'000'000 + e.phone_of % 8'000'000);
}

std::string story_email(const story_event& e)
{
    return "shopper" + std::to_string(e.person) + "@example-shop.com";
}

std::string story_subject(const story_event& e)
{
    const std::string name{first_names[e.person * 0x9E3779B97F4A7C15U >> 60U]};
    switch (e.message / 1'000) {
    case 3: return "This week in our shop";
    case 4: return name + ", picked for you";
    case 5: return name + ", you left something behind";
    default: return story_title(e.message);
    }
}

std::string story_title(std::uint32_t message)
{
    return "Letter no. " + std::to_string(message - 2'000);
}

std::string story_campaign(std::uint32_t message)
{
    return "week-" + std::to_string(message % 1'000);
}

std::string story_order_id(const story_event& e)
{
    return "MM-" + std::to_string(e.order);
}

std::string_view story_creative(std::uint32_t choice)
{
    return creatives[choice];
}

std::string_view story_reply(std::uint32_t choice)
{
    return replies[choice];
}

std::string_view story_page(std::uint32_t choice)
{
    return pages[choice];
}

std::string_view story_currency(std::uint32_t choice)
{
    return currencies[choice];
}

} // namespace gateway
