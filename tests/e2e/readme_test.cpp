// README's blocks, done as a reader does them: what it says to type runs, its configuration loads,
// its questions have answers in the columns that it shows. Paths and addresses are those of a
// directory of the test's own, and small scripts stand where sudo and systemctl would.
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
using testing::HasSubstr;
using testing::Not;

struct block {
    std::string language; // as after the fence; may be empty
    std::string text;     // without the fence's indentation
};

// As psql prints one.
bool is_table(const block& b)
{
    return b.language.empty() && b.text.find("-+-") != std::string::npos;
}

std::vector<std::string> lines_of(const std::string& text)
{
    std::vector<std::string> lines;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

std::vector<block> blocks()
{
    std::vector<block> found;
    bool inside = false;
    std::size_t indentation = 0;
    for (const auto& line : lines_of(test::read_file(fs::path{GATEWAY_SOURCE_DIR} / "README.md"))) {
        const auto at = line.find("```");
        const bool fence = at != std::string::npos && line.find_first_not_of(' ') == at;
        if (fence && !inside) {
            indentation = at;
            found.push_back({line.substr(at + 3), ""});
        } else if (!fence && inside) {
            found.back().text += line.substr(std::min(indentation, line.size())) + "\n";
        }
        inside = inside != fence;
    }
    return found;
}

// The only block that begins so.
std::string block_of(const std::string& beginning)
{
    std::vector<std::string> found;
    for (const auto& b : blocks()) {
        if (b.text.starts_with(beginning))
            found.push_back(b.text);
    }
    if (found.size() != 1)
        throw std::runtime_error{std::to_string(found.size()) + " blocks begin with " + beginning};
    return found.front();
}

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
    {"sudo -u postgres pg_dump", "ADeployment"},
    {"sudo -u postgres createdb restored", "ADeployment"},
    {"attentive-gateway explain-identity", "TheDemosDatabase"},
    {"$ attentive-gateway erase", "TheDemosDatabase"},
    {"$ attentive-gateway spool status", "TheDemosDatabase"},
    {"$ attentive-gateway spool drain", "TheDemosDatabase"},
    {"$ attentive-gateway quarantine list", "TheDemosDatabase"},
    {"$ attentive-gateway quarantine replay", "TheDemosDatabase"},
};

void replace_all(std::string& text, const std::string& what, const std::string& with)
{
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
        text.replace(at, what.size(), with);
}

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

// The demo's data, as the commands that README shows find them.
class ReadmeDemoTest : public testing::Test {
protected:
    static void SetUpTestSuite()
    {
        demo_ = std::make_unique<test::temporary_directory>();
        told_ = test::run({GATEWAY_BINARY, "demo", "--once", "--directory", demo_->path()}, {},
                          minutes{4});
        auto started = embedded_cluster::start(demo_->path() / "postgres");
        ASSERT_TRUE(started) << started.error().detail;
        server_.emplace(std::move(started).value());
    }

    static void TearDownTestSuite()
    {
        server_.reset();
        demo_.reset();
    }

    void SetUp() override { ASSERT_EQ(told_.exit_code, 0) << told_.errors; }

    static test::run_result type(std::string text)
    {
        replace_all(text, "attentive-gateway ", GATEWAY_BINARY " ");
        text = std::regex_replace(text, std::regex{"postgresql://[a-z]+@127.0.0.1/attentive"},
                                  "'" + server_->url() + "'");
        const auto config = "ATTENTIVE_GATEWAY_CONFIG=" + (demo_->path() / "gateway.toml").string();
        auto done = test::run({"bash", "-euo", "pipefail", "-c", text},
                              {.input = {}, .environment = {config}}, minutes{3});
        EXPECT_EQ(done.exit_code, 0) << text << done.output << done.errors;
        return done;
    }

