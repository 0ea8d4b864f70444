// What becomes of events while the daemon starts, stops or has no database: every request is
// answered, and what was answered with 200 is stored once afterwards.
#include "e2e/signed_post.hpp"
#include "support/cluster.hpp"
#include "support/gateway_process.hpp"
#include "support/servers.hpp"
#include "support/waiting.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <thread>

namespace gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::gateway_options;
using test::gateway_process;
using test::key;
using test::post_signed;
using test::run;

test::run_result send_all(const gateway_process& gateway, const std::vector<std::string>& more)
{
    std::vector<std::string> arguments = {GATEWAY_BINARY, "send",
                                          "--url",        gateway.url(),
                                          "--key-file",   gateway.key_file().string(),
                                          "--ca",         gateway.certificate().string(),
                                          "--type",       "all"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments, {}, seconds{300});
}

TEST(LoadTest, StoresTenThousandDistinctEventsOnce)
{
    const gateway_process gateway;
    const std::vector<std::string> load = {"--count", "10000", "--connections", "64", "--unique",
                                           "--seed",  "7"};

    const auto first = send_all(gateway, load);
    const auto second = send_all(gateway, load);

    EXPECT_EQ(first.exit_code, 0) << first.output << first.errors;
    EXPECT_EQ(second.exit_code, 0) << second.output << second.errors;
    EXPECT_EQ(gateway.value("SELECT count(*) FROM gateway.source_event"), "10000");
    EXPECT_EQ(gateway.value("SELECT count(*) FROM gateway.delivery WHERE body IS NOT NULL"),
              "10000");
}

TEST(LoadTest, ATerminationUnderLoadLosesAndRefusesNothingItAccepted)
{
    gateway_process gateway;
    test::process load{{GATEWAY_BINARY, "send", "--url", gateway.url(), "--key-file",
                        gateway.key_file().string(), "--ca", gateway.certificate().string(),
                        "--type", "all", "--count", "20000", "--connections", "16", "--unique",
                        "--seed", "3"}};
    std::this_thread::sleep_for(milliseconds{700});

    gateway.child().signal(SIGTERM);
    const auto stopped = gateway.child().wait(seconds{30});
    load.signal(SIGKILL);

    EXPECT_EQ(stopped, 0) << gateway.child().errors();
    EXPECT_NE(gateway.value("SELECT count(*) FROM gateway.source_event"), "0");
    EXPECT_EQ(gateway.value("SELECT count(*) FROM gateway.source_event e FULL JOIN "
                            "gateway.delivery d USING (intake_id, ordinal) "
                            "WHERE e.event_id IS NULL OR d.body IS NULL"),
              "0");
}

TEST(StartTest, RefusesAShortSigningKey)
{
    gateway_options options;
    options.signing_key = "short";
    options.wait_until_up = false;

    gateway_process gateway{options};

    EXPECT_EQ(gateway.child().wait(seconds{30}), 2);
    EXPECT_NE(gateway.child().errors().find("16"), std::string::npos) << gateway.child().errors();
    EXPECT_EQ(gateway.child().errors().find("short\""), std::string::npos);
}

TEST(StartTest, RefusesADatabaseUrlThatCanNeverConnect)
{
    gateway_options options;
    options.database_url = "postgresql://u@127.0.0.1/gateway?sslmod=require";
    options.wait_until_up = false;

    gateway_process gateway{options};
    const auto checked = run({GATEWAY_BINARY, "check-config", gateway.config_file()});

    EXPECT_EQ(gateway.child().wait(seconds{60}), 2);
    EXPECT_NE(gateway.child().errors().find("sslmod"), std::string::npos)
        << gateway.child().errors();
    EXPECT_EQ(checked.exit_code, 2);
    EXPECT_NE(checked.errors.find("libpq knows no option \"sslmod\""), std::string::npos)
        << checked.errors;
}

TEST(StartTest, GoesOnWithoutLossWhenTheDatabaseCameAndWent)
{
    gateway_process gateway;
    const auto load = std::vector<std::string>{"--count", "200", "--unique", "--seed", "11"};
    ASSERT_EQ(send_all(gateway, load).exit_code, 0);

    gateway.child().signal(SIGKILL);
    ASSERT_EQ(gateway.child().wait(seconds{10}), 128 + SIGKILL);
    gateway.restart();
    const auto again = send_all(gateway, load);

    EXPECT_EQ(again.exit_code, 0) << again.output;
    EXPECT_EQ(gateway.value("SELECT count(*) FROM gateway.source_event"), "200");
}

// A database that is away for a while, with a spool to bridge it.
class OutageTest : public testing::Test {
protected:
    static gateway_options with_spool(const test::temporary_directory& directory)
    {
        gateway_options options;
        options.configuration = "[spool]\ndirectory = \"" + (directory / "spool").string() +
                                "\"\nany_file_system = true\n";
        return options;
    }

    // Every statement on the gateway's database is refused from now on, or allowed again.
    void set_connections(const gateway_process& gateway, bool allowed)
    {
        const auto url = test::shared_cluster().url();
        const auto name = gateway.value("SELECT current_database()");
        test::query(url, "ALTER DATABASE " + name + " ALLOW_CONNECTIONS " +
                             (allowed ? "true" : "false"));
        if (!allowed)
            test::query(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                             "WHERE datname = '" +
                                 name + "' AND pid <> pg_backend_pid()");
        database_ = name;
    }

