// Counts what became of deliveries, by endpoint, type and outcome, and when each company's types
// were last heard of. One object for each thread: its lookups go through small maps of its own,
// and only a combination that is new asks the registry.
#pragma once

#include "gateway/base/metrics.hpp"
#include "gateway/base/time.hpp"

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>

namespace gateway {

struct pending;

enum class outcome { accepted, quarantined, spooled, refused };

// Since when every delivery with a valid signature was refused, in this process: the first that
// was, with none kept since. Any thread.
std::optional<timestamp> refusing_since();

// One thread.
class delivery_metrics {
public:
    // `p` became `what`. One that was not mapped counts as type "unknown".
    void count(const pending& p, outcome what);

private:
    static constexpr std::size_t kinds = 4;
    using by_type = std::map<std::string, std::array<counter, kinds>, std::less<>>;

    const std::array<counter, kinds>& handles(const std::string& endpoint, const std::string& type);
    void heard_of(const pending& p);

    std::map<std::string, by_type, std::less<>> counters_; // by endpoint
    // By company; beyond companies_max none is added, so that nobody can fill the memory.
    static constexpr std::size_t companies_max = 200;
    std::map<std::string, std::map<std::string, gauge, std::less<>>, std::less<>> last_;
};

} // namespace gateway
