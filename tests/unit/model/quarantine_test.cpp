// The vocabulary of quarantine: stable names, and the status that decides whether a sender
// retries.
#include "gateway/model/quarantine.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace gateway {
namespace {

TEST(QuarantineTest, NamesAndAnswersEachReason)
{
    using enum quarantine_reason;
    const std::map<quarantine_reason, std::pair<std::string, int>> reasons = {
        {malformed_json, {"malformed_json", 400}},
        {json_limits, {"json_limits", 400}},
        {envelope_missing, {"envelope_missing", 400}},
        {type_unknown, {"type_unknown", 202}},
        {timestamp_invalid, {"timestamp_invalid", 202}},
        {company_invalid, {"company_invalid", 202}},
        {field_invalid, {"field_invalid", 202}},
        {database_rejected, {"database_rejected", 202}},
    };
    for (const auto& [reason, expected] : reasons) {
        EXPECT_EQ(name(reason), expected.first);
        EXPECT_EQ(http_status(reason), expected.second) << expected.first;
        EXPECT_EQ(quarantine_reason_of(expected.first), reason);
    }
    EXPECT_EQ(quarantine_reasons().size(), reasons.size());
    EXPECT_FALSE(quarantine_reason_of("Malformed_json"));
}

} // namespace
} // namespace gateway
