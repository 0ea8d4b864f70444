// Byte by byte, big-endian, as PostgreSQL reads it. Lengths that are known only at the end are
// filled in there.
#include "store/write/row_encoder.hpp"

#include <chrono>
#include <limits>

namespace gateway {

namespace {

// timestamptz counts microseconds from here (PostgreSQL manual, "Date/Time Types").
constexpr timestamp postgresql_epoch{std::chrono::milliseconds{946'684'800'000}};

// The largest and smallest 64-bit values mean "infinity" and "-infinity"; one less is an error.
std::int64_t microseconds_of(timestamp value)
{
    constexpr auto limit = std::numeric_limits<std::int64_t>::max() / 1'000;
    const auto since_1970 = value.time_since_epoch().count();
    const auto epoch = postgresql_epoch.time_since_epoch().count();
    if (since_1970 > limit)
        return std::numeric_limits<std::int64_t>::max() - 1;
    if (since_1970 < -limit + epoch)
        return std::numeric_limits<std::int64_t>::min() + 1;
    return (since_1970 - epoch) * 1'000;
}

} // namespace

row_encoder::row_encoder(std::uint32_t row_type, std::size_t rows, std::size_t bytes_expected)
{
    out_.reserve(bytes_expected);
    append32(rows == 0 ? 0 : 1); // dimensions
    append32(0);                 // no NULL among the rows
    append32(row_type);
    if (rows != 0) {
        append32(static_cast<std::uint32_t>(rows));
        append32(1); // lower bound
    }
}

void row_encoder::begin_row(std::size_t columns)
{
    row_start_ = out_.size();
    append32(0); // the row's length, known at its end
    append32(static_cast<std::uint32_t>(columns));
}

void row_encoder::begin_column(column_type type)
{
    append32(static_cast<std::uint32_t>(type));
}

void row_encoder::end_row()
{
    const auto length = static_cast<std::uint32_t>(out_.size() - row_start_ - 4);
    for (unsigned i = 0; i < 4; ++i)
        out_[row_start_ + i] = static_cast<char>(length >> (24U - 8U * i));
}

void row_encoder::null()
{
    append32(std::numeric_limits<std::uint32_t>::max());
}

void row_encoder::text(std::string_view value)
{
    if (value.empty())
        null();
    else
        append_bytes(value);
}

void row_encoder::text_or_empty(std::string_view value)
{
    append_bytes(value);
}

void row_encoder::bytea(std::string_view value)
{
    append_bytes(value);
}

void row_encoder::jsonb(std::string_view json)
{
    if (json.empty())
        return null();
    append32(static_cast<std::uint32_t>(json.size() + 1));
    out_ += '\1'; // version of the format
    out_ += json;
}

void row_encoder::integer(std::int32_t value)
{
    append32(4);
    append32(static_cast<std::uint32_t>(value));
}

void row_encoder::time(timestamp value)
{
    append32(8);
    append64(static_cast<std::uint64_t>(microseconds_of(value)));
}

void row_encoder::id(const uuid& value)
{
    append32(16);
    for (const auto byte : value.bytes)
        out_ += static_cast<char>(byte);
}

void row_encoder::big(std::int64_t value)
{
    append32(8);
    append64(static_cast<std::uint64_t>(value));
}

template <class Values, class Append>
void row_encoder::append_array(column_type of, const Values& values, Append append)
{
    const std::size_t start = out_.size();
    append32(0); // the array's length, known at its end
    append32(values.empty() ? 0 : 1);
    append32(0);
    append32(static_cast<std::uint32_t>(of));
    if (!values.empty()) {
        append32(static_cast<std::uint32_t>(values.size()));
        append32(1);
    }
    for (const auto& value : values)
        append(value);
    const auto length = static_cast<std::uint32_t>(out_.size() - start - 4);
    for (unsigned i = 0; i < 4; ++i)
        out_[start + i] = static_cast<char>(length >> (24U - 8U * i));
}

void row_encoder::text_array(const std::vector<std::string>& values)
{
    append_array(column_type::text, values, [this](const auto& value) { append_bytes(value); });
}

void row_encoder::time_array(const std::vector<timestamp>& values)
{
    append_array(column_type::timestamptz, values, [this](timestamp value) { time(value); });
}

void row_encoder::integer_array(const std::vector<std::int32_t>& values)
{
    append_array(column_type::integer, values, [this](std::int32_t value) { integer(value); });
}

void row_encoder::append32(std::uint32_t value)
{
    const char bytes[] = {static_cast<char>(value >> 24U), static_cast<char>(value >> 16U),
                          static_cast<char>(value >> 8U), static_cast<char>(value)};
    out_.append(bytes, sizeof bytes);
}

void row_encoder::append64(std::uint64_t value)
{
    append32(static_cast<std::uint32_t>(value >> 32U));
    append32(static_cast<std::uint32_t>(value));
}

void row_encoder::append_bytes(std::string_view value)
{
    append32(static_cast<std::uint32_t>(value.size()));
    out_ += value;
}

} // namespace gateway
