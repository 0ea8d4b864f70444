// Poison in bulk, against the real PostgreSQL: whatever is hidden in a batch and wherever, every
// other row is stored, every poison row is kept, and the search costs few statements.
#include "store/apply/apply_session.hpp"
#include "store/apply/units.hpp"
#include "store/database/call_deadlines.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace gateway {
namespace {

using namespace test;

constexpr int rounds = GATEWAY_SANITIZED ? 100 : 1'000;

// One of the ways in which PostgreSQL refuses a value, found at different depths of a call.
void spoil(source_event& e, unsigned way)
{
    switch (way % 6) {
    case 0: e.message_text = "\xff\xfe"; break;                         // 22021 not UTF-8
    case 1: e.company_name = std::string{"a\0b", 3}; break;             // 22021 NUL
    case 2: e.extra = "{"; break;                                       // 22P02 not JSON
    case 3: e.identifiers = {{"phone", {std::string{"\0", 1}}}}; break; // 22P05 NUL in JSON
    case 4: e.occurred_at = timestamp::max(); break;                    // 22008 beyond all time
    default: e.action.clear(); break;                                   // 23502 null
    }
}

struct given_batch {
    std::vector<std::unique_ptr<pending>> entries;
    std::size_t poison = 0;
};

// 2 to 256 events numbered from `first`, 1 to 5 of them poison.
given_batch random_batch(std::mt19937& random, int first)
{
    given_batch out;
    const auto size = std::size_t{1} << std::uniform_int_distribution<unsigned>{1, 8}(random);
    out.poison = std::min(size, std::uniform_int_distribution<std::size_t>{1, 5}(random));
    std::vector<std::size_t> places(size);
    std::iota(places.begin(), places.end(), 0U);
    std::shuffle(places.begin(), places.end(), random);
    places.resize(out.poison);
    for (std::size_t i = 0; i < size; ++i) {
        given_event e = click(first + static_cast<int>(i), 100);
        if (std::find(places.begin(), places.end(), i) != places.end())
            spoil(std::get<source_event>(e.what), static_cast<unsigned>(random()));
        out.entries.push_back(std::make_unique<pending>(
            pending{std::move(e.delivery), [](const result<receipt>&) {}, std::move(e.what)}));
    }
    return out;
}

TEST(PoisonTest, NoBatchLosesAnInnocentRowNorAPoisonOneNorCostsManyStatements)
{
    const std::string url = fresh_database();
    call_deadlines deadlines;
    apply_session session{url, as_known, deadlines};
    pqxx::nontransaction t{session.connection()};
    const row_types types = read_row_types(t);
    std::mt19937 random{20'261'121};
    int events = 0;
    std::size_t poison_rows = 0;
    std::size_t statements_most = 0;

    for (int round = 0; round < rounds; ++round) {
        given_batch batch = random_batch(random, events);
        const std::size_t size = batch.entries.size();
        std::size_t statements = 0;
        // As apply_session does, but counted.
        const auto left = write_all(group(std::move(batch.entries)), [&](std::span<unit> part) {
            ++statements;
            try {
                apply_units(t, types, {}, part);
                return verdict::written;
            } catch (...) {
                const auto kind = current_failure().kind;
                return kind == failure_kind::rejected ? verdict::rejected : verdict::failed;
            }
        });

        ASSERT_TRUE(left.failed.empty() && left.refused.empty()) << "round " << round;
        const double bound =
            2.0 * static_cast<double>(batch.poison) * std::log2(static_cast<double>(size));
        ASSERT_LE(static_cast<double>(statements - 1), bound)
            << "round " << round << ": " << batch.poison << " of " << size;
        events += static_cast<int>(size);
        poison_rows += batch.poison;
        statements_most = std::max(statements_most, statements);
    }

    const auto innocent = static_cast<std::size_t>(events) - poison_rows;
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event"), std::to_string(innocent));
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.quarantine"), std::to_string(poison_rows));
    RecordProperty("events", events);
    RecordProperty("poison", static_cast<int>(poison_rows));
    RecordProperty("statements_most", static_cast<int>(statements_most));
}

} // namespace
} // namespace gateway
