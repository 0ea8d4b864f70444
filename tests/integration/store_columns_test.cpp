// What the writer is given stands in the tables, column by column and byte for byte.
#include "gateway/store/writer.hpp"
#include "store/write/batch_rows.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace gateway {
namespace {

using namespace test;

TEST(WriterTest, TheColumnTablesAreTheDatabasesRowTypes)
{
    const std::string url = fresh_database();
    const auto columns_of = [&](const std::string& type) {
        return query(url, "SELECT attname, atttypid FROM pg_attribute WHERE attrelid = 'gateway." +
                              type + "'::regclass AND attnum > 0 ORDER BY attnum");
    };
    const auto expect_equal = [&](std::span<const column> ours, const std::string& type) {
        const auto theirs = columns_of(type);
        ASSERT_EQ(ours.size(), theirs.size());
        for (std::size_t i = 0; i < ours.size(); ++i) {
            EXPECT_EQ(ours[i].name, theirs[i][0]);
            EXPECT_EQ(std::to_string(static_cast<std::uint32_t>(ours[i].type)), theirs[i][1]);
        }
    };

    expect_equal(event_columns(), "event_row");
    expect_equal(delivery_columns(), "delivery_row");
    expect_equal(quarantine_columns(), "quarantine_row");
}

// Every column gets a value of its own: its name.
TEST(WriterTest, EveryColumnRoundTrips)
{
    const std::string url = fresh_database();
    given_event e = click(1);
    auto& event = std::get<source_event>(e.what);
    const std::vector<std::pair<std::string source_event::*, std::string>> texts = {
        {&source_event::company_id, "company_id"},
        {&source_event::event_name, "event_name"},
        {&source_event::channel, "channel"},
        {&source_event::action, "action"},
        {&source_event::source, "source"},
        {&source_event::source_event_type, "source_event_type"},
        {&source_event::company_name, "company_name"},
        {&source_event::subscription_type, "subscription_type"},
        {&source_event::creative_name, "creative_name"},
        {&source_event::creative_type, "creative_type"},
        {&source_event::creative_subtype, "creative_subtype"},
        {&source_event::message_id, "message_id"},
        {&source_event::message_key, "message_key"},
        {&source_event::message_type, "message_type"},
        {&source_event::message_name, "message_name"},
        {&source_event::message_subject, "message_subject"},
        {&source_event::message_text, "message_text"},
        {&source_event::message_channel, "message_channel"},
        {&source_event::business_address, "business_address"},
        {&source_event::recipient_address, "recipient_address"},
        {&source_event::keyword_class, "keyword_class"},
        {&source_event::link_id, "link_id"},
        {&source_event::link_url, "link_url"},
        {&source_event::link_host, "link_host"},
        {&source_event::link_path, "link_path"},
        {&source_event::utm_source, "utm_source"},
        {&source_event::utm_medium, "utm_medium"},
        {&source_event::utm_campaign, "utm_campaign"},
        {&source_event::utm_content, "utm_content"},
        {&source_event::utm_term, "utm_term"},
        {&source_event::attribute_id, "attribute_id"},
        {&source_event::attribute_name, "attribute_name"},
        {&source_event::attribute_value, "attribute_value"}};
    for (const auto& [field, column_name] : texts)
        event.*field = column_name + " \u00e9\U0001F600'\"\\";
    event.occurred_at = timestamp{std::chrono::milliseconds{1'632'945'178'104}};
    event.quality_flags = {"email_invalid", "phone_invalid"};
    event.extra = R"({"a": [1, 2.50]})";
    event.mapping_version = 42;
    const source_event given = event;
    answers all;
    {
        writer w{settings_for(url)};
        all.submit(w, std::move(e));
    }

    EXPECT_EQ(all.count(disposition::stored), 1U);
    for (const auto& [field, column_name] : texts)
        EXPECT_EQ(value(url, "SELECT " + column_name + " FROM gateway.source_event"), given.*field);
    const auto rest = query(
        url, "SELECT occurred_at AT TIME ZONE 'UTC', event_id, subscriber_id, quality_flags, extra,"
             " mapping_version, identifiers->'phone'->>0, batch_id, received_at <= now()"
             " FROM gateway.source_event");
    EXPECT_EQ(rest.at(0), (std::vector<std::string>{
                              "2021-09-29 19:52:58.104", to_string(given.event_id),
                              to_string(*given.subscriber_id), "{email_invalid,phone_invalid}",
                              R"({"a": [1, 2.50]})", "42", given.identifiers.at("phone")[0],
                              value(url, "SELECT batch_id FROM gateway.batch"), "t"}));
}

TEST(WriterTest, AbsentFieldsAreNull)
{
    const std::string url = fresh_database();
    given_event e = click(1);
    auto& event = std::get<source_event>(e.what);
    event.subscriber_id.reset();
    event.identifiers.clear();
    event.link_url.clear();
    answers all;
    {
        writer w{settings_for(url)};
        all.submit(w, std::move(e));
    }

    EXPECT_EQ(query(url, "SELECT subscriber_id, identifiers, link_url, extra, quality_flags"
                         " FROM gateway.source_event")
                  .at(0),
              (std::vector<std::string>{"NULL", "NULL", "NULL", "NULL", "{}"}));
}

TEST(WriterTest, KeepsTheExactBytesOfTheBody)
{
    const std::string url = fresh_database();
    std::string body;
    for (int i = 0; i < 256; ++i)
        body += static_cast<char>(i);
    given_event e = click(1);
    e.delivery = delivery_of(body);
    answers all;
    {
        writer w{settings_for(url)};
        all.submit(w, std::move(e));
    }

    EXPECT_EQ(
        query(url, "SELECT encode(body, 'hex'), endpoint, key_id FROM gateway.delivery").at(0),
        (std::vector<std::string>{to_hex(body), "attentive", "2026-11"}));
}

TEST(WriterTest, NaughtyStringsRoundTripByteForByte)
{
    std::ifstream in{std::string{GATEWAY_SOURCE_DIR} + "/../shared/corpora/blns/blns.txt"};
    if (!in)
        GTEST_SKIP() << "the big list of naughty strings is not at ../shared/corpora/blns";
    const std::string url = fresh_database();
    std::vector<std::string> strings;
    for (std::string line; std::getline(in, line);) {
        if (!line.empty())
            strings.push_back(line);
    }
    answers all;
    {
        writer w{settings_for(url)};
        for (std::size_t i = 0; i < strings.size(); ++i) {
            given_event e = click(static_cast<int>(i));
            std::get<source_event>(e.what).message_text = strings[i];
            std::get<source_event>(e.what).identifiers = {{"custom:x", {strings[i]}}};
            all.submit(w, std::move(e));
        }
    }

    EXPECT_EQ(all.count(disposition::stored), strings.size());
    const auto rows = query(url, "SELECT message_text, identifiers->'custom:x'->>0"
                                 " FROM gateway.source_event ORDER BY occurred_at");
    ASSERT_EQ(rows.size(), strings.size());
    for (std::size_t i = 0; i < strings.size(); ++i) {
        EXPECT_EQ(rows[i][0], strings[i]);
        EXPECT_EQ(rows[i][1], strings[i]);
    }
}

} // namespace
} // namespace gateway
