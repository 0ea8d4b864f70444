// The writer against the real PostgreSQL: what it is given stands in the tables once, and whatever
// PostgreSQL refuses is kept in quarantine while the rest is stored.
#include "gateway/store/writer.hpp"
#include "store/database/database.hpp"
#include "store/write/pending.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/process.hpp"

#include <gtest/gtest.h>

#include <thread>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace gateway {
namespace {

using namespace test;

std::string count(const std::string& url, const std::string& table)
{
    return value(url, "SELECT count(*) FROM gateway." + table);
}

TEST(WriterTest, AnswersDuplicatesInABatchAndAcrossBatches)
{
    const std::string url = fresh_database();
    answers first;
    answers second;
    {
        writer w{settings_for(url)};
        for (const int n : {1, 2, 1, 3, 1})
            first.submit(w, click(n));
    }
    {
        writer w{settings_for(url)};
        for (const int n : {2, 4, 3})
            second.submit(w, click(n));
    }

    EXPECT_EQ(first.count(disposition::accepted), 5U);
    EXPECT_EQ(second.count(disposition::accepted), 3U);
    const auto again = second.all();
    EXPECT_EQ(again[1].value().what, disposition::accepted);
    EXPECT_EQ(again[1].value().id, std::get<source_event>(click(4).what).event_id);
    EXPECT_EQ(count(url, "source_event"), "4");
    EXPECT_EQ(count(url, "delivery WHERE body IS NOT NULL"), "4");
    EXPECT_EQ(value(url, "SELECT sum(duplicates) FROM gateway.step"), "4");
}

TEST(WriterTest, TwoWritersWithTheSameEventsNeitherDeadlockNorDouble)
{
    const std::string url = fresh_database();
    answers both;
    {
        writer a{settings_for(url, 2)};
        writer b{settings_for(url, 2)};
        std::thread other{[&] {
            for (int i = 0; i < 4'000; ++i)
                both.submit(a, click(i));
        }};
        for (int i = 3'999; i >= 0; --i)
            both.submit(b, click(i));
        other.join();
    }

    EXPECT_EQ(both.count(disposition::accepted), 8'000U);
    EXPECT_EQ(count(url, "source_event"), "4000");
    EXPECT_EQ(value(url, "SELECT deadlocks FROM pg_stat_database"
                         " WHERE datname = current_database()"),
              "0");
}

TEST(WriterTest, OneStepIsOneTransactionWithItsLineage)
{
    const std::string url = fresh_database();
    answers all;
    {
        writer w{settings_for(url)};
        for (int i = 0; i < 500; ++i)
            all.submit(w, click(i));
        all.submit(w, refused("{}"));
    }

    EXPECT_EQ(all.count(disposition::accepted), 500U);
    EXPECT_EQ(all.count(disposition::quarantined), 1U);
    EXPECT_EQ(value(url, "SELECT sum(events) || ' ' || sum(quarantined) FROM gateway.step"),
              "500 1");
    EXPECT_EQ(value(url, "SELECT count(*) FROM (SELECT s.position FROM gateway.source_event e"
                         " JOIN gateway.step s ON e.position > s.position - s.events"
                         " AND e.position <= s.position GROUP BY s.position, s.events"
                         " HAVING count(*) <> s.events OR count(DISTINCT e.xmin::text) > 1) wrong"),
              "0");
    EXPECT_EQ(value(url, "SELECT min(position) || ' ' || max(position) || ' ' || count(DISTINCT"
                         " position) FROM gateway.source_event"),
              "1 500 500");
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event JOIN gateway.delivery"
                         " USING (intake_id, ordinal) WHERE body IS NOT NULL"),
              "500");
    EXPECT_EQ(value(url, "SELECT projected FROM gateway.projection_state"), "0");
}

TEST(WriterTest, LeavesNothingBehindWhenTheTransactionFails)
{
    const std::string url = fresh_database();
    query(url, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
               " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '53100'; END $$;"
               "CREATE TRIGGER refuse BEFORE INSERT ON gateway.intake_waiting FOR EACH ROW"
               " EXECUTE FUNCTION refuse()");
    answers all;
    {
        writer w{settings_for(url)};
        all.submit(w, click(1));
        all.submit(w, refused("{}"));
    }

    for (const auto& answer : all.all()) {
        ASSERT_TRUE(answer.has_error());
        EXPECT_EQ(answer.error().code, errc::database_failed);
    }
    EXPECT_EQ(count(url, "source_event"), "0");
    EXPECT_EQ(count(url, "delivery"), "0");
    EXPECT_EQ(count(url, "quarantine"), "0");
}

// Every batch fails with `sqlstate` so many times, then is let through.
void refuse_batches(const std::string& url, const std::string& sqlstate, int times,
                    const std::string& table = "gateway.intake_waiting")
{
    query(url, "CREATE SEQUENCE tries;"
               "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
               " $$ BEGIN IF nextval('tries') <= " +
                   std::to_string(times) +
                   " THEN"
                   " RAISE EXCEPTION 'no' USING ERRCODE = '" +
                   sqlstate +
                   "'; END IF;"
                   " RETURN NEW; END $$;"
                   "CREATE TRIGGER refuse BEFORE INSERT ON " +
                   table + " FOR EACH ROW EXECUTE FUNCTION refuse()");
}

TEST(WriterTest, ADeadlockOrSerializationFailureIsTriedThreeTimesMore)
{
    for (const std::string sqlstate : {"40P01", "40001"}) {
        for (const int times : {3, 4}) {
            const std::string url = fresh_database();
            refuse_batches(url, sqlstate, times);
            answers all;
            {
                writer w{settings_for(url)};
                all.submit(w, click(1));
            }

            EXPECT_EQ(all.count(disposition::accepted), times == 3 ? 1U : 0U) << sqlstate;
            EXPECT_EQ(value(url, "SELECT last_value FROM tries"), "4");
        }
    }
}

TEST(WriterTest, AViolatedPartitionConstraintIsTriedOnceMoreBeforeItIsPoison)
{
    const std::string url = fresh_database();
    refuse_batches(url, "23514", 1, "gateway.step");
    answers all;
    {
        writer w{settings_for(url)};
        all.submit(w, click(1));
    }

    EXPECT_EQ(all.count(disposition::accepted), 1U);
    EXPECT_EQ(count(url, "source_event"), "1");
}

TEST(WriterTest, ARetryOfARefusedDeliveryCounts)
{
    const std::string url = fresh_database();
    const std::string body = std::string{"{\"type\":\"x\0y\"}", 14};
    answers all;
    for (int i = 0; i < 2; ++i) {
        writer w{settings_for(url)};
        all.submit(w, refused(body));
        all.submit(w, refused(body));
    }

    EXPECT_EQ(all.count(disposition::quarantined), 4U);
    EXPECT_EQ(all.all()[0].value().reason, quarantine_reason::type_unknown);
    EXPECT_EQ(query(url, "SELECT deliveries, reason, encode(body, 'hex'), endpoint,"
                         " encode(body_sha256, 'hex'), quarantine_id, detail->0->>'field', version"
                         " FROM gateway.quarantine"),
              (std::vector<std::vector<std::string>>{
                  {"4", "type_unknown", to_hex(body), "attentive", to_hex(sha256(body)),
                   to_string(quarantine_id(delivery_of(body))), "type", "0.1.0"}}));
}

TEST(WriterTest, PoisonRowsGoToQuarantineAndTheRestIsStored)
{
    const std::string url = fresh_database();
    answers all;
    {
        writer w{settings_for(url)};
        for (int i = 0; i < 400; ++i)
            all.submit(w, i % 100 == 37 ? poison(i) : click(i));
    }

    EXPECT_EQ(all.count(disposition::accepted), 400U);
    EXPECT_EQ(count(url, "source_event"), "396");
    EXPECT_EQ(query(url, "SELECT reason, count(*) FROM gateway.quarantine GROUP BY 1"),
              (std::vector<std::vector<std::string>>{{"database_rejected", "4"}}));
}

// One of each way in which PostgreSQL can refuse a value.
TEST(WriterTest, EveryKindOfPoisonIsFound)
{
    const std::string url = fresh_database();
    std::vector<given_event> bad;
    for (int i = 0; i < 8; ++i)
        bad.push_back(click(i));
    const auto event = [&bad](std::size_t i) -> source_event& {
        return std::get<source_event>(bad[i].what);
    };
    event(0).message_text = "\xff\xfe";                         // 22021 not UTF-8
    event(1).company_id.clear();                                // 23502 key missing
    event(2).extra = "{";                                       // 22P02 not JSON
    event(3).identifiers = {{"phone", {std::string{"\0", 1}}}}; // 22P05 NUL in JSON
    event(4).occurred_at = timestamp::max();                    // 22008 beyond all time
    event(5).extra = std::string(50'000, '[');                  // 54001 nested too deep
    event(6).company_id = std::string(4'000, 'x') + "y";        // short after compression: good
    event(7).quality_flags = {"\x80"};                          // 22021 inside an array
    answers all;
    {
        writer w{settings_for(url)};
        for (int i = 100; i < 130; ++i)
            all.submit(w, click(i));
        for (auto& e : bad)
            all.submit(w, std::move(e));
    }

    EXPECT_EQ(all.count(disposition::accepted), 38U);
    EXPECT_EQ(count(url, "quarantine WHERE reason = 'database_rejected'"), "7");
    EXPECT_EQ(count(url, "source_event"), "31");
}

TEST(WriterTest, ARefusalWhoseDetailIsPoisonIsKeptWithoutIt)
{
    const std::string url = fresh_database();
    given_event e = refused("{}");
    std::get<quarantined>(e.what).faults[0].field = "\xff";
    answers all;
    {
        writer w{settings_for(url)};
        all.submit(w, std::move(e));
    }

    EXPECT_EQ(all.count(disposition::quarantined), 1U);
    EXPECT_EQ(value(url, "SELECT reason FROM gateway.quarantine"), "database_rejected");
}

TEST(WriterTest, ALongestBodyFits)
{
    const std::string url = fresh_database();
    answers all;
    {
        writer w{settings_for(url)};
        for (int i = 0; i < 40; ++i)
            all.submit(w, click(i, 256U << 10U));
    }

    EXPECT_EQ(all.count(disposition::accepted), 40U);
    EXPECT_EQ(value(url, "SELECT min(length(body)) >= 262144 FROM gateway.delivery"), "t");
}

// A server that takes connections and never says a word: until libpq gives up, events queue.
TEST(WriterTest, AFullInboxAnswersAtOnce)
{
    const auto directory = make_temporary_directory();
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (directory / ".s.PGSQL.5432").string().copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener, 10), 0);
    writer_settings s = settings_for("postgresql://postgres@/x?host=" + directory.string());
    s.inbox_events_max = 10;
    answers queued;
    answers beyond;
    {
        writer w{s};
        for (int i = 0; i < 10; ++i)
            queued.submit(w, click(i));
        for (int i = 10; i < 30; ++i)
            beyond.submit(w, click(i));

        for (const auto& answer : beyond.all(std::chrono::milliseconds{0})) {
            ASSERT_TRUE(answer.has_error());
            EXPECT_EQ(answer.error().code, errc::overloaded);
        }
    }

    for (const auto& answer : queued.all(std::chrono::milliseconds{0})) {
        ASSERT_TRUE(answer.has_error());
        EXPECT_EQ(answer.error().code, errc::database_unavailable);
    }
    ::close(listener);
    std::filesystem::remove_all(directory);
}

TEST(WriterTest, MembershipInTheWritersRoleSuffices)
{
    const std::string url = fresh_database();
    query(url,
          "DROP ROLE IF EXISTS daemon_user; CREATE ROLE daemon_user LOGIN IN ROLE gateway_writer");
    answers all;
    {
        writer w{settings_for(as_user(url, "daemon_user"))};
        for (const int n : {1, 2, 1})
            all.submit(w, click(n));
        for (int i = 0; i < 2; ++i)
            all.submit(w, refused("{}"));
        all.submit(w, poison(9));
    }

    EXPECT_EQ(all.failed(), 0U);
    apply_all(as_user(url, "daemon_user"));
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.intake_waiting"), "0");
    EXPECT_EQ(count(url, "source_event_default"), "0"); // it could make partitions
    EXPECT_EQ(count(url, "quarantine"), "2");
    for (const std::string table : {"source_event", "quarantine", "step"})
        EXPECT_THROW(query(as_user(url, "daemon_user"), "DELETE FROM gateway." + table),
                     pqxx::insufficient_privilege);
    EXPECT_THROW(
        query(as_user(url, "daemon_user"), "SELECT recipient_address FROM gateway.source_event"),
        pqxx::insufficient_privilege);
}

TEST(WriterTest, ReadersSeeReportsWithoutPersonalData)
{
    const std::string url = fresh_database();
    query(url, "DROP ROLE IF EXISTS analyst; CREATE ROLE analyst LOGIN IN ROLE gateway_reader");
    answers all;
    {
        writer w{settings_for(url)};
        all.submit(w, click(1));
        all.submit(w, refused("{}"));
    }

    apply_all(url);
    const std::string analyst = as_user(url, "analyst");
    EXPECT_EQ(value(analyst, "SELECT event_name FROM report.source_event"), "sms.link_clicked");
    EXPECT_EQ(value(analyst, "SELECT reason FROM report.quarantine"), "type_unknown");
    EXPECT_THROW(query(analyst, "SELECT * FROM gateway.source_event"), pqxx::sql_error);
    EXPECT_THROW(query(analyst, "DELETE FROM report.quarantine"), pqxx::sql_error);
    EXPECT_EQ(value(url, "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid"
                         " WHERE relnamespace = 'report'::regnamespace AND attnum > 0"
                         " AND col_description(attrelid, attnum) IS NULL"),
              "0");
}

TEST(WriterTest, CommitsWaitForTheDiskWhateverRoleOrDatabaseSay)
{
    const std::string url = fresh_database();
    set_for_database(url, "synchronous_commit", "off");
    ASSERT_EQ(value(url, "SHOW synchronous_commit"), "off");

    const std::string seen = value(url, "BEGIN; SELECT gateway.append('w', '{}');"
                                        "SELECT current_setting('synchronous_commit')");

    EXPECT_EQ(seen, "on");
}

} // namespace
} // namespace gateway
