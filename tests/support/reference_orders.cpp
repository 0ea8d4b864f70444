// Orders, whom they are credited to, and how good an audience is: the last click within 5 days,
// else a view.
#include "support/reference.hpp"

#include "support/reference_words.hpp"

#include <map>
#include <set>
#include <tuple>

namespace gateway::test {

using namespace words;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

// Five seconds after a send to the same subscriber, or one of more than three clicks of a second.
bool reference::is_machines(const story_fact& f) const
{
    const bool opens = f.event.kind == kind::email_opened;
    int clicks = 0;
    for (const auto* other : by_subscriber_.at(f.subscriber)) {
        const story_event& o = other->event;
        if (is_sms(o) != is_sms(f.event) || (!opens && !is_click(f.event)))
            continue;
        const milliseconds before = f.event.at - o.at;
        const bool sent = o.kind == kind::sms_sent || o.kind == kind::email_sent;
        if (sent && before >= milliseconds{0} && before <= milliseconds{5'000})
            return true;
        clicks += is_click(o) && std::abs(before.count()) <= 1'000 ? 1 : 0;
    }
    return is_click(f.event) && clicks > 3;
}

// Last click within 5 days, else the last e-mail opened within 5 days or SMS sent within a day.
const story_fact* reference::credited(const story_fact& order) const
{
    const story_fact* click = nullptr;
    const story_fact* view = nullptr;
    for (const auto* other : of_same_profile(order)) {
        const story_event& o = other->event;
        const milliseconds before = order.event.at - o.at;
        if (before < milliseconds{0} || before > hours{5 * 24})
            continue;
        if (is_click(o) && !other->is_suspect)
            click = other;
        if ((o.kind == kind::email_opened && !other->is_suspect) ||
            (o.kind == kind::sms_sent && before <= hours{24}))
            view = other;
    }
    return click != nullptr ? click : view;
}

// Only an open tells how an e-mail is called.
std::string reference::message_name(const story_fact* touch) const
{
    for (const auto& f : facts_) {
        if (touch != nullptr && f.event.kind == kind::email_opened && f.company == touch->company &&
            f.event.message == touch->event.message)
            return story_title(f.event.message);
    }
    return null;
}

std::vector<reference::placed_order> reference::orders() const
{
    std::map<std::uint64_t, placed_order> by_number;
    for (const auto& f : facts_) {
        placed_order& order = by_number[f.event.order];
        if (f.event.kind == kind::order_completed)
            order.fact = &f;
        else if (f.event.kind == kind::order_refunded)
            order.refunds[f.event.currency] += f.event.cents;
        else if (f.event.kind == kind::order_cancelled)
            order.is_cancelled = true;
    }
    by_number.erase(0); // of whatever is no order
    std::vector<placed_order> out;
    std::map<std::int64_t, std::vector<placed_order*>> by_time;
    for (auto& [number, order] : by_number)
        by_time[millis(order.fact->event.at)].push_back(&order);
    std::map<uuid, int> counts;
    for (auto& [time, orders] : by_time) {
        for (placed_order* order : orders) {
            order->number = ++counts[order->fact->profile];
            const story_event& e = order->fact->event;
            order->given_back = order->is_cancelled ? e.cents : order->refunds[e.currency];
            out.push_back(*order);
        }
    }
    return out;
}

text_rows reference::attributed_orders() const
{
    text_rows rows;
    for (const auto& order : orders()) {
        const story_fact& f = *order.fact;
        const auto* touch = credited(f);
        const auto of_touch = [&](std::string value) {
            return touch == nullptr ? null : std::move(value);
        };
        const std::string after =
            touch == nullptr ? null : text((f.event.at - touch->event.at).count());
        rows.push_back({f.company,
                        text(millis(f.event.at)),
                        day(f),
                        story_order_id(f.event),
                        money(f.event.cents),
                        std::string{story_currency(f.event.currency)},
                        to_string(f.profile),
                        of_touch(touch != nullptr && is_click(touch->event) ? "click" : "view"),
                        touch == nullptr ? null : channel(touch->event),
                        touch == nullptr ? null : message_key(touch->event),
                        of_touch("ONE_TIME"),
                        touch == nullptr ? null : campaign(touch->event),
                        touch == nullptr ? null : text(millis(touch->event.at)),
                        money(order.given_back),
                        money(f.event.cents - order.given_back),
                        order.is_cancelled ? "t" : "f",
                        text(order.number),
                        order.number == 1 ? "t" : "f",
                        message_name(touch),
                        to_string(f.subscriber),
                        touch == nullptr ? null : to_string(touch->subscriber),
                        after,
                        after});
    }
    return rows;
}

text_rows reference::revenue_by_message() const
{
    struct sums {
        int orders = 0;
        int cancelled = 0;
        std::int64_t cents = 0;
        std::int64_t refunds = 0;
        std::set<uuid> buyers;
    };
    std::map<std::vector<std::string>, sums> groups;
    for (const auto& order : orders()) {
        const story_fact& f = *order.fact;
        const auto* touch = credited(f);
        auto& group = groups[{f.company, day(f), touch == nullptr ? null : channel(touch->event),
                              touch == nullptr         ? null
                              : is_click(touch->event) ? "click"
                                                       : "view",
                              touch == nullptr ? null : message_key(touch->event),
                              touch == nullptr ? null : campaign(touch->event),
                              std::string{story_currency(f.event.currency)},
                              touch == nullptr ? null : "ONE_TIME", message_name(touch)}];
        ++group.orders;
        group.cancelled += order.is_cancelled ? 1 : 0;
        group.cents += f.event.cents;
        group.refunds += order.given_back;
        group.buyers.insert(f.profile);
    }
    text_rows rows;
    for (const auto& [key, s] : groups) {
        rows.emplace_back(key.begin(), key.end() - 2);
        rows.back().insert(rows.back().end(),
                           {text(s.orders), money(s.cents - s.refunds),
                            std::to_string(s.buyers.size()), money(s.cents), money(s.refunds),
                            text(s.cancelled), key[7], key[8]});
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
                        seen == nullptr ? null : text((seen->event.at - f.event.at).count()),
                        seen == nullptr ? null : text((seen->event.at - f.event.at).count()),
                        day(f), campaign(f.event), to_string(f.subscriber), std::string{story_host},
                        std::string{story_page(f.event.choice)}});
    }
    return rows;
}

// Of who made the last decision of a recipient on a type.
std::vector<std::string> reference::audience_row(const consent_step& last) const
{
    const auto age = [this](const story_event& e) { return now_micros_ - millis(e.at) * 1'000; };
    constexpr std::int64_t a_day = 86'400'000'000;
    const story_fact& decision = *last.fact;
    const bool sms = is_sms(decision.event);
    std::optional<std::int64_t> active;
    std::optional<std::int64_t> opened;
    int clicks = 0;
    int opens = 0;
    int replies = 0;
    int sent = 0;
    int suspect_clicks = 0;
    int suspect_opens = 0;
    for (const auto* f : by_profile_.at(decision.profile)) {
        const story_event& e = f->event;
        if (!is_attentives(e) || e.kind == kind::attribute_set || is_sms(e) != sms)
            continue;
        const bool recent = age(e) < 90 * a_day;
        const bool reacts = is_click(e) || e.kind == kind::email_opened;
        const bool suspect = reacts && f->is_suspect;
        if ((is_click(e) && !suspect) || e.kind == kind::replied)
            active = age(e);
        suspect_clicks += recent && suspect && is_click(e) ? 1 : 0;
        suspect_opens += recent && suspect && !is_click(e) ? 1 : 0;
        if (e.kind == kind::email_opened)
            opened = age(e);
        clicks += recent && is_click(e) ? 1 : 0;
        opens += recent && e.kind == kind::email_opened ? 1 : 0;
        replies += recent && e.kind == kind::replied ? 1 : 0;
        sent += recent && (e.kind == kind::sms_sent || e.kind == kind::email_sent) ? 1 : 0;
    }
    const bool in = last.grants;
    const std::string segment =
        !in                                                                       ? "opted_out"
        : age(decision.event) < 14 * a_day && !active                             ? "new"
        : active && *active < 30 * a_day && clicks + replies - suspect_clicks > 2 ? "loyal"
        : active && *active < 30 * a_day                                          ? "active"
        : active && *active < 90 * a_day                                          ? "cooling"
        : active                                                                  ? "dormant"
        : opened && *opened < 90 * a_day                                          ? "opens_only"
        : sent > 0                                                                ? "never_engaged"
                                                                                  : "not_messaged";
    return {decision.company,
            to_string(decision.profile),
            sms ? "sms" : "email",
            last.type,
            in ? "t" : "f",
            active ? text(*active / a_day) : null,
            text(clicks),
            text(opens),
            text(replies),
            text(sent),
            segment,
            text(suspect_clicks),
            text(suspect_opens),
            active ? text((now_micros_ - *active) / 1'000) : null,
            opened && *opened < 90 * a_day ? text((now_micros_ - *opened) / 1'000) : null};
}

text_rows reference::audience_quality() const
{
    text_rows rows;
    for (const auto& [key, r] : recipients_) {
        for (const auto& of_type : by_type(r.decisions)) {
            const auto& last = of_type.back();
            rows.push_back(audience_row(last));
            // Of those whom it reaches, the one who opted in last.
            consent_step told = last;
            std::tuple<timestamp, uuid> best;
            for (const auto& [subscriber, known] : r.members) {
                const auto heard = heard_by(r, subscriber, last.type);
                if (heard.empty() || heard.back().fact != last.fact)
                    continue;
                const auto* grant = heard.back().last_grant;
                const auto at = grant == nullptr ? timestamp{} : grant->event.at;
                if (best == std::tuple<timestamp, uuid>{} || at > std::get<0>(best)) {
                    best = {at, subscriber};
                    told = heard.back();
                }
            }
            auto& row = rows.back();
            row.insert(
                row.end() - 2,
                {told.first_grant == nullptr ? null : to_string(std::get<1>(best)),
                 told.source == nullptr ? null
                                        : std::string{story_creative(told.source->event.choice)},
                 told.first_grant == nullptr ? null : text(millis(told.first_grant->event.at))});
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
        std::int64_t suspects = 0;
        std::int64_t days = 0;
        std::int64_t active = 0;
        for (const auto& m : members) {
            clicks += std::stoll(m[6]);
            sent += std::stoll(m[9]);
            suspects += std::stoll(m[11]);
            days += m[5] == null ? 0 : std::stoll(m[5]);
            active += m[5] == null ? 0 : 1;
        }
        rows.push_back(key);
        const std::int64_t tenths =
            active == 0 ? 0 : (days * 20 + active) / (2 * active); // half up
        rows.back().insert(rows.back().end(),
                           {std::to_string(members.size()), text(clicks), text(sent),
                            text(suspects),
                            active == 0 ? null : text(tenths / 10) + "." + text(tenths % 10)});
    }
    return rows;
}

} // namespace gateway::test
