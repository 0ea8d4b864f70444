#include "app/daemon/process_metrics.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <limits>
#include <memory>
#include <sstream>
#include <string>

namespace gateway {
namespace {

double seconds_of(clockid_t clock)
{
    std::timespec t{};
    ::clock_gettime(clock, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

// Since 1970; proc(5), field 22 of stat, counts in ticks since the machine began. The name before
// it, in parentheses, may hold anything.
double process_start()
{
    std::ostringstream text;
    text << std::ifstream{"/proc/self/stat"}.rdbuf();
    const std::string stat = text.str();
    const auto name_end = stat.rfind(')');
    if (name_end == std::string::npos)
        return 0;
    std::istringstream fields{stat.substr(name_end + 1)};
    std::string field;
    for (int number = 3; number <= 22; ++number)
        fields >> field;
    const double age = seconds_of(CLOCK_BOOTTIME) - std::strtod(field.c_str(), nullptr) /
                                                        static_cast<double>(::sysconf(_SC_CLK_TCK));
    return seconds_of(CLOCK_REALTIME) - age;
}

// Without the one that counting takes.
double open_files()
{
    const std::unique_ptr<DIR, int (*)(DIR*)> directory{::opendir("/proc/self/fd"), &::closedir};
    double found = -3; // itself, "." and ".."
    while (directory && ::readdir(directory.get()) != nullptr)
        ++found;
    return found;
}

double limit_of(__rlimit_resource_t resource)
{
    rlimit limit{};
    ::getrlimit(resource, &limit);
    return limit.rlim_cur == RLIM_INFINITY ? std::numeric_limits<double>::infinity()
                                           : static_cast<double>(limit.rlim_cur);
}

} // namespace

process_metrics::process_metrics()
    : cpu_{make_counter("process_cpu_seconds_total",
                        "Total user and system CPU time spent in seconds.")},
      resident_{make_gauge("process_resident_memory_bytes", "Resident memory size in bytes.")},
      virtual_{make_gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.")},
      virtual_max_{make_gauge("process_virtual_memory_max_bytes",
                              "Maximum amount of virtual memory available in bytes.")},
      open_fds_{make_gauge("process_open_fds", "Number of open file descriptors.")},
      max_fds_{make_gauge("process_max_fds", "Maximum number of open file descriptors.")}
{
    make_gauge("process_start_time_seconds",
               "Start time of the process since unix epoch in seconds.")
        .set(process_start());
    update();
}

void process_metrics::update()
{
    const double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    cpu_.add(cpu - cpu_before_);
    cpu_before_ = cpu;
    std::ifstream memory{"/proc/self/statm"};
    double total = 0;
    double resident = 0;
    if (memory >> total >> resident) {
        const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
        virtual_.set(total * page);
        resident_.set(resident * page);
    }
    if (const double open = open_files(); open > 0)
        open_fds_.set(open);
    virtual_max_.set(limit_of(RLIMIT_AS));
    max_fds_.set(limit_of(RLIMIT_NOFILE));
}

} // namespace gateway
