// How fast writer and PostgreSQL are without a listener before them: events a second and CPU time
// of each, for several numbers of deliveries under way. Usage: writer_bench [events] [threads...]
#include "support/cluster.hpp"
#include "support/events.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

namespace {

using namespace gateway;
using namespace gateway::test;

// CPU seconds of the server and all its processes, ended ones too: every one is a child of it.
double cpu_of_cluster(int postmaster)
{
    const double tick = static_cast<double>(::sysconf(_SC_CLK_TCK));
    double seconds = 0;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
        std::ifstream in{entry.path() / "stat"};
        std::string text;
        std::getline(in, text);
        const auto name_end = text.rfind(')');
        if (name_end == std::string::npos)
            continue;
        std::istringstream fields{text.substr(name_end + 2)};
        std::string state;
        long parent = 0;
        fields >> state >> parent;
        const bool is_postmaster = entry.path().filename() == std::to_string(postmaster);
        if (parent != postmaster && !is_postmaster)
            continue;
        std::vector<double> numbers;
        for (double n = 0; fields >> n;)
            numbers.push_back(n);
        seconds += (numbers.at(9) + numbers.at(10)) / tick; // utime, stime
        if (is_postmaster)
            seconds += (numbers.at(11) + numbers.at(12)) / tick; // of children that ended
    }
    return seconds;
}

double cpu_of_this_process()
{
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// Keeps `under_way` deliveries waiting for their commit, as so many connections would.
void run(std::size_t threads, int events, int under_way)
{
    const std::string url = fresh_database();
    std::vector<given_event> given;
    given.reserve(static_cast<std::size_t>(events));
    for (int i = 0; i < events; ++i)
        give(given.emplace_back(click(i)));
    std::atomic<int> waiting{0};
    std::atomic<int> bad{0};
    const double server_before = cpu_of_cluster(shared_cluster().pid());
    const double own_before = cpu_of_this_process();
    const auto start = std::chrono::steady_clock::now();
    {
        writer w{settings_for(url, threads)};
        for (auto& e : given) {
            for (int now = waiting; now >= under_way; now = waiting)
                waiting.wait(now);
            ++waiting;
            w.submit(std::move(e.delivery), [&](const result<receipt>& r) {
                bad += r.has_value() ? 0 : 1;
                --waiting;
                waiting.notify_one();
            });
        }
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    const double own = cpu_of_this_process() - own_before;
    const double server = cpu_of_cluster(shared_cluster().pid()) - server_before;
    const std::string batches = value(url, "SELECT count(*) FROM gateway.intake");
    std::printf("threads %zu, under way %4d: %6.0f events/s, %5.0f a batch, PostgreSQL %4.1f us, "
                "writer %4.1f us an event%s\n",
                threads, under_way, events / took.count(), events / std::stod(batches),
                server * 1e6 / events, own * 1e6 / events, bad == 0 ? "" : ", SOME FAILED");
    std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv)
{
    ::setenv("GATEWAY_TEST_DIRECTORY", "/tmp", 0); // a disk: fsync is part of the figure
    const int events = argc > 1 ? std::atoi(argv[1]) : 60'000;
    std::vector<std::size_t> threads = {1, 2};
    if (argc > 2) {
        threads.clear();
        for (int i = 2; i < argc; ++i)
            threads.push_back(static_cast<std::size_t>(std::atoi(argv[i])));
    }
    for (const int under_way : {64, 128, 400, 2'000}) {
        for (const std::size_t count : threads)
            run(count, events, under_way);
    }
    return 0;
}
