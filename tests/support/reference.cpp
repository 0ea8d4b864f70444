// The rules of the reports, said once more in the plainest way: loops over one person's events.
#include "support/reference.hpp"

#include "gateway/base/digest.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <optional>
#include <set>
#include <tuple>

namespace gateway::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using kind = story_kind;

const std::string null = "NULL";

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

uuid subscriber_of(const story_event& e)
{
    const std::string company = story_company_id(e.company) + '\x1f';
    if (e.kind == kind::replied)
        return uuid_from_digest(sha256(company + "phone\x1f" + story_phone(e)));
    if (!is_attentives(e))
        return uuid_from_digest(sha256(company + "email\x1f" + story_email(e)));
    return uuid_from_digest(sha256(company + "attentive_external_id\x1f" + story_external_id(e)));
}

bool is_click(const story_event& e)
{
    return e.kind == kind::sms_clicked || e.kind == kind::email_clicked;
}

bool is_sms(const story_event& e)
{
    return e.kind == kind::sms_subscribed || e.kind == kind::sms_unsubscribed ||
           e.kind == kind::sms_sent || e.kind == kind::sms_clicked || e.kind == kind::replied;
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

constexpr const char* reply_classes[] = {"stop", "stop_fuzzy", "help", "other", "other", "start"};

bool asks_to_stop(const story_event& e)
{
    return e.choice <= 1;
}

// A sentence of the timeline.
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
    case kind::email_unsubscribed: return "Opted out of MARKETING " + medium;
    case kind::sms_sent: return "Was sent an SMS " + message_key(e);
    case kind::email_sent: return "Was sent an e-mail \"" + story_subject(e.message) + "\"";
    case kind::email_opened: return "Opened an e-mail \"" + story_subject(e.message) + "\"";
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
    case kind::order_completed: return "Ordered " + story_order_id(e) + " for ";
    }
    return {};
}

// percentile_cont: between the two values around the place, in proportion.
double percentile(const std::vector<double>& sorted, double fraction)
{
    const double place = fraction * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(std::floor(place));
    const auto above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

} // namespace

milliseconds story_delay(const story_event& e)
{
    return milliseconds{static_cast<std::int64_t>(e.serial % 7) * 311 + 5};
}

reference::reference(const std::vector<story_event>& story, std::vector<int> zone_hours,
                     std::int64_t now_micros)
    : zone_hours_(std::move(zone_hours)), now_micros_(now_micros)
{
    std::map<std::uint64_t, uuid> first; // of a person: the story is told oldest first
    for (const story_event& e : story) {
        const uuid subscriber = subscriber_of(e);
        const uuid profile = first.emplace(e.person, subscriber).first->second;
        facts_.push_back({e, story_company_id(e.company), subscriber, profile});
    }
    for (const story_fact& f : facts_)
        by_profile_[f.profile].push_back(&f);
}

std::string reference::day(const story_fact& f) const
{
    return date(f.event.at + hours{zone_hours_[f.event.company]});
}

std::vector<const story_fact*> reference::of_same_profile(const story_fact& f) const
{
    return by_profile_.at(f.profile);
}

text_rows reference::source_event() const
{
    std::map<std::tuple<std::string, std::string, std::string, std::string>, int> counts;
    for (const auto& f : facts_)
        ++counts[{f.company, day(f), name_of(f.event), to_string(f.profile)}];
    text_rows rows;
    for (const auto& [key, n] : counts)
        rows.push_back(
            {std::get<0>(key), std::get<1>(key), std::get<2>(key), std::get<3>(key), text(n)});
    return rows;
}

text_rows reference::link_clicks() const
{
    text_rows rows;
    for (const auto& f : facts_) {
        if (is_click(f.event))
            rows.push_back({f.company, text(millis(f.event.at)), day(f), channel(f.event),
                            message_key(f.event), "ONE_TIME", std::string{story_host},
                            std::string{story_page(f.event.choice)}, "attentive",
                            is_sms(f.event) ? "sms" : "email", campaign(f.event),
                            to_string(f.profile), to_string(f.subscriber)});
    }
    return rows;
}

