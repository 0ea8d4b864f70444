// The proof of the promise: real daemons, a real PostgreSQL and journaling senders, a nemesis that
// harms them by a schedule from a seed, then the judgement. With --sabotage the daemon has a known
// bug, and the run succeeds when the judge sees it. `scripts/chaos` builds and runs this.
#include "chaos/checker.hpp"
#include "chaos/failover.hpp"
#include "chaos/gateway_daemon.hpp"
#include "chaos/known_bugs.hpp"
#include "chaos/load.hpp"
#include "chaos/nemesis.hpp"
#include "chaos/outcome.hpp"
#include "chaos/schedule.hpp"
#include "chaos/stage.hpp"
#include "chaos/states.hpp"
#include "chaos/witness.hpp"
#include "gateway/store/spool.hpp"

#include <CLI/CLI.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <thread>

namespace gateway::chaos {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::uint64_t database_disk_bytes = 48ULL << 30U; // sparse: only what is used is taken
constexpr std::uint64_t spool_disk_bytes = 2ULL << 30U;
constexpr std::size_t sessions_of_daemon_max = 2 + 6; // its writers, and six
constexpr auto sessions_lasting = 5s;                 // a frozen one is there a while longer
constexpr double failover_rate_max = 1'000;           // both servers live in memory
constexpr int impossible_here = 77;                   // CTest takes that for skipped

std::atomic<bool> interrupted{false};

struct options {
    double minutes = 0;
    std::uint64_t seed = 1;
    std::size_t daemons = 2;
    double rate = 3'000;
    int failovers = 0;
    std::string sabotage;
    std::vector<std::string> without; // faults, by name
    std::vector<std::size_t> strikes; // of the schedule, from 1; none: all
    bool shrink = false;
    bool keep = false;

