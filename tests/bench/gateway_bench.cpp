// Events a second through the whole way: the real daemon, TLS, signatures and PostgreSQL with
// fsync on, with the load source on the same cores. Rounds are interleaved and medians printed;
// the CPU times say what an event costs whatever else the machine does.
#include "gateway/attentive/event_catalog.hpp"
#include "gateway/client/sender.hpp"
#include "support/cluster.hpp"
#include "support/gateway_process.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

namespace {

using namespace gateway;
using test::gateway_process;

constexpr std::uint64_t events_per_run = 60'000;

// User and system time of a process so far, in microseconds; `parent` gets its parent's id.
double cpu_microseconds(int pid, int* parent = nullptr)
{
    std::ifstream in{"/proc/" + std::to_string(pid) + "/stat"};
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    const auto name_end = text.rfind(')');
    if (name_end == std::string::npos)
        return 0; // it ended meanwhile
    std::istringstream fields{text.substr(name_end + 2)};
    std::vector<std::string> values;
    for (std::string value; fields >> value;)
        values.push_back(value);
    if (values.size() < 13)
        return 0;
    if (parent != nullptr)
        *parent = std::stoi(values[1]);
    const double ticks = std::stod(values[11]) + std::stod(values[12]);
    return ticks * 1e6 / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double cluster_microseconds(int postmaster)
{
    double sum = cpu_microseconds(postmaster);
    for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
        const std::string name = entry.path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos)
            continue;
        int parent = 0;
        const double used = cpu_microseconds(std::stoi(name), &parent);
        if (parent == postmaster)
            sum += used;
    }
    return sum;
}

double own_microseconds()
{
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
           static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

struct figures {
    double rate, p50, p99, daemon, postgres, source;
};

figures measure(gateway_process& gateway, std::size_t connections, std::uint64_t seed)
{
    send_request request;
    request.url = gateway.url();
    request.signing_key = test::gateway_options{}.signing_key;
    request.ca_file = gateway.certificate();
    for (const auto type : event_type_names())
        request.types.emplace_back(type);
    request.count = events_per_run;
    request.connections = connections;
    request.unique = true;
    request.seed = seed;

    const double daemon = cpu_microseconds(gateway.child().pid());
    const double postgres = cluster_microseconds(test::shared_cluster().pid());
    const double source = own_microseconds();
    const auto report = send(request);
    if (!report || report.value().failures > 0 || report.value().statuses.count(200) == 0 ||
        report.value().statuses.at(200) != events_per_run) {
        std::fprintf(stderr, "the run at %zu connections was not all 200\n", connections);
        std::exit(1);
    }
    const auto& r = report.value();
    const auto n = static_cast<double>(events_per_run);
    return figures{n / std::chrono::duration<double>(r.elapsed).count(),
                   static_cast<double>(r.p50.count()) / 1000,
                   static_cast<double>(r.p99.count()) / 1000,
                   (cpu_microseconds(gateway.child().pid()) - daemon) / n,
                   (cluster_microseconds(test::shared_cluster().pid()) - postgres) / n,
                   (own_microseconds() - source) / n};
}

double median(std::vector<figures> all, double figures::*member)
{
    std::sort(all.begin(), all.end(),
              [member](const figures& a, const figures& b) { return a.*member < b.*member; });
    return all[all.size() / 2].*member;
}

} // namespace

// gateway_bench [rounds [connections ...]]
int main(int count, char** arguments)
{
    const int rounds = count > 1 ? std::atoi(arguments[1]) : 5;
    std::vector<std::size_t> levels;
    for (int i = 2; i < count; ++i)
        levels.push_back(std::strtoul(arguments[i], nullptr, 10));
    if (levels.empty())
        levels = {16, 64, 256};

    gateway_process gateway;
    std::map<std::size_t, std::vector<figures>> runs;
    std::uint64_t seed = 1000;
    measure(gateway, 64, seed++); // warm-up
    for (int round = 0; round < rounds; ++round) {
        for (const std::size_t connections : levels)
            runs[connections].push_back(measure(gateway, connections, seed++));
    }
    std::printf("%12s %10s %8s %8s %16s %18s %16s\n", "connections", "events/s", "p50 ms", "p99 ms",
                "daemon us/event", "postgres us/event", "source us/event");
    for (const auto& [connections, all] : runs)
        std::printf("%12zu %10.0f %8.2f %8.2f %16.1f %18.1f %16.1f\n", connections,
                    median(all, &figures::rate), median(all, &figures::p50),
                    median(all, &figures::p99), median(all, &figures::daemon),
                    median(all, &figures::postgres), median(all, &figures::source));
    return 0;
}
