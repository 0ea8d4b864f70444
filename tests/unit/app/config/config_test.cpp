// The configuration file: each way in which it can be wrong is said with line, column, key and
// what would be right, and the example in config/ says all that the reader accepts.
#include "app/config/checks.hpp"
#include "app/config/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// A sound file with room for `listener`, `endpoint`, `database` and further lines.
struct parts {
    std::string listener = "behind_tls_proxy = true\n";
    std::string endpoint = "name = \"attentive\"\npath = \"/hook\"\n"
                           "signing_keys = [ { id = \"a\", file = \"/key\" } ]\n";
    std::string database = "url = \"postgresql:///gateway\"\n";
    std::string rest = {};
};

std::string text_of(const parts& p)
{
    return "[listener]\n" + p.listener + "[[endpoint]]\n" + p.endpoint + "[database]\n" +
           p.database + p.rest;
}

// The faults of the file, or "accepted".
std::string faults_of(const parts& p)
{
    const auto parsed = parse_config(text_of(p), "gateway.toml");
    if (parsed)
        return "accepted";
    EXPECT_EQ(parsed.error().code, errc::config_invalid);
    return parsed.error().detail;
}

std::string example()
{
    std::stringstream text;
    text << std::ifstream{GATEWAY_SOURCE_DIR "/config/gateway.toml"}.rdbuf();
    return text.str();
}

