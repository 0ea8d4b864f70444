// The words in which an operator reads how the gateway is.
#include "app/daemon/health.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

process_state well()
{
    process_state s;
    s.database_takes_events = true;
    s.database.reachable = true;
    s.database.since = now();
    s.spool = spool_status{};
    s.spool_bytes_max = 1U << 30U;
    s.certificate_ends = now() + std::chrono::days{60};
    return s;
}

std::string first(const std::vector<std::string>& reasons)
{
    return reasons.empty() ? "" : reasons.front();
}

TEST(StatusTest, SaysNothingWhereAllIsWell)
{
    EXPECT_TRUE(not_ready_because(well()).empty());
    EXPECT_TRUE(degraded_because(well()).empty());
    EXPECT_EQ(status_line(well()), "Taking events");
}

TEST(StatusTest, ADatabaseThatIsAwayIsNamedWhileEventsAreStillTaken)
{
    auto s = well();
    s.database.reachable = false;
    s.database.trouble = "connection refused";
    s.database_takes_events = false;
    s.spool->events = 12;
    s.spool->bytes = 3U << 20U;

    EXPECT_TRUE(not_ready_because(s).empty());
    const auto line = status_line(s);
    EXPECT_NE(line.find("Taking events; the database is out of reach since 2"), std::string::npos)
        << line;
    EXPECT_NE(line.find("connection refused"), std::string::npos);
    EXPECT_NE(line.find("12 events wait in the spool (3 MiB of 1GiB)"), std::string::npos) << line;
}

TEST(StatusTest, WhatTheDatabaseRefusesIsCountedWithWhy)
{
    auto s = well();
    s.database.projection = projection_lag{.refused = 1, .refusal = "SQLSTATE P0001"};

    EXPECT_TRUE(not_ready_because(s).empty());
    const auto line = status_line(s);
    EXPECT_NE(line.find("1 delivery is refused by the database (SQLSTATE P0001)"),
              std::string::npos)
        << line;
}

TEST(StatusTest, WhatAFailoverLosesIsANoteAndNoTrouble)
{
    auto s = well();
    s.database.follows = replication{.synchronous = false, .standbys = 2};

    EXPECT_EQ(status_line(s), "Taking events");
    EXPECT_NE(first(notes(s)).find("2 standbys follow, and no commit waits"), std::string::npos);

    s.database.follows->synchronous = true;
    EXPECT_TRUE(notes(s).empty());
    s.database.follows = replication{};
    EXPECT_TRUE(notes(s).empty());
}

TEST(StatusTest, WhatTimeDoesNotHealIsSaidWithWhatToDo)
{
    auto s = well();
    s.database_takes_events = false;
    s.writing.trouble = fail(errc::schema_mismatch, "the schema is older: run migrate");
    EXPECT_EQ(first(degraded_because(s)),
              "the database answers but takes no events: the schema is older: run migrate");

    s.database.reachable = false;
    s.database.trouble = "FATAL: password authentication failed";
    s.writing.trouble = fail(errc::database_failed, "password authentication failed");
    s.writing.login_refused = true;
    EXPECT_NE(first(degraded_because(s)).find("turns the gateway's login away: password"),
              std::string::npos);
    EXPECT_NE(first(degraded_because(s)).find("[database]"), std::string::npos);
}

TEST(StatusTest, RefusingEventsIsNotReadyAndSaysWhatAttentiveDoes)
{
    auto s = well();
    s.accepting = false;
    EXPECT_NE(first(not_ready_because(s)).find("nor the spool"), std::string::npos);
    s.spool.reset();
    EXPECT_NE(first(not_ready_because(s)).find("no [spool] is configured"), std::string::npos);
    EXPECT_NE(status_line(s).find("three days"), std::string::npos);

    s = well();
    s.draining = true;
    EXPECT_NE(first(not_ready_because(s)).find("draining"), std::string::npos);
}

TEST(StatusTest, NamesWhatSomebodyHasToLookAt)
{
    auto s = well();
    s.certificate_ends = now() + std::chrono::days{3};
    EXPECT_NE(first(degraded_because(s)).find("certificate expires"), std::string::npos);
    s = well();
    s.spool->damaged = {"a.damaged"};
    EXPECT_NE(first(degraded_because(s)).find("spool verify"), std::string::npos);
    s = well();
    s.writing.stalled_for = std::chrono::seconds{11};
    EXPECT_NE(first(degraded_because(s)).find("hangs"), std::string::npos);
    s = well();
    s.database.default_rows = 3;
    EXPECT_EQ(first(degraded_because(s)).find("3 rows wait in DEFAULT partitions: "), 0U);
    s = well();
    s.database_takes_events = false;
    EXPECT_NE(first(degraded_because(s)).find("doctor"), std::string::npos);
}

} // namespace
} // namespace gateway
