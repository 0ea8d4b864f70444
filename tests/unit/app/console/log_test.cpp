// A log line is one line, whatever an attacker gets into the message or a value, and its values are
// fields that keep their types.
#include "app/console/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace gateway {
namespace {

using ::testing::ElementsAre;

const timestamp at{std::chrono::milliseconds{1632945178104}};

log_line plain(severity level, std::string_view message)
{
    return {at, level, message};
}

log_line with_fields()
{
    return {at,
            severity::warn,
            "refused",
            "delivery_refused",
            {{"client.address", "192.0.2.7"},
             {"attentive.log.held_back", 12},
             {"attentive.pause.duration", std::chrono::milliseconds{1500}},
             {"error.message", "a=b \"c\"\n"}}};
}

TEST(LogTest, WritesJsonWithTimeLevelAndMessage)
{
    EXPECT_EQ(json_log_line(plain(severity::info, "ready")),
              R"({"time":"2021-09-29T19:52:58.104Z","level":"info","message":"ready"})");
}

TEST(LogTest, WritesTextInColumns)
{
    EXPECT_EQ(text_log_line(plain(severity::info, "ready")),
              "2021-09-29T19:52:58.104Z info  ready");
    EXPECT_EQ(text_log_line(plain(severity::error, "path \"/a\\b\"")),
              "2021-09-29T19:52:58.104Z error path \"/a\\b\"");
}

TEST(LogTest, WritesFieldsAsJsonOfTheirTypes)
{
    const auto json = nlohmann::json::parse(json_log_line(with_fields()));

    EXPECT_EQ(json.at("event.name"), "delivery_refused");
    EXPECT_EQ(json.at("client.address"), "192.0.2.7");
    EXPECT_EQ(json.at("attentive.log.held_back"), 12);
    EXPECT_EQ(json.at("attentive.pause.duration"), 1.5);
    EXPECT_EQ(json.at("error.message"), "a=b \"c\"\n");
}

TEST(LogTest, WritesFieldsBehindTheSentenceInText)
{
    EXPECT_EQ(text_log_line(with_fields()),
              "2021-09-29T19:52:58.104Z warn  refused event.name=delivery_refused "
              "client.address=192.0.2.7 attentive.log.held_back=12 attentive.pause.duration=1.5 "
              R"(error.message="a=b \"c\"\n")");
}

TEST(LogTest, GivesTheJournalAPriorityAndFieldsOfItsOwnNames)
{
    EXPECT_THAT(journal_log_fields(with_fields()),
                ElementsAre("SYSLOG_IDENTIFIER=attentive-gateway", "PRIORITY=4", "MESSAGE=refused",
                            "EVENT_NAME=delivery_refused", "CLIENT_ADDRESS=192.0.2.7",
                            "ATTENTIVE_LOG_HELD_BACK=12", "ATTENTIVE_PAUSE_DURATION=1.5",
                            R"(ERROR_MESSAGE=a=b "c"\n)"));
    EXPECT_EQ(journal_log_fields(plain(severity::error, "x"))[1], "PRIORITY=3");
    EXPECT_EQ(journal_log_fields(plain(severity::critical, "x"))[1], "PRIORITY=2");
    EXPECT_EQ(journal_log_fields(plain(severity::info, "x"))[1], "PRIORITY=6");
    EXPECT_EQ(journal_log_fields(plain(severity::debug, "x"))[1], "PRIORITY=7");
}

TEST(LogTest, KeepsAHostileMessageOnOneLine)
{
    const std::string hostile = "a\"\\\n\r\x1b[2J\x7f\xc2\x9b\xff{\"level\":\"error\"}";
    const log_line line{at, severity::warn, hostile, "x", {{"client.address", hostile}}};

    EXPECT_EQ(nlohmann::json::parse(json_log_line(line)).at("level"), "warn");
    auto lines = journal_log_fields(line);
    lines.push_back(json_log_line(line));
    lines.push_back(text_log_line(line));
    for (const std::string& each : lines) {
        EXPECT_EQ(each.find_first_of("\n\r\x1b\x7f\x9b\xff"), std::string::npos) << each;
    }
}

TEST(LogTest, PrefixesPrioritiesOnlyWhereStandardErrorIsTheJournal)
{
    struct stat is {};
    ASSERT_EQ(::fstat(STDERR_FILENO, &is), 0);
    const std::string stream = std::to_string(is.st_dev) + ":" + std::to_string(is.st_ino);

    ::unsetenv("JOURNAL_STREAM");
    EXPECT_EQ(journal_prefix(severity::error), "");
    ::setenv("JOURNAL_STREAM", "8:1", 1);
    EXPECT_EQ(journal_prefix(severity::error), "");
    ::setenv("JOURNAL_STREAM", stream.c_str(), 1);
    EXPECT_EQ(journal_prefix(severity::error), "<3>");
    EXPECT_EQ(journal_prefix(severity::warn), "<4>");
    ::unsetenv("JOURNAL_STREAM");
}

} // namespace
} // namespace gateway
