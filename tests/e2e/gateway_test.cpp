// The whole way with the real binary: what a sender sees and what stands in PostgreSQL after it.
// Signatures come from the openssl tool and requests from curl, so that no code of ours vouches
// for itself.
#include "gateway/attentive/event_catalog.hpp"
#include "support/cluster.hpp"
#include "support/gateway_process.hpp"

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
using test::run;

const std::string key = gateway_options{}.signing_key;

std::string openssl_signature(const std::string& body)
{
    const auto signing =
        run({"openssl", "dgst", "-sha256", "-hmac", key, "-r"}, {.input = body, .environment = {}});
    return signing.output.substr(0, 64);
}

struct answer {
    std::string status;
    std::string body;
};

// `signature` empty: no header at all.
answer post(const gateway_process& gateway, const std::string& body, const std::string& signature)
{
    std::vector<std::string> arguments = {"curl",
                                          "-sS",
                                          "--cacert",
                                          gateway.certificate().string(),
                                          "-X",
                                          "POST",
                                          "-H",
                                          "Content-Type: application/json",
                                          "--data-binary",
                                          "@-",
                                          "-w",
                                          "\n%{http_code}",
                                          gateway.url()};
    if (!signature.empty()) {
        arguments.emplace_back("-H");
        arguments.emplace_back("x-attentive-hmac-sha256: " + signature);
    }
    const auto done = run(arguments, {.input = body, .environment = {}});
    const auto newline = done.output.rfind('\n');
    EXPECT_EQ(done.exit_code, 0) << done.errors;
    return answer{done.output.substr(newline + 1), done.output.substr(0, newline)};
}

answer post_signed(const gateway_process& gateway, const std::string& body)
{
    return post(gateway, body, openssl_signature(body));
}

std::string fixture(const std::string& name)
{
    return test::read_file(std::filesystem::path{GATEWAY_SOURCE_DIR} / "tests/fixtures/attentive" /
                           (name + ".json"));
}

class GatewayTest : public testing::Test {
protected:
    static void SetUpTestSuite() { shared_ = std::make_unique<gateway_process>(); }
    static void TearDownTestSuite() { shared_.reset(); }

    gateway_process& gateway() { return *shared_; }
    std::string events() { return gateway().value("SELECT count(*) FROM gateway.source_event"); }

private:
    static std::unique_ptr<gateway_process> shared_;
};

std::unique_ptr<gateway_process> GatewayTest::shared_;

TEST_F(GatewayTest, StoresEachDocumentedEventOnceAndSaysSo)
{
    for (const auto type : event_type_names()) {
        const auto body = fixture(std::string{type});

        const auto first = post_signed(gateway(), body);
        const auto second = post_signed(gateway(), body);

        EXPECT_EQ(first.status, "200") << type << first.body;
        EXPECT_NE(first.body.find("\"status\":\"stored\""), std::string::npos) << first.body;
        EXPECT_EQ(second.status, "200") << type;
        EXPECT_NE(second.body.find("\"status\":\"duplicate\""), std::string::npos) << second.body;
        EXPECT_EQ(gateway().value("SELECT count(*) FROM gateway.source_event "
                                  "WHERE source_event_type = '" +
                                  std::string{type} + "'"),
                  "1");
    }
}

TEST_F(GatewayTest, KeepsTheExactBytesBesideTheEvent)
{
    const std::string body = R"({ "type":"sms.sent","timestamp":1767225600000,)"
                             R"("company":{"company_id":"bytes"},"subscriber":{"external_id":7}})";

    post_signed(gateway(), body);

    EXPECT_EQ(gateway().value("SELECT convert_from(d.body, 'UTF8') FROM gateway.delivery d "
                              "JOIN gateway.source_event e USING (company_id, event_id) "
                              "WHERE company_id = 'bytes' AND d.received_at = e.received_at"),
              body);
}

