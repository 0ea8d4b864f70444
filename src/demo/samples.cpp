// Sample payloads; see gateway/demo/samples.hpp. Each form below is the documented example
// with names at what differs from event to event: "<phone|+15555555555>" stands for the documented
// number in the one use and for a subscriber's own in the other, so that load tests send what the
// documentation shows. Source: Attentive documentation, "Webhook payloads".
#include "gateway/demo/samples.hpp"

#include "gateway/attentive/event_catalog.hpp"
#include "gateway/attentive/gid.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace gateway {
namespace {

struct sample_form {
    std::string_view type;
    std::string_view context; // everything behind "subscriber"
    std::string_view subscriber = R"({
    "email": "<email|jane.doe@example.com>",
    "phone": "<phone|+15555555555>",
    "external_id": <external_id|16467358>
  })";
    std::string_view company_name = "Hudson & Ivy";
    std::string_view company_id = "MDc6Q29tcGFueTU";
    std::string_view timestamp = "1632945178104";
};

constexpr std::string_view subscriber_without_phone = R"({
    "email": "<email|jane.doe@example.com>",
    "phone": "",
    "external_id": <external_id|16467358>
  })";

constexpr std::string_view subscriber_with_blank = R"({
    "email": "<email|jane.doe@example.com>",
    "phone": "<phone|+15555555555> ",
    "external_id": <external_id|16467358>
  })";

constexpr std::string_view subscriber_of_attribute = R"({
    "email": "<email|jane.doe@example.com>",
    "phone": "<phone|+15555555555>",
    "external_id": <external_id|16467358>,
    "external_identifiers": {
      "klaviyo_id": ["<klaviyo_id|abc123>"],
      "shopify_id": ["<shopify_id|123456789>"]
    }
  })";

constexpr std::string_view subscriber_of_reply = R"({
    "phone": "<phone|+15555555555>",
    "external_id": <external_id|12345>,
    "external_identifiers": {
      "klaviyo_id": ["<klaviyo_id|5432>"],
      "shopify_id": ["<shopify_id|4232>"],
      "client_user_id": ["<client_user_id|4392>"],
      "custom_identifiers": {"test_custom_id": ["<custom_id|4444>"]}
    }
  })";

constexpr std::string_view subscribed = R"("creative": {
    "name": "Desktop Fullscreen (Email + SMS) - 15% Off",
    "type": "DESKTOP",
    "subtype": "DYNAMIC"
  },
  "subscription": {"type": "<subscription_type|MARKETING>"})";

constexpr std::string_view unsubscribed =
    R"("subscription": {"type": "<subscription_type|MARKETING>"})";

constexpr std::string_view sms_sent = R"("message": {
    "id": "<message_id|MDc6TWVzc2FnZTEyNzI1MA>",
    "type": "ONE_TIME",
    "text": "Shop this deal! https://example.attn.tv/l/abc/<short_link|123>",
    "channel": "TEXT"
  })";

constexpr std::string_view email_sent = R"("message": {
    "id": "<send_id|MTY6RW1haWxNZXNzYWdlU2VudDI>",
    "subject": "<subject|ONE_TIME>",
    "from_email": "hello@example-shop.com",
    "to_email": "<email|jane.doe@example.com>",
    "channel": "EMAIL"
  })";

constexpr std::string_view sms_click = R"("message_link_click": {
    "linkTarget": "https://testsite.com/<page|>?utm_medium=text&utm_source=attentive)"
                                       R"(&utm_campaign=<campaign|exampletext>",
    "messageId": "<message_id|MDc6TWVzc2FnZTE>",
    "messageType": "AUTOMATED",
    "linkId": "<click_id|MTY6TWVzc2FnZUxpbmtDbGljazI>"
  })";

