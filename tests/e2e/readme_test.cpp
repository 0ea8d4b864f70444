// README's blocks, done as a reader does them: what it says to type runs, its configuration loads,
// its questions have answers in the columns that it shows. Paths and addresses are those of a
// directory of the test's own, and small scripts stand where sudo and systemctl would.
#include "e2e/readme_blocks.hpp"
#include "gateway/attentive/event_catalog.hpp"
#include "gateway/demo/samples.hpp"
#include "gateway/listener/tls.hpp"
#include "gateway/store/embedded_cluster.hpp"
#include "gateway/store/spool.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <regex>
#include <sstream>

namespace gateway {
namespace {

namespace fs = std::filesystem;
using std::chrono::minutes;
using std::chrono::seconds;
using test::block;
using test::block_of;
using test::blocks;
using test::is_table;
using test::lines_of;
using test::replace_all;
using testing::HasSubstr;
using testing::Not;

// Where each block that is no question and no answer is run, or why it is not run here.
const std::map<std::string, std::string> treatment = {
    {"./scripts/demo", "DemoTest does what it does"},
    {"./scripts/test", "runs this"},
    {" Attentive ──", "a picture"},
    {"attentive-gateway webhooks", "WebhooksTest has a server that speaks Attentive's API"},
    {"./scripts/setup\ncmake", "PackageTest makes and installs the package"},
    {"dpkg-deb --extract", "takes two versions; its parts are in PackageTest and ADeployment"},
    {"install -m 0600 /dev/stdin /etc", "TheSmallestConfiguration"},
    {"[listener]", "TheSmallestConfiguration"},
    {"attentive-gateway check-config", "TheSmallestConfiguration"},
    {"sudo -u postgres createdb attentive", "ADeployment"},
    {"credentials=", "ADeployment"},
    {"sudo systemctl enable", "ADeployment"},
    {"ok   certificate", "ADeployment"},
    {"attentive-gateway send", "ADeployment"},
    {"sudo install -m 0600 /dev/stdin", "ADeployment"},
    {"install -m 0600 \"$RENEWED", "ADeployment"},
    {"while read -r line", "ADeployment"},
    {"openssl rand", "ADeployment"},
    {"sudo -u postgres psql -c \"CREATE ROLE ana", "ADeployment"},
    {"attentive-gateway report attributed_orders", "ADeployment"},
    {"journalctl -u", "needs systemd's journal; JournalTest stands in for it"},
    {"ssh -L", "needs another host"},
    {"$ cat shop.csv", "RecordCommandTest"},
    {"jq -c -f events.jq", "RecordCommandTest has the same with the database of the test"},
    {"sudo -u postgres pg_dump", "ADeployment"},
    {"sudo -u postgres createdb restored", "ADeployment"},
    {"$ attentive-gateway audience", "TheDemosDatabase"},
    {"attentive-gateway explain-identity", "TheDemosDatabase"},
    {"$ attentive-gateway erase", "TheDemosDatabase"},
    {"$ attentive-gateway spool status", "TheDemosDatabase"},
    {"$ attentive-gateway spool drain", "TheDemosDatabase"},
    {"$ attentive-gateway quarantine list", "TheDemosDatabase"},
    {"$ attentive-gateway quarantine replay", "TheDemosDatabase"},
};
TEST(ReadmeTest, EveryBlockIsRunOrItIsSaidWhyNot)
{
    const auto all = blocks();

    ASSERT_GT(all.size(), 30U);
    for (std::size_t i = 0; i < all.size(); ++i) {
        const bool question = all[i].language == "sql";
        const bool answer = i > 0 && all[i - 1].language == "sql" && is_table(all[i]);
        const auto named = std::count_if(treatment.begin(), treatment.end(), [&](const auto& t) {
            return all[i].text.starts_with(t.first);
        });
        EXPECT_EQ(named, question || answer ? 0 : 1) << all[i].text;
    }
    for (const auto& [beginning, where] : treatment)
        EXPECT_NO_THROW(block_of(beginning)) << where;
}

// A host with a PostgreSQL server and the gateway installed.
class ReadmeHostTest : public testing::Test {
protected:
    void SetUp() override
    {
        auto started = embedded_cluster::start(host_ / "server");
        ASSERT_TRUE(started) << started.error().detail;
        server_.emplace(std::move(started).value());
        fs::create_directories(host_ / "etc/credentials");
        fs::create_directories(host_ / "etc/tls");
        fs::create_directories(host_ / "given");
        const auto made = make_self_signed_certificate();
        for (const char* directory : {"etc/tls", "."}) {
            test::write_file(host_ / directory / "fullchain.pem", made.certificate);
            test::write_file(host_ / directory / "privkey.pem", made.private_key);
        }
        script("sudo", R"([ "$1" != -u ] || shift 2; exec "$@")");
        // StateDirectory and LoadCredential=gateway:DIRECTORY; the daemon is started by the test.
        script("systemctl", R"(echo "$@" >> "$HOST/systemctl.log"
mkdir -p "$HOST/state"
for file in "$HOST"/etc/credentials/*; do
    cp "$file" "$CREDENTIALS_GIVEN/gateway_${file##*/}"
done)");
        // `serve` until it serves: a reader ends it with Ctrl-C.
        script("attentive-gateway", std::string{"gateway="} + GATEWAY_BINARY + R"(
[ "$1" = serve ] || exec "$gateway" "$@"
"$gateway" "$@" 2> "$HOST/serve.log" & pid=$!
until grep -q 'listening on' "$HOST/serve.log" || ! kill -0 $pid; do sleep 0.1; done
kill -INT $pid
wait $pid)");
    }

