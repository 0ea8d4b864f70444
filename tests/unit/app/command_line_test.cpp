// The binary as a person meets it at the shell: help, usage errors, exit codes, and where it looks
// for a configuration.
#include "unit/app/command_line_fixture.hpp"

#include "app/commands/command.hpp"

#include <gmock/gmock.h>

#include <sstream>

namespace gateway {
namespace {

namespace fs = std::filesystem;
using test::key;
using test::run_gateway;
using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

// On a host where `config` is the installed configuration.
test::run_result run_installed(std::vector<std::string> arguments, const std::string& config)
{
    arguments.insert(arguments.begin(), GATEWAY_BINARY);
    return test::run(arguments,
                     {.input = {}, .environment = {"ATTENTIVE_GATEWAY_CONFIG=" + config}});
}

class CommandLineTest : public test::command_line_test {};

std::vector<std::string> words_of(const std::string& name)
{
    std::vector<std::string> words;
    std::istringstream text{name};
    for (std::string word; text >> word;)
        words.push_back(word);
    return words;
}

TEST_F(CommandLineTest, EverySubcommandExplainsItselfWithAnExample)
{
    const auto all = all_commands();
    EXPECT_GT(all.size(), 30U);
    for (const command& c : all) {
        auto words = words_of(c.text.name);
        const std::string name = words.back();
        words.back() = "--help"; // of what it stands below

        EXPECT_THAT(run_gateway(words).output, HasSubstr("\n  " + name + " "));
        if (c.declare == nullptr)
            continue;
        words.back() = name;
        words.emplace_back("--help");

        const auto shown = run_gateway(words);

        EXPECT_EQ(shown.exit_code, 0) << c.text.name;
        EXPECT_THAT(shown.output, HasSubstr("Usage:\n  attentive-gateway " + c.text.name + " "));
        EXPECT_THAT(shown.output, HasSubstr("Example"));
        EXPECT_EQ(shown.errors, "");
    }
    EXPECT_THAT(run_gateway({"--help"}).output, HasSubstr("Exit codes: 0 done, 1 failed, 2"));
}

TEST_F(CommandLineTest, ReadmeTellsOfEverySubcommand)
{
    const auto readme = test::read_file(fs::path{GATEWAY_SOURCE_DIR} / "README.md");
    for (const command& c : all_commands()) {
        const std::string first = words_of(c.text.name).front();
        if (first != "help") {
            EXPECT_THAT(readme, AnyOf(HasSubstr("attentive-gateway " + first),
                                      HasSubstr("`" + first), HasSubstr("scripts/" + first)));
        }
    }
}

TEST_F(CommandLineTest, SendHasEveryOption)
{
    const auto shown = run_gateway({"send", "--help"});

    for (const char* option :
         {"--url URL", "--key-file FILE", "--key-env NAME", "--type TYPE", "--body-file FILE",
          "--count N", "--rate N", "--connections N", "--unique", "--seed N", "--ca FILE",
          "--insecure", "--journal FILE"}) {
        EXPECT_THAT(shown.output, HasSubstr("\n  " + std::string{option} + " "));
    }
}

TEST_F(CommandLineTest, PrintsItsVersion)
{
    const auto shown = run_gateway({"--version"});

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
        const auto shown = run_gateway(arguments);

        EXPECT_EQ(shown.exit_code, 2) << testing::PrintToString(arguments);
        EXPECT_THAT(shown.errors, HasSubstr("--help"));
        EXPECT_EQ(shown.output, "");
    }
    EXPECT_THAT(run_gateway({"sevre"}).errors,
                HasSubstr("unknown subcommand sevre, did you mean serve?"));
    EXPECT_THAT(run_gateway({"spool", "stats"}).errors,
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
    EXPECT_THAT(run_gateway({"serve", "--help"}).output,
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
    const auto named = run_gateway({"check-config", config});
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
    EXPECT_EQ(run_gateway({"help"}).output, run_gateway({"--help"}).output);
    EXPECT_EQ(run_gateway({"help", "serve"}).output, run_gateway({"serve", "--help"}).output);
    EXPECT_EQ(run_gateway({"help", "spool", "status"}).output,
              run_gateway({"spool", "status", "--help"}).output);
    const auto mistyped = run_gateway({"help", "sevre"});
    EXPECT_EQ(mistyped.exit_code, 2);
    EXPECT_EQ(mistyped.errors,
              "attentive-gateway: unknown subcommand sevre, did you mean serve?\n");
    EXPECT_THAT(run_gateway({"help", "spool", "stauts"}).errors,
                HasSubstr("spool: unknown subcommand stauts, did you mean status?"));
}

TEST_F(CommandLineTest, NamesWhatItDoesNotKnowBeforeWhatIsMissing)
{
    EXPECT_THAT(run_gateway({"serve", "--conf", "X"}).errors,
                StartsWith("attentive-gateway serve: unknown option --conf, did you mean "
                           "--config?\n"));
    EXPECT_THAT(run_gateway({"erase", "--compnay=X"}).errors,
                StartsWith("attentive-gateway erase: unknown option --compnay, did you mean "
                           "--company?\n"));
    EXPECT_THAT(run_gateway({"verify", "X"}).errors,
                StartsWith("attentive-gateway verify: unexpected argument X\n"));
    EXPECT_THAT(run_gateway({"--verison"}).errors,
                StartsWith("attentive-gateway: unknown option --verison, did you mean "
                           "--version?\n"));
}

} // namespace
} // namespace gateway
