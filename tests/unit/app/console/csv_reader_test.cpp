// CSV as RFC 4180 has it, and what is none: told by its line, and without loss of what follows.
#include "app/console/csv.hpp"
#include "app/console/csv_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// In blocks of `block` bytes, so that every kind of place is at the end of one.
byte_source source_of(std::string text, std::size_t block = 1)
{
    return [text = std::move(text), block, at = std::size_t{0}](std::size_t bytes_max) mutable {
        const auto bytes = text.substr(at, std::min(block, bytes_max));
        at += bytes.size();
        return bytes;
    };
}

// "1: a|b" for each record, "1! why" for what is none.
std::vector<std::string> records_of(const std::string& text, std::size_t block = 1,
                                    std::size_t bytes_max = 1'000)
{
    csv_reader reader{source_of(text, block), bytes_max};
    std::vector<std::string> out;
    for (csv_record r; reader.next(r);) {
        std::string shown = std::to_string(r.line) + (r.fault.empty() ? ": " : "! " + r.fault);
        for (std::size_t i = 0; r.fault.empty() && i < r.cells.size(); ++i)
            shown += (i == 0 ? "" : "|") + r.cells[i];
        out.push_back(shown);
    }
    EXPECT_EQ(reader.position(), text.size());
    return out;
}

TEST(CsvReaderTest, ReadsWhatRfc4180Allows)
{
    const std::string text = "\xEF\xBB\xBF"
                             "a,b\r\n"
                             "\"x,\"\"y\"\"\",\"two\r\nlines\"\r\n"
                             "\r\n"
                             ",\n"
                             "\"\",last";

    for (const std::size_t block : {1U, 2U, 3U, 100U})
        EXPECT_THAT(records_of(text, block),
                    ElementsAre("1: a|b", "2: x,\"y\"|two\r\nlines", "5: |", "6: |last"));
    EXPECT_THAT(records_of(""), ElementsAre());
    EXPECT_THAT(records_of("\xEF\xBB"), ElementsAre("1: \xEF\xBB"));
}

TEST(CsvReaderTest, AFaultCostsItsLineAndNoOther)
{
    EXPECT_THAT(records_of("a,\"b\nc,d\n\"e\",f\n"),
                ElementsAre("1! text behind the quote that closes a cell", "2: c|d", "3: e|f"));
    EXPECT_THAT(records_of("a,\"b\nc,d\n"), ElementsAre("1! a quote that is not closed", "2: c|d"));
    EXPECT_THAT(records_of("a\"b,c\nd\n"),
                ElementsAre("1! a quote inside of a cell that is not in quotes", "2: d"));
    EXPECT_THAT(records_of("\"a\" ,c\nd\n"),
                ElementsAre("1! text behind the quote that closes a cell", "2: d"));
}

TEST(CsvReaderTest, HoldsNoMoreThanARecord)
{
    const std::string line(50, 'x');
    const auto plain = records_of(line + "\nb\n", 7, 20);
    const auto quoted = records_of("\"" + line + "\nb\nc,d\n", 7, 20);

    EXPECT_THAT(plain, ElementsAre("1! longer than 20 bytes", "2: b"));
    EXPECT_THAT(quoted,
                ElementsAre("1! a quote that is not closed within 20 bytes", "2: b", "3: c|d"));
}

TEST(CsvReaderTest, WritesWhatItReads)
{
    const std::string row = csv_line({"a", "b,\"c\"", "two\nlines", ""});

    EXPECT_EQ(row, "a,\"b,\"\"c\"\"\",\"two\nlines\",\r\n");
    EXPECT_THAT(records_of(row), ElementsAre("1: a|b,\"c\"|two\nlines|"));
}

TEST(LineReaderTest, ReadsLinesWhateverTheirEnds)
{
    line_reader reader{source_of("\xEF\xBB\xBF{}\r\n\n[1]\n" + std::string(30, 'x') + "\nlast"),
                       10};
    std::vector<std::string> out;
    for (text_line line; reader.next(line);)
        out.push_back(std::to_string(line.line) + ":" + line.text + line.fault);

    EXPECT_THAT(out, ElementsAre("1:{}", "3:[1]", "4:longer than 10 bytes", "5:last"));
}

} // namespace
} // namespace gateway
