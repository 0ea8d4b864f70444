// The words in which an operator reads how the gateway is: at /readyz, in `systemctl status`, in
// the log and on the page.
#pragma once

#include "app/daemon/process_state.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace gateway {

// Why the process should get no traffic; empty when it should.
std::vector<std::string> not_ready_because(const process_state& s);

// What is wrong though events are still taken: "the database is out of reach since …".
std::vector<std::string> degraded_because(const process_state& s);

// What is as somebody wants it, and worth knowing.
std::vector<std::string> notes(const process_state& s);

// How long Attentive sends an event again that was not answered 2xx. Source: Attentive's help,
// "Create and manage webhooks": up to three days.
inline constexpr std::chrono::hours retried_for{72};

// "no sms.sent of company X since 2026-11-21T…, 7 h; no pause of the last 28 days was longer than
// 40 min", without what to do.
std::string silence_text(const feed& f, timestamp at);

// Of what a certificate has left: less is said by /readyz and by doctor.
inline constexpr std::chrono::days certificate_warning{14};

// What a person does about silence that is no fault of ours.
inline constexpr const char* silence_remedy =
    "see in Attentive (integrations, the app, tab Webhooks) that Event Webhook Status is on and "
    "the event is ticked, or run attentive-gateway webhooks list; for events of your own systems "
    "look at those";

// Behind the number of feeds beyond feeds_max, and what a person does about them.
inline constexpr const char* left_out_remedy =
    " pairs of company and type of event are beyond the 2200 that are watched for silence: look at "
    "report.feed_silence, which has all";

// Behind the number of rows in DEFAULT, and what a person does about those that stay there.
inline constexpr const char* default_remedy =
    "the gateway moves them by itself, while no transaction of others holds the log for long "
    "(pg_dump, a report). Many rows of several months need a quiet hour: SELECT "
    "gateway.empty_default('source_event', 1000000000, 1000000000), as the owner of the schema";

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
