// The answers that the page shows, from a real PostgreSQL: read with no more rights than the daemon
// has, only while somebody looks, and kept when the database goes.
#include "gateway/store/observer.hpp"
#include "support/cluster.hpp"
#include "support/servers.hpp"

#include "gateway/store/migrations.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <thread>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using namespace test;

// The first look that `wanted` holds for; the last one when none did within a minute.
std::vector<page_answer> look_until(database_observer& o,
                                    const std::function<bool(const page_answer&)>& wanted)
{
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    for (;;) {
        auto seen = o.look();
        if (std::all_of(seen.begin(), seen.end(), wanted) ||
            std::chrono::steady_clock::now() > deadline)
            return seen;
        std::this_thread::sleep_for(50ms);
    }
}

bool is_read(const page_answer& p)
{
    return p.as_of.has_value() || !p.trouble.empty();
}

std::string connections(const std::string& url)
{
    return value(url, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                      " AND application_name = 'attentive-gateway page'");
}

TEST(OverviewTest, ReadsAllWithTheRightsOfTheDaemon)
{
    const auto url = fresh_database();
    test::query(url, "DO $$ BEGIN CREATE ROLE looks_as_writer LOGIN IN ROLE gateway_writer;"
                     " EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    database_observer o{as_user(url, "looks_as_writer")};

    const auto seen = look_until(o, is_read);

    ASSERT_EQ(seen.size(), 7U);
    for (const auto& part : seen) {
        EXPECT_EQ(part.trouble, "") << part.name;
        EXPECT_TRUE(nlohmann::json::parse(part.rows).is_array()) << part.rows;
    }
}

TEST(OverviewTest, AsksNothingWhileNobodyLooks)
{
    const auto url = fresh_database();
    database_observer o{url};
    std::this_thread::sleep_for(300ms);
    EXPECT_EQ(connections(url), "0");

    look_until(o, is_read);

    EXPECT_EQ(connections(url), "1");
}

TEST(OverviewTest, KeepsItsAnswersWhenTheDatabaseGoesAndSaysWhyTheyAreOld)
{
    auto server = std::make_unique<postgres_server>();
    ASSERT_TRUE(migrate(server->url("postgres")));
    database_observer o{server->url("postgres")};
    const auto before = look_until(o, is_read);

    server.reset();
    const auto after = look_until(o, [](const page_answer& p) { return !p.trouble.empty(); });

    ASSERT_EQ(after.size(), before.size());
    for (std::size_t i = 0; i < after.size(); ++i) {
        EXPECT_TRUE(after[i].as_of.has_value()) << after[i].name;
        EXPECT_NE(after[i].trouble.find("the database does not answer"), std::string::npos)
            << after[i].trouble;
    }
}

} // namespace
} // namespace gateway
