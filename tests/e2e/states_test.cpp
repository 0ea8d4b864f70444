// What a gateway without a spool says of itself while its database cannot take events: the balancer
// and the operator hear it within seconds, whether or not an event comes.
#include "e2e/signed_post.hpp"
#include "gateway/demo/samples.hpp"
#include "gateway/store/embedded_cluster.hpp"
#include "support/cluster.hpp"
#include "support/waiting.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdint>
#include <fstream>
#include <optional>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using test::becomes;
using test::run;

const std::string taking = "200 200 1";
const std::string refusing = "503 503 0";

class StatesTest : public testing::Test {
protected:
    StatesTest()
    {
        EXPECT_TRUE(becomes([&] { return told() == taking; }));
    }

    static embedded_cluster cluster_in(const std::filesystem::path& directory)
    {
        return std::move(embedded_cluster::start(directory)).value();
    }

    // /healthz, /readyz and the gauge.
    std::string told() const
    {
        const auto status = [](const std::string& url) {
            return run({"curl", "-sk", "-m", "5", "-o", "/dev/null", "-w", "%{http_code} ", url})
                .output;
        };
        const auto metrics = run({"curl", "-s", "-m", "5", gateway_.admin_url() + "/metrics"});
        const std::string gauge = "\nattentive_gateway_database_taking_events ";
        return status(gateway_.url().substr(0, gateway_.url().find("/webhooks")) + "/healthz") +
               status(gateway_.admin_url() + "/readyz") +
               metrics.output.substr(metrics.output.find(gauge) + gauge.size(), 1);
    }

    std::string answer_to_an_event()
    {
        return post_signed(gateway_, unique_sample("sms.sent", 1, ++events_)).status;
    }

    // What is told, at rest, while `stricken` and after it was `healed`.
    template <class Strike, class Heal>
    void is_told(Strike strike, Heal heal)
    {
        EXPECT_EQ(answer_to_an_event(), "200");
        strike();
        EXPECT_TRUE(becomes([&] { return told() == refusing; }, 5s)) << told();
        EXPECT_EQ(answer_to_an_event(), "503");
        heal();
        EXPECT_TRUE(becomes([&] { return told() == taking; }, 5s)) << told();
        EXPECT_EQ(answer_to_an_event(), "200");
    }

    // Each process of the server.
    void signal_server(int signal) const
    {
        const auto pid = std::to_string(cluster_->pid());
        std::ifstream children{"/proc/" + pid + "/task/" + pid + "/children"};
        ::kill(cluster_->pid(), signal);
        for (pid_t child = 0; children >> child;)
            ::kill(child, signal);
    }

    test::temporary_directory directory_;
    std::optional<embedded_cluster> cluster_{cluster_in(directory_ / "cluster")};
    const std::string url_ = cluster_->url();
    test::gateway_process gateway_{{.database_url = url_}};
    std::uint64_t events_ = 0;
};

TEST_F(StatesTest, AServerThatStopsIsToldAndItsReturnToo)
{
    is_told([&] { cluster_->stop(); },
            [&] {
                cluster_.reset();
                cluster_.emplace(cluster_in(directory_ / "cluster"));
            });
}

TEST_F(StatesTest, AServerThatFreezesIsToldAndItsThawToo)
{
    is_told([&] { signal_server(SIGSTOP); }, [&] { signal_server(SIGCONT); });
}

TEST_F(StatesTest, AServerThatIsReadOnlyIsTold)
{
    const auto set = [&](const std::string& what) {
        const std::string writing = url_ + "&options=-c%20default_transaction_read_only%3Doff";
        test::query(writing, "ALTER SYSTEM " + what);
        test::query(writing, "SELECT pg_reload_conf()");
    };
    is_told([&] { set("SET default_transaction_read_only = on"); },
            [&] { set("RESET default_transaction_read_only"); });
}

TEST_F(StatesTest, ATableThatAnAdministratorLocksIsTold)
{
    std::optional<test::process> administrator;
    is_told(
        [&] {
            administrator.emplace(std::vector<std::string>{
                "psql", "-X", "-d", url_, "-c",
                "BEGIN; LOCK TABLE gateway.intake IN ACCESS EXCLUSIVE MODE;"
                " SELECT pg_sleep(60)"});
        },
        [&] {
            test::query(url_, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                              " WHERE query LIKE 'BEGIN; LOCK%'");
        });
}

TEST_F(StatesTest, AFunctionThatIsGoneIsTold)
{
    is_told([&] { test::query(url_, "ALTER FUNCTION gateway.append RENAME TO gone"); },
            [&] { test::query(url_, "ALTER FUNCTION gateway.gone RENAME TO append"); });
}

} // namespace
} // namespace gateway
