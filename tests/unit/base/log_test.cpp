// The sentence and the fields of a line come from the same values.
#include "gateway/base/log.hpp"

#include <gtest/gtest.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <mutex>

namespace gateway {
namespace {

struct told_line {
    std::string message;
    std::string event;
    std::vector<log_field> fields;
};

// Keeps what a sink is told.
class keeping_sink : public spdlog::sinks::base_sink<std::mutex> {
public:
    std::vector<told_line> lines;

protected:
    void sink_it_(const spdlog::details::log_msg& m) override
    {
        const auto d = current_log_details();
        lines.push_back({{m.payload.data(), m.payload.size()},
                         std::string{d.event},
                         d.fields != nullptr ? *d.fields : std::vector<log_field>{}});
    }
    void flush_() override {}
};

class WriteLogTest : public ::testing::Test {
protected:
    WriteLogTest() : before_(spdlog::default_logger())
    {
        spdlog::set_default_logger(std::make_shared<spdlog::logger>("", sink_));
        spdlog::set_level(spdlog::level::info);
    }
    ~WriteLogTest() override { spdlog::set_default_logger(before_); }

    std::shared_ptr<keeping_sink> sink_ = std::make_shared<keeping_sink>();

private:
    std::shared_ptr<spdlog::logger> before_;
};

TEST_F(WriteLogTest, FillsTheSentenceFromTheFields)
{
    write_log(severity::warn, "event_refused", "{a.text} of {a.number}: {a.flag}, {no.such}{",
              {{"a.text", "{a.number}"}, {"a.number", 7U}, {"a.flag", true}});

    ASSERT_EQ(sink_->lines.size(), 1U);
    EXPECT_EQ(sink_->lines[0].message, "{a.number} of 7: true, {");
    EXPECT_EQ(sink_->lines[0].event, "event_refused");
    EXPECT_EQ(sink_->lines[0].fields.size(), 3U);
}

TEST_F(WriteLogTest, LeavesOutWhatHasNoValue)
{
    write_log(severity::warn, "x", "refused", {{"a", std::optional<int>{}}, held_back_field(0)});

    ASSERT_EQ(sink_->lines.size(), 1U);
    EXPECT_EQ(sink_->lines[0].message, "refused");
    EXPECT_TRUE(sink_->lines[0].fields.empty());
}

TEST_F(WriteLogTest, SaysHowManyLinesWereHeldBack)
{
    write_log(severity::warn, "x", "refused", {held_back_field(3)});

    ASSERT_EQ(sink_->lines.size(), 1U);
    EXPECT_EQ(sink_->lines[0].message, "refused (3 more like this since the last such line)");
    EXPECT_EQ(field_text(sink_->lines[0].fields.at(0).value), "3");
}

TEST_F(WriteLogTest, KeepsLevelsAndForgetsFieldsBehindTheLine)
{
    write_log(severity::debug, "x", "left out", {{"a", 1}});
    write_log(severity::info, "x", "told", {{"a", 1}});
    spdlog::info("from elsewhere");

    ASSERT_EQ(sink_->lines.size(), 2U);
    EXPECT_EQ(sink_->lines[0].message, "told");
    EXPECT_TRUE(sink_->lines[1].fields.empty());
    EXPECT_TRUE(sink_->lines[1].event.empty());
    EXPECT_FALSE(is_logged(severity::debug));
    EXPECT_TRUE(is_logged(severity::error));
}

} // namespace
} // namespace gateway
