// Figures of the spool on this machine's disk: events appended a second by batch size, read and
// removed a second, how long opening takes with 1 GB in it, and what one fsync costs here, without
// which the others mean nothing. Usage: spool_bench [directory]
#include "gateway/store/spool.hpp"
#include "support/process.hpp"
#include "support/spool_events.hpp"

#include <spdlog/spdlog.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

using namespace gateway;
namespace fs = std::filesystem;
using steady = std::chrono::steady_clock;

double seconds_since(steady::time_point start)
{
    return std::chrono::duration<double>(steady::now() - start).count();
}

double at(std::vector<double>& values, double quantile)
{
    std::sort(values.begin(), values.end());
    return values.at(static_cast<std::size_t>(static_cast<double>(values.size() - 1) * quantile));
}

void show_fsync(const fs::path& directory)
{
    const std::string file = directory / "fsync";
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const std::string bytes(40'000, 'x');
    std::vector<double> times;
    for (int i = 0; i < 300; ++i) {
        if (::write(fd, bytes.data(), bytes.size()) < 0)
            std::abort();
        const auto start = steady::now();
        ::fdatasync(fd);
        times.push_back(seconds_since(start) * 1'000);
    }
    ::close(fd);
    fs::remove(file);
    std::printf("fdatasync after 40 kB appended: p50 %.2f ms, p99 %.2f ms\n", at(times, 0.5),
                at(times, 0.99));
}

spool_settings settings_of(const fs::path& directory)
{
    spool_settings s;
    s.directory = directory;
    return s;
}

spool open_or_die(const fs::path& directory)
{
    auto s = spool::open(settings_of(directory));
    if (!s) {
        std::fprintf(stderr, "%s\n", s.error().detail.c_str());
        std::exit(1);
    }
    return std::move(s).value();
}

std::vector<double> append_for(spool& s, int batch, std::chrono::seconds time)
{
    std::vector<verified_delivery> made;
    for (int i = 0; i < batch; ++i)
        made.push_back(test::numbered_delivery(i));
    std::vector<const verified_delivery*> pointers;
    for (const auto& d : made)
        pointers.push_back(&d);
    std::vector<double> times;
    for (const auto end = steady::now() + time; steady::now() < end;) {
        const auto start = steady::now();
        if (!s.append(pointers))
            std::abort();
        times.push_back(seconds_since(start) * 1'000);
    }
    return times;
}

void show_append(const fs::path& directory, int batch)
{
    auto s = open_or_die(directory);
    const auto start = steady::now();
    auto times = append_for(s, batch, std::chrono::seconds{3});
    const double seconds = seconds_since(start);
    std::printf("append, batches of %3d: %7.0f events/s, p50 %.2f p99 %.2f max %.1f ms a batch\n",
                batch, static_cast<double>(times.size()) * batch / seconds, at(times, 0.5),
                at(times, 0.99), at(times, 1));
}

void show_drain(const fs::path& directory, std::size_t batch)
{
    auto s = open_or_die(directory);
    const auto events = static_cast<double>(s.status().events);
    const auto start = steady::now();
    for (;;) {
        const auto read = s.read(batch, 8U << 20U);
        if (!read || read.value().deliveries.empty() || !s.remove(read.value()))
            break;
    }
    std::printf("read and remove %.0f events by %zu: %.0f events/s\n", events, batch,
                events / seconds_since(start));
}

void show_open(const fs::path& directory)
{
    {
        auto s = open_or_die(directory);
        while (s.status().bytes < 1'000'000'000)
            (void)append_for(s, 200, std::chrono::seconds{1});
    }
    const auto start = steady::now();
    const auto s = open_or_die(directory);
    const double seconds = seconds_since(start);
    const auto status = s.status();
    std::printf("open with %.2f GB, %llu events in %llu files: %.3f s\n",
                static_cast<double>(status.bytes) / 1e9,
                static_cast<unsigned long long>(status.events),
                static_cast<unsigned long long>(status.files), seconds);
    const auto verify_start = steady::now();
    const bool verified = verify_spool(directory).has_value();
    std::printf("verify it all: %.2f s%s\n", seconds_since(verify_start),
                verified ? "" : " (failed)");
}

} // namespace

int main(int argc, char** argv)
{
    spdlog::set_level(spdlog::level::warn);
    const test::temporary_directory temporary;
    const fs::path directory = (argc > 1 ? fs::path{argv[1]} : temporary.path()) / "spool-bench";
    fs::create_directories(directory);
    show_fsync(directory);
    for (const int batch : {16, 64, 200}) {
        show_append(directory, batch);
        fs::remove_all(directory);
    }
    show_append(directory, 200);
    show_drain(directory, 200);
    show_open(directory);
    show_drain(directory, 1'000);
    fs::remove_all(directory);
    return 0;
}
