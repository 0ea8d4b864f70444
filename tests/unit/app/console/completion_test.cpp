// The completion as bash runs it: the words of a line go in, what TAB would offer comes out.
#include "support/process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace gateway {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::IsSupersetOf;
using testing::Not;
using testing::StartsWith;

// What is offered for the last word of `line`, in a directory with one file and one directory.
std::vector<std::string> offered(const std::string& line)
{
    const test::temporary_directory home;
    test::write_file(home / "gateway.toml", "");
    std::filesystem::create_directory(home / "spool-copy");
    const std::string binary = GATEWAY_BINARY;
    const auto said =
        test::run({"bash", "-c",
                   "cd " + home.path().string() + " && source <(" + binary +
                       " completion bash) && COMP_WORDS=(" + line +
                       ") && COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) && _attentive_gateway &&"
                       " printf '%s\\n' \"${COMPREPLY[@]}\""});
    EXPECT_EQ(said.errors, "");
    std::vector<std::string> words;
    std::istringstream lines{said.output};
    for (std::string word; std::getline(lines, word);)
        if (!word.empty())
            words.push_back(word);
    return words;
}

TEST(CompletionTest, OffersSubcommandsOfBothLevels)
{
    EXPECT_THAT(offered("attentive-gateway ''"),
                IsSupersetOf({"serve", "doctor", "tail", "spool", "completion", "--help"}));
    EXPECT_THAT(offered("attentive-gateway sp"), ElementsAre("spool"));
    EXPECT_THAT(offered("attentive-gateway spool ''"),
                IsSupersetOf({"status", "verify", "drain", "export"}));
    EXPECT_THAT(offered("attentive-gateway spool ''"), Not(Contains("serve")));
}

TEST(CompletionTest, OffersTheOptionsOfTheSubcommandThatStandsThere)
{
    EXPECT_THAT(offered("attentive-gateway serve --"),
                AllOf(IsSupersetOf({"--config", "--migrate"}), Each(StartsWith("--"))));
    EXPECT_THAT(offered("attentive-gateway serve --migrate --c"), ElementsAre("--config"));
    EXPECT_THAT(offered("attentive-gateway spool export --config gateway.toml --d"),
                ElementsAre("--directory"));
    EXPECT_THAT(offered("attentive-gateway webhooks create --tok"),
                ElementsAre("--token-file", "--token-env"));
}

TEST(CompletionTest, OffersFilesDirectoriesAndChoicesWhereTheyBelong)
{
    EXPECT_THAT(offered("attentive-gateway serve --config ''"),
                IsSupersetOf({"gateway.toml", "spool-copy"}));
    EXPECT_THAT(offered("attentive-gateway check-config g"), ElementsAre("gateway.toml"));
    EXPECT_THAT(offered("attentive-gateway spool export --to ''"), ElementsAre("spool-copy"));
    EXPECT_THAT(offered("attentive-gateway tail --format ''"), ElementsAre("text", "json"));
    EXPECT_THAT(offered("attentive-gateway rebuild --model i"), ElementsAre("identity"));
    EXPECT_THAT(offered("attentive-gateway tail --type sms.in"),
                ElementsAre("sms.inbound_message"));
    EXPECT_THAT(offered("attentive-gateway report --limit ''"), testing::IsEmpty());
}

TEST(CompletionTest, WritesForOtherShellsToo)
{
    for (const std::string shell : {"zsh", "fish"}) {
        const auto script = test::run({GATEWAY_BINARY, "completion", shell});
        EXPECT_EQ(script.exit_code, 0);
        EXPECT_THAT(script.output, testing::HasSubstr("migrate"));
        if (test::run({"sh", "-c", "command -v " + shell}).exit_code != 0)
            continue;
        EXPECT_EQ(test::run({shell, "-n"}, {.input = script.output, .environment = {}}).exit_code,
                  0);
    }
    EXPECT_EQ(test::run({GATEWAY_BINARY, "completion", "csh"}).exit_code, 2);
}

} // namespace
} // namespace gateway
