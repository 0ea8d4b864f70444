// What every exporter of Prometheus tells of its process, under the names that dashboards expect:
// memory, open files, processor time, when it began. From /proc/self and the kernel's limits.
#pragma once

#include "gateway/base/metrics.hpp"

namespace gateway {

class process_metrics {
public:
    process_metrics();
    // One thread. What cannot be read (no /proc) stays as it was.
    void update();

private:
    counter cpu_;
    double cpu_before_ = 0;
    gauge resident_, virtual_, virtual_max_, open_fds_, max_fds_;
};

} // namespace gateway
