// `send`: the sender at the shell. What it posts, how far it is, and what came back.
#include "app/commands/commands.hpp"
#include "app/config/read_file.hpp"
#include "app/config/secrets.hpp"
#include "app/console/exit_code.hpp"
#include "gateway/attentive/event_catalog.hpp"
#include "gateway/client/sender.hpp"

#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <unistd.h>

namespace gateway {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t body_bytes_max = 64U << 20U;

// A bar on a terminal, a line every few seconds elsewhere, nothing for a run of a moment.
class progress_display {
public:
    explicit progress_display(std::uint64_t count) : count_(count) {}

    void show(std::uint64_t done)
    {
        if (!bar_ && clock::now() - shown_ < std::chrono::seconds{5})
            return;
        shown_ = clock::now();
        const std::chrono::duration<double> elapsed = shown_ - started_;
        const double rate = elapsed.count() > 0 ? static_cast<double>(done) / elapsed.count() : 0;
        const double share = static_cast<double>(done) / static_cast<double>(count_);
        const int percent = static_cast<int>(share * 100);
        if (!bar_) {
            std::fprintf(stderr, "%" PRIu64 " of %" PRIu64 " (%d %%), %.0f/s\n", done, count_,
                         percent, rate);
            return;
        }
        std::string bar(bar_width, '.');
        const auto filled = static_cast<std::size_t>(share * static_cast<double>(bar_width));
        bar.replace(0, filled, filled, '#');
        std::fprintf(stderr, "\r[%s] %3d %%  %" PRIu64 " of %" PRIu64 "  %.0f/s \x1b[K",
                     bar.c_str(), percent, done, count_, rate);
        drawn_ = true;
    }

    void finish() const
    {
        if (drawn_)
            std::fputs("\r\x1b[K", stderr);
    }

private:
    static constexpr std::size_t bar_width = 32;

    std::uint64_t count_;
    bool bar_ = ::isatty(STDERR_FILENO) == 1;
    bool drawn_ = false;
    clock::time_point started_ = clock::now();
    clock::time_point shown_ = started_;
};

// "850 µs", "3.42 ms", "1.20 s"
std::string shown(std::chrono::microseconds d)
{
    const auto us = static_cast<double>(d.count());
    char out[32];
    if (us < 1'000)
        std::snprintf(out, sizeof out, "%.0f µs", us);
    else if (us < 1'000'000)
        std::snprintf(out, sizeof out, "%.2f ms", us / 1e3);
    else
        std::snprintf(out, sizeof out, "%.2f s", us / 1e6);
    return out;
}

void print_report(const send_report& r)
{
    std::uint64_t answered = 0;
    for (const auto& [status, count] : r.statuses)
        answered += count;
    const double seconds = std::chrono::duration<double>(r.elapsed).count();
    std::printf("%" PRIu64 " answered in %.2f s", answered, seconds);
    if (seconds > 0 && answered > 1)
        std::printf(", %.0f/s", static_cast<double>(answered) / seconds);
    std::printf("\n");
    for (const auto& [status, count] : r.statuses)
        std::printf("  status %d       %" PRIu64 "\n", status, count);
    for (const auto& [disposition, count] : r.dispositions)
        std::printf("  %-15s  %" PRIu64 "\n", disposition.c_str(), count);
    if (r.failures > 0)
        std::printf("  no answer        %" PRIu64 ", the first: %s\n", r.failures,
                    r.first_failure.c_str());
    if (answered > 0)
        std::printf("  latency          p50 %s, p90 %s, p99 %s, p99.9 %s, max %s\n",
                    shown(r.p50).c_str(), shown(r.p90).c_str(), shown(r.p99).c_str(),
                    shown(r.p999).c_str(), shown(r.max).c_str());
}

bool all_accepted(const send_report& r)
{
    for (const auto& [status, count] : r.statuses) {
        if (status < 200 || status > 299)
            return false;
    }
    return r.failures == 0;
}

result<send_request> make_request(const send_options& options)
{
    send_request request;
    request.url = options.url;
    BOOST_OUTCOME_TRY(auto key, read_signing_key(secret_source{
                                    options.key_file.string(), {}, options.key_environment}));
    request.signing_key = std::move(key.key);
    if (options.type == "all")
        request.types.assign(event_type_names().begin(), event_type_names().end());
    else
        request.types = {options.type};
    if (!options.body_file.empty()) {
        BOOST_OUTCOME_TRY(request.body, read_file(options.body_file, body_bytes_max));
        request.types = {};
    }
    request.count = options.count;
    if (request.count == 0)
        request.count = request.body ? 1 : request.types.size();
    request.rate = options.rate;
    request.connections = options.connections;
    request.unique = options.unique;
    request.seed = options.seed;
    if (!options.ca_file.empty())
        request.ca_file = options.ca_file;
    request.insecure = options.insecure;
    if (!options.journal.empty())
        request.journal = options.journal;
    return request;
}

int exit_code_of(errc code)
{
    const bool usage = code == errc::config_invalid || code == errc::secret_invalid;
    return usage ? exit_usage : exit_failed;
}

} // namespace

int run_send(const send_options& options)
{
    auto request = make_request(options);
    if (!request) {
        std::fprintf(stderr, "attentive-gateway: %s\n", request.error().detail.c_str());
        return exit_code_of(request.error().code);
    }
    progress_display display{request.value().count};
    request.value().progress = [&display](std::uint64_t done) { display.show(done); };
    const auto report = send(request.value());
    display.finish();
    if (!report) {
        std::fprintf(stderr, "attentive-gateway: %s\n", report.error().detail.c_str());
        return exit_code_of(report.error().code);
    }
    print_report(report.value());
    return all_accepted(report.value()) ? exit_ok : exit_failed;
}

} // namespace gateway
