#include "gateway/app/gauges.hpp"

#include "gateway/app/units.hpp"

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
      quarantine_{made("quarantine_events", "Deliveries that wait in quarantine.")},
      spool_events_{made("spool_events", "Deliveries that wait in the spool.")},
      spool_bytes_{made("spool_bytes", "Of the spool's files on disk.")},
      spool_bytes_max_{made("spool_limit_bytes", "What these may grow to.")},
      spool_age_{made("spool_oldest_age_seconds", "For how long the oldest delivery has waited.")},
      spool_damaged_{made("spool_damaged_files", "Files of the spool set aside as damaged.")},
      certificate_{
          made("certificate_expiry_timestamp_seconds", "When the certificate in use expires.")},
      ready_{made("ready", "1 when /readyz says so.")}
{
    build_info().set(1);
}

void gauges::set(const process_state& s) const
{
    inbox_events_.set(static_cast<double>(s.writing.inbox_events));
    inbox_bytes_.set(static_cast<double>(s.writing.inbox_bytes));
    stalled_.set(std::chrono::duration<double>{s.writing.stalled_for}.count());
    up_.set(s.database.reachable ? 1 : 0);
    takes_.set(s.database_takes_events ? 1 : 0);
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
    return reasons;
}

std::vector<std::string> degraded_because(const process_state& s)
{
    std::vector<std::string> reasons;
    if (s.database.since && !s.database.reachable)
        reasons.push_back("the database is out of reach since " + to_string(*s.database.since) +
                          ": " + s.database.trouble);
    else if (s.database.reachable && !s.database_takes_events)
        reasons.emplace_back("the database answers but takes no events: see the log, or run "
                             "attentive-gateway doctor");
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
    return reasons;
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
