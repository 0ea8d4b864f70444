// Samples are the documentation, and the endless stream is repeatable and realistic.
#include "gateway/attentive/event_catalog.hpp"
#include "gateway/demo/samples.hpp"

#include "gateway/attentive/normalizer.hpp"
#include "support/corpora.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <set>

namespace gateway {
namespace {

source_event event_of(std::string_view body)
{
    return std::get<source_event>(normalize(body));
}

// The documentation's web page shows "[email protected]"; samples have addresses there. The
// documented link has no page name and the blank behind one phone number is the documentation's.
TEST(SamplesTest, AreTheDocumentedPayloadsButForObscuredAddresses)
{
    EXPECT_GE(sampled_types().size(), 11U);
    for (const auto& type : sampled_types()) {
        const auto file = std::filesystem::path{GATEWAY_SOURCE_DIR} / "tests/fixtures/attentive" /
                          (type + ".json");
        auto documented = nlohmann::json::parse(file_text(file)).flatten();
        auto sample = nlohmann::json::parse(documented_sample(type)).flatten();
        for (auto* payload : {&documented, &sample}) {
            for (auto& [path, value] : payload->items()) {
                if (path.find("email") != std::string::npos)
                    value = "an address";
            }
        }

        EXPECT_EQ(sample, documented) << type;
    }
}

TEST(SamplesTest, HaveNoneOfUnknownTypes)
{
    EXPECT_EQ(documented_sample("sms.delivered"), "");
    EXPECT_EQ(unique_sample("sms.delivered", 1, 1), "");
}

TEST(SamplesTest, AreEqualForEqualArgumentsOnly)
{
    for (const auto type : event_type_names()) {
        EXPECT_EQ(unique_sample(type, 7, 3), unique_sample(type, 7, 3)) << type;
        EXPECT_NE(unique_sample(type, 7, 3), unique_sample(type, 7, 4)) << type;
        EXPECT_NE(unique_sample(type, 7, 3), unique_sample(type, 8, 3)) << type;
    }
}

TEST(SamplesTest, AreAllDistinctEvents)
{
    std::set<uuid> ids;
    std::uint64_t events = 0;
    for (const std::uint64_t seed : {1U, 2U}) {
        for (std::uint64_t n = 0; n < 3'000; ++n, ++events)
            ids.insert(event_of(unique_sample(event_type_names()[n % 11], seed, n)).event_id);
    }

    EXPECT_EQ(ids.size(), events);
}

TEST(SamplesTest, LookLikeTrafficOfSomeCompaniesWithReturningSubscribers)
{
    std::set<uuid> subscribers;
    std::set<std::string> companies;
    std::set<std::string> messages;
    timestamp before{};
    for (std::uint64_t n = 0; n < 2'200; ++n) {
        const auto e = event_of(unique_sample(event_type_names()[n % 11], 7, n));

        ASSERT_TRUE(e.subscriber_id);
        EXPECT_GT(e.occurred_at, before);
        EXPECT_EQ(e.extra, "");
        EXPECT_EQ(e.quality_flags.empty(), e.source_event_type != "email.opened");
        before = e.occurred_at;
        subscribers.insert(*e.subscriber_id);
        companies.insert(e.company_id);
        if (!e.message_key.empty())
            messages.insert(e.message_key);
    }
    EXPECT_EQ(companies.size(), 3U);
    EXPECT_EQ(messages.size(), 12U);
    EXPECT_GT(subscribers.size(), 100U);
    EXPECT_LT(subscribers.size(), 300U);
}

} // namespace
} // namespace gateway