    void script(const std::string& name, const std::string& text)
    {
        fs::create_directories(host_ / "bin");
        test::write_file(host_ / "bin" / name, "#!/bin/bash\n" + text + "\n");
        fs::permissions(host_ / "bin" / name, fs::perms::owner_all);
    }

    // What the text says, on this host.
    std::string here(std::string text) const
    {
        const auto own = [this](const char* name) { return (host_ / name).string(); };
        replace_all(text, "/etc/attentive-gateway", own("etc"));
        replace_all(text, "/var/lib/attentive-gateway", own("state"));
        replace_all(text, "/run/credentials/attentive-gateway.service", own("given"));
        replace_all(text, "https://events.example.com/webhooks/attentive", url_);
        replace_all(text, "\"postgresql:///gateway\"", "\"" + server_->url() + "\"");
        for (const char* user : {"attentive_gateway", "ana"})
            replace_all(text, std::string{"postgresql://"} + user + "@127.0.0.1/attentive",
                        test::as_user(of_database("attentive"), user));
        return std::regex_replace(text,
                                  std::regex{"\"(0\\.0\\.0\\.0|\\[::\\]|127\\.0\\.0\\.1)"
                                             ":[0-9]+\""},
                                  "\"127.0.0.1:0\"");
    }

    std::string of_database(const std::string& name) const
    {
        auto url = server_->url();
        replace_all(url, "/gateway?", "/" + name + "?");
        return url;
    }

    test::process_options environment() const
    {
        const auto socket = server_->url().substr(server_->url().find("host=") + 5);
        return {"",
                {"HOST=" + host_.path().string(), "PGUSER=postgres",
                 "PGHOST=" + decoded(socket.substr(0, socket.find('&'))),
                 "ATTENTIVE_GATEWAY_CONFIG=" + (host_ / "etc/gateway.toml").string(),
                 "CREDENTIALS_GIVEN=" + (host_ / "given").string(),
                 "RENEWED_LINEAGE=" + (host_ / "renewed").string(),
                 "SSL_CERT_FILE=" + (host_ / "fullchain.pem").string()}};
    }

    static std::string decoded(std::string path)
    {
        replace_all(path, "%2F", "/");
        return path;
    }

    // Types the text into a shell that stops at the first failure.
    test::run_result type(const std::string& text) const
    {
        const auto done = test::run(
            {"bash", "-euo", "pipefail", "-c", "cd \"$HOST\"; PATH=$HOST/bin:$PATH\n" + here(text)},
            environment(), minutes{3});
        EXPECT_EQ(done.exit_code, 0) << text << done.output << done.errors;
        return done;
    }

    // As systemd does when it is told to, with the credentials of that time.
    void start_service()
    {
        const test::process_options options{
            "", {"CREDENTIALS_DIRECTORY=" + (host_ / "given").string()}};
        service_.reset();
        service_ = std::make_unique<test::process>(
            std::vector<std::string>{GATEWAY_BINARY, "serve", "--config",
                                     (host_ / "etc/gateway.toml").string()},
            options);
        ASSERT_TRUE(service_->wait_for_output("listening on", minutes{1})) << service_->errors();
        std::smatch port;
        const auto log = service_->errors();
        ASSERT_TRUE(std::regex_search(log, port, std::regex{"listening on [0-9.]+:([0-9]+)"}));
        url_ = "https://localhost:" + port[1].str() + "/webhooks/attentive";
        ASSERT_TRUE(std::regex_search(log, port, std::regex{"admin on ([0-9.]+:[0-9]+)"}));
        admin_url_ = "http://" + port[1].str();
    }

    void stop_service()
    {
        service_->signal(SIGTERM);
        EXPECT_EQ(service_->wait(minutes{1}), 0);
    }

    void expect_a_backup_to_hold(const std::string& events_then) const
    {
        type(block_of("sudo -u postgres pg_dump"));
        type(block_of("sudo -u postgres createdb restored"));
        const auto by_analyst = test::value(test::as_user(of_database("restored"), "ana"),
                                            "SELECT count(*) FROM report.source_event");
        EXPECT_EQ(by_analyst, events_then);
    }

