// What a holdout group shows: the difference of means over everybody, with Welch's interval.
#include "projected_log.hpp"
#include "support/cluster.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace gateway {
namespace {

using namespace test;

struct group {
    std::vector<double> values; // of each person, 0 without an order
    double mean() const
    {
        double sum = 0;
        for (const double v : values)
            sum += v;
        return sum / static_cast<double>(values.size());
    }
    double variance_of_mean() const
    {
        double sum = 0;
        for (const double v : values)
            sum += (v - mean()) * (v - mean());
        const auto n = static_cast<double>(values.size());
        return sum / (n - 1) / n;
    }
};

// Welch (Biometrika 34, 1947): the variance of a difference of means is the sum of the means' own.
TEST(HoldoutTest, LiftIsTheDifferenceOfMeansOverEverybody)
{
    const std::string url = fresh_database();
    std::mt19937 random{5};
    group sides[2]; // written to, held out
    int buyers[2] = {0, 0};
    query(url, "INSERT INTO gateway.holdout VALUES ('C', 'autumn', '2026-03-01Z', '2026-04-01Z')");
    int number = 0;
    const auto order = [&](int who, const std::string& at, int amount,
                           const std::string& currency) {
        append_event(url, {.at = at,
                           .action = "completed",
                           .subscriber = std::to_string(who),
                           .channel = "order",
                           .more_columns = ", order_id, order_value, currency",
                           .more_values = ", 'A-" + std::to_string(++number) + "', " +
                                          std::to_string(amount) + ", '" + currency + "'"});
    };
    for (int who = 1; who <= 60; ++who) {
        const bool held_out = who % 3 == 0;
        query(url, "INSERT INTO gateway.holdout_member VALUES ('C', 'autumn', '" +
                       subscriber_id(std::to_string(who)) + "', " + (held_out ? "true" : "false") +
                       ")");
        double spent = 0;
        for (auto left = random() % 3; left > 0; --left) {
            const auto amount = static_cast<int>(random() % 90 + (held_out ? 1 : 20));
            order(who, "2026-03-" + std::to_string(10 + random() % 20), amount, "USD");
            spent += amount;
        }
        sides[held_out ? 1 : 0].values.push_back(spent);
        buyers[held_out ? 1 : 0] += spent > 0 ? 1 : 0;
    }
    order(1, "2026-04-01", 5'000, "USD");          // behind its end
    order(2, "2026-02-28 23:59:59", 5'000, "USD"); // before its beginning
    order(3, "2026-03-05", 7, "EUR");              // held out: 20 people have 7 euros
    order(99, "2026-03-05", 5'000, "USD");         // takes no part
    project_step_by_step(url);

    const double lift = sides[0].mean() - sides[1].mean();
    const double error =
        1.96 * std::sqrt(sides[0].variance_of_mean() + sides[1].variance_of_mean());
    const auto told =
        query(url, "SELECT people, people_held_out, lift, lift_low, lift_high,"
                   " revenue_per_person, revenue_per_person_held_out, conversion_rate,"
                   " conversion_rate_held_out FROM report.holdout_lift"
                   " ORDER BY currency");

    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[0][2], "-0.3500"); // euros
    EXPECT_EQ(told[1][0] + " " + told[1][1], "40 20");
    EXPECT_NEAR(std::stod(told[1][2]), lift, 1e-4);
    EXPECT_NEAR(std::stod(told[1][3]), lift - error, 1e-4);
    EXPECT_NEAR(std::stod(told[1][4]), lift + error, 1e-4);
    EXPECT_NEAR(std::stod(told[1][5]), sides[0].mean(), 1e-4);
    EXPECT_NEAR(std::stod(told[1][6]), sides[1].mean(), 1e-4);
    EXPECT_NEAR(std::stod(told[1][7]), buyers[0] / 40.0, 1e-4);
    EXPECT_NEAR(std::stod(told[1][8]), buyers[1] / 20.0, 1e-4);
}

TEST(HoldoutTest, APersonOnBothSidesIsOnNeither)
{
    const std::string url = fresh_database();
    query(url, "INSERT INTO gateway.holdout VALUES ('C', 'autumn', '2026-03-01Z', '2026-04-01Z')");
    for (const std::string who : {"1", "2", "3"}) {
        append_event(url,
                     identified("2026-03-01", who,
                                R"({"email": ["p)" + (who == "3" ? who : "1") + R"(@mail.org"]})"));
        query(url, "INSERT INTO gateway.holdout_member VALUES ('C', 'autumn', '" +
                       subscriber_id(who) + "', " + (who == "2" ? "true" : "false") + ")");
    }
    append_event(url, {.at = "2026-03-05",
                       .action = "completed",
                       .subscriber = "3",
                       .channel = "order",
                       .more_columns = ", order_id, order_value, currency",
                       .more_values = ", 'A', 10, 'USD'"});
    project_step_by_step(url);

    EXPECT_EQ(query(url, "SELECT people, people_held_out, people_on_both, revenue_per_person,"
                         " coalesce(lift::text, '-') FROM report.holdout_lift"),
              (std::vector<std::vector<std::string>>{{"1", "0", "1", "10.0000", "-"}}));
}

} // namespace
} // namespace gateway
