// The whole way with the real binary: what a sender sees and what stands in PostgreSQL after it.
// Signatures come from the openssl tool and requests from curl, so that no code of ours vouches
// for itself.
#include "e2e/signed_post.hpp"
#include "gateway/attentive/event_catalog.hpp"
#include "support/gateway_process.hpp"
#include "support/waiting.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

namespace gateway {
namespace {

using std::chrono::seconds;
using test::gateway_options;
using test::gateway_process;
using test::key;
using test::openssl_signature;
using test::post;
using test::post_signed;
using test::run;

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
        EXPECT_NE(first.body.find("\"status\":\"accepted\""), std::string::npos) << first.body;
        EXPECT_EQ(second.status, "200") << type;
        EXPECT_NE(second.body.find("\"status\":\"accepted\""), std::string::npos) << second.body;
        EXPECT_EQ(gateway().value("SELECT count(*) FROM gateway.source_event "
                                  "WHERE source_event_type = '" +
                                  std::string{type} + "'"),
                  "1");
    }
}

// Asked by psql, since the tests' own queries would apply what waits.
TEST_F(GatewayTest, AppliesWhatItAcknowledgedByItself)
{
    post_signed(gateway(),
                R"({"type":"sms.sent","timestamp":1767225600000,)"
                R"("company":{"company_id":"by itself"},"subscriber":{"external_id":7}})");

    EXPECT_TRUE(test::becomes([&] {
        return run({"psql", "-X", "-At", "-d", gateway().database_url(), "-c",
                    "SELECT count(*) FROM report.source_event WHERE company_id = 'by itself'"})
                   .output == "1\n";
    }));
}

TEST_F(GatewayTest, KeepsTheExactBytesBesideTheEvent)
{
    const std::string body = R"({ "type":"sms.sent","timestamp":1767225600000,)"
                             R"("company":{"company_id":"bytes"},"subscriber":{"external_id":7}})";

    post_signed(gateway(), body);

    EXPECT_EQ(gateway().value("SELECT convert_from(d.body, 'UTF8') FROM gateway.delivery d "
                              "JOIN gateway.source_event e USING (intake_id, ordinal) "
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

TEST_F(GatewayTest, AnswersTheDocumentedInvalidClickWith202AndKeepsIt)
{
    const auto body = fixture("email.message_link_click.as-documented-invalid");

    const auto refused = post_signed(gateway(), body);

    EXPECT_EQ(refused.status, "202") << refused.body;
    EXPECT_EQ(gateway().value("SELECT convert_from(body, 'UTF8') FROM gateway.quarantine "
                              "WHERE reason = 'malformed_json'"),
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
    EXPECT_EQ(alone.value("SELECT detail->0->>'found' FROM report.quarantine"), typed);
    const auto listed =
        run({GATEWAY_BINARY, "quarantine", "list", "--config", alone.config_file().string()});
    EXPECT_NE(listed.output.find(typed), std::string::npos) << listed.output << listed.errors;
}

// What the answer told of is there for whoever looks right behind it.
TEST_F(GatewayTest, ListsInQuarantineWhatItJustAnswered)
{
    for (int i = 0; i < 5; ++i) {
        const std::string type = "just.answered" + std::to_string(i);
        post_signed(gateway(), R"({"type":")" + type +
                                   R"(","timestamp":1767225600000,"company":{"company_id":"c"}})");

        const auto listed = run(
            {GATEWAY_BINARY, "quarantine", "list", "--config", gateway().config_file().string()});

        EXPECT_NE(listed.output.find(type), std::string::npos) << listed.output << listed.errors;
    }
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
    const test::machine_lock port{"demo"};
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
    const test::machine_lock port{"demo"};
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
