// Quarantine as the operator has it: listed without values, shown whole, and replayed so that what
// now maps is stored once, whatever breaks in between, and what does not stays.
#include "gateway/store/quarantine.hpp"
#include "store/write/pending.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace gateway {
namespace {

using namespace test;
using rows = std::vector<std::vector<std::string>>;

// The number in a body of click().
int number_in(const verified_delivery& d)
{
    return std::stoi(d.body().substr(d.body().find("\"number\":") + 9));
}

// A mapping that has learned what it refused before, but for numbers from 1000.
normalized corrected(const verified_delivery& d)
{
    const int number = number_in(d);
    if (number >= 1'000)
        return quarantined{.reason = quarantine_reason::timestamp_invalid,
                           .faults = {{.field = "timestamp", .found = "text", .expected = "ms"}}};
    return click(number).what;
}

// Keeps deliveries [first, last) in quarantine, as a gateway with an older mapping did.
std::vector<verified_delivery> keep(const std::string& url, int first, int last)
{
    std::vector<verified_delivery> kept;
    answers all;
    writer w{settings_for(url)};
    for (int i = first; i < last; ++i) {
        given_event e = click(i);
        kept.push_back(e.delivery);
        all.submit(w, {std::move(e.delivery), refused("").what});
    }
    EXPECT_EQ(all.count(disposition::quarantined), static_cast<std::size_t>(last - first));
    apply_all(url);
    return kept;
}

replay_settings replay_of(const std::string& url)
{
    replay_settings s;
    s.database_url = url;
    s.map = corrected;
    return s;
}

std::string count(const std::string& url, const std::string& what)
{
    return value(url, "SELECT count(*) FROM gateway." + what);
}

TEST(QuarantineCommandTest, ListsTheNewestWaitingRowsWithoutBodies)
{
    const std::string url = fresh_database();
    keep(url, 0, 5);
    query(url, "WITH n AS (SELECT quarantine_id,"
               " row_number() OVER (ORDER BY body) AS day FROM gateway.quarantine)"
               " UPDATE gateway.quarantine q SET received_at = '2026-01-01'::timestamptz"
               " + day * interval '1 day', reason = CASE day WHEN 1 THEN 'json_limits' ELSE"
               " reason END FROM n WHERE n.quarantine_id = q.quarantine_id");

    const auto newest = list_quarantine(url, {}, 2).value();
    quarantine_filter limits_only;
    limits_only.reason = quarantine_reason::json_limits;
    const auto limits = list_quarantine(url, limits_only, 50).value();
    quarantine_filter late_only;
    late_only.since = timestamp{std::chrono::sys_days{std::chrono::year{2026} / 1 / 5}};
    const auto late = list_quarantine(url, late_only, 50).value();

    EXPECT_EQ(newest.matching, 5U);
    ASSERT_EQ(newest.rows.rows.size(), 2U);
    EXPECT_EQ(newest.rows.columns,
              (std::vector<std::string>{"id", "reason", "field", "found", "endpoint", "times",
                                        "received_at", "last_received_at"}));
    EXPECT_EQ(newest.rows.rows[0][6].substr(0, 10), "2026-01-06");
    EXPECT_EQ(limits.rows.rows.size(), 1U);
    EXPECT_EQ(late.matching, 2U);
}

TEST(QuarantineCommandTest, ShowsOneRowWhole)
{
    const std::string url = fresh_database();
    const auto kept = keep(url, 1, 2);

    const auto found = read_quarantine(url, quarantine_id(kept[0])).value();

    ASSERT_TRUE(found);
    EXPECT_EQ(found->body, kept[0].body());
    EXPECT_EQ(found->reason, "type_unknown");
    EXPECT_EQ(found->received_at, to_string(kept[0].received_at()));
    EXPECT_EQ(found->replayed_at, "");
    EXPECT_EQ(found->faults, (std::vector<field_fault>{{"type", "text", "a type"}}));
    EXPECT_FALSE(read_quarantine(url, uuid{}).value());
}

TEST(QuarantineReplayTest, StoresWhatNowMapsAndLeavesTheRest)
{
    const std::string url = fresh_database();
    const auto kept = keep(url, 0, 10);
    keep(url, 1'000, 1'003);

    const auto report = replay_quarantine(replay_of(url)).value();
    const auto again = replay_quarantine(replay_of(url)).value();
    apply_all(url, corrected);

    EXPECT_EQ(report.examined, 13U);
    EXPECT_EQ(report.mapped, 10U);
    EXPECT_EQ(report.left, (std::map<quarantine_reason, std::uint64_t>{
                               {quarantine_reason::timestamp_invalid, 3}}));
    EXPECT_EQ(again.examined, 3U);
    EXPECT_EQ(count(url, "source_event"), "10");
    EXPECT_EQ(count(url, "quarantine WHERE replayed_at IS NULL"), "3");
    EXPECT_EQ(count(url, "quarantine WHERE deliveries <> 1"), "0") << "a replay is no delivery";
    EXPECT_EQ(query(url, "SELECT d.endpoint, d.key_id, encode(d.body, 'escape'),"
                         " e.received_at = d.received_at"
                         " FROM gateway.source_event e JOIN gateway.delivery d"
                         " USING (intake_id, ordinal) ORDER BY occurred_at LIMIT 1"),
              (rows{{"attentive", "2026-11", kept[0].body(), "t"}}));
}

TEST(QuarantineReplayTest, ADryRunWritesNothing)
{
    const std::string url = fresh_database();
    keep(url, 0, 4);
    keep(url, 1'000, 1'001);
    const auto intakes = count(url, "intake");
    replay_settings s = replay_of(url);
    s.dry_run = true;

    const auto report = replay_quarantine(s).value();

    EXPECT_EQ(report.mapped, 4U);
    EXPECT_EQ(report.left.at(quarantine_reason::timestamp_invalid), 1U);
    EXPECT_EQ(count(url, "source_event"), "0");
    EXPECT_EQ(count(url, "intake"), intakes);
    EXPECT_EQ(count(url, "quarantine WHERE replayed_at IS NOT NULL"), "0");
}

TEST(QuarantineReplayTest, TakesOnlyWhatTheFilterNames)
{
    const std::string url = fresh_database();
    const auto kept = keep(url, 0, 3);
    query(url, "UPDATE gateway.quarantine SET reason = 'json_limits' WHERE quarantine_id = '" +
                   to_string(quarantine_id(kept[2])) + "'");
    replay_settings one = replay_of(url);
    one.only.id = quarantine_id(kept[1]);
    replay_settings limits = replay_of(url);
    limits.only.reason = quarantine_reason::json_limits;
    replay_settings later = replay_of(url);
    later.only.since = now() + std::chrono::hours{1};

    EXPECT_EQ(replay_quarantine(one).value().mapped, 1U);
    EXPECT_EQ(replay_quarantine(one).value().examined, 0U);
    EXPECT_EQ(replay_quarantine(limits).value().mapped, 1U);
    EXPECT_EQ(replay_quarantine(later).value().examined, 0U);
    apply_all(url, corrected);
    EXPECT_EQ(query(url, "SELECT occurred_at::text FROM gateway.source_event").size(), 2U);
    EXPECT_EQ(count(url, "quarantine WHERE replayed_at IS NULL"), "1");
}

// Pages of three rows, or of the bytes of one, over rows of one time: each is met once.
TEST(QuarantineReplayTest, GoesThroughLargeSetsInPages)
{
    for (const bool by_bytes : {false, true}) {
        const std::string url = fresh_database();
        keep(url, 0, 20);
        keep(url, 1'000, 1'020);
        query(url, "UPDATE gateway.quarantine SET received_at = '2026-01-01'");
        replay_settings s = replay_of(url);
        s.batch_events_max = by_bytes ? 500 : 3;
        s.batch_bytes_max = by_bytes ? 1 : 8U << 20U;
        std::vector<std::uint64_t> steps;
        s.progress = [&steps](std::uint64_t examined) { steps.push_back(examined); };

        const auto report = replay_quarantine(s).value();
        apply_all(url, corrected);

        EXPECT_EQ(report.examined, 40U);
        EXPECT_EQ(report.mapped, 20U);
        EXPECT_EQ(steps.size(), by_bytes ? 40U : 14U);
        EXPECT_EQ(count(url, "source_event"), "20");
    }
}

TEST(QuarantineReplayTest, LeavesWhatPostgresqlRefusesAndStoresWhatStandsBesideIt)
{
    const std::string url = fresh_database();
    keep(url, 0, 30);
    replay_settings s = replay_of(url);
    s.map = [](const verified_delivery& d) {
        const int number = number_in(d);
        return number % 10 == 7 ? poison(number).what : click(number).what;
    };

    const auto report = replay_quarantine(s).value();
    apply_all(url, s.map);

    EXPECT_EQ(report.mapped, 30U);
    EXPECT_EQ(count(url, "source_event"), "27");
    EXPECT_EQ(count(url, "quarantine WHERE replayed_at IS NULL"), "3");
}

// The mark is refused, and with it all.
TEST(QuarantineReplayTest, ABreakAtTheMarkLeavesAllWaiting)
{
    const std::string url = fresh_database();
    keep(url, 0, 5);
    query(url, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
               " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '53100'; END $$;"
               "CREATE TRIGGER refuse BEFORE UPDATE ON gateway.quarantine"
               " EXECUTE FUNCTION refuse()");
    const auto broken = replay_quarantine(replay_of(url));
    query(url, "DROP TRIGGER refuse ON gateway.quarantine");

    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.intake_waiting"), "0");
    const auto report = replay_quarantine(replay_of(url)).value();
    apply_all(url, corrected);

    ASSERT_TRUE(broken.has_error());
    EXPECT_EQ(broken.error().code, errc::database_failed);
    EXPECT_EQ(report.mapped, 5U);
    EXPECT_EQ(count(url, "source_event"), "5");
    EXPECT_EQ(count(url, "quarantine WHERE replayed_at IS NULL"), "0");
}

// Nothing is marked whose event is not there.
TEST(QuarantineReplayTest, ABreakOfTheWriteLeavesAllWaiting)
{
    const std::string url = fresh_database();
    keep(url, 0, 5);
    query(
        url,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '53100'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON gateway.intake_waiting EXECUTE FUNCTION refuse()");

    const auto broken = replay_quarantine(replay_of(url));

    ASSERT_TRUE(broken.has_error());
    EXPECT_EQ(count(url, "source_event"), "0");
    EXPECT_EQ(count(url, "quarantine WHERE replayed_at IS NULL"), "5");
}

TEST(QuarantineReplayTest, TwoAtOnceStoreEachEventOnce)
{
    const std::string url = fresh_database();
    keep(url, 0, 600);
    replay_settings s = replay_of(url);
    s.batch_events_max = 50;
    std::optional<result<replay_report>> other;

    std::thread beside{[&] { other = replay_quarantine(s); }};
    const auto report = replay_quarantine(s);
    beside.join();
    apply_all(url, corrected);

    ASSERT_TRUE(report.has_value()) << report.error().detail;
    ASSERT_TRUE(other->has_value()) << other->error().detail;
    EXPECT_EQ(count(url, "source_event"), "600");
    EXPECT_EQ(count(url, "quarantine WHERE replayed_at IS NULL"), "0");
}

TEST(QuarantineReplayTest, MembershipInTheWritersRoleSuffices)
{
    const std::string url = fresh_database();
    query(url, "DROP ROLE IF EXISTS replayer; CREATE ROLE replayer LOGIN IN ROLE gateway_writer");
    const auto kept = keep(url, 0, 3);
    const std::string user = as_user(url, "replayer");

    const auto listed = list_quarantine(user, {}, 10);
    const auto shown = read_quarantine(user, quarantine_id(kept[0]));
    const auto report = replay_quarantine(replay_of(user));

    ASSERT_TRUE(listed.has_value()) << listed.error().detail;
    ASSERT_TRUE(shown.has_value()) << shown.error().detail;
    ASSERT_TRUE(report.has_value()) << report.error().detail;
    EXPECT_EQ(report.value().mapped, 3U);
}

} // namespace
} // namespace gateway