TEST_F(GatewayTest, RefusesWhatWasNotSignedSo)
{
    const std::string body = fixture("sms.sent") + " "; // content of its own: white space counts
    const std::string signature = openssl_signature(body);
    const auto before = events();

    const auto base64 =
        run({"sh", "-c", "openssl dgst -sha256 -hmac '" + key + "' -binary | base64 -w0"},
            {.input = body, .environment = {}});

    EXPECT_EQ(post(gateway(), body + "x", signature).status, "401");
    EXPECT_EQ(post(gateway(), body, "").status, "401");
    EXPECT_EQ(post(gateway(), body, signature + "zz").status, "401");
    EXPECT_EQ(post(gateway(), body, base64.output).status, "401");
    EXPECT_EQ(events(), before);
}

TEST_F(GatewayTest, AnswersTheDocumentedInvalidClickWith400AndKeepsIt)
{
    const auto body = fixture("email.message_link_click.as-documented-invalid");

    const auto refused = post_signed(gateway(), body);

    EXPECT_EQ(refused.status, "400") << refused.body;
    EXPECT_EQ(gateway().value("SELECT convert_from(body, 'UTF8') FROM gateway.quarantine "
                              "WHERE reason = 'malformed_json' AND http_status = 400"),
              body);
}

TEST_F(GatewayTest, AnswersAnUnknownTypeWith202AndKeepsIt)
{
    const std::string body = R"({"type":"sms.teleported","timestamp":1767225600000,)"
                             R"("company":{"company_id":"c"}})";

    const auto kept = post_signed(gateway(), body);
    post_signed(gateway(), body);

    EXPECT_EQ(kept.status, "202") << kept.body;
    EXPECT_EQ(gateway().value("SELECT deliveries FROM gateway.quarantine "
                              "WHERE reason = 'type_unknown'"),
              "2");
}

TEST_F(GatewayTest, SaysWhichTypeIsUnknownAndWhichPathNobodyServes)
{
    gateway_process alone;
    const std::string body = R"({"type":"push, \u001bopened","timestamp":1767225600000,)"
                             R"("company":{"company_id":"c"}})";
    const std::string typed = "unknown type push%2C%20%1Bopened";
    const auto base = alone.url().substr(0, alone.url().rfind('/'));

    post_signed(alone, body);
    run({"curl", "-ksS", "-d", "{}", base + "/atentive?token=sesame"});

    EXPECT_TRUE(
        alone.child().wait_for_output("quarantined: type_unknown: type: " + typed, seconds{60}));
    EXPECT_TRUE(alone.child().wait_for_output("no endpoint has the path /webhooks/atentive, peer",
                                              seconds{60}));
    EXPECT_EQ(alone.child().errors().find("sesame"), std::string::npos);
    EXPECT_NE(run({"curl", "-sS", alone.admin_url() + "/page.json"}).output.find(typed),
              std::string::npos);
    const auto listed =
        run({GATEWAY_BINARY, "quarantine", "list", "--config", alone.config_file().string()});
    EXPECT_NE(listed.output.find(typed), std::string::npos) << listed.output << listed.errors;
    EXPECT_EQ(alone.value("SELECT detail->0->>'found' FROM report.quarantine"), typed);
}

TEST_F(GatewayTest, IsHealthyAndReady)
{
    const auto health =
        run({"curl", "-sS", "--cacert", gateway().certificate().string(),
             gateway().url().substr(0, gateway().url().rfind("/webhooks")) + "/healthz"});
    const auto ready = run({"curl", "-sS", gateway().admin_url() + "/readyz"});

    EXPECT_NE(health.output.find("ok"), std::string::npos) << health.output;
    EXPECT_EQ(ready.exit_code, 0);
    EXPECT_NE(ready.output.find("ready"), std::string::npos) << ready.output;
}

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
    EXPECT_NE(second.output.find("duplicate"), std::string::npos) << second.output;
    EXPECT_EQ(gateway.value("SELECT count(*) FROM gateway.source_event"), "10000");
    EXPECT_EQ(gateway.value("SELECT count(*) FROM gateway.delivery"), "10000");
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
                            "gateway.delivery d USING (company_id, event_id) "
                            "WHERE e.event_id IS NULL OR d.event_id IS NULL"),
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

    EXPECT_EQ(malformed.status, "400") << malformed.body;
    EXPECT_EQ(unknown.status, "202") << unknown.body;
    const auto deadline = std::chrono::steady_clock::now() + seconds{30};
    while (gateway.value("SELECT count(*) FROM gateway.quarantine") != "2" &&
           std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(milliseconds{100});
    EXPECT_EQ(gateway.value("SELECT string_agg(reason, ' ' ORDER BY reason) FROM "
                            "gateway.quarantine"),
              "malformed_json type_unknown");
}

