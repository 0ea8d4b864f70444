// `tail` beside writers: each event once, whatever the order of commits; no word of a subscriber;
// and the ways in which it ends or goes on.
#include "gateway/store/applier.hpp"
#include "gateway/store/event_tail.hpp"
#include "integration/projected_log.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>

#include <csignal>
#include <map>
#include <set>
#include <sstream>
#include <thread>

namespace gateway {
namespace {

using namespace test;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr auto patience = 60s;

// One event in a step of its own, whose message is called `name`; commits with `t`.
void store(pqxx::transaction_base& t, const std::string& name,
           const std::string& event_name = "sms.sent", const std::string& applied = "now()")
{
    t.exec(step_at(applied) +
           "INSERT INTO gateway.source_event (company_id, occurred_at, event_id, event_name,"
           " action, source, source_event_type, message_name, message_text, identifiers,"
           " received_at, position, mapping_version, quality_flags) SELECT 'C', now(),"
           " gen_random_uuid(), '" +
           event_name + "', 'sent', 'attentive', '" + event_name + "', '" + name +
           "', 'call me', '{\"phone\": [\"+12065550100\"]}', now(), position, 1, '{}' FROM s");
}

void store(const std::string& url, const std::string& name,
           const std::string& event_name = "sms.sent", const std::string& applied = "now()")
{
    pqxx::connection c{url};
    pqxx::work t{c};
    store(t, name, event_name, applied);
    t.commit();
}

std::vector<std::string> details(const result<std::vector<tailed_event>>& events)
{
    std::vector<std::string> all;
    for (const auto& e : events.value())
        all.push_back(e.detail);
    return all;
}

TEST(EventTailTest, FollowsFromTheNewest)
{
    const std::string url = fresh_database();
    store(url, "before");
    store(url, "newest");
    event_tail tail{{.database_url = url, .company = {}, .type = {}}};
    EXPECT_THAT(details(tail.from_last(10)), ElementsAre("before", "newest"));
    EXPECT_THAT(details(tail.next()), IsEmpty());

    store(url, "one more");
    store(url, "and another");

    EXPECT_THAT(details(tail.next()), ElementsAre("one more", "and another"));
    EXPECT_THAT(details(tail.next()), IsEmpty());
}

TEST(EventTailTest, BeginsWithTheLastThatMatchOrAtATime)
{
    const std::string url = fresh_database();
    for (int hour = 30; hour > 0; --hour)
        store(url, std::to_string(hour), hour % 10 == 0 ? "sms.link_clicked" : "sms.sent",
              "now() - interval '" + std::to_string(hour) + " hours'");
    event_tail clicks{{.database_url = url, .company = "C", .type = "sms.link_clicked"}};
    event_tail recent{{.database_url = url, .company = {}, .type = {}}};
    event_tail nobodys{{.database_url = url, .company = "D", .type = {}}};

    EXPECT_THAT(details(clicks.from_last(2)), ElementsAre("20", "10"));
    EXPECT_THAT(details(clicks.next()), IsEmpty());
    ASSERT_TRUE(recent.from(now() - 150min));
    EXPECT_THAT(details(recent.next()), ElementsAre("2", "1"));
    EXPECT_THAT(details(nobodys.from_last(5)), IsEmpty());
}

TEST(EventTailTest, SaysNothingPersonal)
{
    const std::string url = fresh_database();
    store(url, "Spring sale");
    event_tail tail{{.database_url = url, .company = {}, .type = {}}};

    const auto events = tail.from_last(1).value();

    ASSERT_EQ(events.size(), 1U);
    EXPECT_THAT(events[0].json, Not(HasSubstr("12065550100")));
    EXPECT_THAT(events[0].json, Not(HasSubstr("call me")));
    EXPECT_EQ(nlohmann::json::parse(events[0].json).at("message_name"), "Spring sale");
}

class TailCommandTest : public testing::Test {
protected:
    TailCommandTest()
    {
        query(url_, "DO $$ BEGIN CREATE ROLE tail_reader LOGIN IN ROLE gateway_reader;"
                    " EXCEPTION WHEN duplicate_object THEN NULL; END $$");
        write_file(config_,
                   "[listener]\naddress = '127.0.0.1:0'\n[[endpoint]]\nname = 'a'\npath = "
                   "'/hook'\nsigning_keys = [ { id = 'a', file = '/nowhere' } ]\n[database]\n"
                   "url = '" +
                       as_user(url_, "tail_reader") + "'\n");
    }

