#include "app/console/csv_reader.hpp"

#include <algorithm>
#include <utility>

namespace gateway {
namespace {

constexpr std::size_t block_bytes = 64U << 10U;
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

std::string too_long(std::size_t bytes_max)
{
    return "longer than " + std::to_string(bytes_max) + " bytes";
}

// Passes over the next line, however long it is.
void skip_line(buffered_text& text)
{
    char c = '\0';
    while (text.look(0, c)) {
        text.skip(1);
        if (c == '\n')
            return;
    }
}

// Passes over lines without anything. False at the end of the file.
bool skip_blank_lines(buffered_text& text)
{
    char c = '\0';
    while (text.look(0, c)) {
        char next = '\0';
        const bool is_crlf = c == '\r' && text.look(1, next) && next == '\n';
        if (c != '\n' && !is_crlf)
            return true;
        text.skip(is_crlf ? 2 : 1);
    }
    return false;
}

} // namespace

bool buffered_text::look(std::size_t ahead, char& at)
{
    while (buffer_.size() - start_ <= ahead) {
        if (at_end_)
            return false;
        buffer_.erase(0, start_); // what was skipped, once a block
        start_ = 0;
        const std::string block = source_(block_bytes);
        at_end_ = block.empty();
        buffer_ += block;
    }
    at = buffer_[start_ + ahead];
    return true;
}

std::string_view buffered_text::ahead(std::size_t bytes) const
{
    return std::string_view{buffer_}.substr(start_, bytes);
}

void buffered_text::skip(std::size_t bytes)
{
    const auto passed = ahead(bytes);
    line_ += static_cast<std::uint64_t>(std::count(passed.begin(), passed.end(), '\n'));
    position_ += passed.size();
    start_ += passed.size();
}

void buffered_text::skip_byte_order_mark()
{
    char last = '\0';
    if (look(byte_order_mark.size() - 1, last) && ahead(byte_order_mark.size()) == byte_order_mark)
        skip(byte_order_mark.size());
}

csv_reader::csv_reader(byte_source source, std::size_t record_bytes_max)
    : text_(std::move(source)), bytes_max_(record_bytes_max)
{
}

bool csv_reader::next(csv_record& record)
{
    if (text_.position() == 0)
        text_.skip_byte_order_mark();
    if (!skip_blank_lines(text_))
        return false;
    record.line = text_.line();
    record.cells.clear();
    std::size_t length = 0;
    record.fault = read_cells(record, length);
    if (record.fault.empty())
        text_.skip(length);
    else
        skip_line(text_);
    return true;
}

// Returns the fault, or nothing. `length` is where it got to, behind the line's end.
std::string csv_reader::read_cells(csv_record& record, std::size_t& length)
{
    for (;;) {
        record.cells.emplace_back();
        char c = '\0';
        const bool is_quoted = text_.look(length, c) && c == '"';
        auto fault = is_quoted ? read_quoted(record.cells.back(), length)
                               : read_plain(record.cells.back(), length);
        if (!fault.empty())
            return fault;
        if (!text_.look(length, c))
            return {};
        ++length;
        if (c != ',') // the line's end: both have looked
            return {};
    }
}

std::string csv_reader::read_quoted(std::string& cell, std::size_t& length)
{
    char c = '\0';
    for (++length; text_.look(length, c); ++length) {
        if (length > bytes_max_)
            return "a quote that is not closed within " + std::to_string(bytes_max_) + " bytes";
        if (c != '"') {
            cell += c;
            continue;
        }
        ++length;
        if (!text_.look(length, c) || c == ',' || c == '\n')
            return {};
        char next = '\0';
        if (c == '\r' && text_.look(length + 1, next) && next == '\n') {
            ++length;
            return {};
        }
        if (c != '"')
            return "text behind the quote that closes a cell";
        cell += c;
    }
    return "a quote that is not closed";
}

std::string csv_reader::read_plain(std::string& cell, std::size_t& length)
{
    char c = '\0';
    for (; text_.look(length, c) && c != ',' && c != '\n'; ++length) {
        if (length > bytes_max_)
            return too_long(bytes_max_);
        if (c == '"')
            return "a quote inside of a cell that is not in quotes";
        cell += c;
    }
    if (!cell.empty() && cell.back() == '\r' && text_.look(length, c) && c == '\n')
        cell.pop_back();
    return {};
}

line_reader::line_reader(byte_source source, std::size_t line_bytes_max)
    : text_(std::move(source)), bytes_max_(line_bytes_max)
{
}

bool line_reader::next(text_line& line)
{
    if (text_.position() == 0)
        text_.skip_byte_order_mark();
    if (!skip_blank_lines(text_))
        return false;
    line.line = text_.line();
    std::size_t length = 0;
    char c = '\0';
    while (length <= bytes_max_ && text_.look(length, c) && c != '\n')
        ++length;
    line.fault = length > bytes_max_ ? too_long(bytes_max_) : std::string{};
    line.text = line.fault.empty() ? text_.ahead(length) : std::string_view{};
    if (!line.text.empty() && line.text.back() == '\r')
        line.text.pop_back();
    if (line.fault.empty())
        text_.skip(length);
    skip_line(text_);
    return true;
}

} // namespace gateway
