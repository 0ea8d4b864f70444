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

reference::reference(const std::vector<story_event>& story, std::vector<story_zone> zones,
                     std::int64_t now_micros, std::set<uuid> erased)
    : zones_(std::move(zones)), now_micros_(now_micros), erased_(std::move(erased))
{
    for (const story_event& e : story)
        facts_.push_back({e, story_company_id(e.company), subscriber_of(e), {}});
    find_people();
    for (story_fact& f : facts_)
        f.is_suspect = is_machines(f);
}

std::string reference::day(const story_fact& f) const
{
    return date(f.event.at + ahead_of_utc(zones_[f.event.company], f.event.at));
}

std::vector<const story_fact*> reference::of_same_profile(const story_fact& f) const
{
    return by_profile_.at(f.profile);
}

text_rows reference::source_event() const
{
    std::map<std::vector<std::string>, int> counts;
    const auto rare = rare_subjects();
    for (const auto& f : facts_) {
        const bool has_line =
            f.event.kind == kind::email_sent && rare.count(f.company + story_subject(f.event)) == 0;
        ++counts[{f.company, day(f), name_of(f.event), to_string(f.profile),
                  to_string(f.subscriber), channel(f.event), message_key(f.event),
                  has_line ? story_subject(f.event) : null,
                  decides(f.event) && !f.event.is_untyped ? "MARKETING" : null}];
    }
    text_rows rows;
    for (const auto& [key, n] : counts) {
        rows.push_back(key);
        rows.back().push_back(text(n));
    }
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
                            f.is_suspect ? "t" : "f"});
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
                    std::string{story_page(f.event.choice)}, message_key(f.event)}]
                .push_back(&f);
    }
    text_rows rows;
    for (const auto& [key, clickers] : groups) {
        std::set<uuid> all;
        std::set<uuid> people;
        int suspects = 0;
        for (const auto* f : clickers) {
            all.insert(f->profile);
            if (f->is_suspect)
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
                        stop && left == nullptr && !out ? "t" : "f",
                        answered == nullptr ? null : text((at - answered->event.at).count()),
                        shown ? text((left->event.at - at).count()) : null});
    }
    return rows;
}

text_rows reference::subscriber_timeline() const
{
    text_rows rows;
    const auto rare = rare_subjects();
    for (const auto& f : facts_) {
        const bool is_hidden =
            f.event.kind == kind::email_sent && rare.count(f.company + story_subject(f.event)) != 0;
        rows.push_back({f.company, to_string(f.profile), text(millis(f.event.at)),
                        is_hidden ? "Was sent an e-mail" : sentence(f.event)});
    }
    return rows;
}

text_rows reference::company() const
{
    std::map<std::size_t, std::pair<timestamp, timestamp>> seen;
    for (const auto& f : facts_)
        seen.emplace(f.event.company, std::pair{f.event.at, f.event.at}).first->second.second =
            f.event.at;
    text_rows rows;
    for (const auto& [n, times] : seen)
        rows.push_back({story_company_id(n), story_company_name(n), text(millis(times.first)),
                        text(millis(times.second))});
    return rows;
}

text_rows reference::pii_inbound_messages() const
{
    text_rows rows;
    for (const auto& f : facts_) {
        if (f.event.kind == kind::replied)
            rows.push_back({f.company, text(millis(f.event.at)), to_string(f.subscriber),
                            erased_.count(f.subscriber) != 0
                                ? null
                                : std::string{story_reply(f.event.choice)}});
    }
    return rows;
}

} // namespace gateway::test
