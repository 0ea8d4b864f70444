// How people behave in the story, and the payloads of it; see gateway/demo/story.hpp. Chances
// are per hundred and made up. Random numbers come from one stream a person, so that a person's
// history does not depend on who else is told.
#include "gateway/demo/story.hpp"

#include "gateway/attentive/gid.hpp"

#include <algorithm>
#include <array>
#include <tuple>

namespace gateway {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using days = std::chrono::duration<std::int64_t, std::ratio<86'400>>;

constexpr std::array<std::string_view, 3> company_names = {"Maple & Moss", "Hollow Creek",
                                                           "Bay & Birch"};
constexpr std::array<std::string_view, 4> creatives = {
    "Welcome pop-up 15% off", "Checkout checkbox", "Keyword MOSS", "Footer form"};
constexpr std::array<std::string_view, 4> creative_types = {"DESKTOP", "CHECKOUT", "TEXT_TO_JOIN",
                                                            "MOBILE"};
constexpr std::array<std::string_view, 6> replies = {
    "STOP", "please stop texting me", "HELP", "Do you ship to Oregon?", "Love it!", "START"};
constexpr std::array<std::string_view, 4> pages = {"/sale", "/new-in", "/jeans", "/gift-cards"};
constexpr std::uint32_t sms_numbers = 1'000, email_numbers = 2'000; // + the week

// SplitMix64.
class random_stream {
public:
    explicit random_stream(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next()
    {
        std::uint64_t x = state_ += 0x9E3779B97F4A7C15U;
        x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
        x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
        return x ^ (x >> 31U);
    }
    std::uint32_t below(std::uint64_t n) { return static_cast<std::uint32_t>(next() % n); }
    bool chance(std::uint32_t in_hundred) { return below(100) < in_hundred; }
    milliseconds within(milliseconds longest)
    {
        return milliseconds{
            static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(longest.count()))};
    }

private:
    std::uint64_t state_;
};

// One person's history.
class biography {
public:
    biography(const story_settings& settings, std::uint64_t person, std::vector<story_event>& out)
        : settings_(settings), person_(person),
          random_(random_stream{settings.seed ^ (person * 0xD1342543DE82EF95U)}.next()), out_(out)
    {
    }

    void tell()
    {
        const timestamp first = settings_.until - days{settings_.days};
        const int span = turn_ < 8 ? settings_.days * 2 / 3 : 20;
        const timestamp joined = first + days{turn_ == 9 ? 80 : 0} + random_.within(days{span});
        join(joined);
        if (random_.chance(30))
            add(story_kind::attribute_set, joined + random_.within(days{20}));
        const auto weeks = static_cast<std::uint32_t>(turn_ == 8 ? 4 : settings_.days / 7 + 1);
        for (std::uint32_t week = 0; week < weeks; ++week) {
            const timestamp monday = first + days{7 * week};
            text(monday + hours{10}, week, joined);
            mail(monday + days{2} + hours{9}, week, joined);
        }
        if (turn_ == 8)
            leave(story_kind::sms_unsubscribed, first + days{30});
    }

private:
    story_event& add(story_kind kind, timestamp at)
    {
        story_event e;
        e.at = at;
        e.kind = kind;
        e.company = person_ % settings_.companies;
        e.person = person_;
        e.phone_of = person_ - (shares_phone_ ? settings_.companies : 0);
        e.serial = person_ * 100'000 + serial_++;
        out_.push_back(e);
        return out_.back();
    }

    void join(timestamp at)
    {
        const std::uint32_t creative = random_.below(creatives.size());
        const std::uint32_t channels = random_.below(4); // sms, e-mail, both, both
        texted_ = channels != 1;
        mailed_ = channels != 0;
        if (texted_)
            add(story_kind::sms_subscribed, at).choice = creative;
        if (mailed_)
            add(story_kind::email_subscribed, at + random_.within(minutes{5})).choice = creative;
        if (texted_ && random_.chance(5)) // a second sign-up repeats the state
            add(story_kind::sms_subscribed, at + random_.within(days{10})).choice =
                random_.below(creatives.size());
    }

    void text(timestamp campaign, std::uint32_t week, timestamp joined)
    {
        if (!texted_ || campaign < joined || random_.chance(20))
            return;
        const timestamp sent = campaign + random_.within(minutes{30});
        const std::uint32_t message = sms_numbers + week;
        add(story_kind::sms_sent, sent).message = message;
        if (settings_.shares_phones && serial_ % 16 == 0) // a carrier looks at the link
            add(story_kind::sms_clicked, sent + milliseconds{700}).message = message;
        if (random_.chance(14))
            click(story_kind::sms_clicked, sent + random_.within(hours{20}), message);
        if (random_.chance(4))
            reply(sent + random_.within(hours{60}));
        else if (random_.chance(1))
            leave(story_kind::sms_unsubscribed, sent + random_.within(days{5}));
    }

