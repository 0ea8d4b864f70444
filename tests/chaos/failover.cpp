#include "chaos/failover.hpp"

#include "chaos/gateway_daemon.hpp"
#include "chaos/load.hpp"
#include "chaos/stage.hpp"
#include "support/cluster.hpp"
#include "support/servers.hpp"
#include "support/waiting.hpp"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace gateway::chaos {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::size_t daemons_count = 2;
constexpr auto away_time = 4s;       // longer than a batch may take
constexpr auto cancel_pause = 300ms; // of an impatient administrator

void must(bool done, const char* what)
{
    if (!done)
        throw std::runtime_error{what};
}

// The standby has the setting from its primary, and keeps it until it is promoted.
struct pair_of_servers {
    test::postgres_server primary;
    std::unique_ptr<test::postgres_server> standby;

    pair_of_servers()
    {
        test::query(primary.url("postgres"), "CREATE DATABASE gateway");
        make_schema(primary.url("gateway"));
        set_standbys("SET synchronous_standby_names = '*'", primary);
        standby = std::make_unique<test::postgres_server>(primary.directory());
        must(test::becomes([this] {
                 return test::value(primary.url("gateway"),
                                    "SELECT count(*) FROM pg_stat_replication"
                                    " WHERE sync_state = 'sync'") == "1";
             }),
             "the standby does not follow");
    }

    static void set_standbys(const std::string& change, const test::postgres_server& of)
    {
        test::query(of.url("gateway"), "ALTER SYSTEM " + change);
        test::query(of.url("gateway"), "SELECT pg_reload_conf()");
    }

    std::string url() const
    {
        return primary.url("gateway") + "," + standby->directory().string() +
               "&target_session_attrs=read-write";
    }

    void promote() const
    {
        // A statement that waits for the promotion may conflict with what is replayed before it.
        const std::string url = standby->url("gateway");
        must(test::value(url, "SELECT pg_promote(false)") == "t", "the standby cannot be promoted");
        must(test::becomes([&] {
                 try {
                     return test::value(url, "SELECT pg_is_in_recovery()") == "f";
                 } catch (const std::exception&) {
                     return false;
                 }
             }),
             "the standby is not promoted");
        set_standbys("RESET synchronous_standby_names", *standby);
    }
};

void end_what_waits(const test::postgres_server& primary)
{
    for (const auto until = steady_clock::now() + away_time; steady_clock::now() < until;) {
        std::this_thread::sleep_for(cancel_pause);
        test::query(primary.url("gateway"), "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
                                            " WHERE wait_event = 'SyncRep'");
    }
}

std::vector<std::unique_ptr<gateway_daemon>> start_daemons(const failover_settings& s,
                                                           const std::string& url)
{
    std::vector<std::unique_ptr<gateway_daemon>> out;
    for (std::size_t i = 0; i < daemons_count; ++i) {
        const auto directory = s.directory / ("daemon-" + std::to_string(i));
        out.push_back(std::make_unique<gateway_daemon>(
            daemon_settings{.binary = s.program,
                            .directory = directory,
                            .spool = s.spool ? directory / "spool" : std::filesystem::path{},
                            .database_url = url,
                            .sabotage = s.sabotage,
                            .any_file_system = true}));
        out.back()->start();
    }
    return out;
}

void await_acks(const load& sending, const char* what)
{
    const auto before = sending.acked();
    must(test::becomes([&] { return sending.acked() > before; }, 60s), what);
}

} // namespace

std::string to_string(const failover_settings& s)
{
    return std::string{s.spool ? "with a spool" : "without a spool"} +
           (s.standby_away ? ", the standby away before" : "");
}

outcome fail_over(const failover_settings& s)
{
    pair_of_servers servers;
    auto daemons = start_daemons(s, servers.url());
    outcome out;
    const auto start = steady_clock::now();
    load sending{{.binary = s.sender,
                  .journals = s.directory / "journals",
                  .seed = s.seed * 1'000'000,
                  .rate = s.rate,
                  .connections = 16,
                  .round_seconds = 0.5,
                  .all_twice = true},
                 daemons};
    await_acks(sending, "nothing is acknowledged");
    if (s.standby_away) {
        servers.standby->stop();
        end_what_waits(servers.primary);
    }
    servers.primary.kill();
    if (s.standby_away)
        servers.standby->start();
    servers.promote();
    await_acks(sending, "nothing is acknowledged after the failover");
    sending.stop();
    out.seconds = std::chrono::duration<double>(steady_clock::now() - start).count();
    out.drained = drain(daemons, servers.standby->url("gateway"));
    for (const auto& d : daemons) {
        out.bad_exits += d->stop() == 0 ? 0 : 1;
        out.crashes += d->crashes();
    }
    out.found = check(sending.sent(), stored_rows(servers.standby->url("gateway")));
    out.statuses = sending.sent().statuses();
    return out;
}

} // namespace gateway::chaos
