// How long normalize() and verify() take for each documented sample, in microseconds: the median
// of rounds, on one thread. Run by hand; not a test.
#include "gateway/attentive/event_catalog.hpp"
#include "gateway/attentive/normalizer.hpp"
#include "gateway/attentive/verifier.hpp"
#include "gateway/demo/samples.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace {

// Median over rounds of the time `call` takes, microseconds.
template <class Call>
double microseconds(const Call& call)
{
    constexpr int rounds = 21;
    constexpr int calls = 5'000;
    std::vector<double> times;
    for (int round = 0; round < rounds; ++round) {
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < calls; ++i)
            call(i);
        const std::chrono::duration<double, std::micro> took =
            std::chrono::steady_clock::now() - start;
        times.push_back(took.count() / calls);
    }
    std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
    return times[rounds / 2];
}

} // namespace

int main()
{
    using namespace gateway;
    std::size_t kept = 0; // so that no call is optimised away
    const std::string key = "a-signing-key-of-some-length";
    const auto verifier = verifier::make({{"bench", key}});
    std::printf("%-26s %6s %10s %8s %14s\n", "type", "bytes", "normalize", "verify",
                "unique_sample");
    for (const auto type : event_type_names()) {
        const auto body = documented_sample(type);
        delivery d{"bench", std::string{body}, {sign(key, body)}, {}};
        const double normalizing = microseconds([&](int) { kept += normalize(body).index(); });
        const double verifying =
            microseconds([&](int) { kept += verifier.value().verify(d).has_value() ? 1 : 0; });
        const double sampling = microseconds(
            [&](int i) { kept += unique_sample(type, 1, static_cast<std::uint64_t>(i)).size(); });
        std::printf("%-26s %6zu %10.2f %8.2f %14.2f\n", std::string{type}.c_str(), body.size(),
                    normalizing, verifying, sampling);
    }
    return kept == 0 ? 1 : 0;
}
