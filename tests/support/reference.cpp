// The rules of the reports, said once more in the plainest way: loops over one person's events.
#include "support/reference.hpp"

#include "support/reference_words.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace gateway::test {

using namespace words;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

milliseconds story_delay(const story_event& e)
{
    return milliseconds{static_cast<std::int64_t>(e.serial % 7) * 311 + 5};
}

namespace {

// Since when a person's phone number is another's; whoever it is not anybody else's is missing.
std::map<std::uint64_t, timestamp> passed_numbers(const std::vector<story_event>& story)
{
    struct owner {
        timestamp first;
        timestamp last;
        bool began_out;
        bool is_out;
    };
    std::map<std::uint64_t, std::map<std::uint64_t, owner>> owners; // by phone and person
    for (const story_event& e : story) {
        if (!decides(e) || !is_sms(e) || e.is_bare)
            continue;
        const bool out = !grants(e);
        auto& o = owners[e.phone_of].emplace(e.person, owner{e.at, e.at, out, out}).first->second;
        o.last = e.at;
        o.is_out = out;
    }
    // FCC, 47 CFR 52.15(f)(1)(ii): at least so long a number lies idle before it is given again.
    constexpr hours aging{45 * 24};
    std::map<std::uint64_t, timestamp> passed;
    for (const auto& [phone, all] : owners) {
        for (const auto& [person, o] : all) {
            for (const auto& [other, n] : all) {
                if (other == person || !o.is_out || n.began_out || n.first < o.last + aging)
                    continue;
                auto& at = passed.emplace(person, n.first).first->second;
                at = std::min(at, n.first);
            }
        }
    }
    return passed;
}

} // namespace

reference::reference(const std::vector<story_event>& story, std::vector<int> zone_hours,
                     std::int64_t now_micros)
    : zone_hours_(std::move(zone_hours)), now_micros_(now_micros)
{
    const auto passed = passed_numbers(story);
    // Who has a phone at the same time: a number, and the first seen of them, for the story is told
    // oldest first.
    std::map<std::pair<std::uint64_t, timestamp>, std::pair<std::uint64_t, uuid>> groups;
    const auto group_of = [&](const story_event& e) {
        const bool by_phone_alone = e.kind == kind::replied || (e.is_bare && is_sms(e));
        const auto at = by_phone_alone ? passed.end() : passed.find(e.person);
        const timestamp until = at == passed.end() ? timestamp{} : at->second;
        return groups.try_emplace({e.phone_of, until}, groups.size(), subscriber_of(e))
            .first->second;
    };
    for (const story_event& e : story)
        facts_.push_back({e, story_company_id(e.company), subscriber_of(e), group_of(e).second});
    for (const story_fact& f : facts_) {
        const story_event& e = f.event;
        by_profile_[f.profile].push_back(&f);
        const bool bare_sms = e.kind == kind::replied || (e.is_bare && is_sms(e));
        if (is_attentives(e) && (!e.is_bare || is_sms(e)))
            recipients_[{true, group_of(e).first}].members.emplace(f.subscriber, &f);
        if (!bare_sms)
            recipients_[{false, e.person}].members.emplace(f.subscriber, &f);
        if (decides(e))
            recipients_[{is_sms(e), is_sms(e) ? group_of(e).first : e.person}].decisions.push_back(
                &f);
    }
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
                            to_string(f.profile), to_string(f.subscriber),
                            is_suspect(f) ? "t" : "f"});
    }
    return rows;
}

text_rows reference::link_clicks_daily() const
{
    std::map<std::vector<std::string>, std::vector<const story_fact*>> groups;
    for (const auto& f : facts_) {
        if (is_click(f.event))
            groups[{f.company, day(f), channel(f.event), "attentive",
                    is_sms(f.event) ? "sms" : "email", campaign(f.event), std::string{story_host},
                    std::string{story_page(f.event.choice)}}]
                .push_back(&f);
    }
    text_rows rows;
    for (const auto& [key, clickers] : groups) {
        std::set<uuid> all;
        std::set<uuid> people;
        int suspects = 0;
        for (const auto* f : clickers) {
            all.insert(f->profile);
            if (is_suspect(*f))
                ++suspects;
            else
                people.insert(f->profile);
        }
        rows.push_back(key);
        rows.back().insert(rows.back().end(),
                           {std::to_string(clickers.size()), std::to_string(all.size()),
                            text(suspects), std::to_string(people.size())});
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
            if (o.kind == kind::sms_sent && o.at <= at && o.at >= at - hours{48})
                answered = other;
            if (o.kind == kind::sms_unsubscribed && left == nullptr && o.at >= at - minutes{5} &&
                o.at <= at + hours{14 * 24})
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
    const auto rare = rare_subjects();
    for (const auto& f : facts_) {
        const bool is_hidden = f.event.kind == kind::email_sent &&
                               rare.count(f.company + story_subject(f.event.message)) != 0;
        rows.push_back({f.company, to_string(f.profile), text(millis(f.event.at)),
                        is_hidden ? "Was sent an e-mail" : sentence(f.event)});
    }
    return rows;
}

} // namespace gateway::test