    std::vector<std::string> tail(std::vector<std::string> more) const
    {
        more.insert(more.begin(), {GATEWAY_BINARY, "tail", "--config", config_.string()});
        return more;
    }

    std::string url_ = fresh_database();
    temporary_directory home_;
    std::filesystem::path config_ = home_ / "reader.toml";
};

TEST_F(TailCommandTest, ShowsEachEventOfConcurrentWritersOnceAndEndsOnSigint)
{
    constexpr int events = 300;
    store(url_, "first");
    process following{tail({"--lines", "1"})};
    ASSERT_TRUE(following.wait_for_output("first", patience)) << following.errors();
    const applier applying{{.database_url = url_, .map = as_known}};
    {
        writer w{settings_for(url_, 2)};
        await_available(w);
        answers received;
        for (int i = 0; i < events; ++i)
            received.submit(w, click(i));
        ASSERT_EQ(received.count(disposition::accepted), events);
    }
    ASSERT_TRUE(becomes([&] { return count(url_, "gateway.source_event") == "301"; }));
    store(url_, "last");
    ASSERT_TRUE(following.wait_for_output("last", patience)) << following.errors();

    following.signal(SIGINT);
    const auto code = following.wait(patience);

    const std::string output = following.output();
    EXPECT_EQ(code, 0);
    EXPECT_EQ(std::count(output.begin(), output.end(), '\n'), events + 2) << output;
    EXPECT_THAT(output, HasSubstr("  sms.link_clicked  "));
    EXPECT_THAT(output, Not(HasSubstr("+1")));
}

TEST_F(TailCommandTest, GoesOnAfterTheDatabaseWasAway)
{
    store(url_, "before");
    process following{tail({"--lines", "1", "--format", "json"})};
    ASSERT_TRUE(following.wait_for_output("before", patience)) << following.errors();

    query(url_, "ALTER ROLE tail_reader NOLOGIN");
    query(url_, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
                " current_database() AND application_name = 'attentive-gateway tail'");
    store(url_, "meanwhile");
    EXPECT_TRUE(following.wait_for_output("out of reach", patience)) << following.errors();
    query(url_, "ALTER ROLE tail_reader LOGIN");
    store(url_, "after");

    ASSERT_TRUE(following.wait_for_output("after", patience)) << following.errors();
    EXPECT_THAT(following.output(), HasSubstr("\"meanwhile\""));
    EXPECT_THAT(following.errors(), HasSubstr("out of reach, trying again"));
    EXPECT_THAT(following.errors(), HasSubstr("connected again"));
}

TEST_F(TailCommandTest, EndsWhenNobodyReads)
{
    store(url_, "only");
    const auto words = tail({});
    std::string line;
    for (const auto& word : words)
        line += word + " ";

    const auto piped = run({"sh", "-c", line + "| head -n 1"}, {}, patience);

    EXPECT_EQ(piped.exit_code, 0);
    EXPECT_THAT(piped.output, HasSubstr("only"));
    EXPECT_EQ(piped.errors, "");
}

TEST_F(TailCommandTest, SaysWhatItDoesNotUnderstand)
{
    EXPECT_EQ(run(tail({"--lines", "3", "--since", "2026-01-01"})).exit_code, 2);
    EXPECT_EQ(run(tail({"--format", "xml"})).exit_code, 2);
    EXPECT_EQ(run(tail({"--since", "yesterday"})).exit_code, 2);
}

} // namespace
} // namespace gateway
