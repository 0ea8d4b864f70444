// `doctor` on a host where all is well, and on ones where one thing is not: each is named, with
// what to do, and the exit code says whether events are in danger.
#include "support/cluster.hpp"
#include "support/gateway_process.hpp"
#include "support/servers.hpp"
#include "support/waiting.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <regex>

namespace gateway {
namespace {

using test::becomes;
using test::gateway_process;
using test::run;

test::run_result doctor(const std::filesystem::path& config)
{
    return run({GATEWAY_BINARY, "doctor", "--config", config});
}

// A configuration with all that a gateway needs, none running.
class DoctorTest : public testing::Test {
protected:
    DoctorTest() : gateway_{options()}
    {
        gateway_.child().signal(SIGTERM);
        gateway_.child().wait(std::chrono::seconds{20});
    }

    test::gateway_options options()
    {
        test::gateway_options o;
        o.configuration = "[spool]\ndirectory = '" + (directory_ / "spool").string() +
                          "'\nany_file_system = true\nbytes_max = '16MiB'\n";
        return o;
    }

    void change(const std::string& pattern, const std::string& by)
    {
        const auto text = test::read_file(gateway_.config_file());
        const auto changed = std::regex_replace(text, std::regex{pattern}, by);
        ASSERT_NE(text, changed);
        test::write_file(gateway_.config_file(), changed);
    }

    test::temporary_directory directory_;
    gateway_process gateway_;
};

TEST_F(DoctorTest, FindsNothingWhereAllIsWell)
{
    const auto said = doctor(gateway_.config_file());

    EXPECT_EQ(said.exit_code, 0) << said.output;
    EXPECT_EQ(said.output.find("FAIL"), std::string::npos) << said.output;
    for (const char* what :
         {"configuration", "signing keys", "certificate", "permissions", "open files", "database",
          "durability", "schema", "connections", "writing", "partitions", "clock", "spool", "port"})
        EXPECT_TRUE(std::regex_search(said.output, std::regex{"(ok  |warn) " + std::string{what}}))
            << what << "\n"
            << said.output;
}

TEST_F(DoctorTest, SaysWhatARunningGatewaySaysOfItself)
{
    gateway_.restart();
    const std::string listener = std::regex_replace(
        gateway_.url(), std::regex{"https://localhost(:[0-9]+)/.*"}, "127.0.0.1$1");
    const std::string admin = std::regex_replace(
        gateway_.admin_url(), std::regex{"http://localhost(:[0-9]+)"}, "127.0.0.1$1");
    change("address = '127.0.0.1:0'\ntls", "address = '" + listener + "'\ntls");
    change("address = '127.0.0.1:0'", "address = '" + admin + "'");
    ASSERT_TRUE(becomes([&] { // the writers connect a moment later
        return run({"curl", "-sS", gateway_.admin_url() + "/metrics"})
                   .output.find("attentive_gateway_database_taking_events 1") != std::string::npos;
    }));

    const auto said = doctor(gateway_.config_file());

    EXPECT_EQ(said.exit_code, 0) << said.output;
    EXPECT_NE(said.output.find("a gateway runs on " + listener), std::string::npos) << said.output;
}

TEST_F(DoctorTest, NamesWhatIsWrongAndTheRemedy)
{
    const struct {
        const char* pattern;
        const char* by;
        const char* finding;
        int exit_code;
    } faults[] = {
        {"file = '[^']*signing-key'", "file = '/nowhere/key'", "FAIL signing keys", 1},
        {"tls_certificate = '[^']*'", "tls_certificate = '/nowhere/c.pem'", "FAIL certificate", 1},
        {"url = 'postgresql://[^']*'", "url = 'postgresql://nobody@127.0.0.1:1/x'", "warn database",
         0},
        {"directory = '[^']*spool'", "directory = '/proc/1/nowhere/spool'", "FAIL spool", 1},
        {"\\[limits\\]", "[limitz]", "FAIL configuration", 1},
    };
    const auto well = test::read_file(gateway_.config_file());
    for (const auto& fault : faults) {
        test::write_file(gateway_.config_file(), well);
        change(fault.pattern, fault.by);

        const auto said = doctor(gateway_.config_file());

        EXPECT_EQ(said.exit_code, fault.exit_code) << said.output;
        const auto at = said.output.find(fault.finding);
        ASSERT_NE(at, std::string::npos) << fault.finding << "\n" << said.output;
        EXPECT_NE(said.output.substr(at, said.output.find('\n', at) - at).find(" -> "),
                  std::string::npos)
            << said.output;
    }
}

TEST_F(DoctorTest, CountsTheRowsThatWaitInDefault)
{
    test::query(gateway_.database_url(),
                "INSERT INTO gateway.intake SELECT 0, '2031-01-01'::timestamptz + n * '1 day'::"
                "interval, 'w', 'e', 'k', '{}', '{}', '' FROM generate_series(1, 3) n");

    const auto said = doctor(gateway_.config_file());

    EXPECT_EQ(said.exit_code, 0) << said.output;
    EXPECT_TRUE(std::regex_search(
        said.output, std::regex{"warn partitions +3 rows wait in DEFAULT partitions -> .*pg_dump"}))
        << said.output;
}

TEST_F(DoctorTest, ADatabaseThatIsAwayLosesEventsWhereThereIsNoSpool)
{
    change("url = 'postgresql://[^']*'", "url = 'postgresql://nobody@127.0.0.1:1/x'");
    change("\\[spool\\][^\\[]*", "");

    const auto said = doctor(gateway_.config_file());

    EXPECT_EQ(said.exit_code, 1);
    EXPECT_NE(said.output.find("FAIL database"), std::string::npos) << said.output;
}

TEST_F(DoctorTest, SaysWhichCommandASchemaNeeds)
{
    const auto other = test::empty_database();
    change("url = 'postgresql://[^']*'", "url = '" + other + "'");

    const auto said = doctor(gateway_.config_file());

    EXPECT_EQ(said.exit_code, 1);
    EXPECT_NE(said.output.find("FAIL schema"), std::string::npos) << said.output;
    EXPECT_NE(said.output.find("-> attentive-gateway migrate, as the owner"), std::string::npos);
}

} // namespace
} // namespace gateway
