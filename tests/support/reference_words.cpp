#include "support/reference_words.hpp"

#include "gateway/base/digest.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace gateway::test::words {

std::int64_t millis(timestamp t)
{
    return t.time_since_epoch().count();
}

std::string text(std::int64_t n)
{
    return std::to_string(n);
}

std::string date(timestamp t)
{
    return to_string(t).substr(0, 10);
}

std::string fixed(double value, int decimals)
{
    char out[64] = {};
    std::snprintf(out, sizeof out, "%.*f", decimals, value);
    return out;
}

std::string money(std::int64_t cents)
{
    char out[64] = {};
    std::snprintf(out, sizeof out, "%lld.%02lld", static_cast<long long>(cents / 100),
                  static_cast<long long>(cents % 100));
    return out;
}

// As money, without zeros at the end.
std::string plain(std::int64_t cents)
{
    std::string out = money(cents);
    while (out.back() == '0')
        out.pop_back();
    if (out.back() == '.')
        out.pop_back();
    return out;
}

uuid subscriber_of(const story_event& e)
{
    const std::string company = story_company_id(e.company) + '\x1f';
    if (e.kind == kind::replied || (e.is_bare && is_sms(e)))
        return uuid_from_digest(sha256(company + "phone\x1f" + story_phone(e)));
    if (!is_attentives(e) || e.is_bare)
        return uuid_from_digest(sha256(company + "email\x1f" + story_email(e)));
    return uuid_from_digest(sha256(company + "attentive_external_id\x1f" + story_external_id(e)));
}

bool is_click(const story_event& e)
{
    return e.kind == kind::sms_clicked || e.kind == kind::email_clicked;
}

bool grants(const story_event& e)
{
    return e.kind == kind::sms_subscribed || e.kind == kind::email_subscribed;
}

bool decides(const story_event& e)
{
    return grants(e) || e.kind == kind::sms_unsubscribed || e.kind == kind::email_unsubscribed;
}

bool is_sms(const story_event& e)
{
    return e.kind == kind::sms_subscribed || e.kind == kind::sms_unsubscribed ||
           e.kind == kind::sms_sent || e.kind == kind::sms_clicked || e.kind == kind::replied;
}

bool gives_phone(const story_event& e)
{
    return is_attentives(e) && (!e.is_bare || is_sms(e));
}

bool gives_email(const story_event& e)
{
    return e.kind != kind::replied && (!e.is_bare || !is_sms(e));
}

bool gives_external_id(const story_event& e)
{
    return is_attentives(e) && !e.is_bare && e.kind != kind::replied;
}

std::string named_type(const story_event& e)
{
    return e.is_untyped ? "UNSPECIFIED" : "MARKETING";
}

bool concerns(const story_event& e, const std::string& type)
{
    return !grants(e) || named_type(e) == type;
}

std::string channel(const story_event& e)
{
    if (e.kind == kind::attribute_set)
        return null;
    return !is_attentives(e) ? "web" : is_sms(e) ? "sms" : "email";
}

std::string name_of(const story_event& e)
{
    switch (e.kind) {
    case kind::sms_subscribed: return "sms.subscribed";
    case kind::email_subscribed: return "email.subscribed";
    case kind::sms_unsubscribed: return "sms.unsubscribed";
    case kind::email_unsubscribed: return "email.unsubscribed";
    case kind::sms_sent: return "sms.sent";
    case kind::email_sent: return "email.sent";
    case kind::email_opened: return "email.opened";
    case kind::sms_clicked: return "sms.link_clicked";
    case kind::email_clicked: return "email.link_clicked";
    case kind::replied: return "sms.inbound_received";
    case kind::attribute_set: return "profile.attribute_set";
    case kind::page_viewed: return "page.viewed";
    case kind::order_completed: return "order.completed";
    case kind::order_refunded: return "order.refunded";
    case kind::order_cancelled: return "order.cancelled";
    }
    return {};
}

std::string message_key(const story_event& e)
{
    return e.message == 0 || e.kind == kind::email_sent ? null : "Message:" + text(e.message);
}

std::string campaign(const story_event& e)
{
    return is_click(e) ? story_campaign(e.message) : null;
}

bool asks_to_stop(const story_event& e)
{
    return e.choice <= 1;
}

std::string sentence(const story_event& e)
{
    const std::string medium = is_sms(e) ? "SMS" : "e-mail";
    const std::string page = std::string{story_host} + std::string{story_page(e.choice % 4)};
    switch (e.kind) {
    case kind::sms_subscribed:
    case kind::email_subscribed:
        return "Opted in to MARKETING " + medium + " through \"" +
               std::string{story_creative(e.choice)} + "\"";
    case kind::sms_unsubscribed:
    case kind::email_unsubscribed:
        return (e.is_untyped ? "Opted out of " : "Opted out of MARKETING ") + medium;
    case kind::sms_sent: return "Was sent an SMS " + message_key(e);
    case kind::email_sent: return "Was sent an e-mail \"" + story_subject(e) + "\"";
    case kind::email_opened: return "Opened an e-mail \"" + story_title(e.message) + "\"";
    case kind::sms_clicked:
    case kind::email_clicked:
        return "Clicked " + page + " in an " + medium + " (campaign " + campaign(e) + ")";
    case kind::replied: {
        constexpr const char* sentences[] = {
            "Texted a stop keyword", "Texted what reads like a wish to stop",
            "Texted for help",       "Texted a reply",
            "Texted a reply",        "Texted a start keyword"};
        return sentences[e.choice];
    }
    case kind::attribute_set: return "Was given the attribute \"Favorite Color\"";
    case kind::page_viewed: return "Viewed " + page;
    case kind::order_completed:
        return "Ordered " + story_order_id(e) + " for " + plain(e.cents) + " " +
               std::string{story_currency(e.currency)};
    case kind::order_refunded:
        return "Was given back " + plain(e.cents) + " " + std::string{story_currency(e.currency)} +
               " of order " + story_order_id(e);
    case kind::order_cancelled: return "Cancelled order " + story_order_id(e);
    }
    return {};
}

double percentile(const std::vector<double>& sorted, double fraction)
{
    const double place = fraction * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(std::floor(place));
    const auto above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

} // namespace gateway::test::words
