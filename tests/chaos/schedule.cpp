#include "chaos/schedule.hpp"
#include "chaos/states.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>

namespace gateway::chaos {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds quiet_start{2'000};
constexpr milliseconds quiet_end{5'000};

constexpr std::array<std::string_view, 28> names = {"daemon_killed",
                                                    "daemon_killed_at_call",
                                                    "daemon_stopped",
                                                    "daemon_reloaded",
                                                    "postgres_smart_stop",
                                                    "postgres_fast_stop",
                                                    "postgres_immediate_stop",
                                                    "postmaster_killed",
                                                    "backend_killed",
                                                    "backend_frozen",
                                                    "backends_frozen_then_killed",
                                                    "server_frozen_then_killed",
                                                    "power_lost",
                                                    "database_disk_full",
                                                    "spool_disk_full",
                                                    "spool_power_lost",
                                                    "connections_cut",
                                                    "connections_stalled",
                                                    "log_locked",
                                                    "month_begun",
                                                    "role_limited",
                                                    "connections_limited",
                                                    "event_refused",
                                                    "read_models_rebuilt",
                                                    "quarantine_replayed",
                                                    "person_erased",
                                                    "retention_run",
                                                    "replies_lost"};

// Not std::uniform_int_distribution: its numbers differ from library to library.
class dice {
public:
    explicit dice(std::uint64_t seed) : engine_{seed} {}

    std::uint64_t below(std::uint64_t end) { return engine_() % end; }
    milliseconds between(milliseconds low, milliseconds high)
    {
        const auto width = static_cast<std::uint64_t>((high - low).count()) + 1;
        return low + milliseconds{static_cast<std::int64_t>(below(width))};
    }
    void shuffle(std::vector<fault>& faults)
    {
        for (std::size_t i = faults.size(); i > 1; --i)
            std::swap(faults[i - 1], faults[below(i)]);
    }

private:
    std::mt19937_64 engine_;
};

// Three of them last long enough for the daemons' states to be judged.
milliseconds duration_of(fault f, dice& d)
{
    switch (f) {
    case fault::daemon_killed:
    case fault::daemon_killed_at_call: return d.between(milliseconds{0}, milliseconds{800});
    case fault::daemon_stopped: return d.between(milliseconds{0}, milliseconds{800});
    case fault::daemon_reloaded:
    case fault::read_models_rebuilt:
    case fault::quarantine_replayed:
    case fault::person_erased:
    case fault::retention_run:
    case fault::backend_killed: return milliseconds{0};
    case fault::backend_frozen:
    case fault::backends_frozen_then_killed:
    case fault::server_frozen_then_killed:
        return d.between(milliseconds{2'500}, milliseconds{4'000});
    case fault::power_lost: return d.between(milliseconds{800}, milliseconds{1'500});
    case fault::connections_cut:
    case fault::postgres_immediate_stop:
    case fault::spool_disk_full:
        return notice_limit + d.between(milliseconds{1'500}, milliseconds{3'000});
    case fault::log_locked:
    case fault::database_disk_full: return d.between(milliseconds{2'000}, milliseconds{4'000});
    case fault::connections_stalled:
    case fault::replies_lost: return d.between(milliseconds{500}, milliseconds{4'000});
    default: return d.between(milliseconds{200}, milliseconds{3'000});
    }
}

strike make_strike(milliseconds at, fault what, std::size_t daemons, dice& d)
{
    static constexpr std::array<const char*, 5> calls = {"fdatasync", "pwrite64", "sendmsg",
                                                         "sendto", "futex"};
    strike s{.at = at,
             .what = what,
             .daemon = d.below(daemons),
             .lasts = duration_of(what, d),
             .call = {},
             .number = 0};
    if (what == fault::daemon_killed_at_call) {
        s.call = calls[d.below(calls.size())];
        s.number = 1 + static_cast<unsigned>(d.below(60));
    }
    return s;
}

void add_lane(std::vector<strike>& out, bool on_daemons, dice d, milliseconds length,
              std::size_t daemons, const std::vector<fault>& possible)
{
    const auto in_lane = [&](fault f) { return in_daemon_lane(f) == on_daemons; };
    std::vector<fault> bag;
    std::vector<fault> next;
    std::copy_if(possible.begin(), possible.end(), std::back_inserter(bag), in_lane);
    if (bag.empty())
        return;
    for (auto at = quiet_start; at < length - quiet_end;) {
        if (next.empty()) {
            next = bag;
            d.shuffle(next);
        }
        out.push_back(make_strike(at, next.front(), daemons, d));
        next.erase(next.begin());
        at += out.back().lasts + d.between(milliseconds{1'000}, milliseconds{3'000});
    }
}

} // namespace

std::string_view name(fault f)
{
    return names.at(static_cast<std::size_t>(f));
}

const std::vector<fault>& all_faults()
{
    static const auto all = [] {
        std::vector<fault> out;
        for (std::size_t i = 0; i < names.size(); ++i)
            out.push_back(static_cast<fault>(i));
        return out;
    }();
    return all;
}

std::vector<std::string> fault_names()
{
    std::vector<std::string> out;
    for (const fault f : all_faults())
        out.emplace_back(name(f));
    return out;
}

bool in_daemon_lane(fault f)
{
    switch (f) {
    case fault::daemon_killed:
    case fault::daemon_killed_at_call:
    case fault::daemon_stopped:
    case fault::daemon_reloaded:
    case fault::read_models_rebuilt:
    case fault::quarantine_replayed:
    case fault::person_erased:
    case fault::retention_run: return true;
    default: return false;
    }
}

std::string to_string(const strike& s)
{
    char out[160];
    std::snprintf(out, sizeof out, "%7.1f s  %-27s  daemon %zu  for %.1f s",
                  static_cast<double>(s.at.count()) / 1e3, std::string{name(s.what)}.c_str(),
                  s.daemon, static_cast<double>(s.lasts.count()) / 1e3);
    std::string text{out};
    if (!s.call.empty())
        text += ", at " + s.call + " number " + std::to_string(s.number);
    return text;
}

std::vector<strike> make_schedule(std::uint64_t seed, milliseconds length, std::size_t daemons,
                                  const std::vector<fault>& possible)
{
    std::vector<strike> out;
    add_lane(out, true, dice{seed * 2}, length, daemons, possible);
    add_lane(out, false, dice{seed * 2 + 1}, length, daemons, possible);
    std::stable_sort(out.begin(), out.end(),
                     [](const strike& a, const strike& b) { return a.at < b.at; });
    return out;
}

} // namespace gateway::chaos
