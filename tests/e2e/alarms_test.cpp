// The alarms of a real daemon, where an operator meets them: /readyz, /metrics, the log, `doctor`.
#include "support/cluster.hpp"
#include "support/gateway_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using test::gateway_process;
using test::run;
using testing::HasSubstr;

constexpr auto patience = 90s;

std::string get(const gateway_process& gateway, const std::string& path)
{
    return run({"curl", "-sS", "-m", "5", gateway.admin_url() + path}).output;
}

bool shows(const gateway_process& gateway, const std::string& path, const std::string& what,
           bool wanted = true)
{
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < deadline) {
        if ((get(gateway, path).find(what) != std::string::npos) == wanted)
            return true;
        std::this_thread::sleep_for(200ms);
    }
    return false;
}

void send(const gateway_process& gateway, const std::filesystem::path& key, int count)
{
    run({GATEWAY_BINARY, "send", "--url", gateway.url(), "--ca", gateway.certificate(),
         "--key-file", key, "--type", "sms.sent", "--unique", "--count", std::to_string(count)});
}

// Company C sent an SMS every ten minutes, until five hours ago.
void stop_five_hours_ago(const std::string& url)
{
    test::query(url,
                "WITH t AS MATERIALIZED (SELECT t AS at, row_number() OVER () AS position FROM"
                " generate_series(now() - interval '9 days', now() - interval '5 hours',"
                " interval '10 minutes') t), s AS (UPDATE gateway.log_state SET position = n.last"
                " FROM (SELECT count(*) AS last FROM t) n RETURNING n.last),"
                " step AS (INSERT INTO gateway.step SELECT 1, last, last, 0, 0 FROM s)"
                "INSERT INTO gateway.source_event (company_id, occurred_at, event_id, event_name,"
                " action, source, source_event_type, received_at, position, mapping_version,"
                " quality_flags) SELECT 'C', at, gen_random_uuid(), 'sms.sent', 'sent',"
                " 'attentive', 'sms.sent', at, position, 1, '{}' FROM t");
    while (test::value(url, "SELECT events FROM gateway.project(100000)") != "0") {
    }
}

TEST(AlarmsTest, DataThatStoppedIsSaidEverywhereAndItsReturnToo)
{
    const auto url = test::fresh_database();
    stop_five_hours_ago(url);
    gateway_process gateway{{.configuration = "[alarms]\nsilence_grace = '0ms'\n",
                             .database_url = url,
                             .migrate = false}};
    const std::string metric =
        R"(attentive_gateway_feed_silent{company="C",event_name="sms.sent"} )";

    EXPECT_TRUE(shows(gateway, "/readyz", "no sms.sent of company C since"));
    EXPECT_THAT(get(gateway, "/readyz"), HasSubstr(R"("status":"ready")"));
    EXPECT_THAT(get(gateway, "/metrics"), HasSubstr(metric + "1"));
    EXPECT_THAT(gateway.child().errors(), HasSubstr("data stopped: no sms.sent of company C"));
    const auto doctor = run({GATEWAY_BINARY, "doctor", "--config", gateway.config_file()});
    EXPECT_THAT(doctor.output, HasSubstr("warn silence       no sms.sent of company C since"));
    EXPECT_THAT(doctor.output, HasSubstr("Event Webhook Status"));

    test::query(url, "WITH s AS (UPDATE gateway.log_state SET position = position + 1"
                     " RETURNING position), step AS (INSERT INTO gateway.step SELECT"
                     " nextval('gateway.step_id') + 9, position, 1, 0, 0 FROM s)"
                     "INSERT INTO gateway.source_event (company_id,"
                     " occurred_at, event_id, event_name, action, source, source_event_type,"
                     " received_at, position, mapping_version, quality_flags) SELECT 'C', now(),"
                     " gen_random_uuid(), 'sms.sent', 'sent', 'attentive', 'sms.sent', now(),"
                     " position, 1, '{}' FROM s");

    EXPECT_TRUE(shows(gateway, "/metrics", metric + "0"));
    EXPECT_TRUE(gateway.child().errors().find("comes again") != std::string::npos ||
                shows(gateway, "/readyz", "no sms.sent", false));
}

