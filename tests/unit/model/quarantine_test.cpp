// The vocabulary of quarantine: stable names.
#include "gateway/model/quarantine.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace gateway {
namespace {

TEST(QuarantineTest, NamesEachReason)
{
    using enum quarantine_reason;
    const std::map<quarantine_reason, std::string> reasons = {
        {malformed_json, "malformed_json"},       {json_limits, "json_limits"},
        {envelope_missing, "envelope_missing"},   {type_unknown, "type_unknown"},
        {timestamp_invalid, "timestamp_invalid"}, {company_invalid, "company_invalid"},
        {field_invalid, "field_invalid"},         {database_rejected, "database_rejected"},
    };
    for (const auto& [reason, expected] : reasons) {
        EXPECT_EQ(name(reason), expected);
        EXPECT_EQ(quarantine_reason_of(expected), reason);
    }
    EXPECT_EQ(quarantine_reasons().size(), reasons.size());
    EXPECT_FALSE(quarantine_reason_of("Malformed_json"));
}

} // namespace
} // namespace gateway
