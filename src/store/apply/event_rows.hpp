// Which field of an event goes to which column: one table row a column, in the order of the row
// types that gateway.apply takes. A test compares these tables with the database's types.
#pragma once

#include "store/apply/units.hpp"
#include "store/write/row_encoder.hpp"

#include <span>
#include <string>
#include <string_view>

namespace gateway {

struct column {
    std::string_view name;
    column_type type;
    void (*append)(row_encoder&, const unit&);
};

std::span<const column> event_columns();      // gateway.event_row
std::span<const column> quarantine_columns(); // gateway.quarantine_row

// `units` as a binary array of rows of the composite type with object id `row_type`.
std::string encode(std::span<const column> columns, std::uint32_t row_type,
                   std::span<const unit> units);

// Identifiers and faults as JSON text; empty when there are none.
std::string to_json(const identifier_map& identifiers);
std::string to_json(const std::vector<field_fault>& faults);

} // namespace gateway
