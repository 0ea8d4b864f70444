// Order and grouping of a batch, and the hunt for poison: nobody innocent is left out, every
// poison row is found, in few attempts, and a failure in the middle loses count of nothing.
#include "store/apply/units.hpp"
#include "support/events.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

namespace gateway {
namespace {

std::unique_ptr<pending> entry(test::given_event given)
{
    return std::make_unique<pending>(
        pending{std::move(given.delivery), [](const result<receipt>&) {}, std::move(given.what)});
}

template <class... Given>
std::vector<unit> grouped(Given... given)
{
    std::vector<std::unique_ptr<pending>> all;
    (all.push_back(entry(std::move(given))), ...);
    return group(std::move(all));
}

// Rejects units with a text that holds NUL, as PostgreSQL would, and remembers what it took.
struct fake_table {
    std::set<uuid> events;
    std::set<uuid> refusals;
    std::size_t attempts = 0;
    std::size_t fail_at = 0; // the attempt that fails; 0: none
    std::size_t deliveries = 0;

    verdict operator()(std::span<unit> units)
    {
        if (++attempts == fail_at)
            return verdict::failed;
        for (const auto& u : units) {
            if (u.is_event() && u.first().event().message_text.find('\0') != std::string::npos)
                return verdict::rejected;
        }
        for (const auto& u : units) {
            EXPECT_TRUE((u.is_event() ? events : refusals).insert(u.id).second);
            deliveries += u.members.size();
        }
        return verdict::written;
    }
};

TEST(PendingTest, PutsEventsInKeyOrderAndRefusalsBehindThem)
{
    const auto units =
        grouped(test::refused("b"), test::click(3), test::refused("a"), test::click(1));

    ASSERT_EQ(units.size(), 4U);
    EXPECT_EQ(units[0].id, std::get<source_event>(test::click(1).what).event_id);
    EXPECT_EQ(units[1].id, std::get<source_event>(test::click(3).what).event_id);
    EXPECT_FALSE(units[2].is_event());
    EXPECT_LT(units[2].id, units[3].id);
}

TEST(PendingTest, MakesOneUnitOfEqualEventsAndOfEqualRefusals)
{
    const auto units = grouped(test::click(1), test::refused("a"), test::click(2), test::click(1),
                               test::refused("a"));

    ASSERT_EQ(units.size(), 3U);
    EXPECT_EQ(units[0].members.size(), 2U);
    EXPECT_EQ(units[2].members.size(), 2U);
}

TEST(PendingTest, KeepsEqualIdsOfTwoCompaniesApart)
{
    auto other = test::click(1);
    std::get<source_event>(other.what).company_id = "other";

    EXPECT_EQ(grouped(test::click(1), std::move(other)).size(), 2U);
}

TEST(PendingTest, WritesAGoodBatchInOneAttempt)
{
    fake_table table;

    const auto left =
        write_all(grouped(test::click(1), test::click(2), test::refused("a")), std::ref(table));

    EXPECT_EQ(table.attempts, 1U);
    EXPECT_EQ(table.events.size(), 2U);
    EXPECT_EQ(table.refusals.size(), 1U);
    EXPECT_TRUE(left.failed.empty() && left.refused.empty());
}

TEST(PendingTest, FindsEveryPoisonRowAndWritesTheRestInFewAttempts)
{
    std::mt19937 random{7};
    for (int round = 0; round < 1'000; ++round) {
        const int n = std::uniform_int_distribution{2, 300}(random);
        const int k = std::uniform_int_distribution{1, std::min(5, n)}(random);
        std::set<int> bad;
        while (bad.size() < static_cast<std::size_t>(k))
            bad.insert(std::uniform_int_distribution{0, n - 1}(random));
        std::vector<std::unique_ptr<pending>> batch;
        for (int i = 0; i < n; ++i)
            batch.push_back(entry(bad.count(i) ? test::poison(i) : test::click(i)));
        fake_table table;

        const auto left = write_all(group(std::move(batch)), std::ref(table));

        ASSERT_EQ(table.events.size(), static_cast<std::size_t>(n - k));
        ASSERT_EQ(table.refusals.size(), static_cast<std::size_t>(k));
        ASSERT_TRUE(left.failed.empty() && left.refused.empty());
        ASSERT_LE(static_cast<double>(table.attempts - 1), 2 * k * std::ceil(std::log2(n)));
    }
}

TEST(PendingTest, AccountsForEveryDeliveryWhicheverAttemptFails)
{
    for (std::size_t fail_at = 1;; ++fail_at) {
        std::vector<std::unique_ptr<pending>> batch;
        for (int i = 0; i < 40; ++i)
            batch.push_back(entry(i == 7 || i == 31 ? test::poison(i) : test::click(i)));
        fake_table table;
        table.fail_at = fail_at;

        const auto left = write_all(group(std::move(batch)), std::ref(table));

        std::size_t failed = 0;
        for (const auto& u : left.failed)
            failed += u.members.size();
        ASSERT_EQ(table.deliveries + failed, 40U) << fail_at;
        if (failed == 0)
            break;
    }
}

TEST(PendingTest, TurnsEveryRetryOfAPoisonEventIntoItsQuarantineRow)
{
    fake_table table;

    write_all(grouped(test::poison(1), test::click(2), test::poison(1)), std::ref(table));

    EXPECT_EQ(table.refusals.size(), 1U); // both bodies are equal
    EXPECT_EQ(table.deliveries, 3U);
}

TEST(PendingTest, GivesUpOnARowThatIsRefusedEvenInQuarantine)
{
    const auto refuse_refusals = [](std::span<unit> units) {
        const bool all_events =
            std::all_of(units.begin(), units.end(), [](const unit& u) { return u.is_event(); });
        return all_events ? verdict::written : verdict::rejected;
    };

    const auto left =
        write_all(grouped(test::click(1), test::refused("a"), test::click(2)), refuse_refusals);

    EXPECT_EQ(left.refused.size(), 1U);
    EXPECT_TRUE(left.failed.empty());
}

// A table that refuses some events for reasons of its own, once no value of a batch is poison.
struct choosy_table {
    std::set<uuid> refuses;
    fake_table table{};
    std::size_t attempts = 0;

