// The rules of each alarm. Only what a sender proved counts: requests without a signature, or with
// one of another form, are the internet's noise.
#include "gateway/app/alarms.hpp"

#include "gateway/app/units.hpp"
#include "gateway/ingest/pipeline.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace gateway {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr hours failures_forgotten{24}; // after as long without another one
constexpr hours refusals_repeated{1};
constexpr hours stuck_in_spool{1}; // what waits longer, while the database takes events, stays
constexpr minutes asked_again{1};  // the observer has seen what was drained
constexpr std::size_t lines_max = 10;

double sum(const std::vector<counter>& counters)
{
    double all = 0;
    for (const counter& c : counters)
        all += c.value();
    return all;
}

// Nothing of ours keeps events away.
bool takes_events(const process_state& s)
{
    return s.accepting && !s.draining && s.database.reachable && s.database_takes_events &&
           !s.writing.refusing_since;
}

// Louder as the time runs out.
spdlog::level::level_enum urgency(timestamp::duration left)
{
    if (left > hours{48})
        return spdlog::level::warn;
    return left > hours{12} ? spdlog::level::err : spdlog::level::critical;
}

} // namespace

alarms::alarms(const config& c)
{
    serve(c);
}

void alarms::serve(const config& c)
{
    settings_ = c.alarms;
    std::vector<endpoint> next;
    for (const auto& configured : c.endpoints) {
        const auto known =
            std::find_if(endpoints_.begin(), endpoints_.end(),
                         [&](const endpoint& e) { return e.name == configured.name; });
        endpoint e = known == endpoints_.end() ? endpoint{} : *known;
        e.name = configured.name;
        e.mismatches = refused_signatures(e.name, errc::signature_mismatch);
        if (known == endpoints_.end())
            e.mismatches_before = e.mismatches.value();
        e.verified.clear();
        for (const auto& key : configured.signing_keys)
            e.verified.push_back(verified_signatures(e.name, key.id));
        e.verified_before = sum(e.verified);
        next.push_back(std::move(e));
    }
    endpoints_ = std::move(next);
}

bool alarms::is_wrong(const endpoint& e, timestamp at) const
{
    return e.failing.failures >= settings_.wrong_key_failures &&
           at - e.failing.since >= settings_.wrong_key_after;
}

void alarms::look_at_key(endpoint& e, timestamp at) const
{
    const double verified = sum(e.verified);
    const double mismatches = e.mismatches.value();
    const bool good = verified > e.verified_before;
    const auto bad = static_cast<std::uint64_t>(mismatches - e.mismatches_before);
    e.verified_before = verified;
    e.mismatches_before = mismatches;
    if (good || at - e.last_failure > failures_forgotten) {
        if (e.told)
            spdlog::warn("endpoint {}: {} after {} wrong signatures since {}", e.name,
                         good ? "a signature is right again" : "no more came for a day",
                         e.failing.failures, to_string(e.failing.since));
        e.failing = {};
        e.told = false;
    }
    if (!good && bad > 0) {
        if (e.failing.failures == 0)
            e.failing = {e.name, at, 0};
        e.failing.failures += bad;
        e.last_failure = at;
    }
    if (is_wrong(e, at) && !e.told) {
        e.told = true;
        spdlog::error("{}", wrong_key_text(e.failing));
    }
}

void alarms::look_at_refusals(const process_state& s, timestamp at)
{
    refusing_since_ = s.writing.refusing_since;
    for (const endpoint& e : endpoints_) {
        if (is_wrong(e, at) && (!refusing_since_ || e.failing.since < *refusing_since_))
            refusing_since_ = e.failing.since;
    }
    if (!refusing_since_) {
        if (refusals_told_)
            spdlog::warn("events are taken again");
        refusals_told_.reset();
        return;
    }
    const bool due = refusals_told_ ? at - *refusals_told_ >= refusals_repeated
                                    : at - *refusing_since_ >= refusing_told_after;
    if (!due)
        return;
    refusals_told_ = at;
    spdlog::log(urgency(*refusing_since_ + retried_for - at), "{}",
                countdown_text(*refusing_since_, at));
}

void alarms::tell_silent(const std::vector<const feed*>& fallen, timestamp at) const
{
    for (std::size_t i = 0; i < std::min(fallen.size(), lines_max); ++i)
        spdlog::warn("data stopped: {}", silence_text(*fallen[i], at));
    if (fallen.size() > lines_max)
        spdlog::warn("data stopped: {} more types of events are silent", fallen.size() - lines_max);
}

void alarms::look_at_feeds(const process_state& s, timestamp at)
{
    if (!takes_events(s))
        taking_since_.reset();
    else if (!taking_since_)
        taking_since_ = at;
    const bool draining_back = !taking_since_ || at - *taking_since_ < stuck_in_spool;
    if (s.spool && s.spool->events > 0 && draining_back)
        spooled_at_ = at;
    feeds_judged_ = taking_since_ && at - *taking_since_ >= settings_.silence_grace &&
                    at - spooled_at_ >= asked_again;
    if (!feeds_judged_)
        return;
    std::vector<const feed*> fallen;
    for (const feed& f : s.database.feeds) {
        const feed_key key{f.company_id, f.event_name};
        if (f.is_silent && silent_.insert(key).second)
            fallen.push_back(&f);
        if (!f.is_silent && silent_.erase(key) > 0)
            spdlog::warn("{} of company {} {}", f.event_name, f.company_id,
                         at - f.newest_event < hours{24 * 28}
                             ? "comes again"
                             : "is not waited for any more: nothing came for 28 days");
    }
    tell_silent(fallen, at);
}

void alarms::look(const process_state& s, timestamp at)
{
    for (endpoint& e : endpoints_)
        look_at_key(e, at);
    look_at_refusals(s, at);
    look_at_feeds(s, at);
}

void alarms::add_to(process_state& s) const
{
    for (const endpoint& e : endpoints_) {
        s.endpoints.push_back(e.name);
        if (e.told)
            s.wrong_keys.push_back(e.failing);
    }
    s.refusing_since = refusing_since_;
    if (!feeds_judged_)
        return;
    std::copy_if(s.database.feeds.begin(), s.database.feeds.end(), std::back_inserter(s.silent),
                 [](const feed& f) { return f.is_silent; });
}

} // namespace gateway