TEST(ProductTest, HoldsNoneOfTheKnownBugsThatTheFaultTestsSwitchOn)
{
    const auto program = test::read_file(GATEWAY_BINARY);

    ASSERT_NE(program.find("listening on"), std::string::npos);
    EXPECT_EQ(program.find("GATEWAY_SABOTAGE"), std::string::npos);
    EXPECT_EQ(program.find("ack-before-commit"), std::string::npos);
}

TEST(LogTest, NeverHoldsABodyAnIdentifierAKeyOrASignature)
{
    gateway_options options;
    options.configuration = "[log]\nlevel = \"debug\"\n";
    gateway_process gateway{options};
    const std::string body =
        R"({"type":"sms.inbound_message","timestamp":1767225600000,)"
        R"("company":{"company_id":"c"},"subscriber":{"phone":"+12065550199"},)"
        R"("message":{"text":"my private words"}})";

    post_signed(gateway, body);
    post(gateway, body, openssl_signature(body + "x"));
    post_signed(gateway, "{\"type\": \"sms.sent\", \"private\": ");

    const auto log = gateway.child().errors() + gateway.child().output();
    EXPECT_NE(log.find("401"), std::string::npos) << "no line a request at level debug:\n" << log;
    for (const std::string& secret : {std::string{"+12065550199"}, std::string{"private"}, key,
                                      openssl_signature(body), openssl_signature(body + "x")})
        EXPECT_EQ(log.find(secret), std::string::npos) << secret << " in:\n" << log;
}

TEST(DemoTest, ShowsElevenRowsOfElevenTypes)
{
    const test::temporary_directory directory;

    const auto first =
        run({GATEWAY_BINARY, "demo", "--once", "--directory", (directory / "demo").string()}, {},
            seconds{120});
    const auto second =
        run({GATEWAY_BINARY, "demo", "--once", "--directory", (directory / "demo").string()}, {},
            seconds{120});

    EXPECT_EQ(first.exit_code, 0) << first.errors;
    EXPECT_NE(first.output.find("(11 rows"), std::string::npos) << first.output;
    for (const char* name : {"email.subscribed", "email.unsubscribed", "email.sent", "email.opened",
                             "email.link_clicked", "sms.subscribed", "sms.unsubscribed", "sms.sent",
                             "sms.link_clicked", "sms.inbound_received", "profile.attribute_set"})
        EXPECT_NE(first.output.find(name), std::string::npos) << name << " in\n" << first.output;
    EXPECT_NE(first.output.find("Was sent an"), std::string::npos) << first.output;
    EXPECT_NE(first.output.find("http://127.0.0.1:"), std::string::npos)
        << first.output; // the page
    EXPECT_EQ(second.exit_code, 0) << second.errors;
    EXPECT_NE(second.output.find("(11 rows"), std::string::npos) << second.output;
}

TEST(DemoTest, ASecondOneLeavesTheFilesOfTheFirstAlone)
{
    const test::temporary_directory home;
    const auto directory = home / "demo";
    test::process first{{GATEWAY_BINARY, "demo", "--directory", directory.string()}};
    ASSERT_TRUE(first.wait_for_output("serving until Ctrl-C", seconds{240})) << first.errors();
    const auto before = test::read_file(directory / "gateway.toml");

    const auto second =
        run({GATEWAY_BINARY, "demo", "--directory", directory.string()}, {}, seconds{120});

    EXPECT_EQ(second.exit_code, 1);
    EXPECT_NE(second.errors.find("another one runs in " + directory.string()), std::string::npos)
        << second.errors;
    EXPECT_EQ(test::read_file(directory / "gateway.toml"), before);
    first.signal(SIGINT);
    EXPECT_EQ(first.wait(seconds{120}), 0) << first.errors();
}

} // namespace
} // namespace gateway
