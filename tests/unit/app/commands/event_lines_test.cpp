// What a line of a shop's file means, and what is said of one that means nothing.
#include "app/commands/event_lines.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway {
namespace {

using testing::HasSubstr;

// "field: reason", or the given fields.
std::string shown(event_line line)
{
    if (const auto* r = std::get_if<refused_event>(&line))
        return r->field + ": " + r->reason;
    std::string out;
    for (std::size_t i = 0; i < event_field_names.size(); ++i) {
        const auto& value = std::get<staged_event>(line).values.at(i);
        if (value)
            out += std::string{out.empty() ? "" : " "} + event_field_names.at(i) + "=" + *value;
    }
    return out;
}

std::string csv(const std::vector<std::string>& header, const std::vector<std::string>& cells,
                const event_defaults& defaults = {.source = "shop", .company = "C"})
{
    const auto columns = event_columns::of(header, defaults);
    return columns ? shown(columns.value().read(7, cells)) : columns.error().detail;
}

std::string json(const std::string& text,
                 const event_defaults& defaults = {.source = "shop", .company = "C"})
{
    return shown(read_json_event(7, text, defaults));
}

const std::string at = "2026-11-21T10:00:00Z";

TEST(EventLinesTest, AColumnIsAFieldOrAnIdentifier)
{
    EXPECT_EQ(csv({"event_name", " occurred_at", "email", "phone", "identifiers", "custom:loyalty"},
                  {"page.viewed", at, "a@b.org", "", R"({"email":"c@d.org","phone":[7]})", "9"}),
              "source=shop event_name=page.viewed company_id=C occurred_at=" + at +
                  R"( identifiers={"custom:loyalty":["9"],"email":["a@b.org","c@d.org"],)"
                  R"("phone":[7]})");
    EXPECT_EQ(json(R"({"event_name":"order.completed","occurred_at":")" + at +
                   R"(","order_value":84.20,"items_count":3,"email":"a@b.org","source":"pos",)"
                   R"("currency":null})"),
              "source=pos event_name=order.completed company_id=C occurred_at=" + at +
                  R"( identifiers={"email":["a@b.org"]} order_value=84.2 items_count=3)");
}

TEST(EventLinesTest, TheHeaderIsRefusedByName)
{
    const auto said = csv({"event_name", "emial", "order_id", "order_id", "note"}, {}, {});

    for (const char* what : {"unknown column emial (did you mean email?)", "two columns order_id",
                             "unknown column note", "no column occurred_at", "no column source",
                             "no column company_id"})
        EXPECT_THAT(said, HasSubstr(what));
    EXPECT_THAT(csv({"event_name", "occurred_at", "note"}, {"page.viewed", at, "x"},
                    {.source = "shop", .company = "C", .ignore_unknown = true}),
                HasSubstr("event_name=page.viewed"));
}

TEST(EventLinesTest, SaysWhichFieldIsNone)
{
    const auto one = [](const char* name, const std::string& value) {
        return csv({"event_name", "occurred_at", name}, {"order.completed", at, value});
    };
    EXPECT_THAT(one("order_value", "12,5"), HasSubstr("order_value: must be a decimal"));
    EXPECT_THAT(one("order_value", "1e3"), HasSubstr("order_value: must be a decimal"));
    EXPECT_THAT(one("items_count", "2.5"), HasSubstr("items_count: must be a whole"));
    EXPECT_THAT(one("updated_at", "yesterday"), HasSubstr("updated_at: must be a time"));
    EXPECT_THAT(one("order_id", "\xff"), HasSubstr("order_id: must be UTF-8"));
    EXPECT_THAT(one("order_id", std::string{"a\0b", 3}), HasSubstr("order_id: must be UTF-8"));
    EXPECT_THAT(one("identifiers", "[]"), HasSubstr("identifiers: must be a JSON object"));
    EXPECT_THAT(one("identifiers", R"({"email":"a\u0000b"})"), HasSubstr("identifiers: must be"));
    EXPECT_THAT(one("identifiers", R"({"email":[[[["a"]]]]})"), HasSubstr("identifiers: must be"));
    EXPECT_THAT(csv({"event_name", "occurred_at"}, {"x"}), HasSubstr("1 cells where the header"));
    EXPECT_THAT(json("[]"), HasSubstr("is no JSON object"));
    EXPECT_THAT(json("{"), HasSubstr("is no JSON object"));
    EXPECT_THAT(json(R"({"event_name":true})"), HasSubstr("event_name: must be a text"));
    EXPECT_THAT(json(R"({"oder_id":"1"})"), HasSubstr("(did you mean order_id?)"));
    EXPECT_THAT(json(R"({"order_id":"a\u0000"})"), HasSubstr("order_id: must be UTF-8"));
    EXPECT_THAT(json(R"({"order_value":1e300,"occurred_at":")" + at + "\"}"),
                HasSubstr("order_value: must be a decimal"));
}

// RFC 3339, section 5.6, and what PostgreSQL prints.
TEST(EventLinesTest, ATimeHasAZone)
{
    for (const char* good :
         {"2026-11-21T10:00:00Z", "2026-11-21 10:00:00.123456+00", "2026-11-21T10:00+01:00",
          "2024-02-29T23:59:59-0530", "2026-11-21T10:00:00.5Z"})
        EXPECT_TRUE(is_zoned_time(good)) << good;
    for (const char* bad :
         {"2026-11-21T10:00:00", "2026-11-21", "2026-02-29T10:00:00Z", "2026-13-01T10:00:00Z",
          "2026-11-21T24:00:00Z", "2026-11-21T10:60:00Z", "2026-11-21T10:00:60Z",
          "2026-11-21T10:00:00.Z", "26-11-21T10:00:00Z", "2026-11-21T10:00:00+1",
          "2026-11-21T10:00:00Z ", "", "now", "2026-11-21T10:00:00+16:00", "0000-01-01T00:00:00Z",
          "2026-11-21T10:00:00.1234567890Z", "2026-11-21T10:00:00+01:"})
        EXPECT_FALSE(is_zoned_time(bad)) << bad;
}

} // namespace
} // namespace gateway
