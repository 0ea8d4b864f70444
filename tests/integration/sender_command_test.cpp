// `send` at the shell against a real server: what is printed, and the exit code that a script
// relies on.
#include "support/process.hpp"
#include "support/scripted_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace gateway {
namespace {

using testing::HasSubstr;
using testing::Not;

class SendCommandTest : public testing::Test {
protected:
    void SetUp() override { ::setenv("SENDER_TEST_KEY", "a-signing-key-of-the-test", 1); }
    void TearDown() override { ::unsetenv("SENDER_TEST_KEY"); }

    static test::run_result send_to(const scripted_server& server,
                                    std::vector<std::string> more = {})
    {
        std::vector<std::string> arguments = {GATEWAY_BINARY, "send",
                                              "--url",        server.url(),
                                              "--key-env",    "SENDER_TEST_KEY",
                                              "--ca",         server.certificate_file()};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return test::run(arguments);
    }
};

TEST_F(SendCommandTest, SendsEachSampleOnceAndSums)
{
    const scripted_server server{[](std::size_t n, const seen_request&) {
        return scripted_answer{.body = n == 0 ? R"({"status":"quarantined"})"
                                              : R"({"status":"accepted"})"};
    }};

    const auto shown = send_to(server);

    EXPECT_EQ(shown.exit_code, 0) << shown.errors;
    EXPECT_EQ(server.requests().size(), 11U);
    EXPECT_THAT(shown.output, HasSubstr("11 answered in "));
    EXPECT_THAT(shown.output, HasSubstr("status 200       11\n"));
    EXPECT_THAT(shown.output, HasSubstr("quarantined      1\n"));
    EXPECT_THAT(shown.output, HasSubstr("accepted         10\n"));
    EXPECT_THAT(shown.output, HasSubstr("latency          p50 "));
    EXPECT_THAT(shown.output + shown.errors, Not(HasSubstr("a-signing-key")));
}

TEST_F(SendCommandTest, FailsOnAnyAnswerThatIsNoSuccess)
{
    const scripted_server server{[](std::size_t n, const seen_request&) {
        return scripted_answer{.status = n == 4 ? 503 : 200};
    }};

    const auto shown = send_to(server, {"--count", "6", "--type", "sms.sent"});

    EXPECT_EQ(shown.exit_code, 1);
    EXPECT_THAT(shown.output, HasSubstr("status 503       1\n"));
}

TEST_F(SendCommandTest, FailsWhenAnAnswerIsMissing)
{
    const scripted_server server{[](std::size_t n, const seen_request&) {
        return scripted_answer{.act = n == 1 ? scripted_answer::what::cut
                                             : scripted_answer::what::reply};
    }};

    const auto shown = send_to(server, {"--count", "3", "--type", "sms.sent"});

    EXPECT_EQ(shown.exit_code, 1);
    EXPECT_THAT(shown.output, HasSubstr("no answer        1, the first: https://localhost:"));
}

TEST_F(SendCommandTest, SendsAFile)
{
    const scripted_server server{
        [](std::size_t, const seen_request&) { return scripted_answer{}; }};
    const auto file =
        std::filesystem::temp_directory_path() / ("sender-command-" + std::to_string(::getpid()));
    std::ofstream{file} << "{ }\n";

    const auto shown = send_to(server, {"--body-file", file.string()});
    std::filesystem::remove(file);

    EXPECT_EQ(shown.exit_code, 0) << shown.errors;
    ASSERT_EQ(server.requests().size(), 1U);
    EXPECT_EQ(server.requests()[0].body, "{ }\n");
}

} // namespace
} // namespace gateway
