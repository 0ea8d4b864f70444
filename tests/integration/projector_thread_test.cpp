// The projector at work: what it sets aside, one at a time, through lost connections, with the
// rights of the writer, beside the commands.
#include "gateway/store/applier.hpp"
#include "gateway/store/database_trial.hpp"
#include "gateway/store/read_models.hpp"
#include "integration/projected_log.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/gateway_process.hpp"
#include "support/waiting.hpp"

#include <gmock/gmock.h>

#include <thread>

namespace gateway {
namespace {

using namespace test;
using rows = std::vector<std::vector<std::string>>;
using testing::HasSubstr;

TEST(ProjectorTest, AnEventWithARefusedValueIsSetAsideAndBlocksNothing)
{
    const std::string url = fresh_database();
    query(url, "ALTER TABLE gateway.message ADD CONSTRAINT no_poison"
               " CHECK (message_name <> 'poison')");
    for (int i = 0; i < 9; ++i)
        append_event(url, {.at = "2026-03-01 10:00:0" + std::to_string(i),
                           .action = "link_clicked",
                           .more_columns = ", message_key, message_name",
                           .more_values = ", 'Message:" + std::to_string(i) + "', '" +
                                          (i == 4 ? "poison" : "good") + "'"});

    const auto step = query(url, "SELECT is_active, events, set_aside"
                                 " FROM gateway.project()");
    const auto aside = value(url, "SELECT error FROM gateway.set_aside");
    const auto lag = query(url, "SELECT deliveries, events, failed FROM gateway.projection_lag()");
    const auto messages = count(url, "gateway.message");
    query(url, "ALTER TABLE gateway.message DROP CONSTRAINT no_poison");
    const bool rebuilt = rebuild({.database_url = url}).has_value();
    project_step_by_step(url);

    EXPECT_EQ(step, (rows{{"t", "9", "1"}}));
    EXPECT_EQ(aside, "23514 no_poison");
    EXPECT_EQ(lag, (rows{{"0", "0", "1"}}));
    EXPECT_EQ(messages, "8");
    EXPECT_TRUE(rebuilt);
    EXPECT_EQ(count(url, "gateway.message"), "9");
    EXPECT_EQ(value(url, "SELECT failed FROM gateway.projection_lag()"), "0");
}

TEST(ProjectorTest, WhatIsNoFaultOfAnEventSetsNothingAside)
{
    const std::string url = fresh_database();
    append_event(url, {.at = "2026-03-01 10:00", .action = "subscribed"});
    query(url, "ALTER TABLE gateway.consent RENAME TO elsewhere");

    EXPECT_ANY_THROW(query(url, "SELECT gateway.project()"));
    query(url, "ALTER TABLE gateway.elsewhere RENAME TO consent");
    const auto waiting = value(url, "SELECT events FROM gateway.projection_lag()");
    project_step_by_step(url);

    EXPECT_EQ(waiting, "1");
    EXPECT_EQ(count(url, "gateway.consent"), "1");
}

TEST(ProjectorTest, OneSessionProjectsAtATime)
{
    const std::string url = fresh_database();
    append_event(url, {.at = "2026-03-01 10:00", .action = "subscribed"});
    std::thread holder{[&url] {
        query(url, "BEGIN; SELECT pg_advisory_xact_lock(gateway.projection_lock());"
                   " SELECT pg_sleep(1.5); COMMIT");
    }};
    EXPECT_TRUE(becomes([&] {
        return value(url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") != "0";
    }));

    const auto beside = query(url, "SELECT is_active, events FROM gateway.project()");
    holder.join();

    EXPECT_EQ(beside, (rows{{"f", "0"}}));
    EXPECT_EQ(value(url, "SELECT events FROM gateway.project()"), "1");
}

// `doctor` says that deliveries were projected: a step that did not take place proves nothing.
TEST(ProjectorTest, IsTriedByATrialOrTheTrialSaysThatItWasNot)
{
    const std::string url = fresh_database();
    std::thread holder{[&url] {
        query(url, "BEGIN; SELECT pg_advisory_xact_lock(gateway.projection_lock());"
                   " SELECT pg_sleep(2); COMMIT");
    }};
    EXPECT_TRUE(becomes([&] {
        return value(url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") != "0";
    }));
    database_trial trial{url};

    EXPECT_TRUE(trial.write({click(1).delivery}, as_known, std::chrono::milliseconds{200}));
    holder.join();
    EXPECT_FALSE(trial.write({click(1).delivery}, as_known, std::chrono::seconds{5}));
}

TEST(ProjectorTest, HoldsNoNewPartitionUp)
{
    const std::string url = fresh_database();
    std::thread step{[&url] {
        query(url, "BEGIN; SELECT pg_advisory_xact_lock(gateway.projection_lock());"
                   " SELECT count(*) FROM gateway.source_event; SELECT pg_sleep(1); COMMIT");
    }};
    EXPECT_TRUE(becomes([&] {
        return value(url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") != "0";
    }));

    EXPECT_EQ(value(url, "SELECT complete FROM gateway.ensure_partitions('source_event',"
                         " '{2020-01-01}')"),
              "t");
    step.join();
}

TEST(ProjectorTest, TheThreadKeepsUpSurvivesALostConnectionAndStopsAtOnce)
{
    const std::string url = fresh_database();
    const auto projected = [&url](const std::string& events) {
        return becomes(
            [&] { return value(url, "SELECT projected FROM gateway.projection_state") == events; });
    };
    auto running =
        std::make_unique<applier>(applier_settings{.database_url = url, .map = as_known});
    auto standing_by =
        std::make_unique<applier>(applier_settings{.database_url = url, .map = as_known});

    append_event(url, {.at = "2026-03-01 10:00", .action = "subscribed"});
    EXPECT_TRUE(projected("1"));
    query(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
               " current_database() AND application_name IN ('attentive-gateway applier',"
               " 'attentive-gateway projector')");
    append_event(url, {.at = "2026-03-02 10:00", .action = "unsubscribed"});
    EXPECT_TRUE(projected("2"));
    const auto start = std::chrono::steady_clock::now();
    running.reset();
    standing_by.reset();

    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds{1'000});
    EXPECT_EQ(value(url, "SELECT decision FROM gateway.consent"), "revoked");
}

TEST(ProjectorTest, TheWritersRoleSufficesAndTheReadersSeesTheReports)
{
    const std::string url = fresh_database();
    make_story(url, 12);
    deliver(url, 12, false);

    query(url, "SET ROLE gateway_writer; SELECT gateway.project(100000)");
    query(url, "SET ROLE gateway_writer; SELECT gateway.set_timezone('C1', 'Europe/Berlin')");

    EXPECT_EQ(value(url, "SELECT events FROM gateway.projection_lag()"), "0");
    for (const std::string view :
         {"consent_movement_daily", "audience_size_daily", "current_subscribers",
          "subscriber_consent", "message_performance"}) {
        EXPECT_NE(value(url, "SET ROLE gateway_reader; SELECT count(*) FROM report." + view), "0");
        EXPECT_EQ(count(url, "pg_attribute WHERE attrelid = 'report." + view +
                                 "'::regclass AND attnum > 0 AND col_description(attrelid, attnum)"
                                 " IS NULL"),
                  "0")
            << view;
    }
    EXPECT_ANY_THROW(query(url, "SET ROLE gateway_reader; SELECT * FROM gateway.identity"));
}

TEST(ProjectorTest, TheDaemonProjectsAndTheCommandsWorkBesideIt)
{
    const gateway_process daemon;
    const std::string& url = daemon.database_url();
    const auto command = [&daemon](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), GATEWAY_BINARY);
        arguments.insert(arguments.end(), {"--config", daemon.config_file()});
        return run(arguments);
    };
    const std::vector<std::string> who = {"--company", "C", "--subscriber",
                                          "00000000-0000-0000-0000-000000000002"};
    append_event(url, identified("2026-03-01", "1", R"({"email": ["anna@mail.org"]})"));
    append_event(url, identified("2026-03-02", "2", R"({"email": ["anna@mail.org"]})"));
    EXPECT_TRUE(becomes([&] { return profiles(url) == "1=1 2=1"; }));

    const auto explained = command({"explain-identity", who[0], who[1], who[2], who[3]});
    const auto split = command({"identity", "split", who[0], who[1], who[2], who[3]});
    const auto rebuilt = command({"rebuild", "--model", "identity"});
    const auto wrong = command({"rebuild", "--model", "everything"});

    EXPECT_THAT(explained.output, HasSubstr("a***@mail.org")) << explained.errors;
    EXPECT_EQ(split.exit_code, 0) << split.errors;
    EXPECT_EQ(rebuilt.exit_code, 0) << rebuilt.errors;
    EXPECT_THAT(rebuilt.output, HasSubstr("identity_value"));
    EXPECT_EQ(wrong.exit_code, 2);
    EXPECT_EQ(profiles(url), "1=1 2=2");
}

// Two hundred people of one company click within the same second, each twice: whoever looks by
// company, action and time finds all of them for each of them.
TEST(ProjectorTest, AsksOfOnePersonWithoutWalkingTheCompany)
{
    const std::string url = fresh_database();
    query(url,
          "WITH e AS (INSERT INTO gateway.source_event (company_id, occurred_at, event_id,"
          " event_name, channel, action, source, source_event_type, subscriber_id, message_key,"
          " received_at, position, mapping_version, quality_flags)"
          " SELECT 'C', now() - interval '1 hour' + n * interval '300 ms' + who * interval '1 ms',"
          " md5(n || ' ' || who)::uuid, 'sms.' || a, 'sms', a, 'attentive', 'x',"
          " md5(who::text)::uuid, 'Message:1', now(), n * 200 + who, 1, '{}'"
          " FROM generate_series(1, 200) AS who, unnest(ARRAY['sent', 'link_clicked',"
          " 'link_clicked']) WITH ORDINALITY AS k (a, m), LATERAL (SELECT m - 1) AS l (n)"
          " RETURNING 1), s AS (UPDATE gateway.log_state SET position = 600)"
          " INSERT INTO gateway.step SELECT 1, 600, 600, 0, 0");
    project_step_by_step(url, 200);

    const auto read_by = [&url](const std::string& index) {
        return std::stoi(value(url, "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes"
                                    " WHERE relname LIKE 'source_event_2%'"
                                    " AND indexrelname LIKE '%" +
                                        index + "%'"));
    };
    // The session says at its end what it did.
    EXPECT_TRUE(becomes([&] { return read_by("subscriber_id_occurred_at") >= 800; }));
    EXPECT_EQ(read_by("company_id_action_occurred_at"), 0);
    EXPECT_LT(read_by("pkey"), 2'000);
}

} // namespace
} // namespace gateway
