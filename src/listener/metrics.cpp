#include "listener/metrics.hpp"

#include "gateway/base/metrics.hpp"
#include "gateway/listener/misdirected.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace gateway {
namespace {

// Every status that answer.cpp can give; another one is counted as 0, and seen at once.
constexpr std::array statuses = {0,   200, 202, 400, 401, 404, 405, 408,
                                 411, 413, 415, 417, 431, 501, 503};

constexpr std::array connection_limits = {"connections", "connections_per_peer"};

counter refused_connections(const char* limit)
{
    return make_counter("attentive_gateway_connections_refused_total",
                        "Connections turned away on the webhook port, by the limit they met.",
                        {{"limit", limit}});
}

struct handles {
    handles()
    {
        for (const char* limit : connection_limits)
            refused_connections(limit); // there before the first
        for (const int status : misdirected_statuses)
            misdirected_requests(status);
        for (std::size_t i = 0; i < statuses.size(); ++i)
            responses[i] = make_counter("attentive_gateway_http_responses_total",
                                        "Answers on the webhook port, by HTTP status.",
                                        {{"code", std::to_string(statuses[i])}});
    }

    std::array<counter, statuses.size()> responses;
    histogram seconds =
        make_histogram("attentive_gateway_request_duration_seconds",
                       "From a request's first byte to its answer's last.", latency_buckets());
    counter accepted = make_counter("attentive_gateway_connections_accepted_total",
                                    "Connections taken on the webhook port.");
    gauge open =
        make_gauge("attentive_gateway_connections", "Open connections on the webhook port.");
};

const handles counted; // made with the process: a counter that appears late hides its first event

} // namespace

void count_response(int status, std::chrono::steady_clock::duration took)
{
    const auto* const found = std::find(statuses.begin(), statuses.end(), status);
    const auto index = found == statuses.end() ? 0 : found - statuses.begin();
    counted.responses[static_cast<std::size_t>(index)].add();
    counted.seconds.observe(took);
}

counter misdirected_requests(int status)
{
    return make_counter("attentive_gateway_misdirected_requests_total",
                        "Requests with a signature that were refused before it was looked at, by "
                        "HTTP status.",
                        {{"code", std::to_string(status)}});
}

void count_misdirected(int status)
{
    const auto& all = misdirected_statuses;
    if (std::find(all.begin(), all.end(), status) != all.end())
        misdirected_requests(status).add();
}

void count_connection_opened()
{
    counted.accepted.add();
    counted.open.add(1);
}

void count_connection_closed()
{
    counted.open.add(-1);
}

void count_connection_refused(const char* limit)
{
    refused_connections(limit).add();
}

} // namespace gateway
