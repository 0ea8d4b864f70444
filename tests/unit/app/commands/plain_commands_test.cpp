// The subcommands that need neither network nor database, with the real binary.
#include "unit/app/command_line_fixture.hpp"

#include "gateway/attentive/verifier.hpp"
#include "gateway/demo/samples.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <sstream>

namespace gateway {
namespace {

namespace fs = std::filesystem;
using test::key;
using test::run_gateway;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class PlainCommandTest : public test::command_line_test {
protected:
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
};

TEST_F(PlainCommandTest, CheckConfigSaysOk)
{
    const auto shown = run_gateway({"check-config", sound_config(file("key", key + "\n"))});

    EXPECT_EQ(shown.exit_code, 0) << shown.errors;
    EXPECT_THAT(shown.output, HasSubstr("gateway.toml: ok\n"));
    EXPECT_THAT(shown.output, HasSubstr("endpoint  attentive at /hook, signing keys: a"));
    EXPECT_EQ(shown.errors, "");
}

TEST_F(PlainCommandTest, CheckConfigPrintsEachFaultOnALine)
{
    const auto shown =
        run_gateway({"check-config", file("bad.toml", "[log]\nlevl = 1\nformat = 2\n")});

    EXPECT_EQ(shown.exit_code, 2);
    EXPECT_THAT(shown.errors,
                HasSubstr("bad.toml:2:1: log.levl: unknown key, did you mean level?"));
    EXPECT_THAT(shown.errors, HasSubstr("\n" + (directory_ / "bad.toml").string() + ":3:10: log."));
}

TEST_F(PlainCommandTest, CheckConfigReadsTheSecretsButPrintsNone)
{
    const auto missing = run_gateway({"check-config", sound_config("/nonexistent")});
    const auto shorter = run_gateway({"check-config", sound_config(file("key", "hush"))});
    const auto exposed = run_gateway(
        {"check-config",
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

TEST_F(PlainCommandTest, CheckConfigWarnsOfAnAdminPortThatIsOpenToAll)
{
    const std::string sound = sound_config(file("key", key));
    const auto with = [&](const std::string& admin) {
        std::stringstream text;
        text << std::ifstream{sound}.rdbuf();
        return run_gateway({"check-config", file("admin.toml", text.str() + "[admin]\n" + admin)});
    };
    const std::string token = "token = { file = \"" + file("token", key) + "\" }\n";

    const auto open = with("address = \"0.0.0.0:9464\"\n");
    EXPECT_EQ(open.exit_code, 0);
    EXPECT_THAT(open.errors, HasSubstr("warning: admin: whoever reaches 0.0.0.0:9464"));
    EXPECT_EQ(with("address = \"0.0.0.0:9464\"\n" + token).errors, "");
    EXPECT_EQ(with("address = \"[::1]:9464\"\n").errors, "");
    EXPECT_EQ(with("token = { file = \"/nonexistent\" }\n").exit_code, 2);
}

TEST_F(PlainCommandTest, CheckConfigLoadsTheCertificate)
{
    const std::string config = sound_config(file("key", key));
    file("c.pem", "no certificate");

    const auto shown = run_gateway({"check-config", config});

    EXPECT_EQ(shown.exit_code, 2);
    EXPECT_THAT(shown.errors, HasSubstr("c.pem"));
}

TEST_F(PlainCommandTest, VerifySaysValid)
{
    const auto shown = run_gateway(
        {"verify", "--key-file", file("key", key + "\n"), "--signature", sign(key, "body")},
        "body");

    EXPECT_EQ(shown.exit_code, 0) << shown.errors;
    EXPECT_EQ(shown.output, "valid: the key signed these 4 bytes\n");
}

TEST_F(PlainCommandTest, VerifySaysWhyNot)
{
    const std::string key_file = file("key", key + "\n");
    const auto newline =
        run_gateway({"verify", "--key-file", key_file, "--signature", sign(key, "body")}, "body\n");
    const auto shorter =
        run_gateway({"verify", "--key-file", key_file, "--signature", "abc"}, "body");

    EXPECT_EQ(newline.exit_code, 1);
    EXPECT_THAT(newline.output, StartsWith("not valid: signature_mismatch"));
    EXPECT_THAT(newline.output, HasSubstr("valid for the body without the newline at its end"));
    EXPECT_EQ(shorter.exit_code, 1);
    EXPECT_THAT(shorter.output, StartsWith("not valid: signature_malformed"));
    EXPECT_THAT(newline.output + shorter.output, Not(HasSubstr(key)));
}

TEST_F(PlainCommandTest, VerifyRefusesAKeyItCannotUse)
{
    const auto missing = run_gateway({"verify", "--key-file", "/nonexistent", "--signature", "x"});
    const auto shorter =
        run_gateway({"verify", "--key-file", file("key", "hush"), "--signature", "x"});

    EXPECT_EQ(missing.exit_code, 2);
    EXPECT_THAT(missing.errors, HasSubstr("/nonexistent: No such file"));
    EXPECT_EQ(shorter.exit_code, 2);
}

TEST_F(PlainCommandTest, ExplainPrintsTheEventAsJson)
{
    const auto shown = run_gateway({"explain"}, std::string{documented_sample("sms.sent")});

    EXPECT_EQ(shown.exit_code, 0) << shown.errors;
    EXPECT_EQ(nlohmann::json::parse(shown.output).at("event_name"), "sms.sent");
    EXPECT_EQ(shown.errors, "");
}

TEST_F(PlainCommandTest, ExplainSaysFieldByFieldWhyNot)
{
    const auto shown = run_gateway({"explain"}, R"({"type":"sms.sent","timestamp":"soon"})");

    EXPECT_EQ(shown.exit_code, 1);
    EXPECT_TRUE(nlohmann::json::parse(shown.output).contains("reason"));
    EXPECT_THAT(shown.errors, HasSubstr("would be kept in quarantine"));
    EXPECT_THAT(shown.errors, HasSubstr("company.company_id  found missing, expected"));
}

TEST_F(PlainCommandTest, SendSaysWhatIsWrongBeforeItConnects)
{
    const std::string key_file = file("key", key);
    const auto type = run_gateway(
        {"send", "--url", "https://127.0.0.1:1/", "--key-file", key_file, "--type", "sms.snt"});
    const auto url = run_gateway({"send", "--url", "localhost", "--key-file", key_file});
    const auto nobody =
        run_gateway({"send", "--url", "https://127.0.0.1:1/", "--key-file", key_file});

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
