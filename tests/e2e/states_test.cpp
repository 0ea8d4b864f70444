// What a gateway says of itself while it cannot take events, its database not taking them and its
// spool absent or on a full disk: the balancer and the operator hear it within seconds, whether or
// not an event comes.
#include "e2e/signed_post.hpp"
#include "gateway/demo/samples.hpp"
#include "gateway/store/embedded_cluster.hpp"
#include "support/cluster.hpp"
#include "support/waiting.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdint>
#include <fstream>
#include <optional>

#include <sys/mount.h>
#include <unistd.h>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using test::becomes;
using test::run;

const std::string taking = "200 200 1";
const std::string refusing = "503 503 0";

// /healthz, /readyz and the gauge.
std::string told_by(const test::gateway_process& gateway)
{
    const auto status = [](const std::string& url) {
        return run({"curl", "-sk", "-m", "5", "-o", "/dev/null", "-w", "%{http_code} ", url})
            .output;
    };
    const auto metrics = run({"curl", "-s", "-m", "5", gateway.admin_url() + "/metrics"});
    const std::string gauge = "\nattentive_gateway_database_taking_events ";
    return status(gateway.url().substr(0, gateway.url().find("/webhooks")) + "/healthz") +
           status(gateway.admin_url() + "/readyz") +
           metrics.output.substr(metrics.output.find(gauge) + gauge.size(), 1);
}

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

    std::string told() const { return told_by(gateway_); }

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

// tmpfs(5): nr_inodes is how many files and directories there may be. Here the root, the spool's
// directory and its lock, and as many as a spool file is, which others have: so none can be made,
// though there is room for bytes.
class SpoolWithoutFilesTest : public testing::Test {
protected:
    SpoolWithoutFilesTest()
        : is_mounted_(::geteuid() == 0 && ::mount("tmpfs", disk_.path().c_str(), "tmpfs", 0,
                                                  "nr_inodes=6,mode=0700") == 0)
    {
    }
    ~SpoolWithoutFilesTest() override
    {
        if (is_mounted_)
            ::umount2(disk_.path().c_str(), MNT_DETACH);
    }

    void SetUp() override
    {
        if (!is_mounted_)
            GTEST_SKIP() << "mounting a small tmpfs takes root";
    }

    const test::temporary_directory disk_;
    const bool is_mounted_;
};

TEST_F(SpoolWithoutFilesTest, IsToldFromTheStartWhereThereIsNoDatabaseEither)
{
    for (const char* name : {"a", "b", "c"})
        test::write_file(disk_ / name, "");
    test::gateway_process gateway{
        {.configuration =
             "[spool]\nany_file_system = true\ndirectory = '" + (disk_ / "spool").string() + "'\n",
         .database_url = "postgresql://127.0.0.1:1/nowhere"}};

    EXPECT_EQ(told_by(gateway), refusing);
    EXPECT_THAT(gateway.child().errors(), testing::HasSubstr("the disk is full"));
    const auto doctor = run({GATEWAY_BINARY, "doctor", "--config", gateway.config_file().string()});
    EXPECT_THAT(doctor.output, testing::HasSubstr("the disk is full"));
    for (const char* name : {"a", "b", "c"})
        std::filesystem::remove(disk_ / name);
    EXPECT_TRUE(becomes([&] { return told_by(gateway) == "200 200 0"; }, 5s)) << told_by(gateway);
}

} // namespace
} // namespace gateway
