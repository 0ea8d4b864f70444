// Connection strings with our time-outs, SQLSTATEs by what they mean, and the pauses between tries.
#include "store/database/database.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway {
namespace {

using testing::HasSubstr;
using testing::Not;

database_settings settings(const std::string& url)
{
    return {.url = url,
            .application = "gateway",
            .statement_timeout = std::chrono::milliseconds{2'000}};
}

TEST(DatabaseTest, AddsTimeoutsToAUri)
{
    const auto url = complete_url(settings("postgresql://u@h1,h2/db"), true);

    EXPECT_THAT(url, HasSubstr("host='h1,h2'"));
    EXPECT_THAT(url, HasSubstr("connect_timeout='3'"));
    EXPECT_THAT(url, HasSubstr("tcp_user_timeout='3000'"));
    EXPECT_THAT(url, HasSubstr("target_session_attrs='read-write'"));
    EXPECT_THAT(url, HasSubstr("statement_timeout=2000"));
}

TEST(DatabaseTest, AsksForAnyServerWhereItOnlyReadsUnlessTheUserDoes)
{
    EXPECT_THAT(complete_url(settings("dbname=x"), true, true),
                HasSubstr("target_session_attrs='any'"));
    EXPECT_THAT(complete_url(settings("dbname=x target_session_attrs=standby"), true, true),
                HasSubstr("target_session_attrs='standby'"));
}

TEST(DatabaseTest, LeavesTheUsersChoicesAlone)
{
    const auto url =
        complete_url(settings("dbname=x connect_timeout=9 options='-c statement_timeout=7'"), true);

    EXPECT_THAT(url, HasSubstr("connect_timeout='9'"));
    EXPECT_THAT(url, Not(HasSubstr("connect_timeout='3'")));
    EXPECT_THAT(url, HasSubstr("-c lock_timeout=1000 -c statement_timeout=7'"));
}

TEST(DatabaseTest, KeepsQuotesAndBackslashesOfAPassword)
{
    const auto url = complete_url(settings(R"(dbname=x password='a\'b\\c')"), true);

    EXPECT_THAT(url, HasSubstr(R"(password='a\'b\\c')"));
}

TEST(DatabaseTest, NeverRepeatsAnInvalidUrl)
{
    try {
        complete_url(settings("dbname=x secret words"), true);
        FAIL();
    } catch (const pqxx::broken_connection& e) {
        EXPECT_THAT(e.what(), Not(HasSubstr("secret")));
    }
}

TEST(DatabaseTest, TellsValuesFromConflictsFromOutages)
{
    EXPECT_EQ(kind_of("22021"), failure_kind::rejected);
    EXPECT_EQ(kind_of("23502"), failure_kind::rejected);
    EXPECT_EQ(kind_of("54001"), failure_kind::rejected);
    EXPECT_EQ(kind_of("40P01"), failure_kind::conflict);
    EXPECT_EQ(kind_of("40001"), failure_kind::conflict);
    EXPECT_EQ(kind_of("57P01"), failure_kind::lost);
    EXPECT_EQ(kind_of("08006"), failure_kind::lost);
    EXPECT_EQ(kind_of(""), failure_kind::lost);
    EXPECT_EQ(kind_of("57014"), failure_kind::other);
    EXPECT_EQ(kind_of("42P01"), failure_kind::other);
    EXPECT_EQ(kind_of("53100"), failure_kind::other);
    EXPECT_EQ(kind_of("25006"), failure_kind::other);
}

} // namespace
} // namespace gateway
