// The binary as a person meets it at the shell: help, usage errors, exit codes, and the
// subcommands that need neither network nor database.
#include "gateway/attentive/verifier.hpp"
#include "gateway/demo/samples.hpp"
#include "gateway/listener/tls.hpp"
#include "support/process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace gateway {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

test::run_result run(std::vector<std::string> arguments, const std::string& input = {})
{
    arguments.insert(arguments.begin(), GATEWAY_BINARY);
    return test::run(arguments, {.input = input, .environment = {}});
}

// On a host where `config` is the installed configuration.
test::run_result run_installed(std::vector<std::string> arguments, const std::string& config)
{
    arguments.insert(arguments.begin(), GATEWAY_BINARY);
    return test::run(arguments,
                     {.input = {}, .environment = {"ATTENTIVE_GATEWAY_CONFIG=" + config}});
}

class CommandLineTest : public testing::Test {
protected:
    void SetUp() override { fs::create_directory(directory_); }
    void TearDown() override { fs::remove_all(directory_); }

    std::string file(const std::string& name, const std::string& content,
                     fs::perms allowed = fs::perms::owner_read | fs::perms::owner_write) const
    {
        const fs::path path = directory_ / name;
        std::ofstream{path, std::ios::binary} << content;
        fs::permissions(path, allowed);
        return path.string();
    }

    // A configuration whose files all exist.
    std::string sound_config(const std::string& key_file) const
    {
        const auto made = make_self_signed_certificate();
        return file("gateway.toml",
                    "[listener]\ntls_certificate = \"" + file("c.pem", made.certificate) +
                        "\"\ntls_private_key = \"" + file("k.pem", made.private_key) +
                        "\"\n[[endpoint]]\nname = \"attentive\"\npath = \"/hook\"\n"
                        "signing_keys = [ { id = \"a\", file = \"" +
                        key_file + "\" } ]\n[database]\nembedded = \"/nowhere\"\n");
    }

    fs::path directory_ =
        fs::temp_directory_path() / ("command-line-test-" + std::to_string(::getpid()));
};

const std::string key = "0123456789abcdef";

TEST_F(CommandLineTest, HelpNamesEverySubcommand)
{
    const auto shown = run({"--help"});

    EXPECT_EQ(shown.exit_code, 0);
    for (const char* name : {"serve", "migrate", "check-config", "demo", "send", "spool",
                             "quarantine", "verify", "explain"}) {
        EXPECT_THAT(shown.output, HasSubstr("\n  " + std::string{name} + " "));
    }
    EXPECT_THAT(shown.output, HasSubstr("Exit codes: 0 done, 1 failed, 2"));
    EXPECT_THAT(run({"spool", "--help"}).output, HasSubstr("\n  export "));
    EXPECT_THAT(run({"quarantine", "--help"}).output, HasSubstr("\n  replay "));
}

TEST_F(CommandLineTest, EverySubcommandExplainsItselfWithAnExample)
{
    for (const std::string name :
         {"serve", "migrate", "check-config", "demo", "send", "verify", "explain", "spool status",
          "spool verify", "spool drain", "spool export", "quarantine list", "quarantine show",
          "quarantine replay"}) {
        std::vector<std::string> words;
        for (std::istringstream text{name}; text.good();)
            text >> words.emplace_back();
        words.emplace_back("--help");

        const auto shown = run(words);

        EXPECT_EQ(shown.exit_code, 0) << name;
        EXPECT_THAT(shown.output, HasSubstr("Usage:\n  attentive-gateway " + name + " "));
        EXPECT_THAT(shown.output, HasSubstr("Example"));
        EXPECT_EQ(shown.errors, "");
    }
}

TEST_F(CommandLineTest, SendHasEveryOption)
{
    const auto shown = run({"send", "--help"});

    for (const char* option :
         {"--url URL", "--key-file FILE", "--key-env NAME", "--type TYPE", "--body-file FILE",
          "--count N", "--rate N", "--connections N", "--unique", "--seed N", "--ca FILE",
          "--insecure", "--journal FILE"}) {
        EXPECT_THAT(shown.output, HasSubstr("\n  " + std::string{option} + " "));
    }
}

TEST_F(CommandLineTest, PrintsItsVersion)
{
    const auto shown = run({"--version"});

    EXPECT_EQ(shown.exit_code, 0);
    EXPECT_THAT(shown.output, StartsWith("attentive-gateway "));
}

