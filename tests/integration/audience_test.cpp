// Audiences: nobody leaves whose consent does not count, each destination gets its own hashes, and
// every export is on record.
#include "gateway/store/audience.hpp"

#include "projected_log.hpp"
#include "support/cluster.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

namespace gateway {
namespace {

using namespace test;
using testing::HasSubstr;
using rows = std::vector<std::vector<std::string>>;

audience_request everybody(const std::string& channel, const std::string& name = "everybody")
{
    audience_request r;
    r.company_id = "C";
    r.name = name;
    r.channel = channel;
    return r;
}

std::set<std::string> exported(const std::string& url, const std::string& channel,
                               const std::string& name = "everybody")
{
    std::set<std::string> out;
    const auto people = export_audience(url, everybody(channel, name));
    EXPECT_TRUE(people) << (people ? "" : people.error().detail);
    for (std::size_t n = 0; people && n < people.value().rows.size(); ++n)
        EXPECT_TRUE(out.insert(people.value().rows[n][0]).second) << people.value().rows[n][0];
    return out;
}

struct decision {
    std::size_t who;
    bool is_sms;
    bool grants;
    std::string type; // empty: none named
    int minute;
};

// Every eleventh has the phone of the one before.
std::string phone_of(std::size_t who)
{
    return "+1206" + std::to_string(2'000'000 + (who % 11 == 5 ? who - 1 : who));
}

std::string email_of(std::size_t who)
{
    return "p" + std::to_string(who) + "@mail.org";
}

std::vector<decision> decisions_of(std::size_t people, std::mt19937& random)
{
    std::vector<decision> out;
    for (std::size_t who = 0; who < people; ++who) {
        for (auto left = random() % 6; left > 0; --left) {
            const bool grants = random() % 3 != 0;
            const auto type = random() % 4;
            out.push_back({who, random() % 2 == 0, grants,
                           type == 0              ? "TRANSACTIONAL"
                           : type == 1 && !grants ? ""
                                                  : "MARKETING",
                           static_cast<int>(random() % 100'000)});
        }
    }
    return out;
}

// As PostgreSQL writes an array; the values are of letters and digits.
template <class Value>
std::string array_of(const std::vector<decision>& decisions, Value value_of)
{
    std::string out = "{";
    for (const auto& d : decisions)
        out += (out.size() > 1 ? ",\"" : "\"") + value_of(d) + "\"";
    return out + "}";
}

void store(const std::string& url, const std::vector<decision>& decisions)
{
    pqxx::connection connection{url};
    pqxx::work t{connection};
    t.exec_params(
        "INSERT INTO gateway.source_event (company_id, occurred_at, event_id, event_name,"
        " channel, action, source, source_event_type, subscriber_id, subscription_type,"
        " identifiers, received_at, position, mapping_version, quality_flags)"
        " SELECT 'C', '2026-03-01Z'::timestamptz + minute * interval '1 minute',"
        " md5(n::text)::uuid, channel || '.' || action, channel, action, 'attentive', 'x', who,"
        " nullif(type, ''), jsonb_build_object('phone', jsonb_build_array(phone), 'email',"
        " jsonb_build_array(email)), now(), n, 1, '{}'"
        " FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[],"
        " $7::text[]) WITH ORDINALITY AS d (who, minute, channel, action, type, phone, email, n)",
        array_of(decisions, [](const auto& d) { return subscriber_id(std::to_string(d.who + 1)); }),
        array_of(decisions, [](const auto& d) { return std::to_string(d.minute); }),
        array_of(decisions, [](const auto& d) { return std::string{d.is_sms ? "sms" : "email"}; }),
        array_of(
            decisions,
            [](const auto& d) { return std::string{d.grants ? "subscribed" : "unsubscribed"}; }),
        array_of(decisions, [](const auto& d) { return d.type; }),
        array_of(decisions, [](const auto& d) { return phone_of(d.who); }),
        array_of(decisions, [](const auto& d) { return email_of(d.who); }));
    t.exec("UPDATE gateway.log_state SET position = (SELECT count(*) FROM gateway.source_event);"
           "INSERT INTO gateway.step SELECT 1, position, position, 0, 0 FROM gateway.log_state");
    t.commit();
    project_step_by_step(url, 2'000);
}

// Whose last decision on marketing is an opt-in, whoever made it; of two of the same moment the
// opt-out counts (47 CFR 64.1200(a)(10): a revocation is honoured however it is made).
std::set<std::string> may_be_written_to(const std::vector<decision>& decisions, bool is_sms)
{
    std::map<std::string, std::pair<int, bool>> last; // minute, opted out
    for (const auto& d : decisions) {
        if (d.is_sms != is_sms || d.type == "TRANSACTIONAL")
            continue;
        auto& known =
            last.try_emplace(is_sms ? phone_of(d.who) : email_of(d.who), -1, true).first->second;
        known = std::max(known, std::pair{d.minute, !d.grants});
    }
    std::set<std::string> out;
    for (const auto& [address, decided] : last)
        if (!decided.second)
            out.insert(address);
    return out;
}

TEST(AudienceTest, HoldsThoseAloneWhoseConsentCounts)
{
    const std::size_t people = std::getenv("GATEWAY_NIGHTLY") != nullptr ? 100'000 : 600;
    const std::string url = fresh_database();
    std::mt19937 random{11};
    auto decisions = decisions_of(people, random);
    std::shuffle(decisions.begin(), decisions.end(), random);
    store(url, decisions);
    auto sms = may_be_written_to(decisions, true);
    auto email = may_be_written_to(decisions, false);

    EXPECT_EQ(exported(url, "sms"), sms);
    EXPECT_EQ(exported(url, "email"), email);
    for (const std::size_t who : {3U, 15U, 172U})
        query(url, "SELECT gateway.erase('C', 'email', '" + email_of(who) + "')");
    for (const std::size_t who : {3U, 15U, 16U, 172U}) { // 15 and 16 have one phone
        sms.erase(phone_of(who));
        email.erase(email_of(who));
    }

    EXPECT_EQ(exported(url, "sms"), sms);
    EXPECT_EQ(exported(url, "email"), email);
    EXPECT_GT(sms.size(), people / 5);
    EXPECT_EQ(query(url, "SELECT channel, people, exported_by FROM report.audience_exports"
                         " ORDER BY export_id DESC LIMIT 2"),
              (rows{{"email", std::to_string(email.size()), "postgres"},
                    {"sms", std::to_string(sms.size()), "postgres"}}));
}

// The published examples: Meta, "Customer information parameters" (john_smith@gmail.com and
// 16505551212); TikTok, "How to create a Custom Audience with a customer file" (janedoe@gmail.com
// and, of a number without its plus, 37493828222). Google: E.164 with the plus, by sha256sum.
TEST(AudienceTest, HashesAsEachDestinationPublishes)
{
    const std::string url = fresh_database();
    const auto hash = [&](const std::string& address, const std::string& destination) {
        return value(url,
                     "SELECT gateway.hashed_address('" + address + "', '" + destination + "')");
    };

    EXPECT_EQ(hash("john_smith@gmail.com", "meta"),
              "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f");
    EXPECT_EQ(hash("+16505551212", "meta"),
              "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176");
    EXPECT_EQ(hash("janedoe@gmail.com", "tiktok"),
              "d6117306485ed0e50afab3ac871e98f81699151f30281527d63ff5f233656c69");
    EXPECT_EQ(hash("+37493828222", "tiktok"),
              "65b7e6dcf6f4310f8d7cbfbd78289a753062fb054d6664fb9aaac5df66a422d4");
    EXPECT_EQ(hash("+16505551212", "google"),
              "1e231c66011e7a2d867a9cfae267a6aff103cf4913640b6e71a99850fc0ffbc8");
}

// An audience is a row: what it asks for is what its people have.
TEST(AudienceTest, IsARule)
{
    const std::string url = fresh_database();
    const auto order = [&](const std::string& who, const std::string& number,
                           const std::string& days_ago, const std::string& amount) {
        append_event(url, {.at = "2026-01-01",
                           .action = "completed",
                           .subscriber = who,
                           .channel = "order",
                           .more_columns = ", order_id, order_value, currency",
                           .more_values = ", '" + number + "', " + amount + ", 'USD'"});
        query(url, "UPDATE gateway.source_event SET occurred_at = now() - interval '" + days_ago +
                       " days' WHERE order_id = '" + number + "'");
    };
    for (const std::string who : {"1", "2", "3", "4"})
        append_event(url,
                     {.at = "2026-01-02",
                      .action = "subscribed",
                      .subscriber = who,
                      .more_columns = ", subscription_type, identifiers",
                      .more_values = ", 'MARKETING', '{\"phone\": [\"+1206555010" + who + "\"]}'"});
    order("1", "A", "300", "10");
    order("2", "B", "300", "10");
    order("2", "C", "200", "10");
    order("2", "D", "10", "10");
    order("3", "E", "10", "500");
    project_step_by_step(url);
    const auto of = [&](const std::string& name) {
        std::string out;
        for (const auto& phone : exported(url, "sms", name))
            out += phone.back();
        return out;
    };

    EXPECT_EQ(of("everybody"), "1234");
    EXPECT_EQ(of("customers"), "123");
    EXPECT_EQ(of("never_bought"), "4");
    EXPECT_EQ(of("vip"), "2");
    EXPECT_EQ(of("lapsed"), "1");
    query(url, "INSERT INTO gateway.audience (for_company, name, meaning, value_min, currency)"
               " VALUES ('C', 'vip', 'Spent 100 dollars.', 100, 'USD')");
    EXPECT_EQ(of("vip"), "3");
    EXPECT_THROW(query(url, "INSERT INTO gateway.audience (for_company, name, meaning, value_min)"
                            " VALUES ('C', 'rich', 'Spent 100 of something.', 100)"),
                 pqxx::check_violation);
}

TEST(AudienceTest, IsForThoseWhoMayExportAndOnRecord)
{
    const std::string url = fresh_database();
    append_event(url, decided("2026-03-01", "subscribed", "MARKETING"));
    project_step_by_step(url);
    query(url, "DO $$ BEGIN CREATE ROLE exporter LOGIN IN ROLE gateway_audience;"
               " CREATE ROLE analyst LOGIN IN ROLE gateway_reader, gateway_pii;"
               " EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    const std::string exporter = as_user(url, "exporter");

    EXPECT_TRUE(exported(exporter, "sms").empty());
    EXPECT_EQ(value(url, "SELECT string_agg(exported_by, ',') FROM report.audience_exports"),
              "exporter");
    EXPECT_FALSE(export_audience(as_user(url, "analyst"), everybody("sms")));
    for (const std::string view :
         {"report_pii.audience", "gateway.identity", "report.audience_exports"})
        EXPECT_THROW(query(exporter, "SELECT * FROM " + view), pqxx::insufficient_privilege)
            << view;
    EXPECT_THAT(export_audience(exporter, everybody("sms", "nobody")).error().detail,
                HasSubstr("attentive-gateway audience lists them"));
    query(url, "SELECT gateway.grant_company('exporter', 'D')");
    EXPECT_FALSE(export_audience(exporter, everybody("sms")));
    query(url, "DELETE FROM gateway.company_access");
}

// An opt-out that was acknowledged two minutes ago and is in no read model.
TEST(AudienceTest, WaitsForOptOuts)
{
    const std::string url = fresh_database();
    append_event(url, decided("2026-03-01", "subscribed", "MARKETING"));
    project_step_by_step(url);
    append_event(url, decided("2026-03-02", "unsubscribed", "MARKETING"));
    query(url, "UPDATE gateway.step SET applied_at = now() - interval '2 minutes'");

    const auto refused = export_audience(url, everybody("sms"));

    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().detail, HasSubstr("opt-outs may be missing"));
    EXPECT_EQ(count(url, "gateway.audience_export"), "0");
    project_step_by_step(url);
    EXPECT_TRUE(export_audience(url, everybody("sms")));
}

} // namespace
} // namespace gateway
