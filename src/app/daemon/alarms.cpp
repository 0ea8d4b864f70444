// The rules of each alarm. Only what a sender proved counts: requests without a signature, or with
// one of another form, are the internet's noise.
#include "app/daemon/alarms.hpp"

#include "app/config/units.hpp"
#include "app/daemon/health.hpp"
#include "gateway/base/log.hpp"
#include "gateway/ingest/pipeline.hpp"
#include "gateway/listener/misdirected.hpp"

#include <algorithm>

namespace gateway {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr hours failures_forgotten{24}; // after as long without another one
constexpr hours strays_forgotten{1};
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
severity urgency(timestamp::duration left)
{
    if (left > hours{48})
        return severity::warn;
    return left > hours{12} ? severity::error : severity::critical;
}

} // namespace

alarms::alarms(const config& c)
{
    for (const int status : misdirected_statuses) {
        stray s;
        s.found.status = status;
        s.requests = misdirected_requests(status);
        s.requests_before = s.requests.value();
        strays_.push_back(std::move(s));
    }
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

void alarms::look_at_key(endpoint& e, timestamp at)
{
    const double verified = sum(e.verified);
    const double mismatches = e.mismatches.value();
    const bool good = verified > e.verified_before;
    const auto bad = static_cast<std::uint64_t>(mismatches - e.mismatches_before);
    e.verified_before = verified;
    e.mismatches_before = mismatches;
    if (good)
        verified_at_ = at;
    if (good || at - e.last_failure > failures_forgotten) {
        if (e.told)
            write_log(severity::warn, "signing_key_alarm_ended",
                      good ? "endpoint {attentive.endpoint.name}: a signature is right again after "
                             "{attentive.delivery.count} wrong signatures since {attentive.since}"
                           : "endpoint {attentive.endpoint.name}: no more came for a day after "
                             "{attentive.delivery.count} wrong signatures since {attentive.since}",
                      {{"attentive.endpoint.name", e.name},
                       {"attentive.delivery.count", e.failing.failures},
                       {"attentive.since", to_string(e.failing.since)}});
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
        write_log_text(severity::error, "wrong_signing_key", wrong_key_text(e.failing),
                       {{"attentive.endpoint.name", e.name},
                        {"attentive.delivery.count", e.failing.failures},
                        {"attentive.since", to_string(e.failing.since)}});
    }
}

// They end an hour after the last when signatures are right again, otherwise after a day.
void alarms::look_at_strays(stray& s, timestamp at) const
{
    const double requests = s.requests.value();
    const auto more = static_cast<std::uint64_t>(requests - s.requests_before);
    s.requests_before = requests;
    const bool mended = verified_at_ > s.last && at - s.last > strays_forgotten;
    if (s.found.requests > 0 && (mended || at - s.last > failures_forgotten)) {
        if (s.told)
            write_log(severity::warn, "misdirected_requests_ended",
                      "no signed request was answered {http.response.status_code} any more since "
                      "{attentive.since}",
                      {{"http.response.status_code", s.found.status},
                       {"attentive.request.count", s.found.requests},
                       {"attentive.since", to_string(s.last)}});
        s.found.requests = 0;
        s.told = false;
    }
    if (more > 0) {
        if (s.found.requests == 0)
            s.found.since = at;
        s.found.requests += more;
        s.last = at;
    }
    const bool lasts = s.found.requests >= settings_.wrong_key_failures &&
                       s.last - s.found.since >= settings_.wrong_key_after;
    if (lasts && !s.told) {
        s.told = true;
        write_log_text(severity::error, "misdirected_requests", misdirected_text(s.found),
                       {{"http.response.status_code", s.found.status},
                        {"attentive.request.count", s.found.requests},
                        {"attentive.since", to_string(s.found.since)}});
    }
}

void alarms::look_at_refusals(const process_state& s, timestamp at)
{
    refusing_since_ = s.writing.refusing_since;
    for (const endpoint& e : endpoints_) {
        if (is_wrong(e, at) && (!refusing_since_ || e.failing.since < *refusing_since_))
            refusing_since_ = e.failing.since;
    }
    for (const stray& each : strays_) {
        const bool alone = each.told && verified_at_ < each.found.since;
        if (alone && (!refusing_since_ || each.found.since < *refusing_since_))
            refusing_since_ = each.found.since;
    }
    if (!refusing_since_) {
        if (refusals_told_)
            write_log(severity::warn, "refusals_ended", "events are taken again");
        refusals_told_.reset();
        return;
    }
    const bool due = refusals_told_ ? at - *refusals_told_ >= refusals_repeated
                                    : at - *refusing_since_ >= refusing_told_after;
    if (!due)
        return;
    refusals_told_ = at;
    const auto left = *refusing_since_ + retried_for - at;
    write_log_text(
        urgency(left), "events_refused", countdown_text(*refusing_since_, at),
        {{"attentive.since", to_string(*refusing_since_)}, {"attentive.left.duration", left}});
}

void alarms::tell_silent(const std::vector<const feed*>& fallen, timestamp at) const
{
    for (std::size_t i = 0; i < std::min(fallen.size(), lines_max); ++i)
        write_log_text(severity::warn, "feed_silent",
                       "data stopped: " + silence_text(*fallen[i], at),
                       {{"attentive.company.id", fallen[i]->company_id},
                        {"attentive.event.type", fallen[i]->event_name},
                        {"attentive.since", to_string(fallen[i]->newest_event)},
                        {"attentive.silence.duration", at - fallen[i]->newest_event}});
    if (fallen.size() > lines_max)
        write_log(severity::warn, "feeds_silent",
                  "data stopped: {attentive.feed.count} more types of events are silent",
                  {{"attentive.feed.count", fallen.size() - lines_max}});
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
            write_log(
                severity::warn, "feed_silence_ended",
                at - f.newest_event < hours{24 * 28}
                    ? "{attentive.event.type} of company {attentive.company.id} comes again"
                    : "{attentive.event.type} of company {attentive.company.id} is not "
                      "waited for any more: nothing came for 28 days",
                {{"attentive.company.id", f.company_id}, {"attentive.event.type", f.event_name}});
    }
    tell_silent(fallen, at);
}

void alarms::look(const process_state& s, timestamp at)
{
    for (endpoint& e : endpoints_)
        look_at_key(e, at);
    for (stray& each : strays_)
        look_at_strays(each, at);
    look_at_refusals(s, at);
    look_at_feeds(s, at);
    const bool left_out = s.database.feeds_left_out > 0;
    if (left_out && !left_out_told_)
        write_log_text(severity::warn, "feeds_left_out",
                       std::to_string(s.database.feeds_left_out) + left_out_remedy,
                       {{"attentive.feed.count", s.database.feeds_left_out}});
    left_out_told_ = left_out;
}

void alarms::add_to(process_state& s) const
{
    for (const endpoint& e : endpoints_) {
        s.endpoints.push_back(e.name);
        if (e.told)
            s.wrong_keys.push_back(e.failing);
    }
    for (const stray& each : strays_) {
        if (each.told)
            s.strays.push_back(each.found);
    }
    s.refusing_since = refusing_since_;
    if (!feeds_judged_)
        return;
    std::copy_if(s.database.feeds.begin(), s.database.feeds.end(), std::back_inserter(s.silent),
                 [](const feed& f) { return f.is_silent; });
}

} // namespace gateway
