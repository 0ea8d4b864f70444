// bench_source: the load source of ./scripts/bench, for the gateway and its contestants alike.
//
//   bench_source --port P --key K --load new|known|burst --requests N --seed N --connections N
//                --warm-up S --window S [--rate R] [--repeats 1] [--introduced N]
//       has the first N requests answered, prints "introduced" and waits for a line; prints "begin"
//       and "end" where the window does, then what it counted, as JSON.
//   bench_source --idle N --port P --key K
//       opens N connections, has one request answered on each, prints "open" and holds them until
//       standard input ends.
#include "load.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

#include <csignal>
#include <poll.h>
#include <sys/resource.h>

namespace {

using namespace gateway::bench;

class options {
public:
    options(int count, char** arguments)
    {
        for (int i = 1; i + 1 < count; i += 2)
            all_[arguments[i]] = arguments[i + 1];
    }
    std::string text(const std::string& name, const std::string& otherwise) const
    {
        const auto found = all_.find("--" + name);
        return found == all_.end() ? otherwise : found->second;
    }
    double number(const std::string& name, double otherwise) const
    {
        const std::string given = text(name, "");
        return given.empty() ? otherwise : std::stod(given);
    }
    std::size_t size(const std::string& name, double otherwise) const
    {
        return static_cast<std::size_t>(number(name, otherwise));
    }

private:
    std::map<std::string, std::string> all_;
};

steady::duration seconds_of(double n)
{
    return std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(n));
}

prepared_requests prepare(const options& given, double count)
{
    const std::map<std::string, load_kind> kinds = {{"new", load_kind::new_subscribers},
                                                    {"known", load_kind::known_subscribers},
                                                    {"burst", load_kind::burst}};
    request_settings s;
    s.kind = kinds.at(given.text("load", "new"));
    s.count = given.size("requests", count);
    s.seed = given.size("seed", 1);
    s.signing_key = given.text("key", "");
    return prepared_requests{s};
}

double quantile_ms(const std::vector<std::uint32_t>& sorted, double q)
{
    if (sorted.empty())
        return 0;
    return sorted[static_cast<std::size_t>(static_cast<double>(sorted.size() - 1) * q)] / 1e3;
}

void print(const load_report& r)
{
    std::printf(R"({"acks":%llu,"events":%llu,"seconds":%.6f,"cpu_us":%.0f,"p50_ms":%.3f,)"
                R"("p99_ms":%.3f,"p999_ms":%.3f,"max_ms":%.3f,"unanswered":%llu,"ran_out":%s,)"
                R"("statuses":{)",
                static_cast<unsigned long long>(r.acks), static_cast<unsigned long long>(r.events),
                r.seconds, r.cpu_us, quantile_ms(r.latencies_us, 0.5),
                quantile_ms(r.latencies_us, 0.99), quantile_ms(r.latencies_us, 0.999),
                quantile_ms(r.latencies_us, 1), static_cast<unsigned long long>(r.unanswered),
                r.ran_out ? "true" : "false");
    const char* before = "";
    for (const auto& [status, count] : r.statuses) {
        std::printf("%s\"%d\":%llu", before, status, static_cast<unsigned long long>(count));
        before = ",";
    }
    std::printf("}}\n");
}

void run_load(const options& given)
{
    load_settings s;
    s.port = static_cast<int>(given.number("port", 0));
    s.connections = given.size("connections", 64);
    s.rate = given.number("rate", 0);
    s.warm_up = seconds_of(given.number("warm-up", 1));
    s.window = seconds_of(given.number("window", 3));
    s.introduced = given.size("introduced", 0);
    s.repeats = given.number("repeats", 0) != 0;
    const auto requests = prepare(given, 100'000);
    load l{s, requests};
    print(l.run());
}

void hold_idle(const options& given)
{
    const std::size_t count = given.size("idle", 0);
    const auto requests = prepare(given, static_cast<double>(count));
    const tls_context context = make_client_context();
    std::vector<std::unique_ptr<connection>> held;
    for (std::size_t n = 0; n < count; ++n) {
        auto& link = held.emplace_back(
            std::make_unique<connection>(context.get(), static_cast<int>(given.number("port", 0))));
        auto read =
            link->write(requests[n]) ? connection::reading::more : connection::reading::closed;
        while (read == connection::reading::more) {
            pollfd wait{link->socket(), POLLIN, 0};
            ::poll(&wait, 1, -1);
            read = link->read();
        }
        if (read != connection::reading::answered || link->status() / 100 != 2)
            throw std::runtime_error{"connection " + std::to_string(n) + " is not served"};
    }
    std::puts("open");
    std::fflush(stdout);
    std::string ignored;
    std::getline(std::cin, ignored);
}

} // namespace

int main(int count, char** arguments)
{
    std::signal(SIGPIPE, SIG_IGN);
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    try {
        const options given{count, arguments};
        given.size("idle", 0) > 0 ? hold_idle(given) : run_load(given);
        return 0;
    } catch (const std::exception& fault) {
        std::fprintf(stderr, "bench_source: %s\n", fault.what());
        return 1;
    }
}
