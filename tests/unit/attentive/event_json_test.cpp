// The JSON that people read. Its shape for events is held by the fixtures.
#include "gateway/attentive/event_json.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

TEST(EventJsonTest, LeavesOutWhatIsAbsent)
{
    source_event e;
    e.company_id = "A\"b";
    e.mapping_version = 1;

    EXPECT_EQ(to_json(e), R"({
  "company_id": "A\"b",
  "occurred_at": "1970-01-01T00:00:00.000Z",
  "event_id": "00000000-0000-0000-0000-000000000000",
  "mapping_version": 1
}
)");
}

TEST(EventJsonTest, ShowsExtraWithItsNumbersAsStored)
{
    source_event e;
    e.company_id = "A";
    e.extra = R"({"a":12345678901234567890123,"b":[],"c":{"d":[1.50,null]}})";

    const std::string text = to_json(e);

    EXPECT_NE(text.find(R"(  "extra": {
    "a": 12345678901234567890123,
    "b": [],
    "c": {
      "d": [
        1.50,
        null
      ]
    }
  })"),
              std::string::npos)
        << text;
}

TEST(EventJsonTest, ListsEveryFaultOfAQuarantine)
{
    const quarantined q{quarantine_reason::field_invalid,
                        {{"message.id", "array", "string"}, {"company", "string", "object"}}};

    EXPECT_EQ(to_json(q), R"({
  "reason": "field_invalid",
  "faults": [
    {
      "field": "message.id",
      "found": "array",
      "expected": "string"
    },
    {
      "field": "company",
      "found": "string",
      "expected": "object"
    }
  ]
}
)");
}

} // namespace
} // namespace gateway
