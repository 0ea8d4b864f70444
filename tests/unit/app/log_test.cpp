// A log line is one line, whatever an attacker gets into the message.
#include "gateway/app/log.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gateway {
namespace {

const timestamp at{std::chrono::milliseconds{1632945178104}};

TEST(LogTest, WritesJsonWithTimeLevelAndMessage)
{
    EXPECT_EQ(json_log_line(at, "info", "ready"),
              R"({"time":"2021-09-29T19:52:58.104Z","level":"info","message":"ready"})");
}

TEST(LogTest, WritesTextInColumns)
{
    EXPECT_EQ(text_log_line(at, "info", "ready"), "2021-09-29T19:52:58.104Z info  ready");
    EXPECT_EQ(text_log_line(at, "error", "path \"/a\\b\""),
              "2021-09-29T19:52:58.104Z error path \"/a\\b\"");
}

TEST(LogTest, KeepsAHostileMessageOnOneLine)
{
    const std::string hostile = "a\"\\\n\r\x1b[2J\xff{\"level\":\"error\"}";

    const std::string as_json = json_log_line(at, "warn", hostile);
    const std::string as_text = text_log_line(at, "warn", hostile);

    EXPECT_EQ(nlohmann::json::parse(as_json).at("level"), "warn");
    for (const std::string& line : {as_json, as_text}) {
        EXPECT_EQ(line.find_first_of("\n\r\x1b\xff"), std::string::npos) << line;
    }
}

} // namespace
} // namespace gateway