text_rows reference::link_clicks_daily() const
{
    std::map<std::vector<std::string>, std::vector<uuid>> groups;
    for (const auto& f : facts_) {
        if (is_click(f.event))
            groups[{f.company, day(f), channel(f.event), "attentive",
                    is_sms(f.event) ? "sms" : "email", campaign(f.event), std::string{story_host},
                    std::string{story_page(f.event.choice)}}]
                .push_back(f.profile);
    }
    text_rows rows;
    for (const auto& [key, clickers] : groups) {
        rows.push_back(key);
        rows.back().push_back(std::to_string(clickers.size()));
        rows.back().push_back(
            std::to_string(std::set<uuid>{clickers.begin(), clickers.end()}.size()));
    }
    return rows;
}

text_rows reference::inbound_messages() const
{
    text_rows rows;
    for (const auto& f : facts_) {
        if (f.event.kind != kind::replied)
            continue;
        const timestamp at = f.event.at;
        const story_fact* answered = nullptr;
        const story_fact* left = nullptr;
        const story_fact* last = nullptr; // decision on SMS
        for (const auto* other : of_same_profile(f)) {
            const story_event& o = other->event;
            if (o.kind == kind::sms_sent && o.at <= at && o.at > at - hours{48})
                answered = other;
            if (o.kind == kind::sms_unsubscribed && left == nullptr && o.at >= at - minutes{5} &&
                o.at < at + hours{14 * 24})
                left = other;
            if (o.kind == kind::sms_unsubscribed || o.kind == kind::sms_subscribed)
                last = other;
        }
        const bool stop = asks_to_stop(f.event);
        const bool out = last != nullptr && last->event.kind == kind::sms_unsubscribed;
        const bool shown = stop && left != nullptr;
        rows.push_back({f.company, text(millis(at)), day(f), to_string(f.profile),
                        to_string(f.subscriber), reply_classes[f.event.choice],
                        answered == nullptr ? null : message_key(answered->event),
                        answered == nullptr ? null : text((at - answered->event.at).count()),
                        shown ? text(millis(left->event.at)) : null,
                        shown ? text((left->event.at - at).count()) : null,
                        stop && left == nullptr && !out ? "t" : "f"});
    }
    return rows;
}

text_rows reference::subscriber_timeline() const
{
    text_rows rows;
    for (const auto& f : facts_) {
        std::string summary = sentence(f.event);
        if (f.event.kind == kind::order_completed) {
            std::string value = money(f.event.cents);
            while (value.back() == '0')
                value.pop_back();
            if (value.back() == '.')
                value.pop_back();
            summary += value + " USD";
        }
        rows.push_back({f.company, to_string(f.profile), text(millis(f.event.at)), summary});
    }
    return rows;
}

// Last click within 5 days, else the last e-mail opened within 5 days or SMS sent within a day.
const story_fact* reference::credited(const story_fact& order) const
{
    const story_fact* click = nullptr;
    const story_fact* view = nullptr;
    for (const auto* other : of_same_profile(order)) {
        const story_event& o = other->event;
        const milliseconds before = order.event.at - o.at;
        if (before < milliseconds{0} || before >= hours{5 * 24})
            continue;
        if (is_click(o))
            click = other;
        if (o.kind == kind::email_opened || (o.kind == kind::sms_sent && before < hours{24}))
            view = other;
    }
    return click != nullptr ? click : view;
}

text_rows reference::attributed_orders() const
{
    text_rows rows;
    for (const auto& f : facts_) {
        if (f.event.kind != kind::order_completed)
            continue;
        const auto* touch = credited(f);
        const auto of_touch = [&](std::string value) {
            return touch == nullptr ? null : std::move(value);
        };
        rows.push_back({f.company, text(millis(f.event.at)), day(f), story_order_id(f.event),
                        money(f.event.cents), "USD", to_string(f.profile),
                        of_touch(touch != nullptr && is_click(touch->event) ? "click" : "view"),
                        touch == nullptr ? null : channel(touch->event),
                        touch == nullptr ? null : message_key(touch->event), of_touch("ONE_TIME"),
                        touch == nullptr ? null : campaign(touch->event),
                        touch == nullptr ? null : text(millis(touch->event.at))});
    }
    return rows;
}