    std::string events() const
    {
        return test::value(of_database("attentive"), "SELECT count(*) FROM gateway.source_event");
    }

    test::temporary_directory host_;
    std::optional<embedded_cluster> server_;
    std::unique_ptr<test::process> service_;
    std::string url_ = "https://localhost:1/webhooks/attentive";
    std::string admin_url_;
};

TEST_F(ReadmeHostTest, TheSmallestConfigurationServes)
{
    test::write_file(host_ / "etc/gateway.toml",
                     here(block_of("[listener]")) + "any_file_system = true\n" +
                         "[admin]\naddress = '127.0.0.1:0'\n[limits]\ndrain_delay = '0s'\n");

    type(block_of("install -m 0600 /dev/stdin /etc"));
    type(block_of("attentive-gateway check-config"));

    EXPECT_THAT(test::read_file(host_ / "serve.log"), HasSubstr("stopped"));
    EXPECT_EQ(test::value(server_->url(), "SELECT count(*) FROM gateway.source_event"), "0");
}

TEST_F(ReadmeHostTest, ADeploymentTakesEventsAndRotatesItsKeyAndCertificate)
{
    const fs::path shipped = fs::path{GATEWAY_SOURCE_DIR} / "config/systemd/gateway.toml";
    type(block_of("sudo -u postgres createdb attentive"));
    type(block_of("credentials="));
    auto configuration = here(test::read_file(shipped)) + "[limits]\ndrain_delay = '0s'\n";
    replace_all(configuration, "# password", "password");
    replace_all(configuration, "[spool]\n", "[spool]\nany_file_system = true\n");
    test::write_file(host_ / "etc/gateway.toml", configuration);

    const auto deployed = type(block_of("sudo systemctl enable"));
    start_service();
    type(block_of("install -m 0600 /dev/stdin /etc"));
    type(block_of("attentive-gateway send"));
    type(block_of("sudo -u postgres psql -c \"CREATE ROLE ana"));
    const auto report = type(block_of("attentive-gateway report attributed_orders"));

    EXPECT_THAT(report.output, testing::StartsWith("company_id,"));
    for (const auto& line : lines_of(block_of("ok   certificate")))
        EXPECT_THAT(deployed.output, HasSubstr(line.substr(5, line.find(' ', 5) - 5) + " "))
            << line;
    EXPECT_THAT(deployed.output, Not(HasSubstr("FAIL")));
    EXPECT_THAT(test::read_file(host_ / "systemctl.log"), HasSubstr("enable --now"));
    EXPECT_EQ(events(), "11");

    const auto rotation = block_of("sudo install -m 0600 /dev/stdin");
    std::smatch added;
    ASSERT_TRUE(std::regex_search(rotation, added, std::regex{"add (\\{[^}]*\\}) to"}));
    stop_service();
    type(rotation);
    replace_all(configuration, "signing_keys = [\n", "signing_keys = [\n" + added[1].str() + ",\n");
    test::write_file(host_ / "etc/gateway.toml", configuration);
    fs::create_directories(host_ / "renewed");
    const auto renewed = make_self_signed_certificate();
    for (const char* directory : {"renewed", "."}) {
        test::write_file(host_ / directory / "fullchain.pem", renewed.certificate);
        test::write_file(host_ / directory / "privkey.pem", renewed.private_key);
    }
    type(block_of("install -m 0600 \"$RENEWED"));
    const auto guard = block_of("openssl rand");
    ASSERT_TRUE(std::regex_search(guard, added, std::regex{"add (token = .*) to \\[admin\\]"}));
    type(guard);
    replace_all(configuration, "[admin]\n", "[admin]\n" + added[1].str() + "\n");
    test::write_file(host_ / "etc/gateway.toml", configuration);
    start_service();
    for (const char* key : {"signing-key", "signing-key-2"})
        type("attentive-gateway send --url " + url_ + " --unique --key-file etc/credentials/" +
             key + " --seed " + (key == std::string{"signing-key"} ? "1" : "2"));

    EXPECT_EQ(events(), "33");
    const auto asked = type("curl -so /dev/null -w '%{http_code} ' " + admin_url_ +
                            "/metrics; curl -so /dev/null -w '%{http_code}' " + admin_url_ +
                            "/metrics -H \"Authorization: Bearer "
                            "$(cat etc/credentials/admin-token)\"");
    EXPECT_EQ(asked.output, "401 200");

    expect_a_backup_to_hold("33");
    spool_settings waiting;
    waiting.directory = host_ / "lost";
    waiting.any_file_system = true;
    {
        auto s = spool::open(waiting);
        ASSERT_TRUE(s);
        const auto sample =
            test::delivery_of(std::string{documented_sample(event_type_names().front())});
        ASSERT_TRUE(s.value().append({&sample}));
    }
    ASSERT_TRUE(export_spool(waiting.directory, host_ / "DIR"));
    type(block_of("while read -r line"));
    stop_service();
}

} // namespace
} // namespace gateway
