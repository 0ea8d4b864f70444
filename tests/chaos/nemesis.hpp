// Does what the schedule says to a running stage, heals it, and sees to it at the end that all is
// up. One thread for each lane; what goes wrong in one ends the run.
#pragma once

#include "chaos/checker.hpp"
#include "chaos/gateway_daemon.hpp"
#include "chaos/schedule.hpp"
#include "chaos/stage.hpp"
#include "chaos/states.hpp"
#include "support/process.hpp"
#include "support/tcp_proxy.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace gateway::chaos {

struct stage {
    std::unique_ptr<small_disk> database_disk;
    std::unique_ptr<server> postgres;
    std::vector<std::unique_ptr<small_disk>> spool_disks;  // one for each daemon,
    std::vector<std::unique_ptr<test::tcp_proxy>> proxies; // as of these
    std::vector<std::unique_ptr<gateway_daemon>> daemons;
};

class nemesis {
public:
    // `program` runs the product's commands. `interrupted` ends the run early, between two strikes.
    nemesis(stage& on, std::vector<strike> schedule, std::string program,
            const std::atomic<bool>& interrupted);

    // Strikes and heals for as long as the schedule or `length` lasts, whichever is longer. Throws
    // what the stage throws.
    void run(std::chrono::milliseconds length);
    // Leaves all alone, for long enough that the daemons have to say that all is well.
    void rest();

    const std::map<fault, int>& done() const { return done_; }
    // Of daemon_killed_at_call: how many got as far as that call.
    int at_call() const { return at_call_; }
    // What was true of the daemons, of strikes that were long enough to be noticed.
    const std::vector<truth>& truths() const { return truths_; }
    int bad_exits() const { return bad_exits_; } // of daemons that were to stop
    // When a daemon could make events durable nowhere.
    const std::vector<period>& nowhere() const { return nowhere_; }

private:
    using clock = std::chrono::steady_clock;

    void run_lane(bool on_daemons, std::chrono::milliseconds length);
    bool sleep_until(clock::time_point due, bool on_daemons);
    void strike_daemon(const strike& s);
    void stop_daemon(const strike& s);
    void kill_at_call(const strike& s);
    void start_command(std::vector<std::string> words);
    void note_out_of_reach(const strike& s, moment since);
    enum lane { of_daemons, of_database };
    void set(std::size_t daemon, lane by, test::traffic t);
    void strike_database(const strike& s);
    void strike_sessions(const strike& s);
    void fill_spool(const strike& s);
    void cut_power_of_spool(const strike& s);
    void disturb(const strike& s, test::traffic t);

    stage& stage_;
    const std::vector<strike> schedule_;
    const std::string program_;
    const std::atomic<bool>& interrupted_;
    clock::time_point start_;
    std::mutex mutex_;
    std::map<fault, int> done_;
    int at_call_ = 0;
    std::atomic<bool> daemons_judged_{false}; // none is harmed meanwhile
    std::vector<period> nowhere_;
    std::vector<truth> truths_;
    int bad_exits_ = 0;
    std::unique_ptr<test::process> command_; // of the product, left to itself
    std::mutex wishes_mutex_;
    std::vector<std::array<test::traffic, 2>> wishes_; // of each proxy, by lane
    std::string failure_;
};

} // namespace gateway::chaos
