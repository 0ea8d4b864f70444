// Metrics of this process, by Prometheus' conventions: names with units, counters that end in
// _total. Handles are made once and then cost an addition; whoever counts knows nothing of how it
// is exposed. One registry for the process, as there is one process to look at.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
} // namespace prometheus

namespace gateway {

using metric_labels = std::vector<std::pair<std::string, std::string>>;

// Handles are cheap to copy, live as long as the process, and may be used by any thread. One that
// was not made by make_…() counts nothing.
class counter {
public:
    counter() = default;
    void add(double n = 1) const;
    double value() const; // since the process began

private:
    friend counter make_counter(std::string_view, std::string_view, const metric_labels&);
    prometheus::Counter* on_ = nullptr;
};

class gauge {
public:
    gauge() = default;
    void set(double value) const;
    void add(double n) const;

private:
    friend gauge make_gauge(std::string_view, std::string_view, const metric_labels&);
    prometheus::Gauge* on_ = nullptr;
};

class histogram {
public:
    histogram() = default;
    void observe(double value) const;
    void observe(std::chrono::steady_clock::duration time) const; // in seconds

private:
    friend histogram make_histogram(std::string_view, std::string_view, const std::vector<double>&,
                                    const metric_labels&);
    prometheus::Histogram* on_ = nullptr;
};

// The metric of this name and these labels, the same one each time. A lookup under a lock: not for
// the hot path. A name that Prometheus does not allow is a fault of ours and ends the process.
counter make_counter(std::string_view name, std::string_view help,
                     const metric_labels& labels = {});
gauge make_gauge(std::string_view name, std::string_view help, const metric_labels& labels = {});
histogram make_histogram(std::string_view name, std::string_view help,
                         const std::vector<double>& buckets, const metric_labels& labels = {});

// Seconds, from half a millisecond to ten: requests and commits.
std::vector<double> latency_buckets();

// All of them in Prometheus' text format (version 0.0.4). Any thread.
std::string metrics_text();

} // namespace gateway