    void allow_again()
    {
        test::query(test::shared_cluster().url(),
                    "ALTER DATABASE " + database_ + " ALLOW_CONNECTIONS true");
    }

    static std::string rows_after_draining(const gateway_process& gateway, const std::string& want)
    {
        const auto deadline = std::chrono::steady_clock::now() + seconds{30};
        std::string rows;
        do {
            rows = gateway.value("SELECT count(*) FROM gateway.source_event");
            std::this_thread::sleep_for(milliseconds{100});
        } while (rows != want && std::chrono::steady_clock::now() < deadline);
        return rows;
    }

    test::temporary_directory directory_;
    std::string database_;
};

TEST_F(OutageTest, AnswersEveryEventOfAnOutageAndStoresItOnceAfterIt)
{
    const gateway_process gateway{with_spool(directory_)};
    const std::vector<std::string> load = {"--count", "3000", "--connections", "16", "--unique",
                                           "--seed",  "5"};

    set_connections(gateway, false);
    const auto during = send_all(gateway, load);
    allow_again();

    EXPECT_EQ(during.exit_code, 0) << during.output << during.errors;
    EXPECT_EQ(rows_after_draining(gateway, "3000"), "3000");
    EXPECT_EQ(send_all(gateway, load).exit_code, 0);
    EXPECT_EQ(gateway.value("SELECT count(*) FROM gateway.source_event"), "3000");
}

// As the package's unit has it: DynamicUser= makes the state directory a symlink.
TEST_F(OutageTest, SpoolsBelowASymlink)
{
    std::filesystem::create_directories(directory_ / "private" / "gateway");
    std::filesystem::create_directory_symlink("private/gateway", directory_ / "gateway");
    gateway_options options;
    options.configuration = "[spool]\ndirectory = \"" + (directory_ / "gateway/spool").string() +
                            "\"\nany_file_system = true\n";
    const gateway_process gateway{options};

    set_connections(gateway, false);
    const auto during = send_all(gateway, {"--count", "30", "--unique", "--seed", "7"});
    allow_again();

    EXPECT_EQ(during.exit_code, 0) << during.output << during.errors;
    EXPECT_EQ(rows_after_draining(gateway, "30"), "30");
}

// Docker waits ten seconds before it kills.
TEST_F(OutageTest, EndsInTimeAndLosesNothingWhileTheDatabaseHangs)
{
    const test::postgres_server server;
    auto options = with_spool(directory_);
    options.database_url = server.url("postgres");
    gateway_process gateway{options};
    const auto post = [&](int seed) {
        return send_all(gateway, {"--count", "20", "--unique", "--seed", std::to_string(seed)});
    };
    ASSERT_EQ(post(1).exit_code, 0);
    const std::string postmaster =
        gateway.value("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)");
    const auto signal_server = [&](const std::string& signal) {
        run({"kill", "-" + signal, postmaster});
        run({"pkill", "-" + signal, "-P", postmaster});
    };

    signal_server("STOP");
    const auto during = post(2);
    ASSERT_TRUE(test::becomes([&] { // so projector, observer and drainer have met it, too
        return run({"curl", "-s", gateway.admin_url() + "/readyz"})
                   .output.find("the database is out of reach") != std::string::npos;
    }));
    gateway.child().signal(SIGTERM);
    const auto ended = gateway.child().wait(seconds{10});
    signal_server("CONT");

    EXPECT_EQ(during.exit_code, 0) << during.output << during.errors;
    EXPECT_EQ(ended, 0) << gateway.child().errors();
    gateway.restart();
    EXPECT_EQ(rows_after_draining(gateway, "40"), "40");
}

TEST_F(OutageTest, KeepsWhatItAcknowledgedThroughItsOwnDeath)
{
    gateway_process gateway{with_spool(directory_)};
    set_connections(gateway, false);
    const auto during = send_all(gateway, {"--count", "500", "--unique", "--seed", "6"});

    gateway.child().signal(SIGKILL);
    ASSERT_TRUE(gateway.child().wait(seconds{10}));
    allow_again();
    gateway.restart();

    EXPECT_EQ(during.exit_code, 0) << during.output << during.errors;
    EXPECT_EQ(rows_after_draining(gateway, "500"), "500");
}

TEST_F(OutageTest, KeepsQuarantinedDeliveriesToo)
{
    const gateway_process gateway{with_spool(directory_)};
    set_connections(gateway, false);

    const auto malformed = post_signed(gateway, "{\"type\": ");
    const auto unknown = post_signed(gateway, R"({"type":"x.y","timestamp":1767225600000,)"
                                              R"("company":{"company_id":"c"}})");
    allow_again();

    EXPECT_EQ(malformed.status, "202") << malformed.body;
    EXPECT_EQ(unknown.status, "202") << unknown.body;
    const auto deadline = std::chrono::steady_clock::now() + seconds{30};
    while (gateway.value("SELECT count(*) FROM gateway.quarantine") != "2" &&
           std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(milliseconds{100});
    EXPECT_EQ(gateway.value("SELECT string_agg(reason, ' ' ORDER BY reason) FROM "
                            "gateway.quarantine"),
              "malformed_json type_unknown");
}

} // namespace
} // namespace gateway
