#include "gateway/model/quarantine.hpp"

namespace gateway {

std::string_view name(quarantine_reason reason)
{
    switch (reason) {
    case quarantine_reason::malformed_json: return "malformed_json";
    case quarantine_reason::json_limits: return "json_limits";
    case quarantine_reason::envelope_missing: return "envelope_missing";
    case quarantine_reason::type_unknown: return "type_unknown";
    case quarantine_reason::timestamp_invalid: return "timestamp_invalid";
    case quarantine_reason::company_invalid: return "company_invalid";
    case quarantine_reason::field_invalid: return "field_invalid";
    case quarantine_reason::database_rejected: return "database_rejected";
    }
    return "unknown";
}

const std::vector<quarantine_reason>& quarantine_reasons()
{
    using enum quarantine_reason;
    static const std::vector<quarantine_reason> all = {
        malformed_json,    json_limits,     envelope_missing, type_unknown,
        timestamp_invalid, company_invalid, field_invalid,    database_rejected};
    return all;
}

std::optional<quarantine_reason> quarantine_reason_of(std::string_view text)
{
    for (const auto reason : quarantine_reasons()) {
        if (name(reason) == text)
            return reason;
    }
    return std::nullopt;
}

} // namespace gateway
