// Partitions: made ahead by the keeper, and on demand by whoever writes first, as many as a minute
// may have; rows that had to wait in DEFAULT leave it, and no reader ever misses one or sees it
// twice.
#include "gateway/store/log_keeper.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/waiting.hpp"

#include <gmock/gmock.h>
#include <pqxx/pqxx>

#include <atomic>
#include <set>
#include <thread>

namespace gateway {
namespace {

using namespace test;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

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
    for (int n = 0; n < 30; n += 6) { // so many take less than a second
        {
            writer w{settings_for(url)};
            for (int i = n; i < n + 6; ++i)
                all.submit(w,
                           click_at(i, first_of(2020 + i / 12, 1 + static_cast<unsigned>(i) % 12)));
        }
        apply_all(url);
    }

    EXPECT_EQ(all.count(disposition::accepted), 30U);
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event_default"), "0");
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event_2022_03"), "1");
}

// One row at each so many minutes of a month, as it lies in DEFAULT while the month has no
// partition.
void fill(const std::string& url, const std::string& month, int rows)
{
    query(url, "INSERT INTO gateway.source_event (company_id, occurred_at, event_id, event_name,"
               " action, source, source_event_type, received_at, position, mapping_version,"
               " quality_flags) SELECT 'c', '" +
                   month +
                   " 00:00+00'::timestamptz + n * '2 minutes'::interval,"
                   " gen_random_uuid(), 'x', 'x', 'x', 'x', now(), 0, 1, '{}'"
                   " FROM generate_series(1, " +
                   std::to_string(rows) + ") n");
}

// This minute had its share of new partitions, until a call of allow_partitions().
void refuse_partitions(const std::string& url)
{
    query(url, "INSERT INTO gateway.partition_made SELECT 'source_event', now() + interval '1 day'"
               " FROM generate_series(1, 60)");
}

void allow_partitions(const std::string& url)
{
    query(url, "DELETE FROM gateway.partition_made");
}

std::string rows_in_default(const std::string& url)
{
    return value(url, "SELECT count(*) FROM gateway.source_event_default");
}

// Of the whole log, in one look: how many rows, and which.
const char* const whole_log =
    "SELECT count(*) || ' ' || bit_xor(hashtextextended(event_id::text, 0)) ||"
    " ' ' || count(DISTINCT event_id) FROM gateway.source_event";

// Rows that stand in another partition than that of their month.
std::string misplaced(const std::string& url)
{
    return value(url, "SELECT count(*) FROM gateway.source_event e WHERE e.tableoid::regclass::text"
                      " <> 'gateway.source_event_' ||"
                      " to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY_MM')");
}

// As often as there is something to do.
void empty_default(const std::string& url)
{
    EXPECT_TRUE(becomes([&] {
        EXPECT_TRUE(keep_partitions(url));
        return rows_in_default(url) == "0";
    }));
}

TEST(PartitionsTest, OfNextMonthAndTomorrowAreMadeAhead)
{
    const std::string url = fresh_database();

    const auto filled = keep_partitions(url);

    ASSERT_TRUE(filled) << filled.error().detail;
    EXPECT_THAT(filled.value(), IsEmpty());
    EXPECT_EQ(value(url, "SELECT count(*) FROM unnest(ARRAY['source_event', 'intake']) t,"
                         " unnest(ARRAY[now(), (gateway.partition_of(t, now())).ends]) at,"
                         " gateway.partition_of(t, at) n"
                         " WHERE to_regclass('gateway.' || n.name) IS NOT NULL"),
              "4");
}

TEST(PartitionsTest, DefaultBecomesTheMonthThatNearlyAllOfItIsOfAndTheRestMoves)
{
    const std::string url = fresh_database();
    set_for_database(url, "timezone", "America/New_York");
    fill(url, "2023-05-01", 300);
    fill(url, "2023-06-01", 20);
    const auto file = value(url, "SELECT pg_relation_filenode('gateway.source_event_default')");
    const auto before = value(url, whole_log);

    const auto first = keep_partitions(url);
    const auto left = rows_in_default(url);
    const auto second = keep_partitions(url);

    ASSERT_TRUE(first && second);
    EXPECT_THAT(first.value(), ElementsAre("source_event_2023_05"));
    EXPECT_EQ(left, "20");
    EXPECT_THAT(second.value(), ElementsAre("source_event_2023_06"));
    EXPECT_EQ(value(url, "SELECT pg_relation_filenode('gateway.source_event_2023_05')"), file);
    EXPECT_EQ(rows_in_default(url), "0");
    EXPECT_EQ(misplaced(url), "0");
    EXPECT_EQ(value(url, whole_log), before);
    EXPECT_EQ(value(url, "SELECT count(*) FROM pg_index WHERE indrelid ="
                         " 'gateway.source_event_default'::regclass"),
              value(url, "SELECT count(*) FROM pg_index WHERE indrelid ="
                         " 'gateway.source_event'::regclass"));
}

TEST(PartitionsTest, TheRarestMonthMovesOutOfADefaultOfMany)
{
    const std::string url = fresh_database();
    for (const char* month : {"2023-03-01", "2023-01-01", "2023-04-01", "2023-02-01"})
        fill(url, month, 10 + month[6]);
    const auto before = value(url, whole_log);

    const auto first = keep_partitions(url);
    empty_default(url);

    ASSERT_TRUE(first);
    EXPECT_THAT(first.value(), ElementsAre("source_event_2023_01"));
    EXPECT_EQ(misplaced(url), "0");
    EXPECT_EQ(value(url, whole_log), before);
}

TEST(PartitionsTest, MoreThanMayMoveAtOnceStaysInDefault)
{
    const std::string url = fresh_database();
    fill(url, "2023-01-01", 20);
    fill(url, "2023-02-01", 20);

    EXPECT_EQ(value(url, "SELECT gateway.empty_default('source_event', 19)"), "NULL");
    EXPECT_EQ(value(url, "SELECT gateway.empty_default('source_event', 20, 39)"), "NULL");
    EXPECT_EQ(rows_in_default(url), "40");
    EXPECT_EQ(value(url, "SELECT gateway.empty_default('source_event', 20, 40)"),
              "source_event_2023_01");
}

TEST(PartitionsTest, AReaderThatWaitsForAMoveFindsEachRow)
{
    const std::string url = fresh_database();
    fill(url, "2023-05-01", 100);
    pqxx::connection mover{url};
    pqxx::work moving{mover};
    pqxx::connection earlier{url};
    pqxx::transaction<pqxx::repeatable_read> sees_the_past{earlier};
    sees_the_past.exec("SELECT 1");

    moving.exec("SELECT gateway.empty_default('source_event')");
    std::string count;
    std::thread reader{[&] { count = value(url, "SELECT count(*) FROM gateway.source_event"); }};
    const bool waits = becomes(
        [&] { return value(url, "SELECT count(*) FROM pg_locks WHERE NOT granted") == "1"; });
    moving.commit();
    reader.join();

    EXPECT_TRUE(waits);
    EXPECT_EQ(count, "100");
    EXPECT_EQ(sees_the_past.exec("SELECT count(*) FROM gateway.source_event")[0][0].c_str(),
              std::string{"100"});
}

// What pg_dump does, for as long as it takes.
TEST(PartitionsTest, NobodyIsMadeToWaitForALockThatIsNotToBeHad)
{
    const std::string url = fresh_database();
    fill(url, "2023-05-01", 100);
    pqxx::connection dump{url};
    pqxx::work dumping{dump};
    dumping.exec("LOCK TABLE gateway.source_event IN ACCESS SHARE MODE");
    std::atomic<bool> stop{false};
    std::atomic<int> waiting{0};
    std::thread look{[&] {
        pqxx::connection connection{url};
        while (!stop)
            waiting += pqxx::nontransaction{connection}
                           .exec("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0]
                           .as<int>();
    }};

    const auto during = keep_partitions(url);
    stop = true;
    look.join();
    dumping.commit();
    const auto afterwards = keep_partitions(url);

    ASSERT_TRUE(during && afterwards);
    EXPECT_THAT(during.value(), IsEmpty());
    EXPECT_EQ(waiting, 0);
    EXPECT_THAT(afterwards.value(), ElementsAre("source_event_2023_05"));
}

TEST(PartitionsTest, WhileRowsMoveReadersSeeEachOnceAndDuplicatesAreFound)
{
    constexpr int given = 300;
    const std::string url = fresh_database();
    refuse_partitions(url);
    fill(url, "2019-07-01", 19'000);
    for (const char* month : {"2019-01-01", "2019-03-01"})
        fill(url, month, 400);
    writer w{settings_for(url, 2)};
    answers stored;
    for (int i = 0; i < given; ++i)
        stored.submit(w, click_at(i, first_of(2019, i % 5 == 0 ? 3 : 7)));
    ASSERT_EQ(stored.count(disposition::accepted), std::size_t{given});
    ASSERT_EQ(rows_in_default(url), "20100");
    const auto before = value(url, whole_log);
    allow_partitions(url);

    std::atomic<bool> stop{false};
    std::atomic<int> looks{0};
    std::set<std::string> seen;
    std::thread reader{[&] {
        for (; !stop; ++looks)
            seen.insert(value(url, whole_log));
    }};
    answers again;
    int sent = 0;
    std::thread sender{[&] {
        for (; !stop; ++sent) {
            again.submit(w, click_at(sent % given, first_of(2019, sent % given % 5 == 0 ? 3 : 7)));
            if (sent % 100 == 0)
                again.all();
        }
    }};
    empty_default(url);
    EXPECT_TRUE(becomes([&, after = looks.load()] { return looks > after + 1; }));
    stop = true;
    sender.join();
    reader.join();

    EXPECT_THAT(seen, ElementsAre(before));
    EXPECT_EQ(again.count(disposition::accepted), static_cast<std::size_t>(sent));
    EXPECT_EQ(misplaced(url), "0");
}

TEST(PartitionsTest, SixtyAreMadeWithinAMinuteHoweverManyMonthsASenderNames)
{
    const std::string url = fresh_database();
    answers all;
    {
        writer w{settings_for(url)};
        for (int i = 0; i < 200; ++i)
            all.submit(w, click_at(i, first_of(2013 + i / 12, 1 + static_cast<unsigned>(i) % 12)));
        EXPECT_EQ(all.count(disposition::accepted), 200U);
    }

    const auto made = std::stoi(value(url, "SELECT count(*) FROM pg_inherits WHERE inhparent ="
                                           " 'gateway.source_event'::regclass")) -
                      1;     // DEFAULT
    EXPECT_LE(made, 60 + 2); // and those made with the schema
    EXPECT_EQ(rows_in_default(url), std::to_string(200 - made));
    refuse_partitions(url);
    EXPECT_THAT(keep_partitions(url).value(), Each(StartsWith("intake_")));
    allow_partitions(url);
    EXPECT_THAT(keep_partitions(url).value(), ElementsAre(StartsWith("source_event_")));
}

TEST(PartitionsTest, TheKeeperEmptiesDefaultByItselfWithTheRightsOfAWriter)
{
    const std::string url = fresh_database();
    query(url, "DROP ROLE IF EXISTS log_keeper; CREATE ROLE log_keeper LOGIN IN ROLE"
               " gateway_writer");
    fill(url, "2023-05-01", 100);

    const log_keeper keeper{as_user(url, "log_keeper"), {}};

    EXPECT_TRUE(becomes([&] { return rows_in_default(url) == "0"; }));
    EXPECT_TRUE(becomes([&] {
        return value(url,
                     "SELECT to_regclass('gateway.' || n.name) IS NOT NULL"
                     " FROM gateway.partition_of('intake', now() + interval '1 day') n") == "t";
    }));
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

    EXPECT_EQ(all.count(disposition::accepted), 1'200U);
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
    answers all;
    writer w{settings_for(url)};
    all.submit(w, click_at(1, first_of(2019, 7)));
    EXPECT_EQ(all.count(disposition::accepted), 1U);
    making.exec("SELECT gateway.ensure_partitions('source_event', '{2019-07-01}')");

    std::thread applying{[&] { apply_all(url); }};
    EXPECT_TRUE(becomes(
        [&] { return value(url, "SELECT count(*) FROM pg_locks WHERE NOT granted") != "0"; }));
    making.commit();
    applying.join();

    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event_2019_07"), "1");
}

TEST(PartitionsTest, RowsWaitInDefaultWhileNoPartitionCanBeMade)
{
    const std::string url = fresh_database();
    query(url, "REVOKE ALL ON FUNCTION gateway.ensure_partitions(text, timestamptz[], bigint) FROM"
               " PUBLIC, gateway_writer; DROP ROLE IF EXISTS no_maker;"
               " CREATE ROLE no_maker LOGIN IN ROLE gateway_writer");
    answers all;
    {
        writer w{settings_for(as_user(url, "no_maker"))};
        all.submit(w, click(1));
    }
    EXPECT_EQ(all.count(disposition::accepted), 1U);

    apply_all(as_user(url, "no_maker"));

    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event_default"), "1");
}

} // namespace
} // namespace gateway
