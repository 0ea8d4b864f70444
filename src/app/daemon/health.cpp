#include "app/daemon/health.hpp"

#include "app/config/units.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gateway {
namespace {

constexpr std::chrono::minutes lag_warning{1};
constexpr std::size_t silent_named_max = 3;

// What the read models lack, in words.
void add_projection(const projection_lag& lag, std::vector<std::string>& reasons)
{
    if (lag.oldest > lag_warning)
        reasons.push_back(
            fmt::format("reports are behind: {} deliveries wait for the log and {} events for the "
                        "read models, the oldest for {}",
                        lag.deliveries, lag.events, rough_text(lag.oldest)));
    if (lag.refused > 0)
        reasons.push_back(fmt::format(
            "{} {} refused by the database ({}): in the intake, and "
            "tried again; see the log of PostgreSQL",
            lag.refused, lag.refused == 1 ? "delivery is" : "deliveries are", lag.refusal));
    if (lag.set_aside > 0)
        reasons.push_back(fmt::format(
            "{} events could not be projected and are missing in reports: see gateway.set_aside, "
            "then run attentive-gateway rebuild",
            lag.set_aside));
}

void add_silence(const std::vector<feed>& silent, timestamp at, std::vector<std::string>& reasons)
{
    if (silent.empty())
        return;
    std::string text;
    for (std::size_t i = 0; i < std::min(silent.size(), silent_named_max); ++i)
        text += silence_text(silent[i], at) + "; ";
    if (silent.size() > silent_named_max)
        text += fmt::format("and {} more types (attentive-gateway report feed_silence); ",
                            silent.size() - silent_named_max);
    reasons.push_back(text + silence_remedy);
}

bool refuses_for_long(const process_state& s)
{
    return s.refusing_since && now() - *s.refusing_since > refusing_told_after;
}

// Why no event goes to the database just now; empty when they do, or when it is not known.
std::string database_trouble(const process_state& s)
{
    if (s.writing.login_refused && s.writing.trouble)
        return fmt::format("the database turns the gateway's login away: {}; put user, password "
                           "and database in [database] right, or pg_hba.conf on the server",
                           s.writing.trouble->detail);
    if (s.database.since && !s.database.reachable)
        return fmt::format("the database is out of reach since {}: {}",
                           to_string(*s.database.since), s.database.trouble);
    if (!s.database.reachable || s.database_takes_events)
        return {};
    if (s.writing.trouble && s.writing.trouble->code != errc::database_unavailable)
        return "the database answers but takes no events: " + s.writing.trouble->detail;
    return "the database answers but takes no events: see the log, or run attentive-gateway doctor";
}

} // namespace

std::vector<std::string> not_ready_because(const process_state& s)
{
    std::vector<std::string> reasons;
    if (s.draining)
        reasons.emplace_back("the process is draining: it is about to stop");
    if (!s.accepting && s.spool)
        reasons.emplace_back("neither the database nor the spool takes events: they are answered "
                             "503, and Attentive sends them again for three days");
    if (!s.accepting && !s.spool)
        reasons.emplace_back("the database takes no events and no [spool] is configured: they are "
                             "answered 503, and Attentive sends them again for three days");
    if (!s.accepting && refuses_for_long(s))
        reasons.push_back(countdown_text(*s.refusing_since, now()));
    return reasons;
}

std::vector<std::string> degraded_because(const process_state& s)
{
    std::vector<std::string> reasons;
    if (auto trouble = database_trouble(s); !trouble.empty())
        reasons.push_back(std::move(trouble));
    if (s.spool && s.spool->events > 0)
        reasons.push_back(fmt::format("{} events wait in the spool ({} MiB of {})", s.spool->events,
                                      s.spool->bytes >> 20U, size_text(s.spool_bytes_max)));
    if (s.spool && !s.spool->damaged.empty())
        reasons.push_back(
            fmt::format("{} damaged files stand in the spool: run attentive-gateway spool verify",
                        s.spool->damaged.size()));
    if (s.certificate_ends && *s.certificate_ends - now() < certificate_warning)
        reasons.push_back("the certificate expires at " + to_string(*s.certificate_ends) +
                          ": renew it");
    if (s.writing.stalled_for > std::chrono::seconds{10})
        reasons.emplace_back("a thread of the store hangs: the watchdog will restart the process");
    for (const auto& w : s.wrong_keys)
        reasons.push_back(wrong_key_text(w));
    for (const auto& m : s.strays)
        reasons.push_back(misdirected_text(m));
    if (s.accepting && refuses_for_long(s))
        reasons.push_back(countdown_text(*s.refusing_since, now()));
    if (s.database.projection && s.database.reachable)
        add_projection(*s.database.projection, reasons);
    if (s.database.default_rows.value_or(0) > 0 && s.database.reachable)
        reasons.push_back(fmt::format("{} rows wait in DEFAULT partitions: {}",
                                      *s.database.default_rows, default_remedy));
    add_silence(s.silent, now(), reasons);
    if (s.database.feeds_left_out > 0)
        reasons.push_back(std::to_string(s.database.feeds_left_out) + left_out_remedy);
    return reasons;
}

std::vector<std::string> notes(const process_state& s)
{
    const auto loss = s.database.follows ? failover_loss(*s.database.follows) : std::string{};
    return loss.empty() ? std::vector<std::string>{} : std::vector<std::string>{loss};
}

std::string silence_text(const feed& f, timestamp at)
{
    auto text = fmt::format("no {} of company {} since {}, {}", f.event_name, f.company_id,
                            to_string(f.newest_event), rough_text(at - f.newest_event));
    if (f.usual_silence)
        text += "; the longest pause of its 28 days before was " + rough_text(*f.usual_silence);
    return text;
}

std::string wrong_key_text(const wrong_key& w)
{
    return fmt::format("endpoint {} has met nothing but wrong signatures since {}, {} of them: "
                       "compare its signing key with the one in Attentive's app settings",
                       w.endpoint, to_string(w.since), w.failures);
}

std::string misdirected_text(const misdirected& m)
{
    const auto text = fmt::format("{} requests with a signature were answered {} since {}, without "
                                  "being looked at: compare ",
                                  m.requests, m.status, to_string(m.since));
    if (m.status == 404)
        return text + "the path of the URL in Attentive with the paths of [[endpoint]]";
    if (m.status == 405)
        return text + "what sends them with Attentive, which sends POST: a redirect before the "
                      "gateway turns POST into GET";
    return text + "what stands before the gateway with Attentive, which encodes no body";
}

std::string countdown_text(timestamp since, timestamp at)
{
    const timestamp end = since + retried_for;
    const auto then =
        at < end ? fmt::format("gives up on the first of them at {}, {} left", to_string(end),
                               rough_text(end - at))
                 : fmt::format("has given up on the first of them since {}, and may have disabled "
                               "the webhook",
                               to_string(end));
    return fmt::format("nothing was taken since {}, when events began to be refused: Attentive {}",
                       to_string(since), then);
}

std::string status_line(const process_state& s)
{
    std::string line;
    for (const auto& reason : not_ready_because(s))
        line += (line.empty() ? "Not ready: " : "; ") + reason;
    if (line.empty())
        line = "Taking events";
    for (const auto& reason : degraded_because(s))
        line += "; " + reason;
    return line;
}

} // namespace gateway
