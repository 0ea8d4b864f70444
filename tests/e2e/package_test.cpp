// The Debian package, made by CPack from this build: what it installs into an empty root, that the
// binary there runs, and that it leaves nothing behind that is its own.
#include "support/process.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

namespace gateway {
namespace {

namespace fs = std::filesystem;
using test::run;

std::vector<std::string> files_below(const fs::path& root)
{
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator{root}) {
        if (!entry.is_directory())
            files.push_back("/" + fs::relative(entry.path(), root).string());
    }
    std::erase_if(files, [](const std::string& f) { return f.starts_with("/var/lib/dpkg/"); });
    std::sort(files.begin(), files.end());
    return files;
}

class PackageTest : public testing::Test {
protected:
    void SetUp() override
    {
        if (run({"sh", "-c", "command -v dpkg-shlibdeps && id -u | grep -x 0"}).exit_code != 0)
            GTEST_SKIP() << "needs dpkg-dev, and root";
        const auto made = run(
            {"cpack", "--config", build_ / "CPackConfig.cmake", "-G", "DEB", "-B", work_.path()},
            {}, std::chrono::minutes{3});
        ASSERT_EQ(made.exit_code, 0) << made.output << made.errors;
        for (const auto& entry : fs::directory_iterator{work_.path()}) {
            if (entry.path().extension() == ".deb")
                package_ = entry.path();
        }
        ASSERT_FALSE(package_.empty()) << made.output;
        root_ = work_ / "root";
        fs::create_directories(root_ / "var/lib/dpkg");
        for (const char* directory : {"info", "updates", "triggers"})
            fs::create_directories(root_ / "var/lib/dpkg" / directory);
        test::write_file(root_ / "var/lib/dpkg/status", "");
        test::write_file(root_ / "var/lib/dpkg/available", "");
    }

    test::run_result dpkg(std::vector<std::string> arguments) const
    {
        std::vector<std::string> words = {"dpkg", "--root=" + root_.string(), "--force-depends",
                                          "--force-script-chrootless", "--log=/dev/null"};
        words.insert(words.end(), arguments.begin(), arguments.end());
        return run(words);
    }

