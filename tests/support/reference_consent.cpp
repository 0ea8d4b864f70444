// Consent and the rhythm of feeds, from one decision or event after another.
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

void reference::decide(std::vector<consent_step>& out, const story_fact& f, const std::string& type)
{
    const bool grant = grants(f.event);
    consent_step d{type, &f, nullptr, nullptr, nullptr, nullptr, grant, grant, true};
    if (!out.empty()) {
        d = out.back();
        d.fact = &f;
        d.changes = d.grants != grant;
        d.grants = grant;
        out.back().stands = false;
    }
    if (grant && d.first_grant == nullptr)
        d.first_grant = &f;
    (grant ? d.last_grant : d.last_revocation) = &f;
    if (grant && d.changes)
        d.source = &f;
    out.push_back(d);
}

std::set<std::string> reference::named_types(const std::vector<const story_fact*>& decisions)
{
    std::set<std::string> types;
    for (const auto* f : decisions)
        types.insert(named_type(f->event));
    return types;
}

std::vector<std::vector<reference::consent_step>>
reference::by_type(const std::vector<const story_fact*>& decisions)
{
    std::vector<std::vector<consent_step>> out;
    for (const auto& type : named_types(decisions)) {
        out.emplace_back();
        for (const auto* f : decisions) {
            if (concerns(f->event, type))
                decide(out.back(), *f, type);
        }
    }
    return out;
}

std::vector<reference::consent_step> reference::decisions() const
{
    std::vector<consent_step> out;
    for (const auto& [key, r] : recipients_) {
        for (const auto& of_type : by_type(r.decisions))
            out.insert(out.end(), of_type.begin(), of_type.end());
    }
    return out;
}

text_rows reference::consent_movement_daily() const
{
    std::map<std::vector<std::string>, std::array<int, 4>> groups;
    for (const auto& d : decisions()) {
        const auto& f = *d.fact;
        const auto* source = d.grants ? d.fact : d.source;
        auto& counts =
            groups[{f.company, day(f), channel(f.event), d.type,
                    source == nullptr ? null : std::string{story_creative(source->event.choice)}}];
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
    std::map<std::vector<std::string>, std::map<std::string, int>> changes;
    for (const auto& d : decisions()) {
        if (d.changes)
            changes[{d.fact->company, channel(d.fact->event), d.type}][day(*d.fact)] +=
                d.grants ? 1 : -1;
    }
    text_rows rows;
    for (const auto& [key, days] : changes) {
        int size = 0;
        for (const auto& [date, change] : days) {
            size += change;
            rows.push_back({key[0], date, key[1], key[2], text(change), text(size)});
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
    std::map<std::vector<std::string>, sums> groups;
    const timestamp now{milliseconds{now_micros_ / 1'000}};
    for (const auto& d : decisions()) {
        const auto& f = *d.fact;
        sums& s = groups[{f.company, channel(f.event), d.type}];
        s.newest = std::max(s.newest, f.event.at);
        if (!d.stands)
            continue;
        const auto zone = ahead_of_utc(zones_[f.event.company], now);
        ++(d.grants ? s.subscribed : s.unsubscribed);
        s.lately += d.grants && day(f) > date(now + zone - hours{30 * 24}) ? 1 : 0;
    }
    text_rows rows;
    for (const auto& [key, s] : groups)
        rows.push_back({key[0], key[1], key[2], text(s.subscribed), text(s.unsubscribed),
                        text(s.lately), text(millis(s.newest))});
    return rows;
}

// Every opt-out of the recipient, but no opt-in of another.
std::vector<reference::consent_step> reference::heard_by(const recipient& r, const uuid& subscriber,
                                                         const std::string& type)
{
    std::vector<consent_step> heard;
    for (const auto* f : r.decisions) {
        if (concerns(f->event, type) && (f->subscriber == subscriber || !grants(f->event)))
            decide(heard, *f, type);
    }
    return heard;
}

text_rows reference::subscriber_consent() const
{
    const auto time = [](const story_fact* f) {
        return f == nullptr ? null : text(millis(f->event.at));
    };
    text_rows rows;
    for (const auto& [key, r] : recipients_) {
        for (const auto& [subscriber, known] : r.members) {
            for (const auto& type : named_types(r.decisions)) {
                const auto heard = heard_by(r, subscriber, type);
                if (heard.empty())
                    continue;
                const consent_step& d = heard.back();
                rows.push_back({known->company, to_string(known->profile), to_string(subscriber),
                                channel(d.fact->event), d.type, d.grants ? "t" : "f", time(d.fact),
                                time(d.first_grant), time(d.last_grant), time(d.last_revocation),
                                d.source == nullptr
                                    ? null
                                    : std::string{story_creative(d.source->event.choice)}});
            }
        }
    }
    return rows;
}

} // namespace gateway::test