text_rows reference::revenue_by_message() const
{
    struct sums {
        int orders = 0;
        std::int64_t cents = 0;
        std::set<uuid> buyers;
    };
    std::map<std::vector<std::string>, sums> groups;
    for (const auto& f : facts_) {
        if (f.event.kind != kind::order_completed)
            continue;
        const auto* touch = credited(f);
        auto& group =
            groups[touch == nullptr
                       ? std::vector<std::string>{f.company, day(f), null, null, null, null}
                       : std::vector<std::string>{f.company, day(f), channel(touch->event),
                                                  is_click(touch->event) ? "click" : "view",
                                                  message_key(touch->event),
                                                  campaign(touch->event)}];
        ++group.orders;
        group.cents += f.event.cents;
        group.buyers.insert(f.profile);
    }
    text_rows rows;
    for (const auto& [key, s] : groups) {
        rows.push_back(key);
        rows.back().insert(rows.back().end(), {"USD", text(s.orders), money(s.cents),
                                               std::to_string(s.buyers.size())});
    }
    return rows;
}

text_rows reference::click_to_site() const
{
    text_rows rows;
    for (const auto& f : facts_) {
        if (!is_click(f.event))
            continue;
        const story_fact* seen = nullptr;
        for (const auto* other : of_same_profile(f)) {
            const milliseconds after = other->event.at - f.event.at;
            if (other->event.kind == kind::page_viewed && seen == nullptr &&
                after >= milliseconds{0} && after <= minutes{30})
                seen = other;
        }
        rows.push_back({f.company, text(millis(f.event.at)), channel(f.event), message_key(f.event),
                        to_string(f.profile), seen == nullptr ? null : text(millis(seen->event.at)),
                        seen == nullptr ? null : text((seen->event.at - f.event.at).count())});
    }
    return rows;
}

