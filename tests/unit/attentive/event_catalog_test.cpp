// The table of event types: complete, consistent, case-sensitive.
#include "gateway/attentive/event_catalog.hpp"

#include "gateway/demo/samples.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>

namespace gateway {
namespace {

TEST(EventCatalogTest, NamesEachTypeOnce)
{
    std::set<std::string_view> types;
    std::set<std::string_view> names;
    for (const auto& row : event_catalog) {
        EXPECT_TRUE(types.insert(row.type).second) << row.type;
        EXPECT_TRUE(names.insert(row.event_name).second) << row.event_name;
        EXPECT_EQ(find_event_type(row.type), &row);
    }
}

TEST(EventCatalogTest, TakesChannelAndNameFromTheType)
{
    for (const auto& row : event_catalog) {
        const auto prefix = row.type.substr(0, row.type.find('.'));
        EXPECT_EQ(row.channel, prefix == "custom_attribute" ? "" : prefix) << row.type;
        const std::string family{row.channel.empty() ? "profile" : row.channel};
        EXPECT_EQ(row.event_name, family + "." + std::string{row.action}) << row.type;
    }
}

TEST(EventCatalogTest, KnowsNoOtherTypes)
{
    for (const auto* type : {"", "sms.delivered", "SMS.sent", "sms.sent ", "sms", "sms.sent.x"})
        EXPECT_EQ(find_event_type(type), nullptr) << type;
}

TEST(EventCatalogTest, HasAFixturePairAndASampleForEachType)
{
    const auto folder = std::filesystem::path{GATEWAY_SOURCE_DIR} / "tests/fixtures/attentive";
    ASSERT_EQ(event_type_names().size(), event_catalog.size());
    for (std::size_t i = 0; i < event_catalog.size(); ++i) {
        const std::string type{event_catalog[i].type};
        EXPECT_TRUE(std::filesystem::exists(folder / (type + ".json"))) << type;
        EXPECT_TRUE(std::filesystem::exists(folder / (type + ".expected.json"))) << type;
        EXPECT_EQ(event_type_names()[i], type);
    }
}

} // namespace
} // namespace gateway
