#include "app/daemon/gauges.hpp"

#include "app/config/units.hpp"
#include "gateway/listener/misdirected.hpp"

#include <algorithm>

namespace gateway {
namespace {

double seconds(timestamp t)
{
    return std::chrono::duration<double>{t.time_since_epoch()}.count();
}

gauge made(const char* name, const char* help)
{
    return make_gauge(std::string{"attentive_gateway_"} + name, help);
}

constexpr std::chrono::days certificate_warning{14};
constexpr std::chrono::minutes lag_warning{1};
constexpr std::size_t silent_named_max = 3;

// What the read models lack, in words.
void add_projection(const projection_lag& lag, std::vector<std::string>& reasons)
{
    if (lag.oldest > lag_warning)
        reasons.push_back("reports are behind: " + std::to_string(lag.events) +
                          " events wait for the read models, the oldest for " +
                          rough_text(lag.oldest));
    if (lag.set_aside > 0)
        reasons.push_back(std::to_string(lag.set_aside) +
                          " batches could not be projected and are missing in reports: see "
                          "set_aside_error in gateway.batch, then run attentive-gateway rebuild");
}

void add_silence(const std::vector<feed>& silent, timestamp at, std::vector<std::string>& reasons)
{
    if (silent.empty())
        return;
    std::string text;
    for (std::size_t i = 0; i < std::min(silent.size(), silent_named_max); ++i)
        text += silence_text(silent[i], at) + "; ";
    if (silent.size() > silent_named_max)
        text += "and " + std::to_string(silent.size() - silent_named_max) +
                " more types (attentive-gateway report feed_silence); ";
    reasons.push_back(text + silence_remedy);
}

bool refuses_for_long(const process_state& s)
{
    return s.refusing_since && now() - *s.refusing_since > refusing_told_after;
}

bool is_schema_unfit(const process_state& s)
{
    return s.writing.trouble && s.writing.trouble->code == errc::schema_mismatch;
}

// Why no event goes to the database just now; empty when they do, or when it is not known.
std::string database_trouble(const process_state& s)
{
    if (s.writing.login_refused && s.writing.trouble)
        return "the database turns the gateway's login away: " + s.writing.trouble->detail +
               "; put user, password and database in [database] right, or pg_hba.conf on the "
               "server";
    if (s.database.since && !s.database.reachable)
        return "the database is out of reach since " + to_string(*s.database.since) + ": " +
               s.database.trouble;
    if (!s.database.reachable || s.database_takes_events)
        return {};
    if (s.writing.trouble && s.writing.trouble->code != errc::database_unavailable)
        return "the database answers but takes no events: " + s.writing.trouble->detail;
    return "the database answers but takes no events: see the log, or run attentive-gateway doctor";
}

gauge wrong_key_gauge(const std::string& endpoint)
{
    return make_gauge("attentive_gateway_wrong_signing_key",
                      "1 while the endpoint meets nothing but wrong signatures, for as long and as "
                      "many as [alarms] says.",
                      {{"endpoint", endpoint}});
}

gauge misdirected_gauge(int status)
{
    return make_gauge("attentive_gateway_misdirected",
                      "1 while requests with a signature are answered so, for as long and as many "
                      "as [alarms] says of wrong signatures.",
                      {{"code", std::to_string(status)}});
}

constexpr const char* newest_help =
    "When the newest event of the company and type was received, by whichever gateway; of the "
    "2200 pairs that are watched.";
constexpr const char* usual_help =
    "The longest pause of the company and type within 28 days; 0 while too little is known.";
constexpr const char* silent_help =
    "1 when the company's type is silent against its own rhythm, and not for a fault of ours.";

gauge feed_gauge(const char* name, const char* help, const feed& f)
{
    return make_gauge(std::string{"attentive_gateway_feed_"} + name, help,
                      {{"company", f.company_id}, {"event_name", f.event_name}});
}

// In the form that Prometheus' own exporters have: always 1, the version being a label.
gauge build_info()
{
    return make_gauge("attentive_gateway_build_info", "What runs.", {{"version", GATEWAY_VERSION}});
}

} // namespace

gauges::gauges()
    : inbox_events_{made("inbox_events", "Deliveries that wait for a batch.")},
      inbox_bytes_{made("inbox_bytes", "Memory that these deliveries hold.")},
      stalled_{made("stalled_seconds", "The longest that a thread of the store has been at one "
                                       "step; above ten it hangs.")},
      up_{made("database_up", "1 when PostgreSQL answered when last asked, every second.")},
      takes_{made("database_taking_events", "1 while events go to PostgreSQL directly, 0 while "
                                            "they go to the spool or are refused.")},
      login_refused_{made("database_login_refused",
                          "1 while PostgreSQL turns the gateway's login away: password, role, "
                          "database or pg_hba.conf. It takes somebody to change that.")},
      schema_unfit_{made("schema_unfit",
                         "1 while the database's schema is none that this version can write to: "
                         "migrate, or install the version it belongs to.")},
      quarantine_{made("quarantine_events", "Deliveries that wait in quarantine.")},
      spool_events_{made("spool_events", "Deliveries that wait in the spool.")},
      spool_bytes_{made("spool_bytes", "Of the spool's files on disk.")},
      spool_bytes_max_{made("spool_limit_bytes", "What these may grow to.")},
      spool_age_{made("spool_oldest_age_seconds", "For how long the oldest delivery has waited.")},
      spool_damaged_{made("spool_damaged_files", "Files of the spool set aside as damaged.")},
      certificate_{
          made("certificate_expiry_timestamp_seconds", "When the certificate in use expires.")},
      ready_{made("ready", "1 when /readyz says so.")},
      refusing_{made("refusing_since_timestamp_seconds",
                     "When the first event was refused with none taken since; 0 while events are "
                     "taken. Three days later Attentive gives up on it.")},
      unprojected_batches_{
          made("projection_waiting_batches", "Batches that the read models do not have yet.")},
      unprojected_events_{
          made("projection_waiting_events", "Events that the read models do not have yet.")},
      projection_lag_{
          made("projection_lag_seconds", "For how long the oldest of these batches has waited.")},
      set_aside_{made("projection_set_aside_batches",
                      "Batches that the read models refused: missing in reports.")},
      feeds_left_out_{made("feeds_left_out", "Pairs of company and type beyond the 2200 that are "
                                             "watched: nobody is told when these fall silent.")}
{
    build_info().set(1);
    for (const int status : misdirected_statuses)
        misdirected_.emplace(status, misdirected_gauge(status));
}

void gauges::set(const process_state& s)
{
    inbox_events_.set(static_cast<double>(s.writing.inbox_events));
    inbox_bytes_.set(static_cast<double>(s.writing.inbox_bytes));
    stalled_.set(std::chrono::duration<double>{s.writing.stalled_for}.count());
    up_.set(s.database.reachable ? 1 : 0);
    takes_.set(s.database_takes_events ? 1 : 0);
    login_refused_.set(s.writing.login_refused ? 1 : 0);
    schema_unfit_.set(is_schema_unfit(s) ? 1 : 0);
    if (s.database.quarantine_waiting)
        quarantine_.set(static_cast<double>(*s.database.quarantine_waiting));
    if (s.spool) {
        spool_events_.set(static_cast<double>(s.spool->events));
        spool_bytes_.set(static_cast<double>(s.spool->bytes));
        spool_bytes_max_.set(static_cast<double>(s.spool_bytes_max));
        spool_age_.set(s.spool->oldest ? seconds(now()) - seconds(*s.spool->oldest) : 0);
        spool_damaged_.set(static_cast<double>(s.spool->damaged.size()));
    }
    if (s.certificate_ends)
        certificate_.set(seconds(*s.certificate_ends));
    ready_.set(not_ready_because(s).empty() ? 1 : 0);
    refusing_.set(s.refusing_since ? seconds(*s.refusing_since) : 0);
    for (const auto& endpoint : s.endpoints) {
        auto found = wrong_keys_.find(endpoint);
        if (found == wrong_keys_.end())
            found = wrong_keys_.emplace(endpoint, wrong_key_gauge(endpoint)).first;
        const auto wrong = std::any_of(s.wrong_keys.begin(), s.wrong_keys.end(),
                                       [&](const wrong_key& w) { return w.endpoint == endpoint; });
        found->second.set(wrong ? 1 : 0);
    }
    for (const auto& [status, shown] : misdirected_) {
        const auto& all = s.strays;
        const bool found =
            std::any_of(all.begin(), all.end(),
                        [code = status](const misdirected& m) { return m.status == code; });
        shown.set(found ? 1 : 0);
    }
    process_.update();
    if (s.database.projection)
        set_projection(*s.database.projection);
    set_feeds(s);
}

void gauges::set_projection(const projection_lag& lag) const
{
    unprojected_batches_.set(static_cast<double>(lag.batches));
    unprojected_events_.set(static_cast<double>(lag.events));
    projection_lag_.set(std::chrono::duration<double>{lag.oldest}.count());
    set_aside_.set(static_cast<double>(lag.set_aside));
}

void gauges::set_feeds(const process_state& s)
{
    for (const auto& [key, shown] : feeds_)
        shown.silent.set(0); // also of one that is not watched any more
    std::size_t hidden = 0;
    for (const feed& f : s.database.feeds) {
        auto found = feeds_.find({f.company_id, f.event_name});
        if (found == feeds_.end() && feeds_.size() >= feeds_max) {
            ++hidden;
            continue;
        }
        if (found == feeds_.end())
            found = feeds_
                        .emplace(std::pair{f.company_id, f.event_name},
                                 feed_gauges{feed_gauge("newest_timestamp_seconds", newest_help, f),
                                             feed_gauge("usual_silence_seconds", usual_help, f),
                                             feed_gauge("silent", silent_help, f)})
                        .first;
        found->second.newest.set(seconds(f.newest_event));
        found->second.usual.set(
            f.usual_silence ? std::chrono::duration<double>{*f.usual_silence}.count() : 0);
    }
    feeds_left_out_.set(static_cast<double>(s.database.feeds_left_out + hidden));
    for (const feed& f : s.silent) {
        if (const auto found = feeds_.find({f.company_id, f.event_name}); found != feeds_.end())
            found->second.silent.set(1);
    }
}

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
        reasons.push_back(std::to_string(s.spool->events) + " events wait in the spool (" +
                          std::to_string(s.spool->bytes >> 20U) + " MiB of " +
                          size_text(s.spool_bytes_max) + ")");
    if (s.spool && !s.spool->damaged.empty())
        reasons.push_back(std::to_string(s.spool->damaged.size()) +
                          " damaged files stand in the spool: run attentive-gateway spool verify");
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
    add_silence(s.silent, now(), reasons);
    if (s.database.feeds_left_out > 0)
        reasons.push_back(std::to_string(s.database.feeds_left_out) + left_out_remedy);
    return reasons;
}

std::string silence_text(const feed& f, timestamp at)
{
    std::string text = "no " + f.event_name + " of company " + f.company_id + " since " +
                       to_string(f.newest_event) + ", " + rough_text(at - f.newest_event);
    if (f.usual_silence)
        text += "; the longest pause of its 28 days before was " + rough_text(*f.usual_silence);
    return text;
}

std::string wrong_key_text(const wrong_key& w)
{
    return "endpoint " + w.endpoint + " has met nothing but wrong signatures since " +
           to_string(w.since) + ", " + std::to_string(w.failures) +
           " of them: compare its signing key with the one in Attentive's app settings";
}

std::string misdirected_text(const misdirected& m)
{
    std::string text = std::to_string(m.requests) + " requests with a signature were answered " +
                       std::to_string(m.status) + " since " + to_string(m.since) +
                       ", without being looked at: compare ";
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
    std::string text =
        "nothing was taken since " + to_string(since) + ", when events began to be refused: ";
    if (at < end)
        return text + "Attentive gives up on the first of them at " + to_string(end) + ", " +
               rough_text(end - at) + " left";
    return text + "Attentive has given up on the first of them since " + to_string(end) +
           ", and may have disabled the webhook";
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
