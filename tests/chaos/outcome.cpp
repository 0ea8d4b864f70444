#include "chaos/outcome.hpp"

#include <algorithm>
#include <cstdio>

namespace gateway::chaos {

using namespace std::chrono_literals;

namespace {

// What hangs goes to the spool after a second, half of a batch's deadline, which at a low rate is
// more than one answer of a hundred; then comes the disk.
constexpr auto p99_max = 1'250ms;
constexpr auto refusing_max = 1s;

void print_row(const char* what, std::uint64_t count, const char* meaning)
{
    std::printf("  %-12s %10llu  %s\n", what, static_cast<unsigned long long>(count), meaning);
}

double in_seconds(std::chrono::milliseconds time)
{
    return static_cast<double>(time.count()) / 1e3;
}

} // namespace

void print(const outcome& out)
{
    const verdict& v = out.found;
    std::printf("\n");
    print_row("sends", v.sends, "requests, second copies and retries included");
    print_row("attempted", v.attempted, "distinct events");
    print_row("acked", v.acked, "of these a 2xx was read");
    print_row("refused", v.refused, "of these only other answers");
    print_row("unknown", v.unknown, "of these no answer at least once, and no 2xx");
    print_row("stored", v.unknown_stored, "of refused and unknown, which is right either way");
    print_row("needless", out.refused_needlessly,
              "answers other than 2xx while the database or the spool had room");
    print_row("rows", v.rows, "in gateway.source_event");
    print_row("quarantined", v.quarantined, "in gateway.quarantine");
    print_row("LOST", v.lost, "acked and in neither table: must be 0");
    print_row("DUPLICATES", v.duplicates, "rows beyond the first of an event: must be 0");
    print_row("PHANTOM", v.phantom, "rows that nobody sent: must be 0");
    print_row("MISPLACED", v.misplaced, "innocent in quarantine, poison outside: must be 0");
    print_row("ended", static_cast<std::uint64_t>(out.crashes),
              "daemons, by themselves: must be 0");
    print_row("states", out.states.judged, "times that a daemon's word was held against a fault");
    print_row("WRONG", out.states.wrong, "of these it was not so: must be 0");
    print_row("sessions", out.sessions, "of the daemons, five seconds on end");
    print_row("set aside", out.damaged, "spool files");
    std::printf("  99 of 100 answers 2xx within %.2f s; refused needlessly for %.2f s at most\n",
                in_seconds(out.p99), in_seconds(out.refusing));
    std::printf("  %.0f acked events/s over %.0f s\n",
                static_cast<double>(v.acked) / std::max(out.seconds, 1e-3), out.seconds);
    std::printf("  answers:");
    for (const auto& [status, count] : out.statuses)
        std::printf(" %s %llu", status == 0 ? "none" : std::to_string(status).c_str(),
                    static_cast<unsigned long long>(count));
    std::printf("\n  faults:");
    for (const auto& [what, count] : out.faults)
        std::printf(" %s %d", std::string{name(what)}.c_str(), count);
    std::printf(" (%d at the call)\n\n", out.at_call);
}

std::vector<broken_promise> broken_promises(const outcome& out)
{
    std::vector<broken_promise> broken;
    const auto promise = [&broken](bool kept, sign seen_as, const std::string& text) {
        if (!kept)
            broken.push_back({seen_as, text});
    };
    const auto count = [](auto number) { return std::to_string(number); };
    const verdict& v = out.found;
    promise(v.lost == 0, sign::lost, count(v.lost) + " lost");
    promise(v.duplicates == 0, sign::duplicates, count(v.duplicates) + " duplicates");
    promise(v.phantom == 0, sign::other, count(v.phantom) + " that nobody sent");
    promise(v.misplaced == 0, sign::other, count(v.misplaced) + " misplaced");
    promise(out.states.wrong == 0, sign::states,
            count(out.states.wrong) + " states told wrong, the first: " +
                (out.states.violations.empty() ? "" : out.states.violations.front()));
    promise(out.sessions <= out.sessions_max, sign::sessions,
            count(out.sessions) + " sessions on the server, of " + count(out.sessions_max));
    promise(out.p99 <= p99_max, sign::other, "one of 100 answers came too late");
    promise(out.refusing <= refusing_max, sign::other, "events were refused needlessly");
    promise(out.drained, sign::other, "a spool was not drained");
    promise(out.in_place, sign::other, "rows stayed in DEFAULT");
    promise(out.disorder.empty(), sign::disorder, out.disorder);
    promise(out.bad_exits == 0, sign::other,
            count(out.bad_exits) + " daemons did not end well on SIGTERM");
    promise(out.crashes == 0, sign::other, count(out.crashes) + " daemons ended by themselves");
    return broken;
}

} // namespace gateway::chaos
