// `send`: the sender at the shell. What it posts, how far it is, and what came back.
#include "app/commands/command.hpp"
#include "app/config/read_file.hpp"
#include "app/config/secrets.hpp"
#include "app/console/print.hpp"
#include "app/console/progress_display.hpp"
#include "gateway/client/sender.hpp"
#include "gateway/demo/samples.hpp"

#include <cmath>
#include <unistd.h>

namespace gateway {
namespace {

constexpr std::size_t body_bytes_max = 64U << 20U;

// "850 µs", "3.42 ms", "1.20 s"
std::string shown(std::chrono::microseconds d)
{
    const auto us = static_cast<double>(d.count());
    if (us < 1'000)
        return fmt::format("{:.0f} µs", us);
    return us < 1'000'000 ? fmt::format("{:.2f} ms", us / 1e3) : fmt::format("{:.2f} s", us / 1e6);
}

void print_report(const send_report& r)
{
    std::uint64_t answered = 0;
    for (const auto& [status, count] : r.statuses)
        answered += count;
    const double seconds = std::chrono::duration<double>(r.elapsed).count();
    print_out("{} answered in {:.2f} s", answered, seconds);
    if (seconds > 0 && answered > 1)
        print_out(", {:.0f}/s", static_cast<double>(answered) / seconds);
    print_out("\n");
    for (const auto& [status, count] : r.statuses)
        print_out("  status {}       {}\n", status, count);
    for (const auto& [disposition, count] : r.dispositions)
        print_out("  {:15}  {}\n", disposition, count);
    if (r.failures > 0)
        print_out("  no answer        {}, the first: {}\n", r.failures, r.first_failure);
    if (answered > 0)
        print_out("  latency          p50 {}, p90 {}, p99 {}, p99.9 {}, max {}\n", shown(r.p50),
                  shown(r.p90), shown(r.p99), shown(r.p999), shown(r.max));
}

bool all_accepted(const send_report& r)
{
    for (const auto& [status, count] : r.statuses) {
        if (status < 200 || status > 299)
            return false;
    }
    return r.failures == 0;
}

struct send_command {
    send_request wanted; // with count 0: each sample, or the body, once
    secret_source key;
    std::string type = "all";
    std::filesystem::path body_file; // empty: samples

    void declare(option_list& options)
    {
        wanted.count = 0;
        options
            .value("--url", wanted.url, "URL",
                   "https://host[:port]/path; http to this machine only")
            .required();
        declare_secret(options, key, "key", "the signing key", "Signing key, one of");
        declare_body(options);
        declare_pace(options);
        options.heading("Trust and record");
        const auto ca = options.value("--ca", wanted.ca_file, "FILE",
                                      "PEM certificate to trust instead of the system's");
        options.flag("--insecure", wanted.insecure, "Do not check the server's certificate")
            .excludes(ca);
        options.value("--journal", wanted.journal, "FILE",
                      "Overwrite FILE with a JSON line before each request and after its answer");
        options.explain(fmt::format("\nTypes:\n  {}\n", fmt::join(sampled_types(), "\n  ")));
    }

    void declare_body(option_list& options)
    {
        options.heading("What");
        const auto types =
            options.value("--type", type, "TYPE", "Event type, or \"all\" in turn (default: all)");
        const auto file = options.value("--body-file", body_file, "FILE",
                                        "This file's bytes instead of a sample");
        types.offers(sampled_types());
        file.excludes(types);
        options.flag("--unique", wanted.unique, "Different bodies, made from the seed")
            .excludes(file);
        options.value("--seed", wanted.seed, "N",
                      "The same seed makes the same bodies (default: 1)");
    }

    void declare_pace(option_list& options)
    {
        options.heading("How many, how fast");
        options.value("--count", wanted.count, "N", "Requests in all (default: each sample once)")
            .between<std::uint64_t>(1, 1'000'000'000'000);
        options.value("--rate", wanted.rate, "N", "Requests per second in all (default: no limit)")
            .between(0.001, 1'000'000.0);
        options
            .value("--connections", wanted.connections, "N", "Kept-alive connections (default: 1)")
            .between<std::uint64_t>(1, 10'000);
    }

    result<send_request> request() const
    {
        send_request out = wanted;
        BOOST_OUTCOME_TRY(auto read, read_signing_key(key));
        out.signing_key = std::move(read.key);
        if (!body_file.empty()) {
            BOOST_OUTCOME_TRY(out.body, read_file(body_file, body_bytes_max));
        } else if (type == "all") {
            out.types = sampled_types();
        } else {
            out.types = {type};
        }
        if (out.count == 0)
            out.count = out.body ? 1 : out.types.size();
        return out;
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(auto sent, request());
        progress_display display{sent.count};
        sent.progress = [&display](std::uint64_t done) { display.show(done); };
        const auto report = send(sent);
        display.finish();
        if (!report)
            return report.error();
        print_report(report.value());
        return all_accepted(report.value()) ? exit_ok : exit_failed;
    }
};

} // namespace

std::vector<command> send_commands()
{
    return {subcommand<send_command>(
        {"send", "--url URL (--key-file FILE | --key-env NAME) [OPTIONS]",
         "Sign samples of Attentive's events and post them: a test event, or load",
         R"(
Exits with 1 when any answer is not 2xx or missing.

Examples:
  One of each type:
    attentive-gateway send --url https://gateway.example.com/webhooks/attentive \
        --key-file signing-key
  Load: 10000 different events over 64 connections:
    attentive-gateway send --url https://localhost:8443/webhooks/attentive --ca ca.pem \
        --key-env SIGNING_KEY --count 10000 --connections 64 --unique --seed 7
)"})};
}

} // namespace gateway
