#include "chaos/nemesis.hpp"

#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <thread>

namespace gateway::chaos {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds healthy_min{700}; // between two strikes of a lane, however late they are

// How long a daemon may take to find room again.
constexpr milliseconds room_noticed{1'500};

// After the last harm: threads that wait for their next try do so for five seconds at most.
constexpr milliseconds healing{2'000};
constexpr milliseconds judged{3'000};

moment wall_clock()
{
    return std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
}

void pause(milliseconds time)
{
    std::this_thread::sleep_for(time);
}

} // namespace

nemesis::nemesis(stage& on, std::vector<strike> schedule, std::string program,
                 const std::atomic<bool>& interrupted)
    : stage_(on), schedule_(std::move(schedule)), program_(std::move(program)),
      interrupted_(interrupted),
      wishes_(on.proxies.size(), {test::traffic::flows, test::traffic::flows})
{
}

void nemesis::run(milliseconds length)
{
    start_ = clock::now();
    std::thread daemons{[&] { run_lane(true, length); }};
    run_lane(false, length);
    daemons.join();
    command_.reset();
    if (!failure_.empty())
        throw std::runtime_error{failure_};
}

void nemesis::rest()
{
    const auto from = wall_clock() + healing;
    const auto until = clock::now() + healing + notice_limit + judged;
    if (!sleep_until(until, true))
        return;
    for (std::size_t i = 0; i < stage_.daemons.size(); ++i)
        truths_.push_back({{from, wall_clock()}, i, true, true, "nothing"});
}

void nemesis::run_lane(bool on_daemons, milliseconds length)
{
    try {
        for (const auto& s : schedule_) {
            if (in_daemon_lane(s.what) != on_daemons)
                continue;
            const auto due = std::max(start_ + s.at, clock::now() + healthy_min);
            if (!sleep_until(due, on_daemons))
                return;
            while (on_daemons && daemons_judged_)
                pause(milliseconds{50});
            std::printf("%7.1f s  %s\n",
                        std::chrono::duration<double>(clock::now() - start_).count(),
                        to_string(s).c_str());
            std::fflush(stdout);
            if (!on_daemons)
                daemons_judged_ = s.lasts > notice_limit;
            on_daemons ? strike_daemon(s) : strike_database(s);
            if (!on_daemons)
                daemons_judged_ = false;
            const std::lock_guard lock{mutex_};
            ++done_[s.what];
        }
        sleep_until(start_ + length, on_daemons);
    } catch (const std::exception& e) {
        daemons_judged_ = false;
        const std::lock_guard lock{mutex_};
        failure_ = e.what();
    }
}

// Looks after the daemons meanwhile, where that is this lane's part. False when interrupted.
bool nemesis::sleep_until(clock::time_point due, bool on_daemons)
{
    while (clock::now() < due) {
        {
            const std::lock_guard lock{mutex_};
            if (interrupted_ || !failure_.empty())
                return false;
        }
        if (on_daemons) {
            for (const auto& d : stage_.daemons)
                d->keep_up();
        }
        pause(std::min(std::chrono::ceil<milliseconds>(due - clock::now()), milliseconds{50}));
    }
    return true;
}

void nemesis::strike_daemon(const strike& s)
{
    auto& daemon = *stage_.daemons[s.daemon];
    switch (s.what) {
    case fault::daemon_reloaded: return daemon.reload();
    case fault::read_models_rebuilt: return start_command({"rebuild"});
    case fault::quarantine_replayed: return start_command({"quarantine", "replay"});
    case fault::person_erased:
        return start_command({"erase", "--company", stranger, "--email", "a@mail.org"});
    case fault::retention_run:
        return start_command({"retention", "--config", daemon.config_file().string()});
    case fault::daemon_stopped: bad_exits_ += daemon.stop() == 0 ? 0 : 1; break;
    case fault::daemon_killed_at_call: kill_at_call(s); break;
    default: daemon.kill(); break;
    }
    pause(s.lasts);
    daemon.start();
}

// Files are written by the spool only: for their calls the database has to be out of reach.
void nemesis::kill_at_call(const strike& s)
{
    const bool spools = s.call == "fdatasync" || s.call == "pwrite64";
    if (spools)
        set(s.daemon, of_daemons, test::traffic::is_cut);
    at_call_ += stage_.daemons[s.daemon]->kill_at(s.call, s.number) ? 1 : 0;
    if (spools)
        set(s.daemon, of_daemons, test::traffic::flows);
}

// Both lanes may want something of a proxy: the one for the database goes first.
void nemesis::set(std::size_t daemon, lane by, test::traffic t)
{
    const std::lock_guard lock{wishes_mutex_};
    auto& wishes = wishes_[daemon];
    wishes[by] = t;
    stage_.proxies[daemon]->set(wishes[of_database] == test::traffic::flows ? wishes[of_daemons]
                                                                            : wishes[of_database]);
}

void nemesis::strike_database(const strike& s)
{
    auto& postgres = *stage_.postgres;
    postgres.make_sure(); // of the last harm it may be recovering still, or not at all
    const auto down = [&](int signal) {
        const auto since = wall_clock();
        postgres.signal(signal);
        pause(s.lasts);
        if (s.what == fault::postgres_immediate_stop)
            note_out_of_reach(s, since);
        postgres.stop();
        postgres.start();
    };
    switch (s.what) {
    case fault::postgres_smart_stop: return down(SIGTERM); // waits for sessions, takes no new ones
    case fault::postgres_fast_stop: return down(SIGINT);
    case fault::postgres_immediate_stop: return down(SIGQUIT);
    case fault::postmaster_killed: return down(SIGKILL);
    case fault::server_frozen_then_killed:
        postgres.freeze();
        pause(s.lasts);
        postgres.kill();
        return postgres.start();
    case fault::power_lost: postgres.lose_power(s.lasts); return postgres.start();
    case fault::database_disk_full:
        stage_.database_disk->fill();
        pause(s.lasts);
        stage_.database_disk->free();
        return postgres.make_sure();
    case fault::spool_disk_full: return fill_spool(s);
    case fault::spool_power_lost: return cut_power_of_spool(s);
    case fault::connections_cut: return disturb(s, test::traffic::is_cut);
    case fault::connections_stalled: return disturb(s, test::traffic::stalls);
    case fault::replies_lost: return disturb(s, test::traffic::loses_replies);
    case fault::log_locked: return postgres.lock_log(s.lasts);
    case fault::role_limited: return postgres.limit_role(s.lasts);
    case fault::month_begun: return postgres.begin_month(s.lasts);
    case fault::connections_limited: return postgres.limit_connections(s.lasts);
    case fault::event_refused: return postgres.refuse_some(s.lasts);
    default: return strike_sessions(s);
    }
}

// One of the daemons' backends, or all of them.
void nemesis::strike_sessions(const strike& s)
{
    const auto sessions = stage_.postgres->sessions();
    if (sessions.empty())
        return; // no daemon is connected just now
    const auto all = [&](int number) {
        for (const pid_t pid : sessions)
            ::kill(pid, number);
    };
    const pid_t pid = sessions[s.daemon % sessions.size()];
    switch (s.what) {
    case fault::backend_killed: ::kill(pid, SIGKILL); break;
    case fault::backends_frozen_then_killed:
        all(SIGSTOP);
        pause(s.lasts);
        all(SIGKILL);
        break;
    default:
        ::kill(pid, SIGSTOP);
        pause(s.lasts);
        ::kill(pid, SIGCONT);
        return;
    }
    stage_.postgres->make_sure(); // the server ends all sessions and recovers
}

// While its database is out of reach, or nothing would be written to the spool.
void nemesis::fill_spool(const strike& s)
{
    set(s.daemon, of_database, test::traffic::is_cut);
    pause(500ms);
    const auto from = wall_clock();
    for (const auto until = clock::now() + s.lasts; clock::now() < until; pause(50ms))
        stage_.spool_disks[s.daemon]->fill(); // a daemon that dies or starts gives blocks back
    const auto full_to = wall_clock();
    stage_.spool_disks[s.daemon]->free();
    truths_.push_back({{from, full_to}, s.daemon, false, false, std::string{name(s.what)}});
    nowhere_.push_back({from, wall_clock() + room_noticed});
    pause(500ms);
    set(s.daemon, of_database, test::traffic::flows);
}

// Likewise.
void nemesis::cut_power_of_spool(const strike& s)
{
    set(s.daemon, of_database, test::traffic::is_cut);
    pause(s.lasts);
    stage_.daemons[s.daemon]->lose_power();
    set(s.daemon, of_database, test::traffic::flows);
}

void nemesis::disturb(const strike& s, test::traffic t)
{
    const auto since = wall_clock();
    set(s.daemon, of_database, t);
    pause(s.lasts);
    if (t == test::traffic::is_cut)
        note_out_of_reach(s, since);
    if (t == test::traffic::loses_replies) // what follows a gap in a stream is no use to anybody
        set(s.daemon, of_database, test::traffic::is_cut);
    set(s.daemon, of_database, test::traffic::flows);
}

// From one daemon, or from all.
void nemesis::note_out_of_reach(const strike& s, moment since)
{
    for (std::size_t i = 0; i < stage_.daemons.size(); ++i) {
        if (i == s.daemon || s.what != fault::connections_cut)
            truths_.push_back({{since, wall_clock()}, i, false, true, std::string{name(s.what)}});
    }
}

// It may fail, since nothing waits for it, and the next one kills it: either must do no harm.
void nemesis::start_command(std::vector<std::string> words)
{
    words.insert(words.begin(), program_);
    words.insert(words.end(), {"--url", stage_.postgres->url()});
    command_ = std::make_unique<test::process>(words);
}

} // namespace gateway::chaos
