// Erasure and retention: afterwards no table holds the person, every report counts as before, and
// what comes again does not bring anybody back.
#include "gateway/attentive/normalizer.hpp"
#include "gateway/store/privacy.hpp"
#include "gateway/store/stored_delivery.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/faulty_relay.hpp"
#include "support/process.hpp"
#include "support/reference.hpp"
#include "support/story_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pqxx/pqxx>

namespace gateway {
namespace {

using namespace test;
using testing::HasSubstr;
using testing::IsEmpty;

// Where `text` stands in any table of schema gateway, as text or as bytes: "gateway.x: row".
std::vector<std::string> found(const std::string& url, const std::string& text)
{
    std::vector<std::string> hits;
    const std::string hex = to_hex(std::string_view{text});
    for (const auto& table :
         test::query(url, "SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'p')"
                          " AND NOT relispartition AND relnamespace = 'gateway'::regnamespace")) {
        for (const auto& row : test::query(
                 url, "SELECT t::text FROM " + table[0] + " t WHERE position('" + text +
                          "' IN lower(t::text)) > 0 OR position('" + hex + "' IN t::text) > 0"))
            hits.push_back(table[0] + ": " + row[0]);
    }
    return hits;
}

class EraseTest : public testing::Test {
protected:
    static std::vector<story_event> story()
    {
        story_settings s;
        s.people = 30;
        s.until = now();
        return tell_story(s);
    }

    // One of those who did most things: clicked, replied, ordered.
    static story_event busiest(const std::vector<story_event>& events)
    {
        std::map<std::uint64_t, std::set<story_kind>> done;
        for (const auto& e : events)
            done[e.person].insert(std::min(e.kind, story_kind::order_completed));
        const auto most = std::max_element(done.begin(), done.end(), [](auto& a, auto& b) {
            return a.second.size() < b.second.size();
        });
        return *std::find_if(events.begin(), events.end(),
                             [&](const auto& e) { return e.person == most->first; });
    }

    void SetUp() override
    {
        store_story(url_, story_);
        answers kept;
        writer w{settings_for(url_)};
        kept.submit(w, refused(R"({"type":"new","subscriber":{"email":")" + story_email(person_) +
                               R"("}})"));
        kept.submit(w, refused(R"({"type":"new","subscriber":{"email":"somebody@else.example"}})"));
        ASSERT_EQ(kept.count(disposition::quarantined), 2U);
        project_all(url_);
    }

    result<erase_report> erase_by(const std::string& kind, const std::string& value,
                                  bool dry_run = false) const
    {
        return erase(url_, {story_company_id(0), kind, value, dry_run});
    }

    // Numbers of every report that counts.
    std::vector<std::vector<std::string>> counts() const
    {
        return test::query(
            url_,
            "SELECT 'clicks', sum(clicks)::text, sum(unique_clickers)::text"
            "  FROM report.link_clicks_daily"
            " UNION ALL SELECT 'revenue ' || coalesce(touch, '-'), sum(revenue)::text,"
            "  sum(orders)::text FROM report.revenue_by_message GROUP BY touch"
            " UNION ALL SELECT segment, count(*)::text, sum(sent_90d)::text"
            "  FROM report.audience_quality GROUP BY 1"
            " UNION ALL SELECT 'replies ' || coalesce(keyword_class, '-'), count(*)::text,"
            "  count(opted_out_at)::text FROM report.inbound_messages GROUP BY 1 ,keyword_class"
            " UNION ALL SELECT 'profiles', count(DISTINCT profile_id)::text, count(*)::text"
            "  FROM report.source_event"
            " UNION ALL SELECT 'consent ' || decision, count(*)::text,"
            "  count(DISTINCT subscriber_id)::text FROM gateway.consent_decision GROUP BY decision"
            " ORDER BY 1, 2, 3");
    }

    std::string url_ = fresh_database();
    std::vector<story_event> story_ = story();
    story_event person_ = busiest(story_);
};