    bool is_sabotage() const { return !sabotage.empty(); }
    milliseconds length() const
    {
        const double chosen = minutes > 0 ? minutes : is_sabotage() ? 0.3 : 3;
        return milliseconds{static_cast<std::int64_t>(chosen * 60'000)};
    }
};

bool contains(const auto& all, const auto& one)
{
    return std::find(all.begin(), all.end(), one) != all.end();
}

fs::path make_directory()
{
    const char* const chosen = std::getenv("GATEWAY_TEST_DIRECTORY");
    std::string path = std::string{chosen == nullptr ? "/tmp" : chosen} + "/gateway-chaos-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr)
        throw std::runtime_error{"cannot make a directory like " + path};
    fs::permissions(path, fs::perms{0711}); // PostgreSQL, which never runs as root, passes through
    return path;
}

std::vector<fault> possible_faults(const options& o, bool mounts, bool traces)
{
    const auto shown_by = o.is_sabotage() ? bug_named(o.sabotage).shown_by : std::vector<fault>{};
    std::vector<fault> out;
    for (const fault f : all_faults()) {
        if (contains(o.without, name(f)) || (!shown_by.empty() && !contains(shown_by, f)))
            continue;
        const bool needs_disk = f == fault::database_disk_full || f == fault::spool_disk_full;
        if (needs_disk ? mounts : (f != fault::daemon_killed_at_call || traces))
            out.push_back(f);
        else
            std::printf("skipped: %s (this machine does not permit it)\n",
                        std::string{name(f)}.c_str());
    }
    return out;
}

stage build_stage(const options& o, const fs::path& directory, bool mounts)
{
    stage s;
    s.database_disk =
        std::make_unique<small_disk>(directory / "postgres", mounts, database_disk_bytes);
    s.postgres = std::make_unique<server>(s.database_disk->path() / "cluster");
    for (std::size_t i = 0; i < o.daemons; ++i) {
        const std::string number = std::to_string(i);
        s.spool_disks.push_back(std::make_unique<small_disk>(directory / ("spool-" + number),
                                                             mounts, spool_disk_bytes));
        s.proxies.push_back(std::make_unique<test::tcp_proxy>(s.postgres->socket()));
        s.daemons.push_back(std::make_unique<gateway_daemon>(
            daemon_settings{.binary = o.is_sabotage() ? GATEWAY_SABOTAGED_BINARY : GATEWAY_BINARY,
                            .directory = directory / ("daemon-" + number),
                            .spool = s.spool_disks[i]->path() / "spool",
                            .database_url = std::string{"postgresql://"} + daemon_user +
                                            "@127.0.0.1:" + std::to_string(s.proxies[i]->port()) +
                                            "/gateway?sslmode=disable&gssencmode=disable",
                            .sabotage = o.sabotage,
                            .any_file_system = !mounts}));
        s.daemons.back()->start();
    }
    return s;
}

// Of the schedule that the seed makes, what is asked for; says so.
std::vector<strike> schedule_of(const options& o, const std::vector<fault>& possible)
{
    const auto all = make_schedule(o.seed, o.length(), o.daemons, possible);
    std::vector<strike> out;
    std::printf("schedule of seed %llu:\n", static_cast<unsigned long long>(o.seed));
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!o.strikes.empty() && !contains(o.strikes, i + 1))
            continue;
        out.push_back(all[i]);
        std::printf("%4zu  %s\n", i + 1, to_string(all[i]).c_str());
    }
    std::printf("\n");
    std::fflush(stdout);
    return out;
}

outcome run(const options& o, const fs::path& directory, const std::vector<fault>& possible,
            bool mounts)
{
    const auto schedule = schedule_of(o, possible);
    stage s = build_stage(o, directory, mounts);
    outcome out;
    load sending{{.binary = GATEWAY_BINARY,
                  .journals = directory / "journals",
                  .seed = o.seed * 1'000'000 + 2, // begins with rounds that nobody mends
                  .rate = o.rate},
                 s.daemons};
    const auto start = steady_clock::now();
    witness watching{s.daemons, s.postgres->url()};
    nemesis harm{s, schedule, GATEWAY_BINARY, interrupted};
    harm.run(o.length());
    if (!o.is_sabotage())
        harm.rest();
    sending.stop();
    watching.stop();
    out.seconds = std::chrono::duration<double>(steady_clock::now() - start).count();
    std::printf("\nhealed: waiting for the spools and the intake to drain\n");
    std::fflush(stdout);
    out.drained = drain(s.daemons, s.postgres->url());
    out.in_place = s.postgres->all_in_place();
    out.disorder = s.postgres->disorder();
    for (const auto& d : s.daemons) {
        out.bad_exits += d->stop() == 0 ? 0 : 1;
        out.crashes += d->crashes();
        if (const auto files = verify_spool(d->spool()); files.has_value())
            out.damaged += files.value().size();
    }
    out.found = check(sending.sent(), stored_rows(s.postgres->url()));
    out.statuses = sending.sent().statuses();
    out.faults = harm.done();
    out.at_call = harm.at_call();
    out.refused_needlessly = sending.sent().refusals_outside(harm.nowhere());
    out.refusing = sending.sent().longest_window_outside(harm.nowhere());
    out.p99 = sending.sent().p99();
    out.states = judge_states(harm.truths(), watching.observations());
    out.sessions = watching.sessions_for(sessions_lasting);
    out.sessions_max = o.daemons * sessions_of_daemon_max;
    out.bad_exits += harm.bad_exits();
    return out;
}

// Whether this is what the run should show; says so.
bool judge(const options& o, const outcome& out)
{
    const auto broken = broken_promises(out);
    if (!o.is_sabotage()) {
        for (const auto& each : broken)
            std::printf("%s\n", each.text.c_str());
        std::printf("%s\n", broken.empty() ? "kept: what was acknowledged is stored, once"
                                           : "BROKEN: the promise was not kept");
        return broken.empty();
    }
    const auto wanted = bug_named(o.sabotage).seen_as;
    const auto seen = std::find_if(broken.begin(), broken.end(),
                                   [wanted](const auto& each) { return each.seen_as == wanted; });
    std::printf("sabotage %s: %s\n", o.sabotage.c_str(),
                seen == broken.end() ? "NOT CAUGHT" : ("caught: " + seen->text).c_str());
    return seen != broken.end();
}

// Half of them with spools, of these and of the others every second one with the standby away.
int run_failovers(const options& o, const fs::path& directory)
{
    bool as_wanted = !o.is_sabotage();
    for (int number = 0; number < o.failovers && !interrupted; ++number) {
        const failover_settings settings{
            .program = o.is_sabotage() ? GATEWAY_SABOTAGED_BINARY : GATEWAY_BINARY,
            .sender = GATEWAY_BINARY,
            .directory = directory / ("failover-" + std::to_string(number + 1)),
            .seed = o.seed + static_cast<std::uint64_t>(number),
            .rate = std::min(o.rate, failover_rate_max),
            .sabotage = o.sabotage,
            .spool = number % 2 == 0,
            .standby_away = number / 2 % 2 == 0};
        std::printf("failover %d of %d, %s:\n", number + 1, o.failovers,
                    to_string(settings).c_str());
        const outcome out = fail_over(settings);
        print(out);
        as_wanted = o.is_sabotage() ? judge(o, out) || as_wanted : judge(o, out) && as_wanted;
        std::fflush(stdout);
    }
    return as_wanted ? EXIT_SUCCESS : EXIT_FAILURE;
}

int run_in(const options& o, const fs::path& directory)
{
    if (o.failovers > 0)
        return run_failovers(o, directory);
    const bool mounts = can_mount();
    const auto possible = possible_faults(o, mounts, can_trace());
    if (possible.empty())
        return impossible_here;
    const outcome out = run(o, directory, possible, mounts);
    print(out);
    std::ofstream violations{directory / "violations.txt"};
    for (const auto* const some : {&out.found.violations, &out.states.violations}) {
        for (const auto& each : *some)
            violations << each << "\n";
    }
    return judge(o, out) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int run_and_keep_evidence(const options& o)
{
    spdlog::set_level(spdlog::level::err); // of the parts of the product that we use ourselves
    std::signal(SIGPIPE, SIG_IGN);
    for (const int number : {SIGINT, SIGTERM})
        std::signal(number, [](int) { interrupted = true; });
    const auto directory = make_directory();
    int code = EXIT_FAILURE;
    try {
        code = run_in(o, directory);
    } catch (const std::exception& e) {
        std::printf("the run broke off: %s\n", e.what());
    }
    if (code != EXIT_FAILURE && !o.keep) {
        std::error_code ignored;
        fs::remove_all(directory, ignored);
    } else {
        std::printf("journals, logs and the disks' images: %s\n", directory.c_str());
    }
    return code;
}

// Some bugs show only when a daemon dies at a bad moment: a seed that met none is no proof that the
// checker is blind, three of them are.
int run_until_caught(options& o)
{
    constexpr int tries_max = 3;
    int code = run_and_keep_evidence(o);
    for (int tries = 1; code == EXIT_FAILURE && tries < tries_max && !interrupted; ++tries) {
        ++o.seed;
        code = run_and_keep_evidence(o);
    }
    return code;
}

// Leaves out ever smaller parts of a schedule that breaks a promise, or shows a known bug, for as
// long as what is left does so too. Each part is tried once: what chance alone broke stays long.
void shrink(options o)
{
    const auto shows_it = [](const options& tried) {
        return run_and_keep_evidence(tried) == (tried.is_sabotage() ? EXIT_SUCCESS : EXIT_FAILURE);
    };
    if (o.strikes.empty()) {
        const auto possible = possible_faults(o, can_mount(), can_trace());
        o.strikes.resize(make_schedule(o.seed, o.length(), o.daemons, possible).size());
        std::iota(o.strikes.begin(), o.strikes.end(), std::size_t{1});
    }
    for (auto part = o.strikes.size() / 2; part > 0; part /= 2) {
        for (std::size_t at = 0; at < o.strikes.size() && o.strikes.size() > 1 && !interrupted;) {
            options less = o;
            const auto from = less.strikes.begin() + static_cast<std::ptrdiff_t>(at);
            const auto count = std::min(part, less.strikes.size() - at);
            less.strikes.erase(from, from + static_cast<std::ptrdiff_t>(count));
            if (!less.strikes.empty() && shows_it(less))
                o.strikes = less.strikes;
            else
                at += part;
        }
    }
    std::printf("shortest found, to be given with the same options: --strikes");
    for (const auto number : o.strikes)
        std::printf(" %zu", number);
    std::printf("\n");
}

} // namespace
} // namespace gateway::chaos

