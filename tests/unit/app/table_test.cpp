// Tables as a person sees them: aligned, fitted, and safe to print.
#include "gateway/app/table.hpp"

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

TEST(TableTest, CutsTheWidestColumnToFitTheTerminal)
{
    const query_table table{{"key", "text"}, {{"12345678", "abcdefghijklmnopqrst"}}};

    EXPECT_EQ(to_text(table, 20), "key       text\n"
                                  "────────  ──────────\n"
                                  "12345678  abcdefghi…\n");
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
