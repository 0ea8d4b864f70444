#include "counts.hpp"

#include "gateway/base/metrics.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace gateway {
namespace {

// Every status that answer.cpp can give; another one is counted as 0, and seen at once.
constexpr std::array statuses = {0,   200, 202, 400, 401, 404, 405, 408,
                                 411, 413, 415, 417, 431, 501, 503};

struct handles {
    handles()
    {
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

const handles& all()
{
    static const handles instance;
    return instance;
}

} // namespace

void count_response(int status, std::chrono::steady_clock::duration took)
{
    const auto* const found = std::find(statuses.begin(), statuses.end(), status);
    const auto index = found == statuses.end() ? 0 : found - statuses.begin();
    all().responses[static_cast<std::size_t>(index)].add();
    all().seconds.observe(took);
}

void count_connection_opened()
{
    all().accepted.add();
    all().open.add(1);
}

void count_connection_closed()
{
    all().open.add(-1);
}

void count_connection_refused(const char* limit)
{
    make_counter("attentive_gateway_connections_refused_total",
                 "Connections turned away on the webhook port, by the limit they met.",
                 {{"limit", limit}})
        .add();
}

} // namespace gateway
