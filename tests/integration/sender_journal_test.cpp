// The sender's journal: each attempt is on disk before its answer, whatever becomes of it.
#include "gateway/attentive/normalizer.hpp"
#include "gateway/client/sender.hpp"
#include "gateway/demo/samples.hpp"
#include "integration/sender_request.hpp"
#include "support/scripted_server.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace gateway {
namespace {

using json = nlohmann::json;
using test::always_stored;
using test::request_to;
using what = scripted_answer::what;

class SenderJournalTest : public testing::Test {
protected:
    void TearDown() override { std::filesystem::remove(file_); }

    std::vector<json> lines() const
    {
        std::vector<json> all;
        std::ifstream in{file_};
        for (std::string line; std::getline(in, line);)
            all.push_back(json::parse(line));
        return all;
    }

    std::filesystem::path file_ = std::filesystem::temp_directory_path() /
                                  ("sender-journal-" + std::to_string(::getpid()) + ".jsonl");
};

TEST_F(SenderJournalTest, HoldsEachAttemptBeforeItsAnswer)
{
    const scripted_server server{[](std::size_t n, const seen_request&) {
        return n == 5 ? scripted_answer{.act = what::cut} : scripted_answer{};
    }};
    send_request request = request_to(server, 30);
    request.connections = 3;
    request.unique = true;
    request.journal = file_;

    const auto report = send(request);

    ASSERT_TRUE(report) << report.error().detail;
    std::map<std::uint64_t, json> attempts;
    std::size_t answers = 0;
    std::size_t unanswered = 0;
    for (const json& line : lines()) {
        const auto n = line.at("n").get<std::uint64_t>();
        if (line.at("phase") == "attempt") {
            EXPECT_TRUE(attempts.emplace(n, line).second) << n << " was attempted twice";
            EXPECT_TRUE(line.at("status").is_null());
            continue;
        }
        ++answers;
        ASSERT_TRUE(attempts.count(n)) << n << " was answered before its attempt";
        EXPECT_EQ(line.at("sha256"), attempts.at(n).at("sha256"));
        unanswered += line.at("status").is_null() ? 1U : 0U;
    }
    EXPECT_EQ(attempts.size(), 30U);
    EXPECT_EQ(answers, 30U);
    EXPECT_EQ(unanswered, 1U);
}

TEST_F(SenderJournalTest, NamesTheEventThatTheBodyBecomes)
{
    const scripted_server server{always_stored};
    send_request request = request_to(server, 1);
    request.journal = file_;

    const auto report = send(request);

    ASSERT_TRUE(report) << report.error().detail;
    const auto all = lines();
    ASSERT_EQ(all.size(), 2U);
    const std::string body{documented_sample("sms.sent")};
    const normalized mapped = normalize(body);
    EXPECT_EQ(all[0].at("event_id"), to_string(std::get<source_event>(mapped).event_id));
    EXPECT_EQ(all[0].at("sha256"), to_hex(sha256(body)));
    EXPECT_EQ(all[1].at("status"), 200);
    EXPECT_EQ(all[1].at("disposition"), "accepted");
    EXPECT_EQ(all[1].at("at").get<std::string>().size(), 24U);
}

TEST_F(SenderJournalTest, HasNoEventIdForWhatDoesNotMap)
{
    const scripted_server server{always_stored};
    send_request request = request_to(server, 1);
    request.body = "{}";
    request.journal = file_;

    const auto report = send(request);

    ASSERT_TRUE(report) << report.error().detail;
    ASSERT_EQ(lines().size(), 2U);
    EXPECT_TRUE(lines()[0].at("event_id").is_null());
}

TEST_F(SenderJournalTest, HasTheAttemptOnDiskWhileTheAnswerIsAwaited)
{
    std::atomic<std::size_t> lines_at_request = 0;
    const scripted_server server{[this, &lines_at_request](std::size_t, const seen_request&) {
        lines_at_request = lines().size();
        return scripted_answer{};
    }};
    send_request request = request_to(server, 1);
    request.journal = file_;

    const auto report = send(request);

    ASSERT_TRUE(report) << report.error().detail;
    EXPECT_EQ(lines_at_request, 1U);
}

TEST(SenderTest, StopsWhenTheJournalCannotBeWritten)
{
    if (!std::filesystem::exists("/dev/full"))
        GTEST_SKIP() << "no /dev/full here";
    const scripted_server server{always_stored};
    send_request request = request_to(server, 100);
    request.connections = 4;
    request.journal = "/dev/full";

    const auto report = send(request);

    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, errc::io_failed);
    EXPECT_TRUE(server.requests().empty());
}

} // namespace
} // namespace gateway