TEST_F(CommandLineTest, UsageErrorsExitWith2AndSayWhereToReadOn)
{
    const std::vector<std::vector<std::string>> wrong = {
        {},
        {"sevre"},
        {"serve", "--config"},
        {"explain", "superfluous"},
        {"verify", "--key-file", "k"},
        {"send", "--url", "https://h/"},
        {"send", "--url", "https://h/", "--key-file", "k", "--key-env", "K"},
        {"send", "--url", "https://h/", "--key-file", "k", "--ca", "c", "--insecure"},
        {"send", "--url", "https://h/", "--key-file", "k", "--count", "0"},
        {"send", "--url", "https://h/", "--key-file", "k", "--rate", "-1"},
        {"send", "--url", "https://h/", "--key-file", "k", "--body-file", "b", "--type", "all"},
        {"spool"},
        {"spool", "stats"},
        {"spool", "status", "--config", "f", "--directory", "d"},
        {"spool", "drain", "--directory", "d"},
        {"spool", "export", "--directory", "d"},
        {"quarantine", "list", "--config", "f", "--reason", "unheard_of"},
        {"quarantine", "list", "--config", "f", "--since", "yesterday"},
        {"quarantine", "list", "--config", "f", "--limit", "0"},
        {"quarantine", "show", "--config", "f"},
        {"quarantine", "show", "7", "--config", "f"},
        {"quarantine", "replay", "--config", "f", "--id", "7"},
    };
    for (const auto& arguments : wrong) {
        const auto shown = run(arguments);

        EXPECT_EQ(shown.exit_code, 2) << testing::PrintToString(arguments);
        EXPECT_THAT(shown.errors, HasSubstr("--help"));
        EXPECT_EQ(shown.output, "");
    }
    EXPECT_THAT(run({"sevre"}).errors, HasSubstr("unknown subcommand sevre, did you mean serve?"));
    EXPECT_THAT(run({"spool", "stats"}).errors,
                HasSubstr("spool: unknown subcommand stats, did you mean status?"));
}

TEST_F(CommandLineTest, WithoutAConfigurationItSaysWhereOneIsLookedFor)
{
    const auto nowhere = (directory_ / "nowhere.toml").string();
    for (const std::vector<std::string>& arguments :
         std::vector<std::vector<std::string>>{{"serve"},
                                               {"check-config"},
                                               {"spool", "status"},
                                               {"spool", "drain"},
                                               {"quarantine", "list"},
                                               {"report"},
                                               {"tail"},
                                               {"retention"},
                                               {"migrate"}}) {
        const auto shown = run_installed(arguments, nowhere);

        EXPECT_EQ(shown.exit_code, 2) << testing::PrintToString(arguments);
        EXPECT_THAT(shown.errors, HasSubstr(nowhere + ": No such file or directory; another file "
                                                      "is named by --config FILE or in "
                                                      "ATTENTIVE_GATEWAY_CONFIG\n"));
        EXPECT_EQ(shown.output, "");
    }
    EXPECT_THAT(run({"serve", "--help"}).output,
                HasSubstr("(default: /etc/attentive-gateway/gateway.toml)"));
}

TEST_F(CommandLineTest, FindsConfigurationAndCredentialsOfTheInstalledService)
{
    const auto made = make_self_signed_certificate();
    fs::create_directory(directory_ / "credentials");
    file("credentials/certificate.pem", made.certificate);
    file("credentials/private-key.pem", made.private_key);
    file("credentials/signing-key", key + "\n");
    file("credentials/database-password", "hush");
    std::string shipped =
        test::read_file(fs::path{GATEWAY_SOURCE_DIR} / "config/systemd/gateway.toml");
    shipped.replace(shipped.find("# password"), 2, "");
    const auto config = file("gateway.toml", shipped);

    const auto found = run_installed({"check-config"}, config);
    const auto named = run({"check-config", config});
    fs::remove(directory_ / "credentials/database-password");
    const auto missing = run_installed({"check-config"}, config);

    EXPECT_EQ(found.exit_code, 0) << found.errors;
    EXPECT_EQ(named.output, found.output);
    EXPECT_EQ(missing.exit_code, 2);
    EXPECT_THAT(missing.errors, HasSubstr("database.password: credential " +
                                          (directory_ / "credentials/database-password").string() +
                                          ": No such file or directory"));
}

TEST_F(CommandLineTest, TellsOthersThanRootWhyTheyGetNoCredentials)
{
    if (::geteuid() != 0)
        GTEST_SKIP() << "needs root, to run it as somebody else";
    fs::create_directory(directory_ / "credentials");
    fs::permissions(directory_ / "credentials", fs::perms::owner_all);
    const auto config = file("gateway.toml",
                             "[listener]\naddress = '127.0.0.1:0'\n[[endpoint]]\nname = 'a'\n"
                             "path = '/a'\nsigning_keys = [ { id = 'a', credential = "
                             "'gateway_key' } ]\n[database]\nembedded = '/nowhere'\n",
                             fs::perms::owner_all | fs::perms::others_read);
    file("credentials/key", key);

    const auto shown = test::run({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                  GATEWAY_BINARY, "check-config", config});

    EXPECT_EQ(shown.exit_code, 2);
    EXPECT_THAT(shown.errors, HasSubstr("credentials/key: Permission denied; run this as root"));
}

