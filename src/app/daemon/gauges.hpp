// The metrics that are a state rather than a count: set from what the layers say of themselves,
// whenever somebody asks for the metrics.
#pragma once

#include "app/daemon/process_metrics.hpp"
#include "gateway/base/metrics.hpp"
#include "gateway/base/time.hpp"
#include "gateway/store/observer.hpp"
#include "gateway/store/spool.hpp"
#include "gateway/store/writer.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gateway {

// An endpoint that has met nothing but wrong signatures for a while.
struct wrong_key {
    std::string endpoint;
    timestamp since{};          // of the first
    std::uint64_t failures = 0; // since then
};

// Requests that carried a signature, and were refused before it was looked at.
struct misdirected {
    int status = 0; // 404, 405 or 415
    timestamp since{};
    std::uint64_t requests = 0; // since then
};

struct process_state {
    writer_status writing;
    bool database_takes_events = false;
    observation database;
    std::optional<spool_status> spool; // without one: nothing
    std::size_t spool_bytes_max = 0;
    std::optional<timestamp> certificate_ends; // plain HTTP: nothing
    bool accepting = true;                     // an event given now could be made durable
    bool draining = false;
    // Judged by the alarms (alarms.hpp).
    std::vector<wrong_key> wrong_keys;
    std::vector<misdirected> strays;         // what has come for a while
    std::optional<timestamp> refusing_since; // nothing was taken since, and something refused
    std::vector<std::string> endpoints;
    std::vector<feed> silent; // of database.feeds, when their silence is no fault of ours
};

class gauges {
public:
    gauges();
    // One thread.
    void set(const process_state& s);

private:
    struct feed_gauges {
        gauge newest, usual, silent;
    };
    void set_projection(const projection_lag& lag) const;
    void set_feeds(const process_state& s);

    std::map<std::pair<std::string, std::string>, feed_gauges> feeds_; // at most feeds_max
    std::map<std::string, gauge> wrong_keys_;                          // by endpoint
    std::map<int, gauge> misdirected_;                                 // by status
    gauge inbox_events_, inbox_bytes_, stalled_, up_, takes_, login_refused_, schema_unfit_,
        quarantine_, spool_events_, spool_bytes_, spool_bytes_max_, spool_age_, spool_damaged_,
        certificate_, ready_, refusing_, unprojected_batches_, unprojected_events_, projection_lag_,
        set_aside_, feeds_left_out_;
    process_metrics process_;
};

// What an operator reads at /readyz, in `systemctl status` and in the log. Why the process should
// get no traffic; empty when it should.
std::vector<std::string> not_ready_because(const process_state& s);

// What is wrong though events are still taken: "the database is out of reach since …".
std::vector<std::string> degraded_because(const process_state& s);

// How long Attentive sends an event again that was not answered 2xx. Source: Attentive's help,
// "Create and manage webhooks": up to three days.
inline constexpr std::chrono::hours retried_for{72};

// "no sms.sent of company X since 2026-11-21T…, 7 h; no pause of the last 28 days was longer than
// 40 min", without what to do.
std::string silence_text(const feed& f, timestamp at);

// What a person does about silence that is no fault of ours.
inline constexpr const char* silence_remedy =
    "see in Attentive (integrations, the app, tab Webhooks) that Event Webhook Status is on and "
    "the event is ticked, or run attentive-gateway webhooks list; for events of your own systems "
    "look at those";

// Behind the number of feeds beyond feeds_max, and what a person does about them.
inline constexpr const char* left_out_remedy =
    " pairs of company and type of event are beyond the 2200 that are watched for silence: look at "
    "report.feed_silence, which has all";

// "endpoint main has met nothing but wrong signatures since …, 57 of them: compare …".
std::string wrong_key_text(const wrong_key& w);

// "57 signed requests were answered 404 since …, without being looked at: …".
std::string misdirected_text(const misdirected& m);

// For how long events are refused before anybody is told: one 503 under load is no outage.
inline constexpr std::chrono::minutes refusing_told_after{1};

// "nothing was taken since …, when events began to be refused; Attentive gives up …, 71 h left".
std::string countdown_text(timestamp since, timestamp at);

// One line of both.
std::string status_line(const process_state& s);

} // namespace gateway
