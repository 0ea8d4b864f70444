// Retention: what has grown too old goes by partitions, and what comes of it again is a duplicate.
#include "gateway/store/privacy.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/faulty_relay.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pqxx/pqxx>

namespace gateway {
namespace {

using namespace test;
using testing::IsEmpty;

TEST(RetentionTest, DropsWholePartitionsByAge)
{
    const std::string url = fresh_database();
    test::query(
        url, "SELECT gateway.ensure_partitions('intake', ARRAY[now() - interval '40 days',"
             " now() - interval '29 days', now()]);"
             "SELECT gateway.ensure_partitions('source_event', ARRAY[now() - interval '400 days',"
             " now()]);"
             "DROP ROLE IF EXISTS keeper; CREATE ROLE keeper LOGIN IN ROLE gateway_writer");

    const auto first = apply_retention(as_user(url, "keeper"), {30, 90, 0});
    const auto again = apply_retention(as_user(url, "keeper"), {30, 90, 0});
    const auto log_too = apply_retention(as_user(url, "keeper"), {0, 0, 365});

    ASSERT_TRUE(first && again && log_too);
    ASSERT_EQ(first.value().size(), 1U);
    EXPECT_THAT(first.value()[0].what, testing::StartsWith("gateway.intake_20"));
    EXPECT_THAT(again.value(), IsEmpty());
    ASSERT_EQ(log_too.value().size(), 1U);
    EXPECT_THAT(log_too.value()[0].what, testing::StartsWith("gateway.source_event_20"));
}

// Rows of a clock gone wrong, and of times whose partition could not be made.
TEST(RetentionTest, DeletesWhatIsOlderInDefaultToo)
{
    const std::string url = fresh_database();
    for (const char* at : {"'1716-01-01'", "'1970-01-01'", "now() - interval '31 days'",
                           "now() - interval '29 days'"}) {
        const std::string time{at};
        test::query(url, "INSERT INTO gateway.intake VALUES (0, " + time +
                             ", 'w', 'e', 'k', '{now}', '{1}', 'x');"
                             "INSERT INTO gateway.source_event (company_id, occurred_at, event_id,"
                             " event_name, action, source, source_event_type, received_at,"
                             " position, mapping_version, quality_flags) VALUES ('c', " +
                             time + ", gen_random_uuid(), 'x', 'x', 'x', 'x', now(), 0, 1, '{}')");
    }

    const auto bodies = apply_retention(url, {30, 90, 0});
    const auto log_too = apply_retention(url, {30, 90, 30});

    ASSERT_TRUE(bodies && log_too);
    ASSERT_EQ(bodies.value().size(), 1U);
    EXPECT_EQ(bodies.value()[0].what, "rows of gateway.intake_default");
    EXPECT_EQ(bodies.value()[0].rows, 3U);
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.delivery"), "1");
    ASSERT_EQ(log_too.value().size(), 1U);
    EXPECT_EQ(log_too.value()[0].what, "rows of gateway.source_event_default");
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event"), "1");
}

// DROP would wait for it, and everybody for DROP.
TEST(RetentionTest, WaitsForAnotherDayWhileATransactionHoldsTheLog)
{
    const std::string url = fresh_database();
    test::query(url, "SELECT gateway.ensure_partitions('intake', ARRAY[now() - interval '40 days'"
                     "])");
    pqxx::connection dump{url};
    pqxx::work dumping{dump};
    dumping.exec("LOCK TABLE gateway.intake IN ACCESS SHARE MODE");

    const auto during = apply_retention(url, {30, 90, 0});
    dumping.commit();
    const auto afterwards = apply_retention(url, {30, 90, 0});

    ASSERT_TRUE(during.has_error());
    EXPECT_EQ(during.error().code, errc::database_failed);
    ASSERT_TRUE(afterwards);
    EXPECT_EQ(afterwards.value().size(), 1U);
}

// Retention that dropped a month keeps what the reports counted of it.
TEST(RetentionTest, WhatComesAgainAfterItsMonthWasDroppedIsADuplicate)
{
    const std::string url = fresh_database();
    const auto at = now() - std::chrono::days{100};
    const auto old = [&](int number) {
        given_event e = click(number);
        std::get<source_event>(e.what).occurred_at = at + std::chrono::milliseconds{number};
        return e;
    };
    const std::string record = "SELECT gateway.record_event('shop', 'page.viewed', 'C', '" +
                               to_string(at) +
                               "', '{\"email\": \"a@mail.org\"}',"
                               " 'https://shop.example.com/')";
    const auto stored = [&] {
        return value(url, "SELECT count(*) || ' ' || (SELECT sum(events) FROM gateway.step)"
                          " FROM gateway.source_event");
    };
    answers all;
    writer w{settings_for(url)};
    all.submit(w, old(1));
    ASSERT_EQ(all.count(disposition::accepted), 1U);
    test::query(url, record);
    ASSERT_EQ(stored(), "2 2");
    ASSERT_TRUE(apply_retention(url, {0, 0, 31}));
    ASSERT_EQ(stored(), "0 2");

    all.submit(w, old(1));
    all.submit(w, old(2)); // who knows whether it came before
    test::query(url, record);
    all.submit(w, click(3)); // older, and of a month that was never dropped
    all.submit(w, click(4));

    EXPECT_EQ(all.count(disposition::accepted), 5U);
    EXPECT_EQ(stored(), "2 4");
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.delivery WHERE body IS NOT NULL"), "3");
}

TEST(RetentionTest, EndsOnABackendThatHangs)
{
    using namespace std::chrono_literals;
    faulty_relay relay{fresh_database(), {.what = relay_harm::hold_answer, .at = 3}};

    const auto dropped = apply_retention(relay.url(), {.limit = 1s});

    ASSERT_TRUE(dropped.has_error());
    EXPECT_EQ(dropped.error().code, errc::database_unavailable);
    EXPECT_GE(relay.calls(), 3);
}

// What was acknowledged and is not in the log yet is older than any age.
TEST(RetentionTest, KeepsWhatIsStillToBeApplied)
{
    const std::string url = fresh_database();
    {
        answers all;
        writer w{settings_for(url)};
        all.submit(w, click(1));
        ASSERT_EQ(all.count(disposition::accepted), 1U);
    }
    const std::string old = "now() - interval '40 days'";
    test::query(url, "SELECT gateway.ensure_partitions('intake', ARRAY[" + old +
                         "]);"
                         "UPDATE gateway.intake SET appended_at = " +
                         old +
                         ";"
                         "UPDATE gateway.intake_waiting SET appended_at = " +
                         old);

    const auto before = apply_retention(url, {30, 90, 0});
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event"), "1");
    const auto afterwards = apply_retention(url, {30, 90, 0});

    ASSERT_TRUE(before && afterwards);
    EXPECT_THAT(before.value(), IsEmpty());
    EXPECT_EQ(afterwards.value().size(), 1U);
}

} // namespace
} // namespace gateway