    verdict operator()(std::span<unit> units)
    {
        ++attempts;
        const bool refused = std::any_of(units.begin(), units.end(),
                                         [&](const unit& u) { return refuses.count(u.id) > 0; });
        return refused && !has_poison(units) ? verdict::refused : table(units);
    }

    static bool has_poison(std::span<unit> units)
    {
        return std::any_of(units.begin(), units.end(), [](const unit& u) {
            return u.is_event() && u.first().event().message_text.find('\0') != std::string::npos;
        });
    }
};

TEST(PendingTest, PassesOverWhatIsRefusedAndWritesTheRestWithThePoisonInQuarantine)
{
    std::mt19937 random{11};
    for (int round = 0; round < 300; ++round) {
        const int n = std::uniform_int_distribution{40, 300}(random);
        choosy_table table;
        std::vector<std::unique_ptr<pending>> batch;
        std::size_t bad = 0;
        for (int i = 0; i < n; ++i) {
            const int kind = std::uniform_int_distribution{0, 19}(random);
            auto e = kind == 1 ? test::poison(i) : test::click(i);
            bad += kind == 1 ? 1 : 0;
            if (kind == 2)
                table.refuses.insert(std::get<source_event>(e.what).event_id);
            batch.push_back(entry(std::move(e)));
        }

        const auto left = write_all(group(std::move(batch)), std::ref(table));

        ASSERT_TRUE(left.failed.empty()) << "round " << round;
        ASSERT_EQ(left.refused.size(), table.refuses.size());
        ASSERT_EQ(table.table.refusals.size(), bad);
        ASSERT_EQ(table.table.events.size() + bad + table.refuses.size(),
                  static_cast<std::size_t>(n));
        for (const auto& u : left.refused)
            ASSERT_EQ(table.refuses.count(u.id), 1U);
    }
}

TEST(PendingTest, ADatabaseThatRefusesAllIsLeftAloneSoonUnlessItIsKnownToTakeOthers)
{
    for (const int n : {1, 2, 30, 1'000}) {
        choosy_table table;
        const auto batch = [&] {
            std::vector<std::unique_ptr<pending>> all;
            for (int i = 0; i < n; ++i) {
                all.push_back(entry(test::click(i)));
                table.refuses.insert(all.back()->event().event_id);
            }
            return group(std::move(all));
        };
        const auto size = static_cast<std::size_t>(n);

        const auto unknown = write_all(batch(), std::ref(table));
        const auto attempts = std::exchange(table.attempts, 0);
        const auto known = write_all(batch(), std::ref(table), takes_others::yes);

        EXPECT_EQ(unknown.failed.size(), size);
        EXPECT_TRUE(unknown.refused.empty());
        EXPECT_LE(attempts, std::min<std::size_t>(31, 2 * size));
        EXPECT_EQ(known.refused.size(), size);
        EXPECT_TRUE(known.failed.empty());
        EXPECT_LE(table.attempts, 2 * size);
    }
}

TEST(PendingTest, IdentifiesARefusalByEndpointAndBody)
{
    const uuid id = quarantine_id(test::delivery_of("body", "a"));

    EXPECT_EQ(id, uuid_from_digest(sha256("a\x1f"
                                          "body")));
    EXPECT_NE(id, quarantine_id(test::delivery_of("body", "b")));
    EXPECT_NE(id, quarantine_id(test::delivery_of("body2", "a")));
}

} // namespace
} // namespace gateway
