// Lines and CSV records out of a file that may be larger than memory, each with the number of its
// first line, so that whoever wrote the file finds it; and a line of CSV to be written. CSV as RFC
// 4180 has it: cells in quotes hold commas, quotes (doubled) and line breaks; lines end in LF or
// CRLF; a byte order mark is skipped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace gateway {

// Up to `bytes_max` bytes of the file behind what was given before; empty at its end. May throw.
using byte_source = std::function<std::string(std::size_t bytes_max)>;

// What stands in a file, of which no more than one record and a block is held. One thread.
class buffered_text {
public:
    explicit buffered_text(byte_source source) : source_(std::move(source)) {}

    // The byte `ahead` of the next one, which it reads as far as that; false at the end of the
    // file. `at` is valid until the next call.
    bool look(std::size_t ahead, char& at);
    // What is between the next byte and `ahead`, which look() has seen.
    std::string_view ahead(std::size_t bytes) const;
    void skip(std::size_t bytes); // that look() has seen
    void skip_byte_order_mark();

    std::uint64_t line() const { return line_; }         // of the next byte, from 1
    std::uint64_t position() const { return position_; } // bytes before it

private:
    byte_source source_;
    std::string buffer_;
    std::size_t start_ = 0; // in buffer_
    bool at_end_ = false;
    std::uint64_t line_ = 1;
    std::uint64_t position_ = 0;
};

struct csv_record {
    std::uint64_t line = 0; // it begins there
    std::vector<std::string> cells;
    std::string fault; // why it is none; empty: it is one
};

// One thread.
class csv_reader {
public:
    explicit csv_reader(byte_source source, std::size_t record_bytes_max = std::size_t{1} << 20U);

    // The next record, blank lines passed over; false at the end. What is no record is told as a
    // `fault`, of its first line alone: the file goes on with the line behind it, so that a quote
    // that nobody closed costs one line and not all after it.
    bool next(csv_record& record);

    std::uint64_t position() const { return text_.position(); } // in bytes, of what is read

private:
    std::string read_cells(csv_record& record, std::size_t& length);
    std::string read_quoted(std::string& cell, std::size_t& length);
    std::string read_plain(std::string& cell, std::size_t& length);

    buffered_text text_;
    const std::size_t bytes_max_;
};

struct text_line {
    std::uint64_t line = 0;
    std::string text;  // without its end
    std::string fault; // it is longer than may be; empty: it is not
};

// Lines, blank ones passed over. One thread.
class line_reader {
public:
    explicit line_reader(byte_source source, std::size_t line_bytes_max = std::size_t{1} << 20U);

    bool next(text_line& line); // false at the end
    std::uint64_t position() const { return text_.position(); }

private:
    buffered_text text_;
    const std::size_t bytes_max_;
};

} // namespace gateway
