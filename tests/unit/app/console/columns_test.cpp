// What a person is shown of a result: values made readable, columns left out until the rest fits.
#include "app/console/columns.hpp"
#include "app/console/table.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

TEST(ColumnsTest, MakesTimesIntervalsAndFractionsReadable)
{
    const query_table table{
        {"at", "lag", "share", "order_id", "note"},
        {{"2026-11-25 02:05:33.721+00", "1 day 15:01:22.221", "0.09523809", "1.23456x", "1 day"},
         {"2026-11-25 02:05:33+00", "4 days 07:22:47.449", "12", "7", "none"},
         {"", "-00:00:05.2", "285467.39029999997", "", ""}}};

    const auto shown = readable(table);

    EXPECT_EQ(shown.rows[0], (std::vector<std::string>{"2026-11-25 02:05:33", "39:01:22", "0.095",
                                                       "1.23456x", "1 day"}));
    EXPECT_EQ(shown.rows[1],
              (std::vector<std::string>{"2026-11-25 02:05:33", "4 d 07:22", "12", "7", "none"}));
    EXPECT_EQ(shown.rows[2], (std::vector<std::string>{"", "-00:00:05", "285467.390", "", ""}));
}

TEST(ColumnsTest, LeavesOutWhatSaysLeastUntilTheRestFits)
{
    const std::string id = "d616d2b4-ad30-8a67-9e47-edf55802d73a";
    const query_table table{
        {"company_id", "occurred_at", "day", "event_id", "touched_at", "orders", "touch", "last"},
        {{"MDc6Q29t", "2026-11-25 02:05:33", "2026-11-25", id, "2026-11-24 02:05:33", "1", "a",
          "x"},
         {"MDc6Q29t", "2026-11-26 02:05:33", "2026-11-26", id, "2026-11-24 02:05:34", "2", "b",
          "y"}}};
    using names = std::vector<std::string>;

    const auto all = narrowed(table, width_unlimited);
    EXPECT_EQ(all.table.columns, table.columns);
    const auto wide = narrowed(table, 150);
    EXPECT_EQ(wide.table.columns, (names{"company_id", "occurred_at", "day", "touched_at", "orders",
                                         "touch", "last", "event_id"}));
    EXPECT_EQ(narrowed(table, 110).same, (names{"company_id MDc6Q29t", "event_id " + id}));
    const auto narrow = narrowed(table, 40);
    EXPECT_EQ(narrow.left_out, (names{"day", "touched_at"}));
    EXPECT_EQ(narrow.table.columns, (names{"occurred_at", "orders", "touch", "last"}));
    EXPECT_EQ(narrowed(table, 33).left_out, (names{"day", "touched_at", "touch"}));
}

} // namespace
} // namespace gateway
