// PostgreSQL's binary wire format for an array of rows (composite type): what array_recv and
// record_recv read. Pure; sizes are checked by whoever bounds a batch.
#pragma once

#include "gateway/base/time.hpp"
#include "gateway/base/uuid.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gateway {

// Object ids of built-in types: fixed for ever (PostgreSQL's pg_type.dat).
enum class column_type : std::uint32_t {
    bytea = 17,
    bigint = 20,
    integer = 23,
    text = 25,
    integer_array = 1007,
    text_array = 1009,
    timestamptz = 1184,
    timestamptz_array = 1185,
    uuid = 2950,
    jsonb = 3802,
};

// Appends values of one parameter. Each function appends one value of the type it names.
class row_encoder {
public:
    // An array of `rows` rows whose composite type has the object id `row_type`.
    row_encoder(std::uint32_t row_type, std::size_t rows, std::size_t bytes_expected);

    void begin_row(std::size_t columns);
    void begin_column(column_type type);
    void end_row();

    void null();
    void text(std::string_view value);          // empty: NULL
    void text_or_empty(std::string_view value); // empty: ''
    void bytea(std::string_view value);
    void jsonb(std::string_view json); // empty: NULL
    void integer(std::int32_t value);
    void big(std::int64_t value);
    void time(timestamp value); // beyond 64 bits of microseconds: a value PostgreSQL refuses
    void id(const uuid& value);
    void text_array(const std::vector<std::string>& values);
    void time_array(const std::vector<timestamp>& values);
    void integer_array(const std::vector<std::int32_t>& values);

    std::string take() { return std::move(out_); }

private:
    void append32(std::uint32_t value);
    void append64(std::uint64_t value);
    void append_bytes(std::string_view value);
    template <class Values, class Append>
    void append_array(column_type of, const Values& values, Append append);

    std::string out_;
    std::size_t row_start_ = 0;
};

} // namespace gateway
