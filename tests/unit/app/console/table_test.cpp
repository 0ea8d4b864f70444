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