int main(int argc, char** argv)
{
    gateway::chaos::options o;
    CLI::App app{"Harms a running gateway in every way and checks that what it acknowledged is "
                 "stored, once.",
                 "scripts/chaos"};
    app.footer(R"(
Two real daemons on one real PostgreSQL, fed by `attentive-gateway send --journal`, are killed (at
random, and at the N-th write, fsync, send), their server is stopped, killed, frozen, killed while
frozen and loses its power, as do the disks of their spools, disks fill up, connections are cut,
stalled and lose replies, a month begins while the log is read, some events are refused by the
database, and some arrive twice or at both daemons. Then all is healed, the spools drain, and
journals and tables are compared. What this machine does not permit (mounting a small disk, strace)
is left out, saying so.

Exit code: 0 when nothing was lost, doubled or made up (with --sabotage: when the bug was caught,
by this seed or one of the next two), 1 otherwise; then journals, logs and disks stay where the
last line says.

    scripts/chaos --minutes 20 --seed 7
    scripts/chaos --sabotage no-fsync
    scripts/chaos --without spool_disk_full --without power_lost
    scripts/chaos --seed 7 --shrink
    scripts/chaos --failovers 20
)");
    app.add_option("--minutes", o.minutes, "How long to harm it (default: 3, with a sabotage 0.25)")
        ->check(CLI::Range(0.1, 10'000.0));
    app.add_option("--seed", o.seed, "The same seed makes the same schedule (default: 1)");
    app.add_option("--daemons", o.daemons, "That share the database (default: 2)")
        ->check(CLI::Range(1, 4));
    app.add_option("--rate", o.rate, "Events per second in all (default: 3000)")
        ->check(CLI::Range(10.0, 100'000.0));
    app.add_option("--failovers", o.failovers,
                   "Do only this: so many failovers to a synchronous standby, every second one "
                   "without spools")
        ->check(CLI::Range(1, 1'000));
    app.add_option("--sabotage", o.sabotage,
                   "Run daemons with a known bug; succeeds when it is caught")
        ->check(CLI::IsMember(gateway::chaos::bug_names()));
    app.add_option("--without", o.without, "A fault to leave out, by name; may be given again")
        ->check(CLI::IsMember(gateway::chaos::fault_names()));
    app.add_flag("--keep", o.keep, "Keep journals and logs after success too");
    app.add_option("--strikes", o.strikes, "Only these of the schedule, by number");
    app.add_flag("--shrink", o.shrink,
                 "When a promise is broken, or a known bug caught, look for the shortest part of "
                 "the schedule that does it");
    CLI11_PARSE(app, argc, argv);
    const int code = o.is_sabotage() ? gateway::chaos::run_until_caught(o)
                                     : gateway::chaos::run_and_keep_evidence(o);
    if (o.shrink && code == (o.is_sabotage() ? EXIT_SUCCESS : EXIT_FAILURE))
        gateway::chaos::shrink(o);
    return code;
}