constexpr std::string_view email_click = R"("message_link_click": {
    "linkTarget": "https://testsite.com/<page|>?utm_medium=text&utm_source=attentive)"
                                         R"(&utm_campaign=<campaign|exampletext>",
    "messageId": "<message_id|MDc6TWVzc2FnZTE>",
    "messageType": "AUTOMATED",
    "linkId": "<click_id|MTY6TWVzc2FnZUxpbmtDbGljazI>",
    "channel": "EMAIL"
  })";

constexpr std::string_view reply = R"("message": {
    "type": "TYPE_CONVERSATION",
    "text": "<reply|Hello Friends!>",
    "to_phone": "+174881"
  })";

constexpr std::string_view attribute = R"("user_property": {
    "id": "MTY6Q3VzdG9tUHJvcGVydHlJZGlkOiAiMjg3Igo",
    "name": "Favorite Color",
    "value": "<color|Blue>"
  })";

constexpr std::string_view opened = R"("message": {
    "id": "<message_id|MDc6TWVzc2FnZTE>",
    "type": "JOURNEY",
    "name": "<message_name|Message Name>",
    "channel": "TEXT"
  })";

constexpr std::array<sample_form, event_catalog.size()> forms = {{
    {"email.subscribed", subscribed, subscriber_without_phone},
    {"sms.subscribed", subscribed, subscriber_with_blank},
    {"email.unsubscribed", unsubscribed, subscriber_without_phone},
    {"sms.unsubscribed", unsubscribed},
    {"sms.sent", sms_sent},
    {"email.sent", email_sent},
    {"sms.message_link_click", sms_click},
    {"email.message_link_click", email_click},
    {"sms.inbound_message", reply, subscriber_of_reply, "Attentive", "MDc6Q29tcGFueTIyNzM",
     "1686927677855"},
    {"custom_attribute.set", attribute, subscriber_of_attribute},
    {"email.opened", opened},
}};

// The form of each type of the catalogue, where there is one. A type that the documentation shows
// no example of has that of the first which is about the same section.
const std::map<std::string_view, sample_form>& forms_by_type()
{
    static const auto all = [] {
        std::map<std::string_view, sample_form> found;
        for (const event_type& row : event_catalog) {
            const auto shown = [&row](const sample_form& f) { return f.type == row.type; };
            const auto alike = [&row](const sample_form& f) {
                return find_event_type(f.type)->section == row.section;
            };
            auto form = std::find_if(forms.begin(), forms.end(), shown);
            if (form == forms.end())
                form = std::find_if(forms.begin(), forms.end(), alike);
            if (form != forms.end())
                found.emplace(row.type, *form).first->second.type = row.type;
        }
        return found;
    }();
    return all;
}

// Appends `form` with each "<name|documented>" replaced by what `value(name, documented)` returns.
template <class Value>
void append_filled(std::string& out, std::string_view form, const Value& value)
{
    for (auto open = form.find('<'); open != std::string_view::npos; open = form.find('<')) {
        const auto bar = form.find('|', open);
        const auto close = form.find('>', bar);
        out += form.substr(0, open);
        out += value(form.substr(open + 1, bar - open - 1), form.substr(bar + 1, close - bar - 1));
        form.remove_prefix(close + 1);
    }
    out += form;
}

template <class Value>
std::string render(const sample_form& form, std::string_view timestamp,
                   std::string_view company_name, std::string_view company_id, const Value& value)
{
    std::string out;
    out.reserve(800);
    out.append("{\n  \"type\": \"").append(form.type);
    out.append("\",\n  \"timestamp\": ").append(timestamp);
    out.append(",\n  \"company\": {\n    \"display_name\": \"").append(company_name);
    out.append("\",\n    \"company_id\": \"").append(company_id);
    out.append("\"\n  },\n  \"subscriber\": ");
    append_filled(out, form.subscriber, value);
    out.append(",\n  ");
    append_filled(out, form.context, value);
    out.append("\n}\n");
    return out;
}

// SplitMix64's output function: one number in, one that looks random out.
std::uint64_t mix(std::uint64_t x)
{
    x += 0x9E3779B97F4A7C15U;
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31U);
}

