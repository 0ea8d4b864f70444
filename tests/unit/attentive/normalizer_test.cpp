// The mapping from payloads to source events, by example: every fixture pair below
// tests/fixtures is a promise. A new event type is a new pair, not new test code.
#include "gateway/attentive/normalizer.hpp"

#include "gateway/attentive/event_catalog.hpp"
#include "gateway/attentive/event_json.hpp"
#include "gateway/demo/samples.hpp"
#include "support/corpora.hpp"
#include "support/events.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <random>

namespace gateway {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> payloads()
{
    std::vector<fs::path> files;
    for (const char* folder : {"attentive", "hostile"}) {
        const auto path = fs::path{GATEWAY_SOURCE_DIR} / "tests/fixtures" / folder;
        for (const auto& entry : fs::directory_iterator{path}) {
            if (entry.path().string().find(".expected.json") == std::string::npos)
                files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

class FixtureTest : public testing::TestWithParam<fs::path> {};

TEST_P(FixtureTest, IsMappedAsExpected)
{
    fs::path expected = GetParam();
    expected.replace_extension(".expected.json");

    const auto what = normalize(file_text(GetParam()));

    EXPECT_EQ(to_json(what), file_text(expected));
}

INSTANTIATE_TEST_SUITE_P(NormalizerTest, FixtureTest, testing::ValuesIn(payloads()),
                         [](const auto& fixture) {
                             std::string name = fixture.param.parent_path().filename().string() +
                                                "_" + fixture.param.stem().string();
                             std::replace_if(
                                 name.begin(), name.end(),
                                 [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
                             return name;
                         });

// A column that no field goes to would stay empty for ever.
TEST(NormalizerTest, EveryColumnIsInAFixture)
{
    std::string expected;
    for (auto payload : payloads())
        expected += file_text(payload.replace_extension(".expected.json"));
    for (const auto& column : source_event_columns) {
        if (!std::holds_alternative<received_time>(column.value)) { // its delivery's
            EXPECT_NE(expected.find("\n  \"" + std::string{column.name} + "\": "),
                      std::string::npos)
                << column.name;
        }
    }
}

const source_event& event_of(const normalized& what)
{
    return std::get<source_event>(what);
}

TEST(NormalizerTest, MapsEveryDocumentedType)
{
    for (const auto type : event_type_names()) {
        const auto what = normalize(documented_sample(type));

        ASSERT_TRUE(std::holds_alternative<source_event>(what)) << type << to_json(what);
        EXPECT_EQ(event_of(what).source_event_type, type);
        EXPECT_TRUE(event_of(what).subscriber_id) << type;
        EXPECT_EQ(event_of(what).extra, "") << type;
    }
}

TEST(NormalizerTest, GivesEqualContentTheSameIdWhateverItsForm)
{
    const auto one = normalize(R"({"type":"sms.sent","timestamp":1632945178104,)"
                               R"("company":{"company_id":"A","display_name":"é\n"}})");
    const auto other = normalize("{ \"company\" : {\"display_name\":\"\\u00e9\\u000A\",\n"
                                 "\t\"company_id\":\"\\u0041\"},\"timestamp\":1632945178104 ,"
                                 "\"type\":\"sms\\u002esent\"}\n");

    EXPECT_EQ(event_of(one).event_id, event_of(other).event_id);
}

TEST(NormalizerTest, GivesOtherContentAnotherId)
{
    const auto body = [](std::string_view number) {
        return R"({"type":"sms.sent","timestamp":1632945178104,"company":{"company_id":"A"},"x":)" +
               std::string{number} + "}";
    };
    const auto plain = normalize(body("1"));

    for (const auto* number : {"1.0", "\"1\"", "1e0", "-1", "[1]", "true"})
        EXPECT_NE(event_of(plain).event_id, event_of(normalize(body(number))).event_id) << number;
}

TEST(NormalizerTest, DerivesTheSubscriberFromTheStrongestIdentifierOnly)
{
    const auto subscriber_of = [](std::string_view company, std::string_view subscriber) {
        const auto what = normalize(R"({"type":"sms.sent","timestamp":1632945178104,)"
                                    R"("company":{"company_id":")" +
                                    std::string{company} + R"("},"message":{},"subscriber":)" +
                                    std::string{subscriber} + "}");
        return event_of(what).subscriber_id;
    };
    const auto by_id = subscriber_of("A", R"({"external_id":7})");

    EXPECT_EQ(by_id, subscriber_of("A", R"({"external_id":"7","phone":"+12065550100"})"));
    EXPECT_NE(by_id, subscriber_of("B", R"({"external_id":7})"));
    EXPECT_NE(by_id, subscriber_of("A", R"({"phone":"+12065550100"})"));
    EXPECT_EQ(subscriber_of("A", R"({"email":"A@b.example"})"),
              subscriber_of("A", R"({"email":"a@B.example","klaviyo_id":["1"]})"));
    EXPECT_EQ(subscriber_of("A", "{}"), std::nullopt);
}

TEST(NormalizerTest, NeverMakesOneOfTwoByWhatItHasToReplace)
{
    const auto mapped = [](std::string_view company, std::string_view client, std::string_view x) {
        return normalize(
            R"({"type":"sms.sent","timestamp":1632945178104,"company":{"company_id":")" +
            std::string{company} + R"("},"message":{"text":")" + std::string{x} +
            R"("},"subscriber":{"external_identifiers":{"client_user_id":[")" +
            std::string{client} + R"("]}}})");
    };
    const auto plain = mapped("A", "7", "x");

