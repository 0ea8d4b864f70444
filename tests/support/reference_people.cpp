// Who is one person, and who is one recipient: groups of subscribers that share what joins them.
#include "support/reference.hpp"

#include "support/reference_words.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <tuple>

namespace gateway::test {

using namespace words;

namespace {

struct owner {
    timestamp first; // decision on SMS with the number
    timestamp last;
    bool began_out;
    bool is_out;
};

// Since when the number is another's; of those with an external_id, and of one that lost it.
std::map<uuid, timestamp> passed(const std::map<uuid, owner>& owners)
{
    // FCC, 47 CFR 52.15(f)(1)(ii): at least so long a number lies idle before it is given again.
    constexpr std::chrono::hours aging{45 * 24};
    std::map<uuid, timestamp> out;
    for (const auto& [id, o] : owners) {
        for (const auto& [other, n] : owners) {
            if (other == id || !o.is_out || n.began_out || n.first < o.last + aging)
                continue;
            auto& at = out.emplace(id, n.first).first->second;
            at = std::min(at, n.first);
        }
    }
    return out;
}

// Sets of subscribers, each named by one of them.
class groups {
public:
    uuid of(uuid id)
    {
        for (auto it = parent_.find(id); it != parent_.end(); it = parent_.find(id))
            id = it->second;
        return id;
    }
    void join(const uuid& one, const uuid& other)
    {
        const uuid a = of(one);
        const uuid b = of(other);
        if (a != b)
            parent_[a] = b;
    }

private:
    std::map<uuid, uuid> parent_;
};

using value_key = std::tuple<std::string, bool, std::uint64_t>; // company, is a phone, which

} // namespace

void reference::find_people()
{
    constexpr std::size_t hub = 5; // whatever more than five have is nobody's
    std::map<value_key, std::set<uuid>> having;
    std::map<value_key, std::map<uuid, owner>> owners;
    for (const story_fact& f : facts_) {
        const story_event& e = f.event;
        if (gives_phone(e))
            having[{f.company, true, e.phone_of}].insert(f.subscriber);
        if (gives_email(e))
            having[{f.company, false, e.person}].insert(f.subscriber);
        if (!decides(e) || !is_sms(e) || !gives_external_id(e))
            continue;
        const bool out = !grants(e);
        auto& o = owners[{f.company, true, e.phone_of}]
                      .emplace(f.subscriber, owner{e.at, e.at, out, out})
                      .first->second;
        o.last = e.at;
        o.is_out = out;
    }
    groups people;
    for (const auto& [key, members] : having) {
        if (members.size() > hub)
            continue;
        const auto lost = passed(owners[key]);
        std::map<timestamp, uuid> since; // whoever lost it at one time goes on together
        for (const uuid& id : members) {
            const auto at = lost.find(id);
            const auto first =
                since.emplace(at == lost.end() ? timestamp{} : at->second, id).first->second;
            people.join(id, first);
        }
    }
    std::map<uuid, uuid> first_seen; // of a group, for the story is told oldest first
    for (story_fact& f : facts_)
        f.profile = first_seen.emplace(people.of(f.subscriber), f.subscriber).first->second;

    groups recipients[2]; // within a person, whatever number or address they share
    std::map<std::pair<uuid, value_key>, uuid> with;
    for (const story_fact& f : facts_) {
        for (const bool phone : {false, true}) {
            if (!(phone ? gives_phone(f.event) : gives_email(f.event)))
                continue;
            const value_key key{f.company, phone, phone ? f.event.phone_of : f.event.person};
            recipients[phone ? 1 : 0].join(
                f.subscriber, with.emplace(std::pair{f.profile, key}, f.subscriber).first->second);
        }
    }
    for (const story_fact& f : facts_) {
        by_profile_[f.profile].push_back(&f);
        by_subscriber_[f.subscriber].push_back(&f);
        for (const bool sms : {false, true})
            recipients_[{sms, recipients[sms ? 1 : 0].of(f.subscriber)}].members.emplace(
                f.subscriber, &f);
        if (decides(f.event))
            recipients_[{is_sms(f.event), recipients[is_sms(f.event) ? 1 : 0].of(f.subscriber)}]
                .decisions.push_back(&f);
    }
}

std::set<uuid> reference::same_person(const uuid& subscriber) const
{
    std::set<uuid> out;
    for (const auto* f : by_profile_.at(by_subscriber_.at(subscriber).front()->profile))
        out.insert(f->subscriber);
    return out;
}

// The last event of the subscriber that gives one.
text_rows reference::pii_subscriber() const
{
    text_rows rows;
    for (const auto& [id, events] : by_subscriber_) {
        if (erased_.count(id) != 0)
            continue;
        std::string external = null;
        std::string phone = null;
        std::string email = null;
        for (const auto* f : events) {
            if (gives_external_id(f->event))
                external = story_external_id(f->event);
            if (gives_phone(f->event))
                phone = story_phone(f->event);
            if (gives_email(f->event))
                email = story_email(f->event);
        }
        const auto& first = *events.front();
        rows.push_back({first.company, to_string(first.profile), to_string(id), external, phone,
                        email, text(millis(first.event.at)),
                        text(millis(events.back()->event.at))});
    }
    return rows;
}

// CTIA, Messaging Principles and Best Practices: an opt-in is one number's, neither transferable
// nor assignable; an opt-out is honoured for whomever it may concern.
text_rows reference::address_consent() const
{
    text_rows rows;
    std::map<std::pair<bool, std::string>, std::map<std::string, std::set<uuid>>> members;
    for (const auto& [key, r] : recipients_) {
        for (const auto& [id, known] : r.members) {
            if (erased_.count(id) != 0)
                continue;
            for (const auto* f : by_subscriber_.at(id)) {
                if (key.first && gives_phone(f->event))
                    members[{true, f->company}][story_phone(f->event)].insert(id);
                else if (!key.first && gives_email(f->event))
                    members[{false, f->company}][story_email(f->event)].insert(id);
            }
        }
    }
    std::map<std::pair<bool, uuid>, const recipient*> recipient_of;
    for (const auto& [key, r] : recipients_) {
        for (const auto& [id, known] : r.members)
            recipient_of[{key.first, id}] = &r;
    }
    for (const auto& [channel, addresses] : members) {
        for (const auto& [address, ids] : addresses) {
            std::map<std::string, const story_fact*> last; // by type
            for (const uuid& id : ids) {
                const auto& decisions = recipient_of.at({channel.first, id})->decisions;
                for (const auto& type : named_types(decisions)) {
                    for (const auto* f : decisions) {
                        const auto& given =
                            channel.first ? story_phone(f->event) : story_email(f->event);
                        if (!concerns(f->event, type) || (grants(f->event) && given != address))
                            continue;
                        auto& l = last[type];
                        if (l == nullptr || l->event.at <= f->event.at)
                            l = f;
                    }
                }
            }
            for (const auto& [type, f] : last)
                rows.push_back({channel.second, channel.first ? "sms" : "email", address, type,
                                grants(f->event) ? "t" : "f", text(millis(f->event.at))});
        }
    }
    return rows;
}

} // namespace gateway::test
