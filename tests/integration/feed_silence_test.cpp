// report.feed_silence against histories made for it: what counts as silence, what only looks like
// it, and what is too little to judge by.
#include "support/cluster.hpp"
#include "support/story_store.hpp"
#include "support/waiting.hpp"

#include "gateway/store/observer.hpp"

#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include <algorithm>
#include <thread>

namespace gateway {
namespace {

using namespace test;

// Events of company C and type sms.sent, received (and happened) at the times that `series` gives,
// in one step.
void receive(const std::string& url, const std::string& series,
             const std::string& committed = "now()")
{
    query(url,
          "WITH t AS MATERIALIZED (SELECT r.at, l.position + row_number() OVER () AS position"
          " FROM (" +
              series +
              ") AS r (at), gateway.log_state l),"
              " s AS (UPDATE gateway.log_state l SET position = n.last FROM (SELECT max(position)"
              " AS last, count(*) AS events FROM t) n RETURNING n.*),"
              " step AS (INSERT INTO gateway.step SELECT nextval('gateway.step_id'), last, events,"
              " 0, 0, " +
              committed +
              " FROM s)"
              "INSERT INTO gateway.source_event (company_id, occurred_at, event_id, event_name,"
              " channel, action, source, source_event_type, received_at, position,"
              " mapping_version, quality_flags) SELECT 'C', at, gen_random_uuid(), 'sms.sent',"
              " 'sms', 'sent', 'attentive', 'sms.sent', at, position, 1, '{}' FROM t");
}

std::string every(const std::string& step, const std::string& from, const std::string& until)
{
    return "SELECT t FROM generate_series(now() - interval '" + from + "', now() - interval '" +
           until + "', interval '" + step + "') t";
}

std::string state(const std::string& url)
{
    project_all(url);
    return value(url, "SELECT state FROM report.feed_silence");
}

class FeedSilenceTest : public testing::Test {
protected:
    std::string url_ = fresh_database();
};

TEST_F(FeedSilenceTest, ASteadyFeedIsSilentAfterTwiceItsLongestPauseAndAQuarter)
{
    receive(url_, every("10 minutes", "9 days", "30 minutes"));
    EXPECT_EQ(state(url_), "usual"); // 30 minutes, of 10 + 10 + 15
    EXPECT_EQ(value(url_, "SELECT usual_silence = '10 min' AND NOT is_silent"
                          " FROM report.feed_silence"),
              "t");

    query(url_, "DELETE FROM gateway.source_event WHERE received_at > now() - interval '35 min';"
                "DELETE FROM gateway.feed_day; UPDATE gateway.projection_state SET projected = 0");

    EXPECT_EQ(state(url_), "silent");
    EXPECT_EQ(value(url_, "SELECT is_silent AND silence > '36 min' AND newest_event + silence ="
                          " now() FROM report.feed_silence"),
              "t");
}

TEST_F(FeedSilenceTest, ANightIsNoSilenceButSixHoursThatWereNeverEmptyAre)
{
    // The ten hours before this one rest each day; the others bring something every half hour.
    const std::string rests = " AND (now() - t) - date_trunc('day', now() - t) >= interval '10 h'";
    const std::string days = "SELECT t FROM generate_series(now() - interval '36 days', now(),"
                             " interval '30 minutes') t WHERE true";
    receive(url_, days + rests);
    EXPECT_EQ(state(url_), "usual");
    EXPECT_EQ(value(url_, "SELECT silence > '9 h' AND usual_silence > '9 h' AND missed_hours = 0"
                          " FROM report.feed_silence"),
              "t");

    query(url_, "DELETE FROM gateway.source_event WHERE received_at > now() - interval '18 h';"
                "DELETE FROM gateway.feed_day; UPDATE gateway.projection_state SET projected = 0");

    EXPECT_EQ(state(url_), "silent"); // 18 hours, less than twice ten
    EXPECT_EQ(value(url_, "SELECT missed_hours BETWEEN 6 AND 8 FROM report.feed_silence"), "t");

    const std::string young = fresh_database(); // the same, but three weeks are no habit
    receive(young, days + rests +
                       " AND t BETWEEN now() - interval '25 days' AND now() - interval"
                       " '18 hours'");
    EXPECT_EQ(state(young), "usual");
}

TEST_F(FeedSilenceTest, TooLittleIsNotJudged)
{
    receive(url_, every("1 minute", "6 days", "2 days"));
    EXPECT_EQ(state(url_), "not known yet"); // less than seven days
    receive(url_, "SELECT now() - interval '40 days'");
    EXPECT_EQ(state(url_), "not known yet"); // older than the rhythm
    EXPECT_EQ(value(url_, "SELECT usual_silence IS NULL AND NOT is_silent"
                          " FROM report.feed_silence"),
              "t");

    const std::string other = fresh_database();
    receive(other, every("5 days", "25 days", "0 days"));
    EXPECT_EQ(state(other), "not known yet"); // six events
}

TEST_F(FeedSilenceTest, AFeedThatWasSwitchedOffHasEndedAfterFourWeeks)
{
    receive(url_, every("1 hour", "45 days", "27 days"));
    EXPECT_EQ(state(url_), "silent");

    const std::string other = fresh_database();
    receive(other, every("1 hour", "45 days", "28 days 1 hour"));

    EXPECT_EQ(state(other), "ended");
    EXPECT_EQ(value(other, "SELECT is_silent FROM report.feed_silence"), "f");
}

TEST_F(FeedSilenceTest, WhatWaitsForTheProjectorIsNoSilence)
{
    receive(url_, every("1 minute", "9 days", "5 hours"));
    EXPECT_EQ(state(url_), "silent");

    receive(url_, every("1 minute", "4 hours 59 minutes", "4 hours 57 minutes"),
            "now() - interval '4 hours 57 minutes'");

    EXPECT_EQ(value(url_, "SELECT state FROM report.feed_silence"), "usual");
    EXPECT_EQ(state(url_), "silent"); // projected, and so known to be the last
}

TEST_F(FeedSilenceTest, OldEventsThatComeInNowBreakTheSilence)
{
    receive(url_, every("1 minute", "9 days", "5 hours"));
    EXPECT_EQ(state(url_), "silent");

    receive(url_, "SELECT now()");
    query(url_, "UPDATE gateway.source_event SET occurred_at = occurred_at - interval '3 days'"
                " WHERE received_at > now() - interval '1 hour'");

    EXPECT_EQ(state(url_), "usual");
}

TEST_F(FeedSilenceTest, AGatewayWhoseClockRunsAheadHidesNothing)
{
    receive(url_, every("1 minute", "9 days", "5 hours"));
    receive(url_, "SELECT now() + interval '1 year'", "now() - interval '4 hours'");

    EXPECT_EQ(state(url_), "silent");
    EXPECT_EQ(value(url_, "SELECT newest_event = (SELECT max(applied_at) FROM gateway.step"
                          " WHERE applied_at < now() - interval '3 hours')::timestamptz(3)"
                          " FROM report.feed_silence"),
              "t");
}

TEST_F(FeedSilenceTest, OnlyFourWeeksBeforeTheNewestDayAreKept)
{
    receive(url_, every("3 hours", "80 days", "0 days"));
    project_all(url_);
    receive(url_, every("1 hour", "70 days", "60 days"));
    project_all(url_);

    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.feed_day"), "29");
}

TEST_F(FeedSilenceTest, TheObserverBringsFeedsAndLag)
{
    receive(url_, every("1 minute", "9 days", "5 hours"));
    project_all(url_);
    receive(url_, "SELECT now()", "now() - interval '3 minutes'");
    query(url_, "DO $$ BEGIN CREATE ROLE feed_writer LOGIN IN ROLE gateway_writer;"
                " EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    const database_observer observer{as_user(url_, "feed_writer")}; // as the daemon does

    EXPECT_TRUE(becomes([&] { return observer.last().quarantine_waiting.has_value(); }));
    const auto seen = observer.last();

    ASSERT_TRUE(seen.projection.has_value());
    EXPECT_EQ(seen.projection->events, 1U);
    EXPECT_GE(seen.projection->oldest, std::chrono::minutes{3});
    ASSERT_EQ(seen.feeds.size(), 1U);
    EXPECT_EQ(seen.feeds[0].event_name, "sms.sent");
    EXPECT_EQ(seen.feeds[0].usual_silence, std::chrono::minutes{1});
    EXPECT_TRUE(seen.feeds[0].is_silent);
}

// `companies` of the name, heard of for the last hour only, or each hour for nine days.
void make_up(const std::string& url, const std::string& name, int companies, bool known)
{
    const std::string days = known ? "generate_series(0, 9)" : "generate_series(0, 0)";
    query(url,
          "INSERT INTO gateway.feed_day SELECT '" + name +
              "' || n, 'sms.sent',"
              " current_date - d, (current_date - d)::timestamptz, (current_date - d)::timestamptz"
              " + interval '23 h', repeat('1', 1440)::bit(1440), 16777215, 0"
              " FROM generate_series(1, " +
              std::to_string(companies) + ") n, " + days + " d");
}

bool watches(const observation& seen, const std::string& company)
{
    return std::any_of(seen.feeds.begin(), seen.feeds.end(),
                       [&](const feed& f) { return f.company_id == company; });
}

TEST_F(FeedSilenceTest, CompaniesThatSomebodyMadeUpPushNobodyOutOfTheWatch)
{
    make_up(url_, "Z-ours", 20, true);
    make_up(url_, "A-made-up", 3'000, false);

    const database_observer observer{url_};
    EXPECT_TRUE(becomes([&] { return !observer.last().feeds.empty(); }, std::chrono::seconds{90}));
    const auto seen = observer.last();

    EXPECT_EQ(seen.feeds.size(), feeds_max);
    EXPECT_EQ(seen.feeds_left_out, 3'020 - feeds_max);
    for (int n = 1; n <= 20; ++n)
        EXPECT_TRUE(watches(seen, "Z-ours" + std::to_string(n))) << n;
}

} // namespace
} // namespace gateway