text_rows reference::audience_quality() const
{
    const auto age = [this](const story_event& e) { return now_micros_ - millis(e.at) * 1'000; };
    constexpr std::int64_t a_day = 86'400'000'000;
    text_rows rows;
    for (const auto& [profile, events] : by_profile_) {
        for (const bool sms : {true, false}) {
            const story_fact* decision = nullptr;
            const story_fact* granted = nullptr;
            std::optional<std::int64_t> active;
            std::optional<std::int64_t> opened;
            int clicks = 0;
            int opens = 0;
            int replies = 0;
            int sent = 0;
            for (const auto* f : events) {
                const story_event& e = f->event;
                if (!is_attentives(e) || e.kind == kind::attribute_set || is_sms(e) != sms)
                    continue;
                const bool grants =
                    e.kind == kind::sms_subscribed || e.kind == kind::email_subscribed;
                const bool revokes =
                    e.kind == kind::sms_unsubscribed || e.kind == kind::email_unsubscribed;
                if (grants || revokes)
                    decision = f;
                if (grants)
                    granted = f;
                const bool recent = age(e) < 90 * a_day;
                if (is_click(e) || e.kind == kind::replied)
                    active = age(e);
                if (e.kind == kind::email_opened)
                    opened = age(e);
                clicks += recent && is_click(e) ? 1 : 0;
                opens += recent && e.kind == kind::email_opened ? 1 : 0;
                replies += recent && e.kind == kind::replied ? 1 : 0;
                sent += recent && (e.kind == kind::sms_sent || e.kind == kind::email_sent) ? 1 : 0;
            }
            if (decision == nullptr)
                continue;
            const bool in = granted == decision;
            const std::string segment = !in                                           ? "opted_out"
                                        : age(granted->event) < 14 * a_day && !active ? "new"
                                        : active && *active < 30 * a_day && clicks + replies > 2
                                            ? "loyal"
                                        : active && *active < 30 * a_day ? "active"
                                        : active && *active < 90 * a_day ? "cooling"
                                        : active                         ? "dormant"
                                        : opened && *opened < 90 * a_day ? "opens_only"
                                        : sent > 0                       ? "never_engaged"
                                                                         : "not_messaged";
            rows.push_back({decision->company, to_string(profile), sms ? "sms" : "email",
                            "MARKETING", in ? "t" : "f", active ? text(*active / a_day) : null,
                            text(clicks), text(opens), text(replies), text(sent), segment});
        }
    }
    return rows;
}

text_rows reference::audience_quality_summary() const
{
    std::map<std::vector<std::string>, std::vector<std::vector<std::string>>> groups;
    for (auto& row : audience_quality())
        groups[{row[0], row[2], row[3], row[10]}].push_back(row);
    text_rows rows;
    for (const auto& [key, members] : groups) {
        std::int64_t clicks = 0;
        std::int64_t sent = 0;
        for (const auto& m : members) {
            clicks += std::stoll(m[6]);
            sent += std::stoll(m[9]);
        }
        rows.push_back(key);
        rows.back().insert(rows.back().end(),
                           {std::to_string(members.size()), text(clicks), text(sent)});
    }
    return rows;
}

namespace {

constexpr std::int64_t minute_length = 60'000;
constexpr std::int64_t hour_length = 60 * minute_length;
constexpr std::int64_t day_length = 24 * hour_length;

// The longest pause, by the minute within a day and exactly between two days.
std::int64_t longest_pause(const std::set<std::int64_t>& times)
{
    std::int64_t longest = minute_length;
    for (auto next = times.begin(), before = next++; next != times.end(); before = next++) {
        const bool same_day = *before / day_length == *next / day_length;
        const std::int64_t pause =
            same_day ? (*next / minute_length - *before / minute_length) * minute_length
                     : *next - *before;
        longest = std::max(longest, pause);
    }
    return longest;
}

// usual_silence in microseconds and is_silent, of a feed that received events at these
// milliseconds.
std::vector<std::string> rhythm(std::set<std::int64_t> times, std::int64_t now_micros)
{
    const std::int64_t newest = *times.rbegin();
    const std::int64_t newest_day = newest / day_length * day_length;
    times.erase(times.begin(), times.lower_bound(newest_day - 28 * day_length));
    std::set<std::int64_t> heard;
    for (const std::int64_t t : times)
        heard.insert(t / hour_length);
    if (heard.size() < 10 || newest - *times.begin() < 7 * day_length)
        return {"NULL", "f"};
    const std::int64_t pause = longest_pause(times);
    const std::int64_t now = now_micros / 1'000;
    std::int64_t missed = 0;
    for (auto h = newest / hour_length + 1;
         (h + 1) * hour_length <= now && h * hour_length < newest_day + 7 * day_length; ++h) {
        bool always = true;
        for (const int week : {1, 2, 3, 4})
            always = always && heard.count(h - week * 7 * 24) != 0;
        missed += always ? 1 : 0;
    }
    const bool silent = now_micros - newest * 1'000 > (2 * pause + 15 * minute_length) * 1'000 ||
                        (missed >= 6 && now - newest >= 6 * hour_length);
    return {std::to_string(pause * 1'000), silent && now - newest < 28 * day_length ? "t" : "f"};
}

} // namespace

text_rows reference::feed_health() const
{
    struct hour {
        std::vector<double> delays;
        timestamp newest{};
    };
    std::map<std::tuple<std::string, std::string, std::int64_t>, hour> groups;
    std::map<std::pair<std::string, std::string>, timestamp> last;
    std::map<std::pair<std::string, std::string>, std::set<std::int64_t>> all;
    for (const auto& f : facts_) {
        const story_event& e = f.event;
        const timestamp received = e.at + story_delay(e);
        if (is_attentives(e))
            all[{f.company, name_of(e)}].insert(millis(received));
        if (!is_attentives(e) || now_micros_ - millis(e.at) * 1'000 >= 7 * 86'400'000'000)
            continue;
        hour& h = groups[{f.company, name_of(e), millis(received) / 3'600'000}];
        h.delays.push_back(static_cast<double>(story_delay(e).count()) / 1'000);
        h.newest = std::max(h.newest, e.at);
        timestamp& l = last[{f.company, name_of(e)}];
        l = std::max(l, received);
    }
    text_rows rows;
    for (auto& [key, h] : groups) {
        const auto& [company, name, number] = key;
        std::sort(h.delays.begin(), h.delays.end());
        rows.push_back({company, name, text(number), std::to_string(h.delays.size()),
                        text(millis(h.newest)), fixed(percentile(h.delays, 0.5), 6),
                        fixed(percentile(h.delays, 0.95), 6),
                        text(now_micros_ - millis(last.at({company, name})) * 1'000)});
        for (auto& value : rhythm(all.at({company, name}), now_micros_))
            rows.back().push_back(std::move(value));
    }
    return rows;
}

// An opt-in or opt-out, with what was decided before it.
struct reference::consent_step {
    const story_fact* fact;
    const story_fact* first_grant; // so far; null when there was none
    const story_fact* last_grant;
    const story_fact* last_revocation;
    bool grants;
    bool changes; // the state
    bool stands;  // nothing was decided later
};

std::vector<reference::consent_step> reference::decisions() const
{
    std::vector<consent_step> out;
    std::map<std::pair<uuid, bool>, std::size_t> last; // of subscriber and channel: index in out
    for (const auto& f : facts_) {
        const kind k = f.event.kind;
        const bool grants = k == kind::sms_subscribed || k == kind::email_subscribed;
        if (!grants && k != kind::sms_unsubscribed && k != kind::email_unsubscribed)
            continue;
        consent_step d{&f, nullptr, nullptr, nullptr, grants, grants, true};
        const auto [known, first] = last.emplace(std::pair{f.subscriber, is_sms(f.event)}, 0);
        if (!first) {
            consent_step& before = out[known->second];
            before.stands = false;
            d = {&f,
                 before.first_grant,
                 before.last_grant,
                 before.last_revocation,
                 grants,
                 before.grants != grants,
                 true};
        }
        if (grants && d.first_grant == nullptr)
            d.first_grant = &f;
        (grants ? d.last_grant : d.last_revocation) = &f;
        known->second = out.size();
        out.push_back(d);
    }
    return out;
}

text_rows reference::consent_movement_daily() const
{
    std::map<std::vector<std::string>, std::array<int, 4>> groups;
    for (const auto& d : decisions()) {
        const auto& f = *d.fact;
        auto& counts = groups[{f.company, day(f), channel(f.event), "MARKETING",
                               d.last_grant == nullptr
                                   ? null
                                   : std::string{story_creative(d.last_grant->event.choice)}}];
        ++counts[d.grants ? 0 : 1];
        if (d.changes)
            ++counts[d.grants ? 2 : 3];
    }
    text_rows rows;
    for (const auto& [key, n] : groups) {
        rows.push_back(key);
        rows.back().insert(rows.back().end(),
                           {text(n[0]), text(n[1]), text(n[2]), text(n[3]), text(n[2] - n[3])});
    }
    return rows;
}

text_rows reference::audience_size_daily() const
{
    std::map<std::pair<std::string, std::string>, std::map<std::string, int>> changes;
    for (const auto& d : decisions()) {
        if (d.changes)
            changes[{d.fact->company, channel(d.fact->event)}][day(*d.fact)] += d.grants ? 1 : -1;
    }
    text_rows rows;
    for (const auto& [key, days] : changes) {
        int size = 0;
        for (const auto& [date, change] : days) {
            size += change;
            rows.push_back({key.first, date, key.second, "MARKETING", text(change), text(size)});
        }
    }
    return rows;
}

text_rows reference::current_subscribers() const
{
    struct sums {
        int subscribed = 0;
        int unsubscribed = 0;
        int lately = 0;
        timestamp newest{};
    };
    std::map<std::pair<std::string, std::string>, sums> groups;
    const timestamp now{milliseconds{now_micros_ / 1'000}};
    for (const auto& d : decisions()) {
        const auto& f = *d.fact;
        sums& s = groups[{f.company, channel(f.event)}];
        s.newest = std::max(s.newest, f.event.at);
        if (!d.stands)
            continue;
        const hours zone{zone_hours_[f.event.company]};
        ++(d.grants ? s.subscribed : s.unsubscribed);
        s.lately += d.grants && day(f) > date(now + zone - hours{30 * 24}) ? 1 : 0;
    }
    text_rows rows;
    for (const auto& [key, s] : groups)
        rows.push_back({key.first, key.second, "MARKETING", text(s.subscribed),
                        text(s.unsubscribed), text(s.lately), text(millis(s.newest))});
    return rows;
}

text_rows reference::subscriber_consent() const
{
    const auto time = [](const story_fact* f) {
        return f == nullptr ? null : text(millis(f->event.at));
    };
    text_rows rows;
    for (const auto& d : decisions()) {
        const auto& f = *d.fact;
        if (d.stands)
            rows.push_back({f.company, to_string(f.profile), to_string(f.subscriber),
                            channel(f.event), "MARKETING", d.grants ? "t" : "f", time(&f),
                            time(d.first_grant), time(d.last_grant), time(d.last_revocation),
                            d.last_grant == nullptr
                                ? null
                                : std::string{story_creative(d.last_grant->event.choice)}});
    }
    return rows;
}

// Of its channel, to the same subscriber, within 7 days.
const story_fact* reference::last_send_before(const story_fact& f) const
{
    const kind sent = is_sms(f.event) ? kind::sms_sent : kind::email_sent;
    const story_fact* last = nullptr;
    for (const auto* other : of_same_profile(f)) {
        if (other->event.kind == sent && other->subscriber == f.subscriber &&
            other->event.at <= f.event.at && other->event.at > f.event.at - hours{7 * 24})
            last = other;
    }
    return last;
}

// What opens and clicks within 3 days say: 3 of them, and 60 %. Company and subject to message.
std::map<std::string, std::string> reference::messages_of_subjects() const
{
    std::map<std::string, std::map<std::string, int>> votes;
    for (const auto& f : facts_) {
        if (f.event.kind != kind::email_opened && f.event.kind != kind::email_clicked)
            continue;
        const auto* sent = last_send_before(f);
        if (sent != nullptr && f.event.at - sent->event.at < hours{3 * 24})
            ++votes[f.company + story_subject(sent->event.message)][message_key(f.event)];
    }
    std::map<std::string, std::string> out;
    for (const auto& [subject, messages] : votes) {
        int all = 0;
        for (const auto& [message, n] : messages)
            all += n;
        for (const auto& [message, n] : messages) {
            if (n >= 3 && n * 10 >= all * 6)
                out[subject] = message;
        }
    }
    return out;
}

struct reference::performance {
    std::set<std::string> subjects, names;
    std::set<uuid> recipients, openers, clickers;
    int sent = 0, opens = 0, clicks = 0, left_1d = 0, left_3d = 0, left_7d = 0;
    timestamp first_sent{}, last_sent{};
    bool is_inferred = false;
};

reference::performances reference::events_of_messages() const
{
    const auto joined = messages_of_subjects();
    performances out;
    const auto at = [&](const story_fact& f) -> performance& {
        if (f.event.kind != kind::email_sent)
            return out[{f.company, channel(f.event), message_key(f.event)}];
        const std::string subject = story_subject(f.event.message);
        const auto known = joined.find(f.company + subject);
        auto& p = out[{f.company, channel(f.event),
                       known == joined.end() ? "subject:" + subject : known->second}];
        p.subjects.insert(subject);
        p.is_inferred = known != joined.end();
        return p;
    };
    for (const auto& f : facts_) {
        const kind k = f.event.kind;
        if (k == kind::sms_sent || k == kind::email_sent) {
            performance& p = at(f);
            p.first_sent = p.sent++ == 0 ? f.event.at : p.first_sent;
            p.last_sent = f.event.at;
            p.recipients.insert(f.subscriber);
        } else if (k == kind::email_opened) {
            performance& p = at(f);
            ++p.opens;
            p.openers.insert(f.subscriber);
            p.names.insert(story_subject(f.event.message));
        } else if (is_click(f.event)) {
            performance& p = at(f);
            ++p.clicks;
            p.clickers.insert(f.subscriber);
        } else if (k == kind::sms_unsubscribed || k == kind::email_unsubscribed) {
            if (const auto* sent = last_send_before(f)) {
                const milliseconds after = f.event.at - sent->event.at;
                performance& p = at(*sent);
                p.left_1d += after <= hours{24} ? 1 : 0;
                p.left_3d += after <= hours{3 * 24} ? 1 : 0;
                ++p.left_7d;
            }
        }
    }
    return out;
}

text_rows reference::message_performance() const
{
    const auto first = [](const std::set<std::string>& values) {
        return values.empty() ? null : *values.begin();
    };
    const auto share = [](std::size_t part, std::size_t whole) { // to 4 decimals, half up
        if (whole == 0)
            return null;
        const std::size_t n = (part * 20'000 + whole) / (2 * whole);
        const std::string decimals = std::to_string(10'000 + n % 10'000).substr(1);
        return std::to_string(n / 10'000) + "." + decimals;
    };
    text_rows rows;
    for (const auto& [key, p] : events_of_messages()) {
        const bool known = key[2].starts_with("Message:");
        rows.push_back(key);
        rows.back().insert(
            rows.back().end(),
            {known ? "ONE_TIME" : null, first(p.names), first(p.subjects),
             p.sent == 0 ? null : text(millis(p.first_sent)),
             p.sent == 0 ? null : text(millis(p.last_sent)), text(p.sent),
             std::to_string(p.recipients.size()), text(p.opens), std::to_string(p.openers.size()),
             text(p.clicks), std::to_string(p.clickers.size()),
             share(p.clickers.size(), p.recipients.size()),
             share(p.openers.size(), p.recipients.size()), text(p.left_1d), text(p.left_3d),
             text(p.left_7d), share(static_cast<std::size_t>(p.left_7d), p.recipients.size()),
             p.is_inferred ? "t" : "f"});
    }
    return rows;
}

} // namespace gateway::test