TEST_F(EraseTest, LeavesCountsAndNobodyBehindThem)
{
    const auto before = counts();
    ASSERT_THAT(found(url_, story_email(person_)), testing::Not(IsEmpty()));

    const auto done = erase_by("phone", story_phone(person_));

    ASSERT_TRUE(done) << done.error().detail;
    EXPECT_EQ(done.value().subscribers, 3U); // by external_id, by phone, by e-mail
    EXPECT_EQ(done.value().quarantined, 1U);
    EXPECT_GT(done.value().events, 10U);
    for (const auto& trace : {story_email(person_), story_phone(person_),
                              story_phone(person_).substr(1), story_external_id(person_)})
        EXPECT_THAT(found(url_, trace), IsEmpty()) << trace;
    EXPECT_THAT(found(url_, "somebody@else.example"), testing::SizeIs(1));
    EXPECT_EQ(counts(), before);
    EXPECT_EQ(value(url_, "SELECT concat_ws('|', kind, subscribers, events) FROM gateway.erasure"),
              "phone|3|" + std::to_string(done.value().events));
}

// A shop may write who clicks into the links that it sends.
TEST_F(EraseTest, LeavesNobodyInALink)
{
    story_event click = person_;
    click.kind = story_kind::sms_clicked;
    click.at = now() - std::chrono::hours{1};
    std::string body = story_body(click);
    const std::string target = "https://" + std::string{story_host};
    std::string encoded = story_email(person_);
    encoded.replace(encoded.find('@'), 1, "%40");
    body.replace(body.find(target), target.size(),
                 "https://shop.example.com/of/" + encoded + "?utm_content=" +
                     story_phone(person_).substr(1) + "&for=" + story_external_id(person_) + "#");
    writer_settings settings = settings_for(url_);
    settings.map = normalize_delivery;
    {
        writer w{settings};
        await_available(w);
        w.submit(
            stored_delivery::rebuild(
                {.endpoint = "attentive", .body = body, .signatures = {}, .received_at = now()},
                "2026-11"),
            [](const result<receipt>&) {});
    } // commits
    ASSERT_EQ(value(url_, "SELECT utm_content || link_host FROM gateway.source_event"
                          " WHERE link_path = '/of/" +
                              encoded + "'"),
              story_phone(person_).substr(1) + "shop.example.com");

    ASSERT_TRUE(erase_by("email", story_email(person_)));

    for (const auto& trace : {story_email(person_), encoded, story_phone(person_).substr(1),
                              story_external_id(person_)})
        EXPECT_THAT(found(url_, trace), IsEmpty()) << trace;
}

// The same phone may be a customer of two companies: each erases its own.
TEST_F(EraseTest, LeavesWhatIsInQuarantineOfAnotherCompany)
{
    const auto email = story_email(person_);
    const auto body_of = [&](const std::string& company, const std::string& more) {
        return R"({"type":"new","company":{"company_id":")" + company +
               R"("},"subscriber":{"email":")" + email + R"("})" + more;
    };
    const std::string other = "another company";
    answers kept;
    {
        writer w{settings_for(url_)};
        for (const std::string more : {"}", R"(,"text":"\u0000"})", ",", R"(,"text":"\ud800"})"}) {
            kept.submit(w, refused(body_of(story_company_id(0), more)));
            kept.submit(w, refused(body_of(other, more)));
        }
    }
    ASSERT_EQ(kept.count(disposition::quarantined), 8U);

    const auto done = erase_by("email", email);

    ASSERT_TRUE(done) << done.error().detail;
    EXPECT_EQ(done.value().quarantined, 5U); // and the one of SetUp(), which names no company
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.quarantine WHERE body = ''"), "5");
    EXPECT_THAT(found(url_, email), testing::SizeIs(4));
}

TEST_F(EraseTest, ADryRunWritesNothing)
{
    const auto would = erase_by("email", story_email(person_), true);
    EXPECT_THAT(found(url_, story_email(person_)), testing::Not(IsEmpty()));
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.erasure"), "0");

    const auto done = erase_by("email", story_email(person_));

    ASSERT_TRUE(would && done);
    EXPECT_EQ(would.value().events, done.value().events);
    EXPECT_EQ(would.value().deliveries, done.value().deliveries);
    EXPECT_EQ(would.value().quarantined, done.value().quarantined);
}

