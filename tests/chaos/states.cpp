#include "chaos/states.hpp"

namespace gateway::chaos {

namespace {

constexpr std::size_t lies_max = 100;

// What of `o` is not so; empty when all is.
std::string lies(const observation& o, const truth& t)
{
    std::string out;
    const auto hold = [&out](const char* what, bool said, bool is) {
        if (said != is)
            out += std::string{" "} + what + (said ? " 1" : " 0");
    };
    hold("/healthz", o.healthy, t.room);
    hold("/readyz", o.ready, t.room);
    hold("ready", o.says_ready, t.room);
    hold("database_up", o.database_up, t.database);
    hold("database_taking_events", o.database_taking_events, t.database);
    return out;
}

} // namespace

states_verdict judge_states(const std::vector<truth>& truths,
                            const std::vector<observation>& observations)
{
    states_verdict v;
    for (const auto& t : truths) {
        for (const auto& o : observations) {
            if (o.daemon != t.daemon || o.during.from < t.during.from + notice_limit ||
                o.during.to > t.during.to || o.age < notice_limit)
                continue;
            ++v.judged;
            const auto wrong = lies(o, t);
            if (wrong.empty())
                continue;
            ++v.wrong;
            if (v.violations.size() < lies_max)
                v.violations.push_back(
                    t.because + ": daemon " + std::to_string(t.daemon) + " says" + wrong + ", " +
                    std::to_string((o.during.from - t.during.from).count()) + " ms after it began");
        }
    }
    return v;
}

} // namespace gateway::chaos
