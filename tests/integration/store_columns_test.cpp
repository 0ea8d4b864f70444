// What the writer is given stands in the tables, column by column and byte for byte.
#include "gateway/store/writer.hpp"
#include "store/apply/event_rows.hpp"
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
    expect_equal(quarantine_columns(), "quarantine_row");
}

// A batch is written by position, behind what the database adds.
TEST(WriterTest, TheLogsColumnsAreThoseOfTheRowsInTheirOrder)
{
    const std::string url = fresh_database();
    const auto columns_of = [&](const std::string& relation, int after) {
        return query(url, "SELECT attname, atttypid::regtype FROM pg_attribute WHERE attrelid ="
                          " 'gateway." +
                              relation + "'::regclass AND attnum > " + std::to_string(after) +
                              " ORDER BY attnum");
    };

    EXPECT_EQ(columns_of("source_event", 6), columns_of("event_row", 0));
    EXPECT_EQ(columns_of("intake", 3), columns_of("intake_row", 0));
}

// Every column gets a value of its own: its name.
TEST(WriterTest, EveryColumnRoundTrips)
{
    const std::string url = fresh_database();
    given_event e = click(1);
    auto& event = std::get<source_event>(e.what);
    std::vector<std::pair<std::string source_event::*, std::string>> texts;
    for (const auto& column : source_event_columns) {
        if (const auto* text = std::get_if<std::string source_event::*>(&column.value))
            texts.emplace_back(*text, std::string{column.name});
    }
    ASSERT_GT(texts.size(), 30U);
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

    EXPECT_EQ(all.count(disposition::accepted), 1U);
    for (const auto& [field, column_name] : texts)
        EXPECT_EQ(value(url, "SELECT " + column_name + " FROM gateway.source_event"), given.*field);
    const auto rest = query(
        url, "SELECT occurred_at AT TIME ZONE 'UTC', event_id, subscriber_id, quality_flags, extra,"
             " mapping_version, identifiers->'phone'->>0, position, received_at <= now()"
             " FROM gateway.source_event");
    EXPECT_EQ(rest.at(0),
              (std::vector<std::string>{"2021-09-29 19:52:58.104", to_string(given.event_id),
                                        to_string(*given.subscriber_id),
                                        "{email_invalid,phone_invalid}", R"({"a": [1, 2.50]})",
                                        "42", given.identifiers.at("phone")[0], "1", "t"}));
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

    EXPECT_EQ(all.count(disposition::accepted), strings.size());
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