    void mail(timestamp campaign, std::uint32_t week, timestamp joined)
    {
        if (!mailed_ || campaign < joined)
            return;
        const timestamp sent = campaign + random_.within(minutes{30});
        const std::uint32_t message = email_numbers + week;
        add(story_kind::email_sent, sent).message = message;
        if (random_.chance(1))
            leave(story_kind::email_unsubscribed, sent + random_.within(days{3}));
        if (!random_.chance(45))
            return;
        const timestamp opened = sent + random_.within(days{3});
        add(story_kind::email_opened, opened).message = message;
        if (random_.chance(25))
            click(story_kind::email_clicked, opened + random_.within(minutes{20}), message);
    }

    void click(story_kind kind, timestamp at, std::uint32_t message)
    {
        story_event& clicked = add(kind, at);
        clicked.message = message;
        const std::uint32_t page = clicked.choice = random_.below(pages.size());
        if (!random_.chance(80))
            return;
        const timestamp seen = at + random_.within(minutes{40});
        add(story_kind::page_viewed, seen).choice = page;
        if (!random_.chance(35))
            return;
        const std::uint32_t cents = 1'000 + random_.below(20'000);
        order(seen + random_.within(days{8}), cents);
    }

    // An order, and what becomes of it: of twenty one is cancelled, two lose an item within the
    // hour, and two are given back in part, one of them twice.
    void order(timestamp paid, std::uint32_t cents)
    {
        story_event placed = add(story_kind::order_completed, paid);
        placed.cents = cents;
        placed.order = placed.serial;
        out_.back() = placed;
        std::uint64_t serial = placed.serial;
        const auto follow = [&](story_kind kind, timestamp at, std::uint32_t value) {
            story_event e = placed;
            std::tie(e.kind, e.at, e.cents) = std::tie(kind, at, value);
            e.serial = serial += 30'000; // no other event's: the rest is told as without it
            out_.push_back(e);
        };
        switch (cents % 20) {
        case 3: follow(story_kind::order_cancelled, paid + hours{30}, 0); break;
        case 7:
        case 11: follow(story_kind::order_completed, paid + minutes{40}, cents - 700); break;
        case 13: follow(story_kind::order_refunded, paid + days{2}, cents / 4); [[fallthrough]];
        case 17: follow(story_kind::order_refunded, paid + days{3}, cents / 2); break;
        default: break;
        }
    }

    void reply(timestamp at)
    {
        const auto text = add(story_kind::replied, at).choice = random_.below(replies.size());
        if (text == 0 && random_.chance(85))
            leave(story_kind::sms_unsubscribed, at + milliseconds{1'500});
        else if (text == 1 && random_.chance(30))
            leave(story_kind::sms_unsubscribed, at + hours{20});
    }

    void leave(story_kind kind, timestamp at)
    {
        add(kind, at).is_bare = settings_.shares_phones && serial_ % 2 == 0;
        const bool sms = kind == story_kind::sms_unsubscribed;
        if (random_.chance(15)) // and comes back
            add(sms ? story_kind::sms_subscribed : story_kind::email_subscribed,
                at + random_.within(days{20}) + minutes{1})
                .choice = random_.below(creatives.size());
        else
            (sms ? texted_ : mailed_) = false;
    }

    const story_settings& settings_;
    std::uint64_t person_;
    random_stream random_;
    std::vector<story_event>& out_;
    std::uint64_t serial_ = 0;
    bool texted_ = false;
    bool mailed_ = false;
    std::uint64_t turn_ = settings_.shares_phones ? person_ / settings_.companies % 10 : 0;
    bool shares_phone_ = turn_ % 5 == 4; // the last of ten gets it, once it was given up
};

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
                       {"subject", story_subject(e.message)},
                       {"from_email", "hello@shop.example.com"},
                       {"to_email", story_email(e)},
                       {"channel", "EMAIL"}});
    if (e.kind == story_kind::email_opened)
        return object({{"id", id}, {"type", "ONE_TIME"}, {"name", story_subject(e.message)}});
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

std::vector<story_event> tell_story(const story_settings& settings)
{
    std::vector<story_event> out;
    for (std::uint64_t n = 0; n < settings.people; ++n)
        biography{settings, settings.first_person + n, out}.tell();
    std::erase_if(out, [&](const story_event& e) { return e.at >= settings.until; });
    std::sort(out.begin(), out.end(), [](const story_event& a, const story_event& b) {
        return std::tie(a.at, a.serial) < std::tie(b.at, b.serial);
    });
    return out;
}

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

std::string story_subject(std::uint32_t message)
{
    return "Letter no. " + std::to_string(message - email_numbers);
}

std::string story_campaign(std::uint32_t message)
{
    return "week-" + std::to_string(message % sms_numbers);
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

} // namespace gateway
