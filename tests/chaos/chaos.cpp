// The proof of the promise: real daemons, a real PostgreSQL and journaling senders, a nemesis that
// harms them by a schedule from a seed, then the judgement. With --sabotage the daemon has a known
// bug, and the run succeeds when the judge sees it. `scripts/chaos` builds and runs this.
#include "chaos/checker.hpp"
#include "chaos/gateway_daemon.hpp"
#include "chaos/known_bugs.hpp"
#include "chaos/load.hpp"
#include "chaos/nemesis.hpp"
#include "chaos/schedule.hpp"
#include "chaos/stage.hpp"
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
#include <thread>

namespace gateway::chaos {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::uint64_t database_disk_bytes = 48ULL << 30U; // sparse: only what is used is taken
constexpr std::uint64_t spool_disk_bytes = 2ULL << 30U;
constexpr auto drain_limit = 180s;

std::atomic<bool> interrupted{false};

struct options {
    double minutes = 0;
    std::uint64_t seed = 1;
    std::size_t daemons = 2;
    double rate = 3'000;
    std::string sabotage;
    std::vector<std::string> without; // faults, by name
    bool keep = false;

    bool is_sabotage() const { return !sabotage.empty(); }
    milliseconds length() const
    {
        const double chosen = minutes > 0 ? minutes : is_sabotage() ? 0.3 : 3;
        return milliseconds{static_cast<std::int64_t>(chosen * 60'000)};
    }
};

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
    const auto contains = [](const auto& all, const auto& one) {
        return std::find(all.begin(), all.end(), one) != all.end();
    };
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
        s.daemons.push_back(std::make_unique<gateway_daemon>(daemon_settings{
            .binary = o.is_sabotage() ? GATEWAY_SABOTAGED_BINARY : GATEWAY_BINARY,
            .directory = directory / ("daemon-" + number),
            .spool = s.spool_disks[i]->path() / "spool",
            .database_url =
                "postgresql://postgres@127.0.0.1:" + std::to_string(s.proxies[i]->port()) +
                "/gateway?sslmode=disable&gssencmode=disable",
            .sabotage = o.sabotage,
            .any_file_system = !mounts}));
        s.daemons.back()->start();
    }
    return s;
}

bool holds_files(const fs::path& spool)
{
    std::error_code none;
    return std::any_of(fs::directory_iterator{spool, none}, fs::directory_iterator{},
                       [](const auto& entry) { return entry.path().extension() == ".db"; });
}

// False when a spool is not empty in time.
bool drain(stage& s)
{
    const auto until = steady_clock::now() + drain_limit;
    const auto waits = [&] {
        return std::any_of(s.daemons.begin(), s.daemons.end(),
                           [](const auto& d) { return holds_files(d->spool()); });
    };
    do {
        std::this_thread::sleep_for(500ms); // so long a daemon may still be putting down its last
        for (const auto& d : s.daemons)
            d->keep_up();
    } while (waits() && steady_clock::now() < until);
    return !waits();
}

struct outcome {
    verdict found;
    std::map<int, std::uint64_t> statuses;
    std::map<fault, int> faults;
    int at_call = 0;
    std::uint64_t refused_needlessly = 0;
    bool drained = false;
    int crashes = 0;         // daemons that ended though nobody ended them
    int bad_exits = 0;       // daemons that did not end well on SIGTERM
    std::size_t damaged = 0; // spool files set aside
    double seconds = 0;      // of load

