// Erasure: afterwards no table holds the person, every report counts as before, and what comes
// again does not bring anybody back.
#include "gateway/attentive/normalizer.hpp"
#include "gateway/store/privacy.hpp"
#include "gateway/store/read_models.hpp"
#include "gateway/store/stored_delivery.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
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
        apply_all(url_);
        return erase(url_, {story_company_id(0), kind, value, dry_run});
    }

    // What every report counts: its rows, and the sum of each column of numbers that does not say
    // how long ago something was.
    std::vector<std::vector<std::string>> counts() const
    {
        std::vector<std::vector<std::string>> all;
        for (const auto& view :
             test::query(url_, "SELECT 'report.' || c.relname, string_agg(CASE WHEN a.atttypid IN"
                               " ('bigint'::regtype, 'integer'::regtype, 'numeric'::regtype)"
                               " AND c.relname <> 'feed_health' AND a.attname !~ 'recency'"
                               " THEN ', sum(' || quote_ident(a.attname) || ')' ELSE '' END, '')"
                               " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
                               " WHERE c.relnamespace = 'report'::regnamespace GROUP BY c.relname"
                               " ORDER BY 1")) {
            all.push_back(
                test::query(url_, "SELECT count(*)" + view[1] + " FROM " + view[0]).at(0));
            all.back().push_back(view[0]);
        }
        return all;
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
                          " WHERE link_path = '/of/***'"),
              "***shop.example.com");

    ASSERT_TRUE(erase_by("email", story_email(person_)));

    for (const auto& trace : {story_email(person_), encoded, story_phone(person_).substr(1),
                              story_external_id(person_)})
        EXPECT_THAT(found(url_, trace), IsEmpty()) << trace;
}

// RFC 3986, section 6.2.2.2, and RFC 8259, section 7: what is escaped is the same text.
TEST_F(EraseTest, LeavesNobodyHoweverSpeltNorInWhatIsOfNobodyNorInTheSamplesOfThePlanner)
{
    const auto email = story_email(person_);
    const auto escaped = [&](const std::string& at) {
        std::string out = email;
        return out.replace(out.find('@'), 1, at);
    };
    const std::string shop = "SELECT gateway.record_event('shop', 'page.viewed', '" +
                             story_company_id(0) + "', now(), '{}', 'https://s.example.com/u/";
    test::query(url_, shop + escaped("%40") + "')");
    test::query(url_, shop + escaped("%2540").replace(0, 1, "%73") + "/profile')");
    test::query(url_, shop + "somebody%40else.example')");
    answers kept;
    {
        writer w{settings_for(url_)};
        kept.submit(w, refused(R"({"type":"new","e":")" + escaped("\\u0040") + R"("})"));
        kept.submit(w, refused(R"({"type":"new","e":")" + escaped("\\\\u0040") + R"("})"));
    }
    apply_all(url_);
    EXPECT_EQ(value(url_, "SELECT string_agg(DISTINCT link_path, ' ') FROM gateway.source_event"
                          " WHERE link_path LIKE '/u/%'"),
              "/u/*** /u/***/profile"); // and what came before paths were masked:
    test::query(url_, "UPDATE gateway.source_event SET link_path = '/u/" +
                          escaped("%2540").replace(0, 1, "%73") +
                          "' WHERE link_path = '/u/***/profile'");
    test::query(url_, "ANALYZE gateway.source_event; ANALYZE gateway.identity");
    const std::string sampled =
        "SELECT count(*) FROM pg_stats WHERE schemaname = 'gateway' AND position('" + email +
        "' IN concat(most_common_vals, histogram_bounds, most_common_elems)) > 0";
    ASSERT_NE(value(url_, sampled), "0");

    const auto done = erase_by("email", email);

    ASSERT_TRUE(done) << done.error().detail;
    EXPECT_EQ(done.value().quarantined, 3U);
    const auto name = email.substr(1, email.find('@') - 1); // its first letter may be escaped
    EXPECT_THAT(found(url_, name), IsEmpty());
    EXPECT_EQ(value(url_, sampled), "0");
}

// README: reports count as before; also when all is made again, and of those who are left.
TEST_F(EraseTest, ARebuildAfterwardsJoinsNoStrangersAndSplitsNobody)
{
    test::query(url_,
                "SELECT gateway.record_event('shop', 'page.viewed', '" + story_company_id(0) +
                    "', now(), jsonb_build_object('attentive_external_id', 'S' || n, 'phone', "
                    "'+12065550123'), 'https://s.example.com/') FROM generate_series(1, 6) n");
    test::query(url_, "SELECT gateway.record_event('shop', 'page.viewed', '" + story_company_id(0) +
                          "', now(), jsonb_build_object('attentive_external_id', 'S1', 'email', '" +
                          story_email(person_) + "'), 'https://s.example.com/')");
    apply_all(url_);
    project_all(url_);
    const auto before = counts();

    const auto done = erase_by("email", story_email(person_));
    const auto rebuilt = rebuild({.database_url = url_});

    ASSERT_TRUE(done && rebuilt);
    EXPECT_EQ(done.value().subscribers, 4U); // one of the office, beside the three
    EXPECT_EQ(counts(), before);
    for (const auto& row : rebuilt.value().rows)
        EXPECT_EQ(row[2] + row[3], "00") << row[0];
    EXPECT_EQ(value(url_, "SELECT count(DISTINCT profile_id) FROM gateway.identity"
                          " WHERE identifiers -> 'phone' ? '+12065550123'"),
              "5");
}

// Nobody applies it in time: the gateways stand still.
TEST_F(EraseTest, LeavesNothingInTheIntakeThatIsNotAppliedYet)
{
    const auto email = story_email(person_);
    const std::string other = R"({"type":"new","company":{"company_id":"another company"},"a":")";
    answers kept;
    {
        writer w{settings_for(url_)};
        kept.submit(w, refused(R"({"type":"waits","subscriber":{"email":")" + email + R"("}})"));
        kept.submit(w, refused(other + email + R"("})"));
    }
    ASSERT_EQ(kept.count(disposition::quarantined), 2U);
    pqxx::connection connection{url_};
    for (const auto& company : {story_company_id(0), std::string{"another company"}})
        pqxx::nontransaction{connection}.exec_params(
            "SELECT gateway.record_event('shop', 'order.completed', $1, now(), '{}',"
            " p_order_id => $2, p_order_value => 5, p_currency => 'USD')",
            company, email);
    const auto erased = pqxx::nontransaction{connection}.exec_params(
        "SELECT deliveries FROM gateway.erase($1, 'email', $2, p_wait => '0')", story_company_id(0),
        email);
    EXPECT_GT(erased[0][0].as<int>(), 1);

    apply_all(url_);

    EXPECT_THAT(found(url_, email), testing::SizeIs(2)); // the other company's
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.quarantine WHERE body = ''"), "1");
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

} // namespace
} // namespace gateway
