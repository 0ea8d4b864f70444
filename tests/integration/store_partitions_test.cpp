// Partitions on demand: made by whoever writes first, for any month, also while rows of it wait in
// DEFAULT, and without stopping the other writers.
#include "support/cluster.hpp"
#include "support/events.hpp"

#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include <atomic>
#include <thread>

namespace gateway {
namespace {

using namespace test;

given_event click_at(int number, std::chrono::sys_days day)
{
    given_event e = click(number);
    std::get<source_event>(e.what).occurred_at = timestamp{day} + std::chrono::milliseconds{number};
    return e;
}

std::chrono::sys_days first_of(int year, unsigned month)
{
    return std::chrono::sys_days{std::chrono::year{year} / std::chrono::month{month} / 1};
}

TEST(PartitionsTest, AreMadeForEveryMonthThatEventsBring)
{
    const std::string url = fresh_database();
    answers all;
    {
        writer w{settings_for(url)};
        for (int i = 0; i < 30; ++i)
            all.submit(w, click_at(i, first_of(2020 + i / 12, 1 + static_cast<unsigned>(i) % 12)));
    }

    EXPECT_EQ(all.count(disposition::stored), 30U);
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event_default"), "0");
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event_2022_03"), "1");
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.delivery_default"), "0");
    EXPECT_EQ(value(url, "SELECT count(*) FROM pg_inherits WHERE inhparent ="
                         " 'gateway.delivery'::regclass"),
              "3"); // DEFAULT, today, tomorrow
}

TEST(PartitionsTest, TakeTheRowsThatWaitInDefaultWithThem)
{
    const std::string url = fresh_database();
    query(url, "INSERT INTO gateway.source_event (company_id, occurred_at, event_id, event_name,"
               " action, source, source_event_type, received_at, batch_id, mapping_version,"
               " quality_flags) SELECT 'c', '2023-05-01 00:00+00'::timestamptz + n * '1 day'::"
               "interval, gen_random_uuid(), 'x', 'x', 'x', 'x', now(), 0, 1, '{}'"
               " FROM generate_series(0, 59) n");

    EXPECT_EQ(value(url,
                    "SET timezone = 'America/New_York';"
                    "SELECT gateway.ensure_partitions('source_event', '{2023-05-31T23:59:59Z}')"),
              "1");
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event_2023_05"), "31");
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event_default"), "29");
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event"), "60");
    EXPECT_EQ(value(url, "SELECT gateway.ensure_partitions('source_event',"
                         " '{2023-05-01T00:00:00Z}')"),
              "0");
}

TEST(PartitionsTest, AreMadeForTheTwoTablesOnly)
{
    const std::string url = fresh_database();

    EXPECT_THROW(query(url, "SELECT gateway.ensure_partitions('batch', '{2023-05-01}')"),
                 pqxx::undefined_table);
}

TEST(PartitionsTest, ManyWritersAndManyNewMonthsNeitherFailNorDeadlock)
{
    const std::string url = fresh_database();
    answers all;
    {
        writer a{settings_for(url, 2)};
        writer b{settings_for(url, 2)};
        std::thread other{[&] {
            for (int i = 0; i < 600; ++i)
                all.submit(a,
                           click_at(i, first_of(2013 + i % 10, 1 + static_cast<unsigned>(i) % 3)));
        }};
        for (int i = 599; i >= 0; --i)
            all.submit(b, click_at(i, first_of(2013 + i % 10, 1 + static_cast<unsigned>(i) % 3)));
        other.join();
    }

    EXPECT_EQ(all.count(disposition::stored), 600U);
    EXPECT_EQ(all.count(disposition::duplicate), 600U);
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event"), "600");
    EXPECT_EQ(value(url, "SELECT deadlocks FROM pg_stat_database"
                         " WHERE datname = current_database()"),
              "0");
}

TEST(PartitionsTest, ARowOfAMonthThatAnotherWriterIsMakingIsNoPoison)
{
    const std::string url = fresh_database();
    pqxx::connection maker{url};
    pqxx::work making{maker};
    writer_settings s = settings_for(url);
    answers all;
    {
        writer w{s};
        await_available(w);
        making.exec("SELECT gateway.ensure_partitions('source_event', '{2019-07-01}')");
        all.submit(w, click_at(1, first_of(2019, 7)));
        std::this_thread::sleep_for(std::chrono::milliseconds{1'300}); // beyond the lock's time-out
        making.commit();
    }

    EXPECT_EQ(all.count(disposition::stored), 1U);
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event_2019_07"), "1");
}

TEST(PartitionsTest, RowsWaitInDefaultWhileNoPartitionCanBeMade)
{
    const std::string url = fresh_database();
    query(url, "REVOKE ALL ON FUNCTION gateway.ensure_partitions(text, timestamptz[]) FROM PUBLIC,"
               " gateway_writer; DROP ROLE IF EXISTS no_maker;"
               " CREATE ROLE no_maker LOGIN IN ROLE gateway_writer");
    answers all;
    {
        writer w{settings_for(as_user(url, "no_maker"))};
        all.submit(w, click(1));
    }

    EXPECT_EQ(all.count(disposition::stored), 1U);
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event_default"), "1");
}

} // namespace
} // namespace gateway
