// What a message brought: sends, opens, clicks and opt-outs, by loops over one person's events.
#include "support/reference.hpp"

#include "support/reference_words.hpp"

#include <map>
#include <set>

namespace gateway::test {

using namespace words;
using std::chrono::hours;
using std::chrono::milliseconds;

// Of its channel, to the subscriber, within 7 days.
const story_fact* reference::last_send_before(const story_fact& f, const uuid& subscriber) const
{
    const kind sent = is_sms(f.event) ? kind::sms_sent : kind::email_sent;
    const story_fact* last = nullptr;
    for (const auto* other : by_subscriber_.at(subscriber)) {
        if (other->event.kind == sent && other->event.at <= f.event.at &&
            other->event.at >= f.event.at - hours{7 * 24})
            last = other;
    }
    return last;
}

// The send of the message that was clicked, at whatever time, to the same subscriber.
const story_fact* reference::send_of(const story_fact& f) const
{
    for (const auto* other : by_subscriber_.at(f.subscriber)) {
        if (other->event.kind == kind::sms_sent && other->event.message == f.event.message)
            return other;
    }
    return nullptr;
}

// Subject lines of less than three people, behind their company.
std::set<std::string> reference::rare_subjects() const
{
    std::map<std::string, std::set<uuid>> recipients;
    for (const auto& f : facts_) {
        if (f.event.kind == kind::email_sent)
            recipients[f.company + story_subject(f.event)].insert(f.subscriber);
    }
    std::set<std::string> out;
    for (const auto& [subject, people] : recipients) {
        if (people.size() < 3)
            out.insert(subject);
    }
    return out;
}

// What opens and clicks within 3 days say: 3 of them, and 75 %. Company and subject to message;
// rare lines are one, "*".
std::map<std::string, std::string> reference::messages_of_subjects() const
{
    std::map<std::string, std::map<std::string, int>> votes;
    const auto rare = rare_subjects();
    for (const auto& f : facts_) {
        if (f.event.kind != kind::email_opened && f.event.kind != kind::email_clicked)
            continue;
        const auto* sent = last_send_before(f, f.subscriber);
        if (sent == nullptr || f.event.at - sent->event.at > hours{3 * 24})
            continue;
        const std::string line = f.company + story_subject(sent->event);
        ++votes[rare.count(line) != 0 ? f.company + "*" : line][message_key(f.event)];
    }
    std::map<std::string, std::string> out;
    for (const auto& [subject, messages] : votes) {
        int all = 0;
        for (const auto& [message, n] : messages)
            all += n;
        for (const auto& [message, n] : messages) {
            if (n >= 3 && n * 4 >= all * 3)
                out[subject] = message;
        }
    }
    return out;
}

// Who left whom, by an opt-out of any with the same address, and had not left before.
std::vector<reference::departure> reference::departures() const
{
    std::vector<departure> out;
    for (const auto& [key, r] : recipients_) {
        for (const auto& [subscriber, known] : r.members) {
            bool is_out = false;
            for (const auto* f : r.decisions) {
                const bool grant = grants(f->event);
                if (grant && f->subscriber != subscriber)
                    continue;
                const auto* sent = grant || is_out ? nullptr : last_send_before(*f, subscriber);
                if (sent != nullptr)
                    out.push_back({subscriber, sent, f->event.at - sent->event.at});
                is_out = !grant;
            }
        }
    }
    return out;
}

struct reference::performance {
    std::set<std::string> subjects, names;
    std::set<uuid> recipients, openers, clickers;
    std::set<uuid> readers, followers; // recipients who opened and clicked
    std::set<uuid> reading_people, following_people;
    std::set<uuid> left_1d, left_3d, left_7d;
    int sent = 0, opens = 0, clicks = 0, followed = 0;
    int suspect_opens = 0, suspect_clicks = 0, followed_by_people = 0;
    timestamp first_sent{}, last_sent{};
    bool is_inferred = false;
};

reference::performances reference::events_of_messages() const
{
    const auto joined = messages_of_subjects();
    const auto rare = rare_subjects();
    performances out;
    const auto at = [&](const story_fact& f) -> performance& {
        if (f.event.kind != kind::email_sent)
            return out[{f.company, channel(f.event), message_key(f.event)}];
        const std::string subject = story_subject(f.event);
        const bool is_rare = rare.count(f.company + subject) != 0;
        const auto known = joined.find(f.company + (is_rare ? "*" : subject));
        auto& p = out[{f.company, channel(f.event),
                       known != joined.end() ? known->second
                       : is_rare             ? "subject:*"
                                             : "subject:" + subject}];
        if (!is_rare)
            p.subjects.insert(subject);
        p.is_inferred = p.is_inferred || known != joined.end();
        return p;
    };
    for (const auto& f : facts_) {
        const kind k = f.event.kind;
        const auto* sent =
            is_sms(f.event) && is_click(f.event) ? send_of(f) : last_send_before(f, f.subscriber);
        if (k == kind::sms_sent || k == kind::email_sent) {
            performance& p = at(f);
            p.first_sent = p.sent++ == 0 ? f.event.at : p.first_sent;
            p.last_sent = f.event.at;
            p.recipients.insert(f.subscriber);
        } else if (k == kind::email_opened) {
            performance& p = at(f);
            ++p.opens;
            p.openers.insert(f.subscriber);
            p.names.insert(story_title(f.event.message));
            p.suspect_opens += f.is_suspect ? 1 : 0;
            if (sent != nullptr) {
                at(*sent).readers.insert(f.subscriber);
                if (!f.is_suspect)
                    at(*sent).reading_people.insert(f.subscriber);
            }
        } else if (is_click(f.event)) {
            performance& p = at(f);
            ++p.clicks;
            p.clickers.insert(f.subscriber);
            p.suspect_clicks += f.is_suspect ? 1 : 0;
            if (sent != nullptr) {
                performance& followed = at(*sent);
                followed.followers.insert(f.subscriber);
                ++followed.followed;
                if (!f.is_suspect) {
                    followed.following_people.insert(f.subscriber);
                    ++followed.followed_by_people;
                }
            }
        }
    }
    for (const auto& [member, last, after] : departures()) {
        performance& p = at(*last);
        if (after <= hours{24})
            p.left_1d.insert(member);
        if (after <= hours{3 * 24})
            p.left_3d.insert(member);
        p.left_7d.insert(member);
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
        const std::size_t whole = p.recipients.size();
        rows.push_back(key);
        rows.back().insert(rows.back().end(),
                           {known ? "ONE_TIME" : null,
                            first(p.names),
                            p.subjects.empty() ? null : *p.subjects.rbegin(),
                            p.sent == 0 ? null : text(millis(p.first_sent)),
                            p.sent == 0 ? null : text(millis(p.last_sent)),
                            text(p.sent),
                            std::to_string(whole),
                            text(p.opens),
                            std::to_string(p.openers.size()),
                            text(p.clicks),
                            std::to_string(p.clickers.size()),
                            share(static_cast<std::size_t>(p.followed), whole),
                            key[1] == "email" ? share(p.readers.size(), whole) : null,
                            share(p.followers.size(), whole),
                            std::to_string(p.left_1d.size()),
                            std::to_string(p.left_3d.size()),
                            std::to_string(p.left_7d.size()),
                            share(p.left_7d.size(), whole),
                            p.is_inferred ? "t" : "f",
                            text(p.suspect_opens),
                            text(p.suspect_clicks),
                            share(static_cast<std::size_t>(p.followed_by_people), whole),
                            key[1] == "email" ? share(p.reading_people.size(), whole) : null,
                            share(p.following_people.size(), whole),
                            std::to_string(p.readers.size()),
                            std::to_string(p.followers.size()),
                            text(p.followed),
                            std::to_string(p.reading_people.size()),
                            std::to_string(p.following_people.size())});
    }
    return rows;
}

} // namespace gateway::test