    for (const auto* end : {R"(\u0000)", R"(\ud800)", R"(\udc00)"}) {
        const auto company = mapped("A" + std::string{end}, "7", "x");
        ASSERT_TRUE(std::holds_alternative<quarantined>(company)) << end;
        EXPECT_EQ(std::get<quarantined>(company).reason, quarantine_reason::company_invalid);

        const auto client = event_of(mapped("A", "7" + std::string{end}, "x"));
        EXPECT_EQ(client.subscriber_id, std::nullopt) << end;
        EXPECT_EQ(client.identifiers.size(), 0U) << end;
    }
    EXPECT_NE(event_of(mapped("A", "7", R"(\ud800)")).event_id,
              event_of(mapped("A", "7", R"(\ud801)")).event_id);
    EXPECT_NE(event_of(mapped("A", "7", R"(\ud800)")).event_id,
              event_of(mapped("A", "7", R"(\ufffd)")).event_id);
    EXPECT_EQ(event_of(mapped("A", "7", R"(\uD800)")).event_id,
              event_of(mapped("A", "7", R"(\ud800)")).event_id);
    EXPECT_TRUE(event_of(plain).subscriber_id);
}

TEST(NormalizerTest, KeepsTheIdOfAnEventThroughShuffledMembersAndWhiteSpace)
{
    std::mt19937_64 random{7};
    for (std::uint64_t n = 0; n < 300; ++n) {
        const auto type = event_type_names()[n % event_type_names().size()];
        const std::string body = unique_sample(type, 1, n);
        const auto parsed = nlohmann::json::parse(body);
        // Members in any order, at every level, and any indentation.
        const std::function<nlohmann::ordered_json(const nlohmann::json&)> shuffled =
            [&](const nlohmann::json& value) -> nlohmann::ordered_json {
            if (!value.is_object())
                return nlohmann::ordered_json::parse(value.dump());
            std::vector<std::string> keys;
            for (const auto& [key, unused] : value.items())
                keys.push_back(key);
            std::shuffle(keys.begin(), keys.end(), random);
            nlohmann::ordered_json out = nlohmann::ordered_json::object();
            for (const auto& key : keys)
                out[key] = shuffled(value.at(key));
            return out;
        };

        const auto again = shuffled(parsed).dump(static_cast<int>(random() % 4) - 1, ' ', true);

        EXPECT_EQ(to_json(normalize(body)), to_json(normalize(again)));
    }
}

