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
constexpr milliseconds notice_limit{1'500};

moment wall_clock()
{
    return std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
}

void pause(milliseconds time)
{
    std::this_thread::sleep_for(time);
}

} // namespace

nemesis::nemesis(stage& on, std::vector<strike> schedule, const std::atomic<bool>& interrupted)
    : stage_(on), schedule_(std::move(schedule)), interrupted_(interrupted)
{
}

void nemesis::run(milliseconds length)
{
    start_ = clock::now();
    std::thread daemons{[&] { run_lane(true, length); }};
    run_lane(false, length);
    daemons.join();
    if (!failure_.empty())
        throw std::runtime_error{failure_};
}

void nemesis::run_lane(bool on_daemons, milliseconds length)
{
    try {
        for (const auto& s : schedule_) {
            if (harms_daemon(s.what) != on_daemons)
                continue;
            const auto due = std::max(start_ + s.at, clock::now() + healthy_min);
            if (!sleep_until(due, on_daemons))
                return;
            std::printf("%7.1f s  %s\n",
                        std::chrono::duration<double>(clock::now() - start_).count(),
                        to_string(s).c_str());
            std::fflush(stdout);
            on_daemons ? strike_daemon(s) : strike_database(s);
            const std::lock_guard lock{mutex_};
            ++done_[s.what];
        }
        sleep_until(start_ + length, on_daemons);
    } catch (const std::exception& e) {
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
    if (s.what == fault::daemon_killed_at_call)
        kill_at_call(s);
    else
        daemon.kill();
    pause(s.lasts);
    daemon.start();
}

// Files are written by the spool only: for their calls the database has to be out of reach.
void nemesis::kill_at_call(const strike& s)
{
    auto& proxy = *stage_.proxies[s.daemon];
    const bool spools = s.call == "fdatasync" || s.call == "pwrite64";
    if (spools)
        proxy.set(test::traffic::is_cut);
    at_call_ += stage_.daemons[s.daemon]->kill_at(s.call, s.number) ? 1 : 0;
    if (spools)
        proxy.set(test::traffic::flows);
}

void nemesis::strike_database(const strike& s)
{
    auto& postgres = *stage_.postgres;
    postgres.make_sure(); // of the last harm it may be recovering still, or not at all
    const auto down = [&](int signal) {
        postgres.signal(signal);
        pause(s.lasts);
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
    case fault::connections_cut:
        return disturb(*stage_.proxies[s.daemon], test::traffic::is_cut, s.lasts);
    case fault::connections_stalled:
        return disturb(*stage_.proxies[s.daemon], test::traffic::stalls, s.lasts);
    case fault::replies_lost:
        return disturb(*stage_.proxies[s.daemon], test::traffic::loses_replies, s.lasts);
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
    stage_.proxies[s.daemon]->set(test::traffic::is_cut);
    pause(500ms);
    const auto from = wall_clock();
    stage_.spool_disks[s.daemon]->fill();
    pause(s.lasts);
    stage_.spool_disks[s.daemon]->free();
    nowhere_.push_back({from, wall_clock() + notice_limit});
    pause(500ms);
    stage_.proxies[s.daemon]->set(test::traffic::flows);
}

// Likewise.
void nemesis::cut_power_of_spool(const strike& s)
{
    stage_.proxies[s.daemon]->set(test::traffic::is_cut);
    pause(s.lasts);
    stage_.daemons[s.daemon]->lose_power();
    stage_.proxies[s.daemon]->set(test::traffic::flows);
}

void nemesis::disturb(test::tcp_proxy& p, test::traffic t, milliseconds lasts)
{
    p.set(t);
    pause(lasts);
    if (t == test::traffic::loses_replies) // what follows a gap in a stream is no use to anybody
        p.set(test::traffic::is_cut);
    p.set(test::traffic::flows);
}

} // namespace gateway::chaos