    const fs::path build_ = fs::path{GATEWAY_BINARY}.parent_path();
    test::temporary_directory work_;
    fs::path package_;
    fs::path root_;
};

// Whoever looks for a key in a directory of a program that is gone, finds none; events stay.
TEST_F(PackageTest, APurgeTakesTheSecretsAndSaysWhereEventsStay)
{
    ASSERT_EQ(dpkg({"--install", package_}).exit_code, 0);
    const auto secret = root_ / "etc/attentive-gateway/credentials/signing-key";
    const auto spool = root_ / "var/lib/attentive-gateway/spool/spool-1.db";
    test::write_file(secret, "0123456789abcdef");
    fs::create_directories(spool.parent_path());
    test::write_file(spool, "events");

    const auto removed = dpkg({"--remove", "attentive-gateway"});
    const bool kept = fs::exists(secret);
    const auto purged = dpkg({"--purge", "attentive-gateway"});

    EXPECT_EQ(removed.exit_code, 0) << removed.errors;
    EXPECT_TRUE(kept);
    EXPECT_NE(removed.output.find("kept the secrets in " + secret.parent_path().string()),
              std::string::npos)
        << removed.output;
    EXPECT_EQ(purged.exit_code, 0) << purged.errors;
    EXPECT_FALSE(fs::exists(root_ / "etc/attentive-gateway"));
    EXPECT_TRUE(fs::exists(spool));
    for (const auto& done : {removed, purged})
        EXPECT_NE(done.output.find("kept " + (root_ / "var/lib/attentive-gateway").string()),
                  std::string::npos)
            << done.output;
}

// What Debian wants of its own packages; see config/debian/lintian-overrides for what it does not
// get, and why.
TEST_F(PackageTest, LintianFindsNothing)
{
    if (run({"sh", "-c", "command -v lintian"}).exit_code != 0)
        GTEST_SKIP() << "lintian is not installed";

    const auto found = run({"lintian", "--allow-root", "--fail-on", "error,warning", package_}, {},
                           std::chrono::minutes{5});

    EXPECT_EQ(found.exit_code, 0) << found.output << found.errors;
    EXPECT_EQ(found.output, "");
}

// As Debian builds its own daemons.
TEST_F(PackageTest, TheProgramIsHardened)
{
    if (!GATEWAY_IS_HARDENED)
        GTEST_SKIP() << "this build is not: the presets release and package are";
    if (run({"sh", "-c", "command -v hardening-check"}).exit_code != 0)
        GTEST_SKIP() << "hardening-check (devscripts) is not installed";
    ASSERT_EQ(run({"dpkg-deb", "--extract", package_, work_ / "extracted"}).exit_code, 0);

    // Debian's own start files carry no marks of control-flow protection: no program does then.
    const auto checked =
        run({"hardening-check", "--nocfprotection", work_ / "extracted/usr/bin/attentive-gateway"});

    EXPECT_EQ(checked.exit_code, 0) << checked.output << checked.errors;
    for (const char* feature :
         {"Position Independent Executable", "Stack protected", "Fortify Source functions",
          "Read-only relocations", "Immediate binding"})
        EXPECT_NE(checked.output.find(std::string{feature} + ": yes"), std::string::npos)
            << checked.output;
}

// Scripts that run as root on somebody's host.
TEST(ScriptsTest, ShellcheckFindsNothing)
{
    if (run({"sh", "-c", "command -v shellcheck"}).exit_code != 0)
        GTEST_SKIP() << "shellcheck is not installed";
    const fs::path source = GATEWAY_SOURCE_DIR;
    std::vector<std::string> words = {"shellcheck"};
    for (const char* directory : {"scripts", "config/debian", "docker"}) {
        for (const auto& entry : fs::directory_iterator{source / directory}) {
            if (test::read_file(entry.path()).starts_with("#!"))
                words.push_back(entry.path());
        }
    }

    const auto found = run(words);

    EXPECT_GT(words.size(), 8U);
    EXPECT_EQ(found.exit_code, 0) << found.output;
}

TEST(ManPageTest, HasEverySubcommand)
{
    auto page = test::read_file(fs::path{GATEWAY_SOURCE_DIR} / "config/man/attentive-gateway.1");
    std::erase(page, '\\');
    const auto help = run({GATEWAY_BINARY, "--help"}).output;
    const auto begin = help.find("Subcommands:\n");
    ASSERT_NE(begin, std::string::npos);

    std::istringstream lines{help.substr(begin + 13, help.find("\n\n", begin) - begin - 13)};
    for (std::string name, rest; lines >> name && std::getline(lines, rest);)
        EXPECT_TRUE(page.find("\n.B " + name + " ") != std::string::npos ||
                    page.find("\"" + name + " ") != std::string::npos)
            << name;
}

TEST_F(PackageTest, InstallsWhatAServiceNeedsAndRemovesItAgain)
{
    const auto installed = dpkg({"--install", package_});
    ASSERT_EQ(installed.exit_code, 0) << installed.output << installed.errors;
    const auto files = files_below(root_);
    const auto binary = (root_ / "usr/bin/attentive-gateway").string();
    ASSERT_TRUE(fs::exists(binary));
    const auto version = run({binary, "--version"});
    const auto diagnosis =
        run({binary, "doctor", "--config", root_ / "etc/attentive-gateway/gateway.toml"});
    const auto depends = run({"dpkg-deb", "--field", package_, "Depends"}).output;
    const auto removed = dpkg({"--remove", "attentive-gateway"});
    const auto left = files_below(root_);
    const auto purged = dpkg({"--purge", "attentive-gateway"});

    EXPECT_EQ(files, (std::vector<std::string>{
                         "/etc/attentive-gateway/gateway.toml",
                         "/usr/bin/attentive-gateway",
                         "/usr/lib/systemd/system/attentive-gateway.service",
                         "/usr/lib/systemd/system/attentive-gateway.socket",
                         "/usr/share/bash-completion/completions/attentive-gateway",
                         "/usr/share/doc/attentive-gateway/README.md",
                         "/usr/share/doc/attentive-gateway/changelog.gz",
                         "/usr/share/doc/attentive-gateway/copyright",
                         "/usr/share/doc/attentive-gateway/examples/alerts.yml",
                         "/usr/share/doc/attentive-gateway/examples/attentive-gateway.json",
                         "/usr/share/doc/attentive-gateway/examples/gateway.toml",
                         "/usr/share/doc/attentive-gateway/examples/haproxy.cfg",
                         "/usr/share/doc/attentive-gateway/examples/nginx.conf",
                         "/usr/share/doc/attentive-gateway/examples/openapi.json",
                         "/usr/share/doc/attentive-gateway/examples/shopify/events.jq",
                         "/usr/share/doc/attentive-gateway/examples/shopify/webhooks.ndjson",
                         "/usr/share/fish/vendor_completions.d/attentive-gateway.fish",
                         "/usr/share/lintian/overrides/attentive-gateway",
                         "/usr/share/man/man1/attentive-gateway.1.gz",
                         "/usr/share/zsh/vendor-completions/_attentive-gateway"}));
    EXPECT_EQ(version.exit_code, 0) << version.errors;
    EXPECT_NE(depends.find("libpqxx"), std::string::npos) << depends;
    EXPECT_NE(depends.find("libsystemd0"), std::string::npos) << depends;
    EXPECT_EQ(diagnosis.exit_code, 1); // nothing is set up yet, and it says what is missing
    EXPECT_NE(diagnosis.output.find("FAIL signing keys"), std::string::npos) << diagnosis.output;
    EXPECT_NE(diagnosis.output.find("FAIL certificate"), std::string::npos) << diagnosis.output;
    EXPECT_EQ(removed.exit_code, 0) << removed.errors;
    EXPECT_EQ(left, std::vector<std::string>{"/etc/attentive-gateway/gateway.toml"});
    EXPECT_EQ(purged.exit_code, 0) << purged.errors;
    EXPECT_EQ(files_below(root_), std::vector<std::string>{});
}

} // namespace
} // namespace gateway