// The values of one body of the endless stream. Subscribers come from a population that grows
// with `n`, about eight events for each; companies and messages from a handful.
class unique_values {
public:
    unique_values(std::uint64_t seed, std::uint64_t n) : n_(n), random_(mix(mix(seed) ^ n))
    {
        const std::uint64_t number = random_ % (n / 8 + 1);
        person_ = mix(mix(seed ^ 0x70656F706C65U) ^ number) >> 20U;
    }

    // 2026-09-01 and up to 13 ms for each event before this one: never the same twice.
    std::uint64_t timestamp() const { return 1'788'220'800'000U + n_ * 7 + random_ % 7; }
    std::size_t company() const { return person_ % 3; }

    std::string operator()(std::string_view name, std::string_view /*documented*/) const
    {
        if (name == "email")
            return "shopper." + std::to_string(person_) + "@example-shop.com";
        if (name == "phone")
            return "+1206" + std::to_string(2'000'000 + person_ % 8'000'000);
        if (name == "external_id")
            return std::to_string(person_);
        if (name == "message_id")
            return gid_encoded("Message", message());
        if (name == "send_id")
            return gid_encoded("EmailMessageSent", n_);
        if (name == "click_id")
            return gid_encoded("MessageLinkClick", n_);
        if (name == "subscription_type")
            return one_of({"MARKETING", "MARKETING", "MARKETING", "TRANSACTIONAL"});
        if (name == "reply")
            return one_of({"STOP", "Thanks!", "HELP", "Do you ship to Oregon?", "Stop it please"});
        if (name == "color")
            return one_of({"Blue", "Green", "Red", "Black"});
        if (name == "page")
            return one_of({"", "sale", "jeans", "new-in"});
        if (name == "campaign" || name == "short_link")
            return "c" + std::to_string(message());
        if (name == "subject" || name == "message_name")
            return "Offer " + std::to_string(message());
        return std::to_string(person_ % 1'000'000'007); // ids of third parties
    }

private:
    std::uint64_t message() const { return 127'250 + (random_ >> 8U) % 12; }

    std::string one_of(std::initializer_list<const char*> choices) const
    {
        return choices.begin()[(random_ >> 16U) % choices.size()];
    }

    std::uint64_t n_;
    std::uint64_t random_;
    std::uint64_t person_; // 44 bits that no other seed shares but by chance
};

struct sample_company {
    std::string_view name;
    std::string_view id; // "07:Company5", "07:Company6", "07:Company7"
};
constexpr std::array<sample_company, 3> companies = {{{"Hudson & Ivy", "MDc6Q29tcGFueTU"},
                                                      {"Example Shop", "MDc6Q29tcGFueTY"},
                                                      {"Juniper Lane", "MDc6Q29tcGFueTc"}}};

std::string render_documented(const sample_form& form)
{
    return render(form, form.timestamp, form.company_name, form.company_id,
                  [](std::string_view /*name*/, std::string_view given) { return given; });
}

} // namespace

const std::vector<std::string>& sampled_types()
{
    static const auto types = [] {
        std::vector<std::string> sampled;
        for (const std::string_view type : event_type_names()) {
            if (forms_by_type().count(type) != 0)
                sampled.emplace_back(type);
        }
        return sampled;
    }();
    return types;
}

std::string_view documented_sample(std::string_view type)
{
    static const auto samples = [] {
        std::map<std::string_view, std::string> bodies;
        for (const auto& [known, form] : forms_by_type())
            bodies.emplace(known, render_documented(form));
        return bodies;
    }();
    const auto found = samples.find(type);
    return found == samples.end() ? std::string_view{} : found->second;
}

std::string unique_sample(std::string_view type, std::uint64_t seed, std::uint64_t n)
{
    const auto form = forms_by_type().find(type);
    if (form == forms_by_type().end())
        return {};
    const unique_values values{seed, n};
    const auto& company = companies[values.company()];
    return render(form->second, std::to_string(values.timestamp()), company.name, company.id,
                  values);
}

} // namespace gateway