TEST_F(EraseTest, NobodyComesBackByAReplay)
{
    ASSERT_TRUE(erase_by("attentive_external_id", story_external_id(person_)));
    const auto before = counts();

    EXPECT_EQ(store_story(url_, story_), 0U);
    story_event late = person_; // never delivered before, and happened before the erasure
    late.kind = story_kind::replied;
    late.at = now() - std::chrono::hours{1};
    EXPECT_EQ(store_story(url_, {late}), 0U);
    answers kept;
    {
        writer w{settings_for(url_)};
        kept.submit(w, refused(R"({"type":"new","subscriber":{"email":")" + story_email(person_) +
                               R"("}})"));
    }
    project_all(url_);

    EXPECT_THAT(found(url_, story_email(person_)), IsEmpty());
    EXPECT_THAT(found(url_, story_phone(person_)), IsEmpty());
    EXPECT_EQ(value(url_, "SELECT count(*) FROM report.source_event"),
              before.empty() ? "" : std::to_string(story_.size()));
}

TEST_F(EraseTest, WhoComesBackLaterIsANewPerson)
{
    ASSERT_TRUE(erase_by("email", story_email(person_)));
    story_event again = person_;
    again.kind = story_kind::sms_subscribed;
    again.at = now() + std::chrono::seconds{1};
    again.choice = 0;

    EXPECT_EQ(store_story(url_, {again}), 1U);

    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.source_event WHERE subscriber_id ="
                          " (SELECT subscriber_id FROM gateway.source_event"
                          "  WHERE identifiers->'email'->>0 = '" +
                              story_email(person_) + "')"),
              "1");
}

TEST_F(EraseTest, RefusesWhatItCannotDoRight)
{
    const auto invalid = erase_by("phone", "12");
    const auto nobody = erase_by("phone", "+12065559999");

    ASSERT_TRUE(invalid.has_error());
    EXPECT_EQ(invalid.error().code, errc::config_invalid);
    EXPECT_TRUE(nobody && nobody.value().events == 0);

    test::query(url_, "UPDATE gateway.identity SET identifiers = '{\"email\": [\"a@b.org\"]}';"
                      "INSERT INTO gateway.identity_value SELECT gateway.value_hash(company_id,"
                      " 'email', 'a@b.org'), subscriber_id FROM gateway.identity");
    const auto shared = erase_by("email", "a@b.org");
    ASSERT_TRUE(shared.has_error());
    EXPECT_THAT(shared.error().detail, HasSubstr("several profiles"));
}

TEST_F(EraseTest, TheWriterErasesNobody)
{
    test::query(url_,
                "DROP ROLE IF EXISTS eraser; CREATE ROLE eraser LOGIN IN ROLE gateway_privacy;"
                " DROP ROLE IF EXISTS a_writer; CREATE ROLE a_writer LOGIN IN ROLE gateway_writer");
    const erase_request request{story_company_id(0), "email", story_email(person_), false};

    const auto refused = erase(as_user(url_, "a_writer"), request);
    ASSERT_TRUE(refused.has_error());
    EXPECT_THAT(refused.error().detail, HasSubstr("GRANT gateway_privacy"));
    EXPECT_TRUE(erase(as_user(url_, "eraser"), request));
    EXPECT_THROW(value(as_user(url_, "eraser"), "SELECT key FROM gateway.digest_key"),
                 std::exception);
    EXPECT_THROW(value(as_user(url_, "a_writer"), "SELECT gateway.keyed_digest('x')"),
                 std::exception);
}

TEST(RetentionTest, DropsWholePartitionsByAge)
{
    const std::string url = fresh_database();
    test::query(
        url, "SELECT gateway.ensure_partitions('delivery', ARRAY[now() - interval '40 days',"
             " now() - interval '29 days', now()]);"
             "SELECT gateway.ensure_partitions('source_event', ARRAY[now() - interval '400 days',"
             " now()]);"
             "DROP ROLE IF EXISTS keeper; CREATE ROLE keeper LOGIN IN ROLE gateway_writer");

    const auto first = apply_retention(as_user(url, "keeper"), {30, 90, 0});
    const auto again = apply_retention(as_user(url, "keeper"), {30, 90, 0});
    const auto log_too = apply_retention(as_user(url, "keeper"), {0, 0, 365});

    ASSERT_TRUE(first && again && log_too);
    ASSERT_EQ(first.value().size(), 1U);
    EXPECT_THAT(first.value()[0].what, testing::StartsWith("gateway.delivery_20"));
    EXPECT_THAT(again.value(), IsEmpty());
    ASSERT_EQ(log_too.value().size(), 1U);
    EXPECT_THAT(log_too.value()[0].what, testing::StartsWith("gateway.source_event_20"));
}