// TCPA, 47 CFR 64.1200(a)(10): who asks by any reasonable means is out. So somebody has to look.
TEST(AlarmsTest, AnOptOutThatNamesNobodyIsSaidEverywhereAndKeepsWhatItWasGiven)
{
    gateway_process gateway{{}};
    const std::string body =
        R"({"type":"sms.unsubscribed","timestamp":)" +
        std::to_string(now().time_since_epoch().count()) +
        R"(,"company":{"company_id":"C"},"subscriber":{"phone":"74881 ext. 5"},)"
        R"("subscription":{"type":"MARKETING"}})";
    EXPECT_THAT(get(gateway, "/metrics"),
                HasSubstr("attentive_gateway_opt_outs_of_nobody_total 0"));

    const test::temporary_directory directory;
    test::write_file(directory / "body", body);
    run({GATEWAY_BINARY, "send", "--url", gateway.url(), "--ca", gateway.certificate(),
         "--key-file", gateway.key_file(), "--body-file", directory / "body"});

    EXPECT_TRUE(shows(gateway, "/metrics", "attentive_gateway_opt_outs_of_nobody_total 1"));
    while (gateway.value("SELECT count(*) FROM report.opt_outs_of_nobody") == "0")
        std::this_thread::sleep_for(50ms);
    EXPECT_THAT(gateway.child().errors(), HasSubstr("an opt-out names nobody"));
    EXPECT_EQ(gateway.value("SELECT extra #>> '{subscriber,phone}' FROM gateway.source_event"),
              "74881 ext. 5");
    const auto doctor = run({GATEWAY_BINARY, "doctor", "--config", gateway.config_file()});
    EXPECT_THAT(doctor.output, HasSubstr("warn opt-outs      1 of the last 30 days name nobody"));
}

TEST(AlarmsTest, AWrongKeyIsNamedAndCountedDownAndForgottenWithTheFirstRightOne)
{
    gateway_process gateway{
        {.configuration = "[alarms]\nwrong_key_after = '1s'\nwrong_key_failures = 3\n"}};
    const test::temporary_directory directory;
    test::write_file(directory / "wrong", "not-the-signing-key-at-all\n");
    const std::string metric = R"(attentive_gateway_wrong_signing_key{endpoint="attentive"} )";
    EXPECT_TRUE(shows(gateway, "/metrics", metric + "0"));

    send(gateway, directory / "wrong", 3);

    EXPECT_TRUE(shows(gateway, "/readyz", "nothing but wrong signatures"));
    EXPECT_TRUE(shows(gateway, "/metrics", metric + "1"));
    EXPECT_TRUE(
        shows(gateway, "/metrics", "attentive_gateway_refusing_since_timestamp_seconds 0", false));

    send(gateway, gateway.key_file(), 1);

    EXPECT_TRUE(shows(gateway, "/metrics", metric + "0"));
    EXPECT_TRUE(shows(gateway, "/readyz", "wrong signatures", false));
    EXPECT_TRUE(shows(gateway, "/metrics", "attentive_gateway_refusing_since_timestamp_seconds 0"));
}

// The internet's probes, which carry no signature, trip nothing.
TEST(AlarmsTest, AUrlWithAWrongPathIsNamedAndCountedDown)
{
    gateway_process gateway{
        {.configuration = "[alarms]\nwrong_key_after = '1s'\nwrong_key_failures = 3\n"}};
    const std::string metric = R"(attentive_gateway_misdirected{code="404"} )";
    const std::string signature = "x-attentive-hmac-sha256: " + std::string(64, 'a');
    const std::string elsewhere = gateway.url() + "/old";
    const auto post = [&](const std::string& header) {
        run({"curl", "-sS", "-m", "20", "--cacert", gateway.certificate(), "-H", header, "-d", "{}",
             elsewhere});
    };
    for (int i = 0; i < 5; ++i)
        post("x-probe: 1");
    EXPECT_TRUE(shows(gateway, "/metrics", metric + "0"));
    EXPECT_TRUE(shows(gateway, "/metrics",
                      R"(attentive_gateway_misdirected_requests_total{code="404"} 0)"));

    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (get(gateway, "/metrics").find(metric + "1") == std::string::npos &&
           std::chrono::steady_clock::now() < deadline)
        post(signature);

    EXPECT_THAT(get(gateway, "/metrics"), HasSubstr(metric + "1"));
    EXPECT_TRUE(shows(gateway, "/readyz", "requests with a signature were answered 404"));
    EXPECT_TRUE(
        shows(gateway, "/metrics", "attentive_gateway_refusing_since_timestamp_seconds 0", false));
    EXPECT_THAT(gateway.child().errors(), HasSubstr(R"("event.name":"misdirected_requests")"));
}

TEST(AlarmsTest, EventsThatNobodyCanKeepStartTheCountdown)
{
    gateway_process gateway{
        {.database_url = "postgresql://nobody@127.0.0.1:1/nothing", .migrate = false}};

    send(gateway, gateway.key_file(), 1);

    EXPECT_TRUE(
        shows(gateway, "/metrics", "attentive_gateway_refusing_since_timestamp_seconds 0", false));
}

} // namespace
} // namespace gateway
