// As much of JSON Schema (2020-12) as config/openapi.json uses; a word that is not known here is a
// fault of the schema.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace gateway::test {

// Why `value` is not what `schema` says, with the place; empty when it is. `document` is where
// "#/…" references lead.
std::string schema_fault(const nlohmann::json& value, const nlohmann::json& schema,
                         const nlohmann::json& document, const std::string& place = "");

} // namespace gateway::test