TEST_F(CommandLineTest, TheServiceSeesNoOtherCredentialsThanItsOwn)
{
    fs::create_directories(directory_ / "credentials");
    fs::create_directories(directory_ / "given");
    file("credentials/signing-key", key);
    const auto config = file("gateway.toml", "[listener]\naddress = '127.0.0.1:0'\n[[endpoint]]\n"
                                             "name = 'a'\npath = '/a'\nsigning_keys = [ { id = "
                                             "'a', credential = 'gateway_signing-key' } ]\n"
                                             "[database]\nembedded = '/nowhere'\n");
    const auto as_service = [&] {
        return test::run(
            {GATEWAY_BINARY, "check-config", config},
            {.input = {},
             .environment = {"CREDENTIALS_DIRECTORY=" + (directory_ / "given").string()}});
    };

    EXPECT_EQ(as_service().exit_code, 2);
    file("given/gateway_signing-key", key);
    EXPECT_EQ(as_service().exit_code, 0);
}

TEST_F(CommandLineTest, HelpIsASubcommandToo)
{
    EXPECT_EQ(run({"help"}).output, run({"--help"}).output);
    EXPECT_EQ(run({"help", "serve"}).output, run({"serve", "--help"}).output);
    EXPECT_EQ(run({"help", "spool", "status"}).output, run({"spool", "status", "--help"}).output);
    const auto mistyped = run({"help", "sevre"});
    EXPECT_EQ(mistyped.exit_code, 2);
    EXPECT_EQ(mistyped.errors,
              "attentive-gateway: unknown subcommand sevre, did you mean serve?\n");
    EXPECT_THAT(run({"help", "spool", "stauts"}).errors,
                HasSubstr("spool: unknown subcommand stauts, did you mean status?"));
}

TEST_F(CommandLineTest, NamesWhatItDoesNotKnowBeforeWhatIsMissing)
{
    EXPECT_THAT(run({"serve", "--conf", "X"}).errors,
                StartsWith("attentive-gateway serve: unknown option --conf, did you mean "
                           "--config?\n"));
    EXPECT_THAT(run({"erase", "--compnay=X"}).errors,
                StartsWith("attentive-gateway erase: unknown option --compnay, did you mean "
                           "--company?\n"));
    EXPECT_THAT(run({"verify", "X"}).errors,
                StartsWith("attentive-gateway verify: unexpected argument X\n"));
    EXPECT_THAT(run({"--verison"}).errors,
                StartsWith("attentive-gateway: unknown option --verison, did you mean "
                           "--version?\n"));
}

TEST_F(CommandLineTest, CheckConfigSaysOk)
{
    const auto shown = run({"check-config", sound_config(file("key", key + "\n"))});

    EXPECT_EQ(shown.exit_code, 0) << shown.errors;
    EXPECT_THAT(shown.output, HasSubstr("gateway.toml: ok\n"));
    EXPECT_THAT(shown.output, HasSubstr("endpoint  attentive at /hook, signing keys: a"));
    EXPECT_EQ(shown.errors, "");
}

TEST_F(CommandLineTest, CheckConfigPrintsEachFaultOnALine)
{
    const auto shown = run({"check-config", file("bad.toml", "[log]\nlevl = 1\nformat = 2\n")});

    EXPECT_EQ(shown.exit_code, 2);
    EXPECT_THAT(shown.errors,
                HasSubstr("bad.toml:2:1: log.levl: unknown key, did you mean level?"));
    EXPECT_THAT(shown.errors, HasSubstr("\n" + (directory_ / "bad.toml").string() + ":3:10: log."));
}

TEST_F(CommandLineTest, CheckConfigReadsTheSecretsButPrintsNone)
{
    const auto missing = run({"check-config", sound_config("/nonexistent")});
    const auto shorter = run({"check-config", sound_config(file("key", "hush"))});
    const auto exposed =
        run({"check-config",
             sound_config(file("open", key, fs::perms::others_read | fs::perms::owner_all))});

    EXPECT_EQ(missing.exit_code, 2);
    EXPECT_THAT(missing.errors, HasSubstr("signing key a: file /nonexistent: No such file"));
    EXPECT_EQ(shorter.exit_code, 2);
    EXPECT_THAT(shorter.errors, HasSubstr("only 4 bytes long, at least 16"));
    EXPECT_THAT(shorter.errors + shorter.output, Not(HasSubstr("hush")));
    EXPECT_EQ(exposed.exit_code, 0);
    EXPECT_THAT(exposed.errors,
                HasSubstr("warning: endpoint attentive, signing key a: everybody can read"));
}

