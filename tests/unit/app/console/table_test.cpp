// Tables as a person sees them: aligned, fitted, and safe to print.
#include "app/console/table.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

TEST(TableTest, AlignsColumnsUnderTheirNames)
{
    const query_table table{{"type", "n"}, {{"sms.sent", "1"}, {"x", "20"}}};

    EXPECT_EQ(to_text(table, 80), "type      n\n"
                                  "────────  ──\n"
                                  "sms.sent  1\n"
                                  "x         20\n");
}

TEST(TableTest, LeavesOutColumnsWithoutAValue)
{
    const query_table table{{"a", "empty", "b"}, {{"1", "", "2"}}};

    EXPECT_EQ(to_text(table, 80), "a  b\n─  ─\n1  2\n");
}

TEST(TableTest, CutsTheWidestTextToFitTheTerminal)
{
    const query_table table{{"key", "text"}, {{"12345678", "abc def ghi jkl mno"}}};

    EXPECT_EQ(to_text(table, 20), "key       text\n"
                                  "────────  ──────────\n"
                                  "12345678  abc def g…\n");
}

TEST(TableTest, FoldsNamesBehindTheirUnderscoresBeforeItCutsATextToFit)
{
    const query_table table{{"stop_without_optout", "n"}, {{"yes no", "1"}}};

    EXPECT_EQ(to_text(table, 12), "stop_\n"
                                  "without_\n"
                                  "optout    n\n"
                                  "────────  ─\n"
                                  "yes no    1\n");
}

TEST(TableTest, NeverCutsNumbersTimesAndKeys)
{
    const query_table table{
        {"n", "time", "lag", "key"},
        {{"1234567890123", "2026-11-25 02:05:33", "14 d 07:22", "Message:1012-0123456789"}}};

    const auto text = to_text(table, 20);

    for (const auto& value : table.rows[0])
        EXPECT_NE(text.find(value), std::string::npos) << text;
}

TEST(TableTest, MakesTimesIntervalsAndFractionsReadable)
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

TEST(TableTest, LeavesOutWhatSaysLeastUntilTheRestFits)
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

TEST(TableTest, CountsCharactersNotBytes)
{
    const query_table table{{"a", "b"}, {{"äöü", "1"}, {"xyz", "2"}}};

    EXPECT_EQ(to_text(table, 80), "a    b\n───  ─\näöü  1\nxyz  2\n");
}

TEST(TableTest, NeverPrintsControlCharacters)
{
    const query_table table{{"text"}, {{"a\x1b[31m\nb"}}};

    EXPECT_EQ(to_text(table, 80), "text\n────────\na [31m b\n");
}

} // namespace
} // namespace gateway