    // Types each "$ command" of a block, and expects what begins README's lines of its output:
    // numbers and times are others.
    static void follow(const std::string& text)
    {
        std::string output;
        for (const auto& line : lines_of(text)) {
            if (line.starts_with("$ ")) {
                output = type(line.substr(2)).output;
                continue;
            }
            std::smatch first;
            if (!std::regex_search(line, first, std::regex{"^ *(?:[0-9]+ )?([^ ]+)"}))
                continue;
            const auto word = first[1].str();
            const std::regex of_that_day{"[0-9a-f]{8}-.*|spool-[0-9].*"};
            if (!std::regex_match(word, of_that_day)) {
                EXPECT_THAT(output, HasSubstr(word)) << text;
            }
        }
    }

    static test::run_result ask(const std::string& sql)
    {
        return test::run({"psql", server_->url(), "-X", "-v", "ON_ERROR_STOP=1"},
                         {.input = sql, .environment = {}}, minutes{2});
    }

    static inline std::unique_ptr<test::temporary_directory> demo_;
    static inline std::optional<embedded_cluster> server_;
    static inline test::run_result told_;
};

std::vector<std::string> columns_of(const std::string& table)
{
    std::vector<std::string> columns;
    std::istringstream header{table.substr(0, table.find('\n'))};
    for (std::string name; std::getline(header, name, '|');) {
        const auto begin = name.find_first_not_of(' ');
        columns.push_back(name.substr(begin, name.find_last_not_of(' ') + 1 - begin));
    }
    return columns;
}

TEST_F(ReadmeDemoTest, EveryQuestionHasAnAnswerAsItIsShown)
{
    const auto somebody =
        test::value(server_->url(), "SELECT profile_id FROM report.attributed_orders LIMIT 1");
    ask("CREATE SCHEMA shop; CREATE TABLE shop.customers (id int, email text, phone text);"
        "INSERT INTO shop.customers VALUES (1, 'jane@maple-moss.com', '+12065550100');"
        "CREATE TABLE shop.orders (customer_id int, number text, total numeric, currency text,"
        " paid_at timestamptz);"
        "INSERT INTO shop.orders VALUES (1, 'MM-1', 9.99, 'USD', now())");
    std::size_t asked = 0;

    const auto all = blocks();
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].language != "sql")
            continue;
        auto sql = all[i].text;
        replace_all(sql, "'…'", "'" + somebody + "'");
        const auto answer = ask(sql);
        ++asked;
        EXPECT_EQ(answer.exit_code, 0) << sql << answer.errors;
        EXPECT_THAT(answer.output, Not(HasSubstr("(0 rows)"))) << sql;
        if (is_table(all[i + 1])) {
            EXPECT_EQ(columns_of(answer.output), columns_of(all[i + 1].text)) << sql;
        }
    }

    EXPECT_GE(asked, 10U);
}

TEST_F(ReadmeDemoTest, CommandsOnTheDatabaseSayWhatIsShown)
{
    type(block_of("attentive-gateway explain-identity"));
    follow(block_of("$ attentive-gateway erase"));
    spool_settings settings;
    settings.directory = demo_->path() / "spool";
    settings.any_file_system = true;
    {
        auto waiting = spool::open(settings);
        ASSERT_TRUE(waiting) << waiting.error().detail;
        for (const auto sample : event_type_names()) {
            const auto d = test::delivery_of(std::string{documented_sample(sample)});
            ASSERT_TRUE(waiting.value().append({&d}));
        }
        const auto unknown = test::delivery_of(R"({"type":"sms.new_kind","timestamp":1,)"
                                               R"("company":{"company_id":"c"}})");
        const auto malformed = test::delivery_of("{");
        ASSERT_TRUE(waiting.value().append({&unknown, &malformed}));
    }
    follow(block_of("$ attentive-gateway spool status"));
    follow(block_of("$ attentive-gateway spool drain"));
    follow(block_of("$ attentive-gateway quarantine list"));
    follow(block_of("$ attentive-gateway quarantine replay"));
}

} // namespace
} // namespace gateway