TEST_F(CommandLineTest, CheckConfigWarnsOfAnAdminPortThatIsOpenToAll)
{
    const std::string sound = sound_config(file("key", key));
    const auto with = [&](const std::string& admin) {
        std::stringstream text;
        text << std::ifstream{sound}.rdbuf();
        return run({"check-config", file("admin.toml", text.str() + "[admin]\n" + admin)});
    };
    const std::string token = "token = { file = \"" + file("token", key) + "\" }\n";

    const auto open = with("address = \"0.0.0.0:9464\"\n");
    EXPECT_EQ(open.exit_code, 0);
    EXPECT_THAT(open.errors, HasSubstr("warning: admin: whoever reaches 0.0.0.0:9464"));
    EXPECT_EQ(with("address = \"0.0.0.0:9464\"\n" + token).errors, "");
    EXPECT_EQ(with("address = \"[::1]:9464\"\n").errors, "");
    EXPECT_EQ(with("token = { file = \"/nonexistent\" }\n").exit_code, 2);
}

TEST_F(CommandLineTest, CheckConfigLoadsTheCertificate)
{
    const std::string config = sound_config(file("key", key));
    file("c.pem", "no certificate");

    const auto shown = run({"check-config", config});

    EXPECT_EQ(shown.exit_code, 2);
    EXPECT_THAT(shown.errors, HasSubstr("c.pem"));
}

TEST_F(CommandLineTest, VerifySaysValid)
{
    const auto shown =
        run({"verify", "--key-file", file("key", key + "\n"), "--signature", sign(key, "body")},
            "body");

    EXPECT_EQ(shown.exit_code, 0) << shown.errors;
    EXPECT_EQ(shown.output, "valid: the key signed these 4 bytes\n");
}

TEST_F(CommandLineTest, VerifySaysWhyNot)
{
    const std::string key_file = file("key", key + "\n");
    const auto newline =
        run({"verify", "--key-file", key_file, "--signature", sign(key, "body")}, "body\n");
    const auto shorter = run({"verify", "--key-file", key_file, "--signature", "abc"}, "body");

    EXPECT_EQ(newline.exit_code, 1);
    EXPECT_THAT(newline.output, StartsWith("not valid: signature_mismatch"));
    EXPECT_THAT(newline.output, HasSubstr("valid for the body without the newline at its end"));
    EXPECT_EQ(shorter.exit_code, 1);
    EXPECT_THAT(shorter.output, StartsWith("not valid: signature_malformed"));
    EXPECT_THAT(newline.output + shorter.output, Not(HasSubstr(key)));
}

TEST_F(CommandLineTest, VerifyRefusesAKeyItCannotUse)
{
    const auto missing = run({"verify", "--key-file", "/nonexistent", "--signature", "x"});
    const auto shorter = run({"verify", "--key-file", file("key", "hush"), "--signature", "x"});

    EXPECT_EQ(missing.exit_code, 2);
    EXPECT_THAT(missing.errors, HasSubstr("/nonexistent: No such file"));
    EXPECT_EQ(shorter.exit_code, 2);
}

TEST_F(CommandLineTest, ExplainPrintsTheEventAsJson)
{
    const auto shown = run({"explain"}, std::string{documented_sample("sms.sent")});

    EXPECT_EQ(shown.exit_code, 0) << shown.errors;
    EXPECT_EQ(nlohmann::json::parse(shown.output).at("event_name"), "sms.sent");
    EXPECT_EQ(shown.errors, "");
}

TEST_F(CommandLineTest, ExplainSaysFieldByFieldWhyNot)
{
    const auto shown = run({"explain"}, R"({"type":"sms.sent","timestamp":"soon"})");

    EXPECT_EQ(shown.exit_code, 1);
    EXPECT_TRUE(nlohmann::json::parse(shown.output).contains("reason"));
    EXPECT_THAT(shown.errors, HasSubstr("would be kept in quarantine"));
    EXPECT_THAT(shown.errors, HasSubstr("company.company_id  found missing, expected"));
}

TEST_F(CommandLineTest, SendSaysWhatIsWrongBeforeItConnects)
{
    const std::string key_file = file("key", key);
    const auto type =
        run({"send", "--url", "https://127.0.0.1:1/", "--key-file", key_file, "--type", "sms.snt"});
    const auto url = run({"send", "--url", "localhost", "--key-file", key_file});
    const auto nobody = run({"send", "--url", "https://127.0.0.1:1/", "--key-file", key_file});

    EXPECT_EQ(type.exit_code, 2);
    EXPECT_THAT(type.errors,
                HasSubstr("\"sms.snt\" is no event type of Attentive's; one of email."));
    EXPECT_EQ(url.exit_code, 2);
    EXPECT_THAT(url.errors, HasSubstr("is not a URL"));
    EXPECT_EQ(nobody.exit_code, 1);
    EXPECT_THAT(nobody.errors, HasSubstr("refused"));
}

} // namespace
} // namespace gateway