    bool kept() const { return found.clean() && drained && bad_exits == 0 && crashes == 0; }
};

outcome run(const options& o, const fs::path& directory, const std::vector<fault>& possible,
            bool mounts)
{
    const auto schedule = make_schedule(o.seed, o.length(), o.daemons, possible);
    std::ofstream planned{directory / "schedule.txt"};
    std::printf("schedule of seed %llu:\n", static_cast<unsigned long long>(o.seed));
    for (const auto& s : schedule) {
        planned << to_string(s) << "\n";
        std::printf("  %s\n", to_string(s).c_str());
    }
    std::printf("\n");
    std::fflush(stdout);

    stage s = build_stage(o, directory, mounts);
    outcome out;
    load sending{{.binary = GATEWAY_BINARY,
                  .journals = directory / "journals",
                  .seed = o.seed * 1'000'000 + 2, // begins with rounds that nobody mends
                  .rate = o.rate},
                 s.daemons};
    const auto start = steady_clock::now();
    nemesis harm{s, schedule, interrupted};
    harm.run(o.length());
    sending.stop();
    out.seconds = std::chrono::duration<double>(steady_clock::now() - start).count();
    std::printf("\nhealed: waiting for the spools to drain\n");
    std::fflush(stdout);
    out.drained = drain(s);
    for (const auto& d : s.daemons) {
        out.bad_exits += d->stop() == 0 ? 0 : 1;
        out.crashes += d->crashes();
        if (const auto files = verify_spool(d->spool()); files.has_value())
            out.damaged += files.value().size();
    }
    out.found = check(sending.sent(), s.postgres->rows());
    out.statuses = sending.sent().statuses();
    out.faults = harm.done();
    out.at_call = harm.at_call();
    out.refused_needlessly = sending.sent().refusals_outside(harm.nowhere());
    return out;
}

void print_row(const char* what, std::uint64_t count, const char* meaning)
{
    std::printf("  %-12s %10llu  %s\n", what, static_cast<unsigned long long>(count), meaning);
}

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
    print_row("set aside", out.damaged, "spool files");
    std::printf("  longest time without a 2xx while events were refused: %.2f s\n",
                static_cast<double>(v.outage.count()) / 1e3);
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

// Whether this is what the run should show; says so.
bool judge(const options& o, const outcome& out)
{
    if (o.is_sabotage()) {
        const bool twice = bug_named(o.sabotage).seen_as == sign::duplicates;
        const auto count = twice ? out.found.duplicates : out.found.lost;
        std::printf("sabotage %s: %s (%s %llu)\n", o.sabotage.c_str(),
                    count > 0 ? "caught" : "NOT CAUGHT", twice ? "duplicates" : "lost",
                    static_cast<unsigned long long>(count));
        return count > 0;
    }
    if (!out.drained)
        std::printf("a spool was not drained in %lld s\n",
                    static_cast<long long>(std::chrono::seconds{drain_limit}.count()));
    if (out.bad_exits > 0)
        std::printf("%d daemons did not end well on SIGTERM\n", out.bad_exits);
    std::printf("%s\n", out.kept() ? "kept: what was acknowledged is stored, once"
                                   : "BROKEN: the promise was not kept");
    return out.kept();
}

int run_in(const options& o, const fs::path& directory)
{
    const bool mounts = can_mount();
    const auto possible = possible_faults(o, mounts, can_trace());
    const outcome out = run(o, directory, possible, mounts);
    print(out);
    std::ofstream violations{directory / "violations.txt"};
    for (const auto& each : out.found.violations)
        violations << each << "\n";
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
    if (code == EXIT_SUCCESS && !o.keep) {
        std::error_code ignored;
        fs::remove_all(directory, ignored);
    } else {
        std::printf("journals, logs, schedule and the disks' images: %s\n", directory.c_str());
    }
    return code;
}

// Some bugs show only when a daemon dies at a bad moment: a seed that met none is no proof that the
// checker is blind, three of them are.
int run_until_caught(options o)
{
    constexpr int tries_max = 3;
    int code = run_and_keep_evidence(o);
    for (int tries = 1; code != EXIT_SUCCESS && tries < tries_max && !interrupted; ++tries) {
        ++o.seed;
        code = run_and_keep_evidence(o);
    }
    return code;
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
stalled and lose replies, some events are refused by the database, and some arrive twice or at both
daemons. Then all is healed, the spools drain, and journals and tables are compared. What this
machine does not permit (mounting a small disk, strace) is left out, saying so.

Exit code: 0 when nothing was lost, doubled or made up (with --sabotage: when the bug was caught,
by this seed or one of the next two), 1 otherwise; then journals, logs and disks stay where the
last line says.

    scripts/chaos --minutes 20 --seed 7
    scripts/chaos --sabotage no-fsync
    scripts/chaos --without spool_disk_full --without power_lost
)");
    app.add_option("--minutes", o.minutes, "How long to harm it (default: 3, with a sabotage 0.25)")
        ->check(CLI::Range(0.1, 10'000.0));
    app.add_option("--seed", o.seed, "The same seed makes the same schedule (default: 1)");
    app.add_option("--daemons", o.daemons, "That share the database (default: 2)")
        ->check(CLI::Range(1, 4));
    app.add_option("--rate", o.rate, "Events per second in all (default: 3000)")
        ->check(CLI::Range(10.0, 100'000.0));
    app.add_option("--sabotage", o.sabotage,
                   "Run daemons with a known bug; succeeds when it is caught")
        ->check(CLI::IsMember(gateway::chaos::bug_names()));
    app.add_option("--without", o.without, "A fault to leave out, by name; may be given again")
        ->check(CLI::IsMember(gateway::chaos::fault_names()));
    app.add_flag("--keep", o.keep, "Keep journals and logs after success too");
    CLI11_PARSE(app, argc, argv);
    return o.is_sabotage() ? gateway::chaos::run_until_caught(o)
                           : gateway::chaos::run_and_keep_evidence(o);
}