// Rows of a clock gone wrong, and of times whose partition could not be made.
TEST(RetentionTest, DeletesWhatIsOlderInDefaultToo)
{
    const std::string url = fresh_database();
    for (const char* at : {"'1716-01-01'", "'1970-01-01'", "now() - interval '31 days'",
                           "now() - interval '29 days'"}) {
        const std::string time{at};
        test::query(url, "INSERT INTO gateway.delivery VALUES ('c', " + time +
                             ", gen_random_uuid(), 'e', 'k', '');"
                             "INSERT INTO gateway.source_event (company_id, occurred_at, event_id,"
                             " event_name, action, source, source_event_type, received_at,"
                             " batch_id, mapping_version, quality_flags) VALUES ('c', " +
                             time + ", gen_random_uuid(), 'x', 'x', 'x', 'x', now(), 0, 1, '{}')");
    }

    const auto bodies = apply_retention(url, {30, 90, 0});
    const auto log_too = apply_retention(url, {30, 90, 30});

    ASSERT_TRUE(bodies && log_too);
    ASSERT_EQ(bodies.value().size(), 1U);
    EXPECT_EQ(bodies.value()[0].what, "rows of gateway.delivery_default");
    EXPECT_EQ(bodies.value()[0].rows, 3U);
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.delivery"), "1");
    ASSERT_EQ(log_too.value().size(), 1U);
    EXPECT_EQ(log_too.value()[0].what, "rows of gateway.source_event_default");
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event"), "1");
}

// DROP would wait for it, and everybody for DROP.
TEST(RetentionTest, WaitsForAnotherDayWhileATransactionHoldsTheLog)
{
    const std::string url = fresh_database();
    test::query(url, "SELECT gateway.ensure_partitions('delivery', ARRAY[now() - interval '40 days'"
                     "])");
    pqxx::connection dump{url};
    pqxx::work dumping{dump};
    dumping.exec("LOCK TABLE gateway.delivery IN ACCESS SHARE MODE");

    const auto during = apply_retention(url, {30, 90, 0});
    dumping.commit();
    const auto afterwards = apply_retention(url, {30, 90, 0});

    ASSERT_TRUE(during.has_error());
    EXPECT_EQ(during.error().code, errc::database_failed);
    ASSERT_TRUE(afterwards);
    EXPECT_EQ(afterwards.value().size(), 1U);
}

// Retention that dropped a month keeps what the reports counted of it.
TEST(RetentionTest, WhatComesAgainAfterItsMonthWasDroppedIsADuplicate)
{
    const std::string url = fresh_database();
    const auto at = now() - std::chrono::days{100};
    const auto old = [&](int number) {
        given_event e = click(number);
        std::get<source_event>(e.what).occurred_at = at + std::chrono::milliseconds{number};
        return e;
    };
    const std::string record = "SELECT gateway.record_event('shop', 'page.viewed', 'C', '" +
                               to_string(at) +
                               "', '{\"email\": \"a@mail.org\"}',"
                               " 'https://shop.example.com/')";
    const auto stored = [&] {
        return value(url, "SELECT count(*) || ' ' || (SELECT sum(events) FROM gateway.batch)"
                          " FROM gateway.source_event");
    };
    answers all;
    writer w{settings_for(url)};
    all.submit(w, old(1));
    ASSERT_EQ(all.count(disposition::stored), 1U);
    test::query(url, record);
    ASSERT_EQ(stored(), "2 2");
    ASSERT_TRUE(apply_retention(url, {0, 0, 31}));
    ASSERT_EQ(stored(), "0 2");

    all.submit(w, old(1));
    all.submit(w, old(2)); // who knows whether it came before
    test::query(url, record);
    all.submit(w, click(3)); // older, and of a month that was never dropped
    all.submit(w, click(4));

    EXPECT_EQ(all.count(disposition::duplicate), 2U);
    EXPECT_EQ(all.count(disposition::stored), 3U);
    EXPECT_EQ(stored(), "2 4");
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.delivery"), "3");
}

TEST(RetentionTest, EndsOnABackendThatHangs)
{
    using namespace std::chrono_literals;
    faulty_relay relay{fresh_database(), {.what = relay_harm::hold_answer, .at = 3}};

    const auto dropped = apply_retention(relay.url(), {.limit = 1s});

    ASSERT_TRUE(dropped.has_error());
    EXPECT_EQ(dropped.error().code, errc::database_unavailable);
    EXPECT_GE(relay.calls(), 3);
}

} // namespace
} // namespace gateway
