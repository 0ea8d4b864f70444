#include "store/write/metrics.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/log_limit.hpp"
#include "gateway/store/newest_deliveries.hpp"
#include "gateway/store/writer.hpp"
#include "store/write/pending.hpp"

#include <algorithm>
#include <atomic>

namespace gateway {

namespace {

constexpr std::array<std::string_view, 4> names = {"accepted", "quarantined", "spooled", "refused"};

const std::string unmapped_type = "unknown";

double seconds(timestamp t)
{
    return std::chrono::duration<double>{t.time_since_epoch()}.count();
}

const histogram delay_seconds = make_histogram(
    "attentive_gateway_event_delay_seconds",
    "From an event's own time to the moment it was durable here: the whole way, end to end.",
    {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1'800, 7'200, 86'400, 259'200});

const counter companies_left_out =
    make_counter("attentive_gateway_companies_left_out_total",
                 "Deliveries of companies beyond the first 200, which have no "
                 "last_event_timestamp_seconds.");

const counter opt_outs_of_nobody =
    make_counter("attentive_gateway_opt_outs_of_nobody_total",
                 "Opt-outs without any valid identifier: somebody said stop, and it is not known "
                 "who. report.opt_outs_of_nobody has them.");

std::array<counter, names.size()> counters_of(const std::string& endpoint, const std::string& type)
{
    std::array<counter, names.size()> made;
    for (std::size_t i = 0; i < names.size(); ++i)
        made[i] = make_counter(
            "attentive_gateway_deliveries_total",
            "Deliveries with a valid signature, by what became of them.",
            {{"endpoint", endpoint}, {"type", type}, {"outcome", std::string{names[i]}}});
    return made;
}

// Milliseconds since 1970; 0 while deliveries are kept. Of the process, as the counters are.
std::atomic<std::int64_t> refused_from{0};

void note(bool kept)
{
    if (kept) {
        if (refused_from.load(std::memory_order_relaxed) != 0)
            refused_from = 0;
        return;
    }
    std::int64_t none = 0;
    refused_from.compare_exchange_strong(none, now().time_since_epoch().count());
}

// Of every reason one line in a while says what the first fault is: which type is new, or which
// field has another shape than yesterday.
void log_quarantined(const quarantined& q)
{
    static std::array<log_limit, 8> limits;
    const auto left_out = limits.at(static_cast<std::size_t>(q.reason)).pass();
    if (!left_out || q.faults.empty())
        return;
    const field_fault& first = q.faults.front();
    write_log(severity::warn, "delivery_quarantined",
              "quarantined: {attentive.quarantine.reason}: {attentive.quarantine.field}: "
              "{attentive.quarantine.found}",
              {{"attentive.quarantine.reason", name(q.reason)},
               {"attentive.quarantine.field", first.field},
               {"attentive.quarantine.found", first.found},
               held_back_field(*left_out)});
}

// Whoever it was is written to until somebody looks.
void tell_opt_out_of_nobody(const source_event& e)
{
    opt_outs_of_nobody.add();
    static log_limit told;
    if (const auto left_out = told.pass())
        write_log(severity::error, "opt_out_of_nobody",
                  "an opt-out names nobody: event {attentive.event.id} of company "
                  "{attentive.company.id} keeps in extra what it was given",
                  {{"attentive.event.id", to_string(e.event_id)},
                   {"attentive.company.id", e.company_id},
                   held_back_field(*left_out)});
}

bool is_mapped_event(const pending& p)
{
    return p.what && p.is_event();
}

delivery_note note_of(const pending& p, outcome what)
{
    delivery_note n{.received_at = p.delivery.received_at(),
                    .endpoint = p.delivery.endpoint(),
                    .type = "unknown",
                    .outcome = names[static_cast<std::size_t>(what)],
                    .reason = what == outcome::refused ? "not_stored" : "",
                    .company_id = {},
                    .company_name = {}};
    if (is_mapped_event(p)) {
        n.type = p.event().source_event_type;
        n.company_id = p.event().company_id;
        n.company_name = p.event().company_name;
    } else if (p.what && what == outcome::quarantined) {
        const quarantined& q = p.refusal();
        n.reason = name(q.reason);
        if (q.reason == quarantine_reason::type_unknown && !q.faults.empty())
            n.type = q.faults.front().found; // which one, made harmless
    }
    return n;
}

} // namespace

std::optional<timestamp> refusing_since()
{
    const std::int64_t from = refused_from;
    if (from == 0)
        return std::nullopt;
    return timestamp{timestamp::duration{from}};
}

void announce_deliveries(const std::string& endpoint, const std::vector<std::string>& types)
{
    for (const auto& type : types)
        counters_of(endpoint, type);
    counters_of(endpoint, unmapped_type);
}

const std::array<counter, delivery_metrics::kinds>&
delivery_metrics::handles(const std::string& endpoint, const std::string& type)
{
    auto& types = counters_[endpoint];
    const auto found = types.find(type);
    if (found != types.end())
        return found->second;
    return types.emplace(type, counters_of(endpoint, type)).first->second;
}

void delivery_metrics::heard_of(const pending& p)
{
    const source_event& e = p.event();
    auto company = last_.find(e.company_id);
    if (company == last_.end()) {
        if (last_.size() >= companies_max) {
            companies_left_out.add();
            static log_limit told{std::chrono::hours{24}};
            if (told.pass())
                write_log(severity::warn, "companies_left_out",
                          "more than {attentive.company.count} companies send: the metric "
                          "last_event_timestamp_seconds has no others; report.feed_silence has all",
                          {{"attentive.company.count", companies_max}});
            return;
        }
        company = last_.emplace(e.company_id, std::map<std::string, gauge, std::less<>>{}).first;
    }
    auto type = company->second.find(e.source_event_type);
    if (type == company->second.end()) {
        const gauge made =
            make_gauge("attentive_gateway_last_event_timestamp_seconds",
                       "When an event of this company and type was last received; of the first "
                       "200 companies.",
                       {{"company", e.company_id}, {"type", e.source_event_type}});
        type = company->second.emplace(e.source_event_type, made).first;
    }
    type->second.set(seconds(p.delivery.received_at()));
}

void delivery_metrics::count(const pending& p, outcome what)
{
    const bool event = is_mapped_event(p);
    note(what != outcome::refused);
    const std::string& type = event ? p.event().source_event_type : unmapped_type;
    handles(p.delivery.endpoint(), type)[static_cast<std::size_t>(what)].add();
    newest_deliveries().note(note_of(p, what));
    if (p.what && !event && what != outcome::refused)
        log_quarantined(p.refusal());
    if (!event || what == outcome::refused)
        return;
    heard_of(p);
    if (p.event().action == "unsubscribed" && !p.event().subscriber_id)
        tell_opt_out_of_nobody(p.event());
    if (what != outcome::quarantined)
        delay_seconds.observe(std::max(0.0, seconds(now()) - seconds(p.event().occurred_at)));
}

} // namespace gateway