TEST(ConfigTest, TakesWhatTheFileSays)
{
    const auto parsed = parse_config(
        text_of({.listener = "address = \"[::1]:9000\"\nthreads = 3\n"
                             "trusted_proxies = [\"10.0.0.0/8\", \"::1\", \"fd00::/8\"]\n",
                 .endpoint = "name = \"a\"\npath = \"/a\"\nsigning_keys = [\n"
                             "{ id = \"1\", credential = \"c\" }, { id = \"2\", environment = "
                             "\"E\" } ]\n",
                 .database = "url = \"host=h user=u\"\npassword = { file = \"/pw\" }\n"
                             "accept_weak_durability = true\n",
                 .rest = "[admin]\naddress = \"127.0.0.1:1\"\ntoken = { credential = \"t\" }\n"
                         "[log]\nlevel = \"debug\"\nformat = \"text\"\n"
                         "[limits]\nbody_bytes_max = \"1MiB\"\nretry_after = \"1m\"\n"
                         "batch_deadline = \"1500ms\"\ninbox_events_max = 7\n"}),
        "gateway.toml");

    ASSERT_TRUE(parsed) << parsed.error().detail;
    const config& c = parsed.value();
    EXPECT_FALSE(config{}.database.accept_weak_durability);
    EXPECT_EQ(c.listener.address, "[::1]:9000");
    EXPECT_EQ(c.listener.threads, 3U);
    EXPECT_EQ(c.listener.trusted_proxies.size(), 3U);
    ASSERT_EQ(c.endpoints.size(), 1U);
    EXPECT_EQ(c.endpoints[0].signing_keys[0].secret.credential, "c");
    EXPECT_EQ(c.endpoints[0].signing_keys[1].secret.environment, "E");
    EXPECT_EQ(c.database.password->file, "/pw");
    EXPECT_EQ(c.admin.token->credential, "t");
    EXPECT_TRUE(c.database.accept_weak_durability);
    EXPECT_EQ(c.log.level, "debug");
    EXPECT_EQ(c.limits.body_bytes_max, 1U << 20U);
    EXPECT_EQ(c.limits.retry_after, 60s);
    EXPECT_EQ(c.limits.batch_deadline, 1'500ms);
    EXPECT_EQ(c.limits.inbox_events_max, 7U);
}

TEST(ConfigTest, ParsesTheExample)
{
    const auto parsed = parse_config(example(), "config/gateway.toml");

    ASSERT_TRUE(parsed) << parsed.error().detail;
    EXPECT_EQ(parsed.value().database.url, "postgresql:///gateway");
}

TEST(ConfigTest, ExampleHoldsEveryKeyWithItsDefaultAndRange)
{
    std::string text = example();
    for (std::size_t at = 0; (at = text.find("\n# ", at)) != std::string::npos;)
        text.replace(at, 3, " "); // comments as they read, across their line ends

    for (const setting& s : settings()) {
        const std::string name{s.key};
        const std::string by_default = s.how.shown({});
        EXPECT_THAT(text, HasSubstr(name + " = ")) << s.path();
        EXPECT_THAT(text, HasSubstr("Allowed: " + s.how.allowed)) << s.path();
        if (!by_default.empty()) {
            EXPECT_THAT(example(), HasSubstr("\n" + name + " = " + by_default + "\n")) << s.path();
        }
    }
    for (const char* key : {"name", "path", "signing_keys", "id", "file", "credential",
                            "environment", "password", "token"})
        EXPECT_THAT(text, HasSubstr(std::string{key} + " = "));
    for (const auto& allowed : {name_form.allowed, endpoint_path_form.allowed})
        EXPECT_THAT(text, HasSubstr("Allowed: " + std::string{allowed}));
}

TEST(ConfigTest, NamesUnknownKeysAndWhatWasMeant)
{
    EXPECT_EQ(faults_of({.listener = "behind_tls_proxy = true\n  adress = \"x\"\n"}),
              "gateway.toml:3:3: listener.adress: unknown key, did you mean address?; allowed: "
              "address, tls_certificate, tls_private_key, behind_tls_proxy, trusted_proxies, "
              "proxy_protocol, threads");
    EXPECT_THAT(faults_of({.listener = "behind_tls_proxy = true\nbody_bytes_max = \"1KiB\"\n"}),
                HasSubstr("listener.body_bytes_max: stands in [limits]"));
    EXPECT_THAT(faults_of({.rest = "[limts]\n"}),
                HasSubstr("limts: unknown section, did you mean limits?"));
    EXPECT_THAT(faults_of({.rest = "[archive]\ndirectory = \"/x\"\n"}),
                HasSubstr("archive: unknown section; allowed: listener, endpoint"));
}

TEST(ConfigTest, ReportsAllFaultsInTheOrderOfTheFile)
{
    const std::string faults = faults_of({.listener = "threads = 0\nbehind_tls_proxy = true\n",
                                          .database = "writers = 99\n",
                                          .rest = "[log]\nlevel = \"loud\"\n"});

    const auto threads = faults.find("gateway.toml:2:11: listener.threads: 0 is out of range");
    const auto writers = faults.find("database.writers: 99 is out of range; allowed: 1 to 32");
    const auto level = faults.find("log.level: \"loud\" is not one of them; allowed: trace,");
    EXPECT_LT(threads, writers);
    EXPECT_LT(writers, level);
    EXPECT_NE(level, std::string::npos) << faults;
}

TEST(ConfigTest, RefusesWrongTypes)
{
    EXPECT_THAT(faults_of({.listener = "behind_tls_proxy = \"yes\"\n"}),
                HasSubstr("true or false is expected, not text; allowed: true or false"));
    EXPECT_THAT(faults_of({.listener = "behind_tls_proxy = true\nthreads = 1.5\n"}),
                HasSubstr("a whole number is expected, not a decimal number"));
    EXPECT_THAT(faults_of({.listener = "behind_tls_proxy = true\naddress = 8443\n"}),
                HasSubstr("listener.address: text is expected, not a whole number"));
    EXPECT_THAT(faults_of({.rest = "[limits]\nbody_timeout = 5\n"}),
                HasSubstr("text with a unit, as \"5s\" or \"250ms\", is expected"));
    EXPECT_THAT(faults_of({.rest = "log = 3\n"}),
                HasSubstr("database.log: unknown key")); // TOML: still inside [database]
    EXPECT_THAT(faults_of({.listener = "behind_tls_proxy = true\ntrusted_proxies = \"::1\"\n"}),
                HasSubstr("a list is expected, not text"));
}

TEST(ConfigTest, RefusesValuesOutOfRange)
{
    EXPECT_THAT(faults_of({.rest = "[limits]\nbody_timeout = \"10m\"\n"}),
                HasSubstr("\"10m\" is out of range; allowed: 100ms to 5m"));
    EXPECT_THAT(faults_of({.rest = "[limits]\nbody_timeout = \"soon\"\n"}),
                HasSubstr("is not a duration with a unit"));
    EXPECT_THAT(faults_of({.rest = "[limits]\nbody_bytes_max = \"65MiB\"\n"}),
                HasSubstr("\"65MiB\" is out of range; allowed: 1KiB to 64MiB"));
    EXPECT_THAT(faults_of({.rest = "[limits]\nbody_bytes_max = \"big\"\n"}),
                HasSubstr("is not a size with a unit"));
    EXPECT_THAT(faults_of({.rest = "[limits]\nretry_after = \"1500ms\"\n"}),
                HasSubstr("allowed: 1s to 1h, whole seconds"));
    EXPECT_THAT(faults_of({.rest = "[limits]\nconnections_max = -1\n"}),
                HasSubstr("-1 is out of range"));
    EXPECT_THAT(faults_of({.rest = "[limits]\nbody_bytes_max = \"2MiB\"\n"
                                   "inbox_bytes_max = \"1MiB\"\n"}),
                HasSubstr("limits.body_bytes_max: more than inbox_bytes_max"));
}

TEST(ConfigTest, RefusesAddressesThatAreNone)
{
    for (const char* address : {"localhost:8443", "0.0.0.0", ":8443", "1.2.3.4:65536", "::1:80",
                                "[::1]", "1.2.3.4:80x", "[1.2.3.4]:80", "1.2.3.4:-1"}) {
        EXPECT_THAT(faults_of({.listener = "behind_tls_proxy = true\naddress = \"" +
                                           std::string{address} + "\"\n"}),
                    HasSubstr("is not an address with a port"))
            << address;
    }
    EXPECT_THAT(faults_of({.listener = "behind_tls_proxy = true\n"
                                       "trusted_proxies = [\"10.0.0.0/33\"]\n"}),
                HasSubstr("\"10.0.0.0/33\" is no address or network"));
}

TEST(ConfigTest, TakesPlainHttpOnlyWhereNobodyListensIn)
{
    EXPECT_THAT(faults_of({.listener = "address = \"0.0.0.0:80\"\n"}),
                HasSubstr("gateway.toml:2:11: listener.address: \"0.0.0.0:80\" would take plain "
                          "HTTP from the network"));
    EXPECT_EQ(faults_of({.listener = "address = \"127.0.0.1:80\"\n"}), "accepted");
    EXPECT_EQ(faults_of({.listener = "address = \"[::1]:80\"\n"}), "accepted");
    EXPECT_EQ(faults_of({.listener = "address = \"0.0.0.0:80\"\nbehind_tls_proxy = true\n"}),
              "accepted");
    EXPECT_EQ(faults_of({.listener = "tls_certificate = \"/c\"\ntls_private_key = \"/k\"\n"}),
              "accepted");
}

TEST(ConfigTest, WantsCertificateAndKeyTogether)
{
    EXPECT_THAT(faults_of({.listener = "tls_certificate = \"/c\"\n"}),
                HasSubstr("listener.tls_certificate: stands without tls_private_key"));
    EXPECT_THAT(faults_of({.listener = "tls_private_key = \"/k\"\n"}),
                HasSubstr("listener.tls_private_key: stands without tls_certificate"));
}

TEST(ConfigTest, RefusesWhatCannotWorkTogether)
{
    EXPECT_THAT(faults_of({.listener = "behind_tls_proxy = true\nproxy_protocol = true\n"}),
                HasSubstr("gateway.toml:3:18: listener.proxy_protocol: stands without "
                          "trusted_proxies"));
    EXPECT_EQ(faults_of({.listener = "behind_tls_proxy = true\nproxy_protocol = true\n"
                                     "trusted_proxies = [\"::1\"]\n"}),
              "accepted");
    for (const char* admin : {"127.0.0.1:9000", "0.0.0.0:9000", "[::]:9000"})
        EXPECT_THAT(faults_of({.listener = "address = \"127.0.0.1:9000\"\n",
                               .rest = "[admin]\naddress = \"" + std::string{admin} + "\"\n"}),
                    HasSubstr("admin.address: \"" + std::string{admin} +
                              "\" is the port of listener.address"));
    EXPECT_EQ(faults_of({.listener = "address = \"127.0.0.1:0\"\n",
                         .rest = "[admin]\naddress = \"127.0.0.1:0\"\n"}),
              "accepted");
    EXPECT_THAT(faults_of({.rest = "[spool]\ndirectory = \"spool\"\n"}),
                HasSubstr("spool.directory: \"spool\" is relative"));
    EXPECT_THAT(faults_of({.rest = "[limits]\nanswer_timeout = \"1s\"\n"}),
                HasSubstr("limits.answer_timeout: shorter than batch_deadline: senders would be "
                          "answered 503 for events that are stored a moment later; allowed: at "
                          "least 2s"));
    EXPECT_THAT(faults_of({.rest = "[limits]\nbatch_deadline = \"5s\"\n"}),
                HasSubstr("limits.answer_timeout: shorter than batch_deadline"));
}

TEST(ConfigTest, RemembersWhereItNamesFiles)
{
    const auto parsed = parse_config(
        text_of({.listener = "tls_certificate = \"/c\"\ntls_private_key = \"/k\"\n",
                 .database = "url = \"postgresql:///x\"\npassword = { file = \"/pw\" }\n"}),
        "gateway.toml");

    ASSERT_TRUE(parsed) << parsed.error().detail;
    EXPECT_EQ(parsed.value().listener.tls_certificate_at, "gateway.toml:2:19");
    EXPECT_EQ(parsed.value().listener.tls_private_key_at, "gateway.toml:3:19");
    EXPECT_EQ(parsed.value().endpoints[0].signing_keys[0].secret.at, "gateway.toml:7:37");
    EXPECT_EQ(parsed.value().database.password->at, "gateway.toml:10:21");
}

TEST(ConfigTest, WantsAnEndpoint)
{
    const auto parsed = parse_config("[database]\nembedded = \"/d\"\n"
                                     "[listener]\naddress = \"127.0.0.1:1\"\n",
                                     "gateway.toml");

    ASSERT_FALSE(parsed);
    EXPECT_THAT(parsed.error().detail, HasSubstr("endpoint: missing; allowed: at least one"));
}

TEST(ConfigTest, RefusesEndpointsThatCannotWork)
{
    const std::string keys = "signing_keys = [ { id = \"a\", file = \"/key\" } ]\n";
    EXPECT_THAT(faults_of({.endpoint = "path = \"/a\"\n" + keys}),
                HasSubstr("endpoint.name: missing"));
    EXPECT_THAT(faults_of({.endpoint = "name = \"a b\"\npath = \"/a\"\n" + keys}),
                HasSubstr("endpoint.name: not a name; allowed: 1 to 64 letters"));
    EXPECT_THAT(faults_of({.endpoint = "name = \"a\"\n" + keys}),
                HasSubstr("endpoint.path: missing"));
    EXPECT_THAT(faults_of({.endpoint = "name = \"a\"\npath = \"a\"\n" + keys}),
                HasSubstr("does not begin with \"/\""));
    EXPECT_THAT(faults_of({.endpoint = "name = \"a\"\npath = \"/a?b\"\n" + keys}),
                HasSubstr("holds a character that a path cannot"));
    EXPECT_THAT(faults_of({.endpoint = "name = \"a\"\npath = \"/healthz\"\n" + keys}),
                HasSubstr("is where the balancer asks for health"));
    EXPECT_THAT(faults_of({.endpoint = "name = \"a\"\npath = \"/a\"\n" + keys +
                                       "[[endpoint]]\nname = \"a\"\npath = \"/a\"\n" + keys}),
                testing::AllOf(HasSubstr("endpoint.name: \"a\" is taken by another"),
                               HasSubstr("endpoint.path: \"/a\" is taken by another")));
}

TEST(ConfigTest, RefusesEndpointsWithoutUsableKeys)
{
    const std::string head = "name = \"a\"\npath = \"/a\"\n";
    EXPECT_THAT(faults_of({.endpoint = head}),
                HasSubstr("endpoint.signing_keys: missing: without a key nothing could be"));
    EXPECT_THAT(faults_of({.endpoint = head + "signing_keys = []\n"}),
                HasSubstr("endpoint.signing_keys: empty"));
    EXPECT_THAT(faults_of({.endpoint = head + "signing_keys = [ { id = \"x\" } ]\n"}),
                HasSubstr("says not where the secret stands; allowed: exactly one of"));
    EXPECT_THAT(faults_of({.endpoint = head + "signing_keys = [ { id = \"x\", file = \"a\", "
                                              "environment = \"b\" } ]\n"}),
                HasSubstr("names 2 places for one secret"));
    EXPECT_THAT(faults_of({.endpoint = head + "signing_keys = [ { file = \"a\" } ]\n"}),
                HasSubstr("endpoint.signing_keys.id: missing"));
    EXPECT_THAT(faults_of({.endpoint = head + "signing_keys = [ { id = \"x\", file = \"a\" }, "
                                              "{ id = \"x\", file = \"b\" } ]\n"}),
                HasSubstr("\"x\" is taken by another key of this endpoint"));
    EXPECT_THAT(faults_of({.endpoint = head + "signing_keys = [ { id = \"x\", credential = "
                                              "\"../b\" } ]\n"}),
                HasSubstr("is not a credential's name"));
}

TEST(ConfigTest, RefusesSecretsInTheFileAndDoesNotRepeatThem)
{
    const std::string head = "name = \"a\"\npath = \"/a\"\n";
    for (const std::string& line :
         {head + "signing_key = \"hunter2\"\n", head + "secret = \"hunter2\"\n",
          head + "signing_keys = [ \"hunter2\" ]\n", head + "signing_keys = \"hunter2\"\n",
          head + "signing_keys = [ { id = \"x\", key = \"hunter2\" } ]\n"}) {
        const std::string faults = faults_of({.endpoint = line});
        EXPECT_THAT(faults, HasSubstr("a secret never stands in this file")) << line;
        EXPECT_THAT(faults, testing::Not(HasSubstr("hunter2"))) << line;
    }
}

TEST(ConfigTest, RefusesADatabasePasswordInTheFile)
{
    for (const char* url : {"postgresql://u:hunter2@h/db", "postgres://u:hunter2@h",
                            "postgresql://u:hun/ter2@h/db", "postgresql://h/db?password=hunter2",
                            "host=h password=hunter2", "host=h password = 'hunter2'"}) {
        const std::string faults = faults_of({.database = "url = \"" + std::string{url} + "\"\n"});
        EXPECT_THAT(faults, HasSubstr("database.url: holds a password; take it out")) << url;
        EXPECT_THAT(faults, testing::Not(HasSubstr("ter2"))) << url;
    }
    EXPECT_THAT(faults_of({.database = "url = \"postgresql:///x\"\npassword = \"hunter2\"\n"}),
                HasSubstr("database.password: a secret never stands in this file"));
    EXPECT_THAT(faults_of({.rest = "[admin]\ntoken = \"sesame-0123456789\"\n"}),
                HasSubstr("admin.token: a secret never stands in this file"));
}

TEST(ConfigTest, TakesDatabaseUrlsWithoutAPassword)
{
    for (const char* url :
         {"postgresql:///gateway", "postgres://u@h:5432,i:5433/db?sslmode=require",
          "postgresql://u@h/db?passfile=/etc/pgpass", "service=gateway",
          "host=/run/postgresql dbname=gateway"})
        EXPECT_EQ(faults_of({.database = "url = \"" + std::string{url} + "\"\n"}), "accepted")
            << url;
    EXPECT_THAT(faults_of({.database = "url = \"postgresql://h/db?sslmod=require\"\n"}),
                HasSubstr("gateway.toml:8:7: database.url: libpq knows no option \"sslmod\""));
    EXPECT_THAT(faults_of({.database = "url = \"host=h connect_timeout=abc\"\n"}),
                HasSubstr("connect_timeout is \"abc\", and has to be a whole number"));
    EXPECT_THAT(faults_of({.database = "url = \"mysql://h/db\"\n"}),
                HasSubstr("not a PostgreSQL url"));
    EXPECT_THAT(faults_of({.database = "url = \"gateway\"\n"}), HasSubstr("neither a url nor"));
}

TEST(ConfigTest, WantsExactlyOneDatabase)
{
    EXPECT_THAT(faults_of({.database = ""}), HasSubstr("database: missing url or embedded"));
    EXPECT_THAT(faults_of({.database = "url = \"postgresql:///x\"\nembedded = \"/d\"\n"}),
                HasSubstr("database: url and embedded exclude each other"));
    EXPECT_EQ(faults_of({.database = "embedded = \"/d\"\n"}), "accepted");
    EXPECT_THAT(faults_of({.database = "embedded = \"/d\"\npassword = { file = \"/p\" }\n"}),
                HasSubstr("database.password: the embedded database needs none"));
}

TEST(ConfigTest, SaysWhereTheFileIsNoToml)
{
    const auto parsed = parse_config("[listener]\naddress = \n", "gateway.toml");

    ASSERT_FALSE(parsed);
    EXPECT_THAT(parsed.error().detail, HasSubstr("gateway.toml:2:"));
}

TEST(ConfigTest, RefusesKeysOfSoManyPartsThatTheParserWouldOverflowItsStack)
{
    const auto parts = [](std::size_t count) {
        std::string key = "a";
        for (std::size_t i = 1; i < count; ++i)
            key += ".a";
        return key;
    };

    for (const std::string& text : {parts(50'000) + " = 1\n", "[" + parts(50'000) + "]\n",
                                    "x = { " + parts(50'000) + " = 1 }\n",
                                    "[" + parts(1'500) + "]\n" + parts(1'500) + " = 1\n"}) {
        const auto parsed = parse_config(text, "gateway.toml");

        ASSERT_FALSE(parsed);
        EXPECT_EQ(parsed.error().detail,
                  "gateway.toml: more than 2000 dots: no configuration needs as many");
    }
    const auto just = parse_config(parts(2'000) + " = 1\n", "gateway.toml");
    ASSERT_FALSE(just);
    EXPECT_NE(just.error().detail.find("unknown section"), std::string::npos);
}

TEST(ConfigTest, SaysWhyTheFileCannotBeRead)
{
    EXPECT_EQ(load_config("/nonexistent.toml").error().detail,
              "/nonexistent.toml: No such file or directory");
    EXPECT_EQ(load_config("/tmp").error().detail, "/tmp: is a directory");
}

} // namespace
} // namespace gateway