// Text as PostgreSQL demands it, wherever it came from.
void expect_storable(const source_event& e, const std::string& body)
{
    const std::string all = to_json(e);
    EXPECT_TRUE(nlohmann::json::accept(all)) << body;
    EXPECT_EQ(all.find("\\u0000"), std::string::npos) << body;
    EXPECT_TRUE(e.extra.empty() || nlohmann::json::accept(e.extra)) << body;
    EXPECT_TRUE(std::is_sorted(e.quality_flags.begin(), e.quality_flags.end()));
}

TEST(NormalizerTest, SurvivesRandomDamage)
{
    const std::vector<std::string> splinters = {"\\u0000",
                                                "\\ud800",
                                                "\"",
                                                "{",
                                                "}",
                                                "[",
                                                "]",
                                                "null",
                                                "-0",
                                                "1e9999",
                                                "%00",
                                                "%ff",
                                                ",",
                                                "\xC3",
                                                "\xEF\xBB\xBF",
                                                std::string(1, '\0'),
                                                "99999999999999999999",
                                                "+",
                                                ":",
                                                "#"};
    std::mt19937_64 random{11};
    std::size_t events = 0;
    for (std::uint64_t n = 0; n < 6'000; ++n) {
        std::string body = unique_sample(event_type_names()[n % event_type_names().size()], 2, n);
        for (std::uint64_t hits = random() % 3 + 1; hits > 0 && !body.empty(); --hits) {
            const auto at = random() % body.size();
            switch (random() % 4) {
            case 0: body[at] = static_cast<char>(random()); break;
            case 1: body.insert(at, splinters[random() % splinters.size()]); break;
            case 2: body.erase(at, random() % 20 + 1); break;
            default: body.resize(at + 1); break;
            }
        }

        const auto what = normalize(body);

        if (const auto* event = std::get_if<source_event>(&what)) {
            ++events;
            expect_storable(*event, body);
        } else {
            EXPECT_FALSE(std::get<quarantined>(what).faults.empty()) << body;
        }
    }
    EXPECT_GT(events, 500U); // damage inside strings leaves events
}

TEST(NormalizerTest, KeepsNaughtyStringsAsTheyAre)
{
    const auto file = corpora() / "blns/blns.json";
    GATEWAY_SKIP_WITHOUT(file);
    for (const std::string text : nlohmann::json::parse(file_text(file))) {
        const nlohmann::json body = {{"type", "sms.inbound_message"},
                                     {"timestamp", 1632945178104},
                                     {"company", {{"company_id", "A"}}},
                                     {"subscriber", {{"external_id", text}, {text, text}}},
                                     {"message", {{"text", text}}},
                                     {"message_link_click", {{"linkTarget", text}}}};

        const auto what = normalize(body.dump());

        ASSERT_TRUE(std::holds_alternative<source_event>(what)) << text;
        expect_storable(event_of(what), text);
        EXPECT_EQ(event_of(what).message_text, text);
    }
}

TEST(NormalizerTest, FlagsAnEventDatedMoreThanADayAheadOfItsReceipt)
{
    const auto received = std::chrono::time_point_cast<std::chrono::milliseconds>(now());
    const auto flags = [&](std::chrono::milliseconds ahead) {
        auto body = nlohmann::json::parse(documented_sample("sms.subscribed"));
        body["timestamp"] = (received + ahead).time_since_epoch().count();
        const auto what = normalize_delivery(test::delivery_of(body.dump(), "attentive"));
        return std::get<source_event>(what).quality_flags;
    };

    EXPECT_EQ(flags(std::chrono::hours{23}), std::vector<std::string>{});
    EXPECT_EQ(flags(std::chrono::hours{25}), std::vector<std::string>{"timestamp_ahead"});
}

} // namespace
} // namespace gateway
