// The bytes of PostgreSQL's binary arrays and rows, and the JSON of identifiers and faults.
#include "store/apply/event_rows.hpp"
#include "store/write/row_encoder.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

std::string hex_of_row(void (*append)(row_encoder&))
{
    row_encoder out{1, 1, 0};
    append(out);
    return to_hex(out.take()).substr(40); // behind the array's header
}

TEST(RowEncoderTest, WritesAnEmptyArrayWithoutDimensions)
{
    row_encoder out{0x1234, 0, 0};

    EXPECT_EQ(to_hex(out.take()), "000000000000000000001234");
}

TEST(RowEncoderTest, WritesLengthColumnsTypesAndValuesOfARow)
{
    row_encoder out{0x1234, 1, 0};
    out.begin_row(2);
    out.begin_column(column_type::text);
    out.text("ab");
    out.begin_column(column_type::integer);
    out.integer(-2);
    out.end_row();

    EXPECT_EQ(to_hex(out.take()), "000000010000000000001234"
                                  "0000000100000001"
                                  "0000001a00000002"
                                  "00000019000000026162"
                                  "0000001700000004fffffffe");
}

TEST(RowEncoderTest, MakesNullOfAbsentText)
{
    EXPECT_EQ(hex_of_row([](row_encoder& o) { o.text(""); }), "ffffffff");
    EXPECT_EQ(hex_of_row([](row_encoder& o) { o.text_or_empty(""); }), "00000000");
    EXPECT_EQ(hex_of_row([](row_encoder& o) { o.jsonb(""); }), "ffffffff");
}

TEST(RowEncoderTest, CountsMicrosecondsFrom2000)
{
    const auto encoded = hex_of_row(
        [](row_encoder& o) { o.time(timestamp{std::chrono::milliseconds{946'684'800'001}}); });

    EXPECT_EQ(encoded, "0000000800000000000003e8");
}

TEST(RowEncoderTest, NeverMakesInfinityOfATimeBeyondRange)
{
    EXPECT_EQ(hex_of_row([](row_encoder& o) { o.time(timestamp::max()); }),
              "000000087ffffffffffffffe");
    EXPECT_EQ(hex_of_row([](row_encoder& o) { o.time(timestamp::min()); }),
              "000000088000000000000001");
}

TEST(RowEncoderTest, WritesTextArrays)
{
    EXPECT_EQ(hex_of_row([](row_encoder& o) { o.text_array({}); }),
              "0000000c000000000000000000000019");
    EXPECT_EQ(hex_of_row([](row_encoder& o) { o.text_array({"a"}); }),
              "00000019000000010000000000000019000000010000000100000001"
              "61");
}

TEST(JsonTest, QuotesWhatJsonCannotHold)
{
    const identifier_map given = {{"custom:\"x\"", {"a\\b", std::string{"\n\0", 2}, "é"}},
                                  {"none", {}}};

    EXPECT_EQ(to_json(given), R"({"custom:\"x\"":["a\\b","\n\u0000","é"],"none":[]})");
    EXPECT_EQ(to_json(identifier_map{}), "");
}

TEST(JsonTest, ListsFaults)
{
    const std::vector<field_fault> faults = {{"a", "missing", "text"}, {"b", "array", "text"}};

    EXPECT_EQ(to_json(faults), R"([{"field":"a","found":"missing","expected":"text"},)"
                               R"({"field":"b","found":"array","expected":"text"}])");
}

} // namespace
} // namespace gateway
