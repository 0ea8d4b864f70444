// Signs and posts payloads over keep-alive HTTPS connections and says what came back: the shell's
// "Send test event", and the load source of benchmarks and fault tests.
#pragma once

#include "gateway/base/result.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

struct send_request {
    std::string url;                 // https://host[:port]/path; http only to a loopback address
    std::string signing_key;         // as in Attentive's UI
    std::vector<std::string> types;  // taken in turn; ignored when `body` is given
    std::optional<std::string> body; // these bytes instead of a sample
    std::vector<std::string> bodies; // each of these once, instead of samples
    std::uint64_t count = 1;         // requests in all; to send `bodies`, their number
    double rate = 0;                 // requests per second over all connections; 0: no limit
    std::size_t connections = 1;
    bool unique = false; // a body of its own for each request
    std::uint64_t seed = 1;
    std::optional<std::filesystem::path> ca_file; // PEM; the system's store when absent
    bool insecure = false;                        // do not check the certificate
    std::optional<std::filesystem::path> journal; // JSON lines: before sending, after the answer
    std::chrono::milliseconds timeout{10'000};    // of one request
    std::function<void(std::uint64_t done)> progress; // called now and then, on the same thread
};

struct send_report {
    std::map<int, std::uint64_t> statuses;             // HTTP status to answers
    std::map<std::string, std::uint64_t> dispositions; // "accepted", "quarantined"
    std::uint64_t failures = 0;                        // no HTTP answer: refused, timed out, cut
    std::string first_failure;                         // of those, in words
    std::chrono::nanoseconds elapsed{};
    std::chrono::microseconds p50{}, p90{}, p99{}, p999{}, max{};
};

// Sends all, in this thread, and returns when the last was answered or failed. A connection that
// breaks is opened again. Fails with config_invalid (URL, files) or network_failed when not even
// the first connection could be made.
result<send_report> send(const send_request& request);

} // namespace gateway
