#include "app/daemon/metrics.hpp"

#include "app/daemon/health.hpp"
#include "gateway/listener/misdirected.hpp"

#include <algorithm>
#include <functional>

namespace gateway {
namespace {

using reading = std::optional<double>; // nothing: the metric stays as it was

double in_seconds(std::chrono::milliseconds d)
{
    return std::chrono::duration<double>{d}.count();
}

double in_seconds(timestamp t)
{
    return in_seconds(t.time_since_epoch());
}

template <class Part, class Value>
reading if_there(const std::optional<Part>& part, Value value)
{
    return part ? reading{std::invoke(value, *part)} : std::nullopt;
}

struct state_metric {
    const char* name; // behind attentive_gateway_
    const char* help;
    reading (*read)(const process_state&);
};

using process = const process_state&;

constexpr state_metric plain_metrics[] = {
    {"inbox_events", "Deliveries that wait for a batch.",
     [](process p) -> reading { return p.writing.inbox_events; }},
    {"inbox_bytes", "Memory that these deliveries hold.",
     [](process p) -> reading { return p.writing.inbox_bytes; }},
    {"stalled_seconds",
     "The longest that a thread of the store has been at one step; above ten it hangs.",
     [](process p) -> reading { return in_seconds(p.writing.stalled_for); }},
    {"database_up", "1 when PostgreSQL answered when last asked, every second.",
     [](process p) -> reading { return p.database.reachable; }},
    {"database_taking_events",
     "1 while events go to PostgreSQL directly, 0 while they go to the spool or are refused.",
     [](process p) -> reading { return p.database_takes_events; }},
    {"database_login_refused",
     "1 while PostgreSQL turns the gateway's login away: password, role, database or "
     "pg_hba.conf. It takes somebody to change that.",
     [](process p) -> reading { return p.writing.login_refused; }},
    {"schema_unfit",
     "1 while the database's schema is none that this version can write to: migrate, or "
     "install the version it belongs to.",
     [](process p) -> reading {
         return p.writing.trouble && p.writing.trouble->code == errc::schema_mismatch;
     }},
    {"quarantine_events", "Deliveries that wait in quarantine.",
     [](process p) -> reading { return p.database.quarantine_waiting; }},
    {"default_partition_rows",
     "Events and bodies that wait in a DEFAULT partition for the one of their time; an estimate "
     "where it is more than 10000.",
     [](process p) -> reading { return p.database.default_rows; }},
    {"spool_events", "Deliveries that wait in the spool.",
     [](process p) { return if_there(p.spool, &spool_status::events); }},
    {"spool_bytes", "Of the spool's files on disk.",
     [](process p) { return if_there(p.spool, &spool_status::bytes); }},
    {"spool_limit_bytes", "What these may grow to.",
     [](process p) { return p.spool ? reading{p.spool_bytes_max} : std::nullopt; }},
    {"spool_oldest_age_seconds", "For how long the oldest delivery has waited.",
     [](process p) {
         return if_there(p.spool, [](const auto& spool) {
             return spool.oldest ? in_seconds(now() - *spool.oldest) : 0;
         });
     }},
    {"spool_damaged_files", "Files of the spool set aside as damaged.",
     [](process p) {
         return if_there(p.spool, [](const auto& spool) { return spool.damaged.size(); });
     }},
    {"certificate_expiry_timestamp_seconds", "When the certificate in use expires.",
     [](process p) {
         return if_there(p.certificate_ends, [](timestamp t) { return in_seconds(t); });
     }},
    {"ready", "1 when /readyz says so.",
     [](process p) -> reading { return not_ready_because(p).empty(); }},
    {"refusing_since_timestamp_seconds",
     "When the first event was refused with none taken since; 0 while events are taken. Three "
     "days later Attentive gives up on it.",
     [](process p) -> reading { return p.refusing_since ? in_seconds(*p.refusing_since) : 0; }},
    {"intake_waiting_deliveries", "Deliveries of the intake that the log does not have yet.",
     [](process p) { return if_there(p.database.projection, &projection_lag::deliveries); }},
    {"intake_refused_deliveries",
     "Of these those that the database refused while it took others; they are tried again.",
     [](process p) { return if_there(p.database.projection, &projection_lag::refused); }},
    {"projection_waiting_events", "Events that the read models do not have yet.",
     [](process p) { return if_there(p.database.projection, &projection_lag::events); }},
    {"projection_lag_seconds", "For how long the oldest of all these has waited.",
     [](process p) {
         return if_there(p.database.projection,
                         [](const auto& lag) { return in_seconds(lag.oldest); });
     }},
    {"projection_set_aside_events", "Events that the read models refused: missing in reports.",
     [](process p) { return if_there(p.database.projection, &projection_lag::set_aside); }},
};

gauge made(const std::string& name, const char* help, const metric_labels& labels = {})
{
    return make_gauge("attentive_gateway_" + name, help, labels);
}

// What the alarms found, by endpoint and by status.
void set_alarms(const process_state& s)
{
    for (const auto& endpoint : s.endpoints) {
        const auto is_wrong = [&](const wrong_key& w) { return w.endpoint == endpoint; };
        made("wrong_signing_key",
             "1 while the endpoint meets nothing but wrong signatures, for as long and as many as "
             "[alarms] says.",
             {{"endpoint", endpoint}})
            .set(std::any_of(s.wrong_keys.begin(), s.wrong_keys.end(), is_wrong) ? 1 : 0);
    }
    for (const int status : misdirected_statuses) {
        const auto is_found = [status](const misdirected& m) { return m.status == status; };
        made("misdirected",
             "1 while requests with a signature are answered so, for as long and as many as "
             "[alarms] says of wrong signatures.",
             {{"code", std::to_string(status)}})
            .set(std::any_of(s.strays.begin(), s.strays.end(), is_found) ? 1 : 0);
    }
}

} // namespace

state_metrics::state_metrics()
    : feeds_left_out_{made("feeds_left_out", "Pairs of company and type beyond the 2200 that are "
                                             "watched: nobody is told when these fall silent.")}
{
    for (const auto& each : plain_metrics)
        plain_.push_back(made(each.name, each.help));
    // In the form that Prometheus' own exporters have: always 1, the version being a label.
    made("build_info", "What runs.", {{"version", GATEWAY_VERSION}}).set(1);
}

void state_metrics::set(const process_state& s)
{
    for (std::size_t i = 0; i < plain_.size(); ++i) {
        if (const auto value = plain_metrics[i].read(s))
            plain_[i].set(*value);
    }
    set_alarms(s);
    set_feeds(s);
    process_.update();
}

void state_metrics::set_feeds(const process_state& s)
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
        if (found == feeds_.end()) {
            const metric_labels of_feed = {{"company", f.company_id}, {"event_name", f.event_name}};
            const feed_metrics shown{
                made("feed_newest_timestamp_seconds",
                     "When the newest event of the company and type was received, by whichever "
                     "gateway; of the 2200 pairs that are watched.",
                     of_feed),
                made("feed_usual_silence_seconds",
                     "The longest pause of the company and type within 28 days; 0 while too "
                     "little is known.",
                     of_feed),
                made("feed_silent",
                     "1 when the company's type is silent against its own rhythm, and not for a "
                     "fault of ours.",
                     of_feed)};
            found = feeds_.emplace(std::pair{f.company_id, f.event_name}, shown).first;
        }
        found->second.newest.set(in_seconds(f.newest_event));
        found->second.usual.set(f.usual_silence ? in_seconds(*f.usual_silence) : 0);
    }
    feeds_left_out_.set(static_cast<double>(s.database.feeds_left_out + hidden));
    for (const feed& f : s.silent) {
        if (const auto found = feeds_.find({f.company_id, f.event_name}); found != feeds_.end())
            found->second.silent.set(1);
    }
}

} // namespace gateway
