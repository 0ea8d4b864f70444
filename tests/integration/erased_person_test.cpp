// A person in every field of every event type, in every spelling, at two companies: what one of
// them erases is gone from all that is stored of it, and nothing of the other's is touched. Looked
// for by other means than the product's: each row is read, unescaped and searched here.
#include "gateway/attentive/event_catalog.hpp"
#include "gateway/attentive/normalizer.hpp"
#include "gateway/store/privacy.hpp"
#include "gateway/store/read_models.hpp"
#include "gateway/store/stored_delivery.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/reading.hpp"
#include "support/story_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include <algorithm>
#include <atomic>
#include <cctype>

namespace gateway {
namespace {

using namespace test;
using testing::IsEmpty;

constexpr const char* eraser = "Q29tcGFueUE";    // the company that erases
constexpr const char* bystander = "Q29tcGFueUI"; // the other

// As they may stand in a JSON string. RFC 3986, section 6.2.2.2 (percent-encoding, also twice),
// RFC 8259, section 7 (\u0040), RFC 5321, section 2.3.11 (domains in any case), ITU-T E.123 (how
// numbers are written, internationally and nationally).
const std::vector<std::string>& spellings()
{
    static const std::vector<std::string> all = {
        "jane.roe+shop@lindenpost.net",
        "JANE.Roe+Shop@LindenPost.NET",
        "jane.roe%2Bshop%40lindenpost.net",
        "jane.roe%252Bshop%2540lindenpost.net",
        R"(jane.roe\u002bshop\u0040lindenpost.net)",
        "%6Aane.roe+shop@lindenpost.net",
        "+12062017733",
        "12062017733",
        "2062017733",
        "(206) 201-7733",
        "+1 206-201-7733",
        "+1.206.201.7733",
        "%2B1%20206%20201%207733",
        "90017733",
        "KL90017735ab",
    };
    return all;
}

// What sanitizers look at is the same for each of them.
std::vector<std::string> planted_spellings()
{
    const auto& all = spellings();
    return GATEWAY_SANITIZED == 0 ? all : std::vector{all[0], all[4], all[9]};
}

const std::vector<std::string> identifiers = {"jane.roe+shop@lindenpost.net",
                                              "2062017733",
                                              "90017733",
                                              "kl90017735ab",
                                              "cu-90017734",
                                              "9007199254736"};

const std::string subscriber = R"("subscriber":{"external_id":90017733,"phone":"+12062017733",)"
                               R"("email":"Jane.Roe+shop@lindenpost.net","external_identifiers":{)"
                               R"("klaviyo_id":["KL90017735ab"],"client_user_id":["cu-90017734"],)"
                               R"("shopify_id":["9007199254736"]}})";

std::string replaced(std::string text, const std::string& what, const std::string& by)
{
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
        text.replace(at, what.size(), by);
    return text;
}

// An event with `spelling` in each text that the mapping has a column for, and in one that it has
// not.
std::string planted(std::string_view type, const std::string& company, const std::string& spelling,
                    std::size_t number, bool anonymous)
{
    std::string body =
        R"({"type":"TYPE","timestamp":TIME,"company":{"display_name":"TEXT","company_id":"CO"},WHO
"creative":{"name":"TEXT","type":"TEXT","subtype":"TEXT"},"subscription":{"type":"TEXT"},
"message":{"id":"TEXT","type":"TEXT","name":"TEXT","subject":"TEXT","text":"TEXT","channel":"TEXT",
"from_email":"TEXT","to_phone":"TEXT","to_email":"TEXT"},
"message_link_click":{"linkTarget":"https://shop.example.com/u/URL/p?utm_source=URL&utm_medium=URL
&utm_campaign=URL&utm_content=URL&utm_term=URL#URL","linkId":"TEXT"},
"user_property":{"id":"TEXT","name":"TEXT","value":"TEXT"},"more":{"of":["TEXT"]}})";
    const auto at = (now() - std::chrono::hours{2}).time_since_epoch().count() +
                    static_cast<std::int64_t>(number) * 1'000;
    body = replaced(body, "\n", "");
    body = replaced(body, "TYPE", std::string{type});
    body = replaced(body, "TIME", std::to_string(at));
    body = replaced(body, "WHO", anonymous ? "" : subscriber + ",");
    body = replaced(body, "CO\"", company + "\"");
    body = replaced(body, "URL", replaced(spelling, " ", "%20"));
    return replaced(body, "TEXT", "to " + spelling + ", by us");
}

bool names_the_person(const std::string& reading)
{
    std::string digits = reading;
    std::erase_if(digits,
                  [](char c) { return c == ' ' || c == '(' || c == ')' || c == '-' || c == '.'; });
    return std::any_of(identifiers.begin(), identifiers.end(), [&](const std::string& i) {
        return reading.find(i) != std::string::npos || digits.find(i) != std::string::npos;
    });
}

// Every row of every table, the intake's by delivery, as "table: what stands in it".
std::vector<std::string> everything(const std::string& url)
{
    std::vector<std::string> rows;
    for (const auto& table :
         test::query(url, "SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'p')"
                          " AND NOT relispartition AND relnamespace = 'gateway'::regnamespace"
                          " AND relname NOT IN ('intake', 'log_state', 'step', 'erasure')"
                          " UNION ALL SELECT 'gateway.delivery'")) {
        for (const auto& row : test::query(url, "SELECT t::text FROM " + table[0] + " t"))
            rows.push_back(table[0] + ": " + reading_of(row[0]));
    }
    std::sort(rows.begin(), rows.end());
    return rows;
}

bool is_of(const std::string& reading, std::string company)
{
    std::transform(company.begin(), company.end(), company.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return reading.find(company) != std::string::npos;
}

std::vector<std::string> of_bystander(std::vector<std::string> rows)
{
    std::erase_if(rows, [](const std::string& r) { return !is_of(r, bystander); });
    return rows;
}

// Those that name the person, cut to be read.
std::vector<std::string> of_person(std::vector<std::string> rows)
{
    std::erase_if(rows,
                  [](const std::string& r) { return is_of(r, bystander) || !names_the_person(r); });
    for (auto& row : rows)
        row = row.substr(0, 600);
    return rows;
}

class ErasedPersonTest : public testing::Test {
protected:
    void SetUp() override
    {
        deliver([this](const std::string& company, writer& w) { plant(company, w); });
        for (const std::string company : {eraser, bystander}) {
            const auto record = [&](const std::string& event, const std::string& who,
                                    const std::string& more) {
                test::query(url_, "SELECT gateway.record_event('shop', '" + event + "', '" +
                                      company + "', now(), '" + who + "', " + more + ")");
            };
            for (const auto& s : planted_spellings()) {
                const auto url =
                    "p_page_url => 'https://s.example.com/u/" + replaced(s, " ", "%20") + "/x'";
                record("page.viewed", R"({"email":"jane.roe+shop@lindenpost.net"})", url);
                record("page.viewed", "{}", url);
                record("order.completed", "{}",
                       "p_order_id => '" + s + "', p_order_value => 5, p_currency => 'USD'");
            }
        }
        apply_all(url_);
        project_all(url_);
        deliver([this](const std::string& company, writer& w) { // and is not applied yet
            submit(w, planted("sms.sent", company, spellings()[4], 1'000, false));
            submit(w, planted("sms.sent", company, spellings()[9], 1'001, true));
        });
        test::query(url_, "ANALYZE");
    }

    void submit(writer& w, const std::string& body)
    {
        w.submit(
            stored_delivery::rebuild(
                {.endpoint = "attentive", .body = body, .signatures = {}, .received_at = now()},
                "2026-11"),
            [this](const result<receipt>& r) { failed_ += r ? 0 : 1; });
    }

    void plant(const std::string& company, writer& w)
    {
        std::size_t number = 0;
        for (const auto& s : planted_spellings()) {
            for (const auto& type : event_catalog) {
                submit(w, planted(type.type, company, s, ++number, false));
                submit(w, planted(type.type, company, s, ++number, true));
            }
            submit(w, planted("new." + s, company, s, ++number, true)); // refused
            submit(w, planted("sms.sent", company, s, ++number, false) + "}");
        }
    }

    template <class F>
    void deliver(F what)
    {
        for (const std::string company : {eraser, bystander}) {
            auto settings = settings_for(url_);
            settings.map = normalize_delivery;
            writer w{settings};
            await_available(w);
            what(company, w);
        }
        ASSERT_EQ(failed_, 0);
    }

    // With what waits still waiting: nobody applies it in time.
    void erase_at(const std::string& company) const
    {
        pqxx::connection connection{url_};
        pqxx::nontransaction{connection}.exec_params(
            "SELECT gateway.erase($1, 'email', 'jane.roe+shop@lindenpost.net', p_wait => '0')",
            company);
    }

    std::string url_ = fresh_database();
    std::atomic<int> failed_{0};
};

TEST_F(ErasedPersonTest, IsInNoFieldAndNoSpellingLeftAndUntouchedElsewhere)
{
    const auto before = everything(url_);
    ASSERT_THAT(of_person(before), testing::SizeIs(testing::Gt(200U)));
    const auto subscribers = test::query(url_, "SELECT subscriber_id FROM gateway.identity"
                                               " WHERE company_id = '" +
                                                   std::string{eraser} + "'");

    erase_at(eraser);

    const auto after = everything(url_);
    EXPECT_THAT(of_person(after), IsEmpty());
    EXPECT_EQ(of_bystander(after), of_bystander(before));
    for (const auto& s : subscribers) {
        EXPECT_THAT(after, testing::Not(testing::Contains(testing::HasSubstr(s[0]))));
        EXPECT_EQ(
            value(url_, "SELECT count(*) FROM pg_stats s WHERE s::text LIKE '%" + s[0] + "%'"),
            "0");
    }
    const auto rebuilt = rebuild({.database_url = url_});
    ASSERT_TRUE(rebuilt) << rebuilt.error().detail;
    for (const auto& row : rebuilt.value().rows)
        EXPECT_EQ(row[2] + row[3], "00") << row[0];

    apply_all(url_); // what waited
    EXPECT_THAT(of_person(everything(url_)), IsEmpty());

    erase_at(bystander);
    for (const auto& row : everything(url_))
        EXPECT_FALSE(names_the_person(row)) << row.substr(0, 600);
    // But for those of a table without a row, which ANALYZE leaves as they are.
    for (const auto& row : test::query(url_, "SELECT s::text FROM pg_stats s"
                                             " WHERE schemaname = 'gateway'"
                                             " AND tablename <> 'message'"))
        EXPECT_FALSE(names_the_person(reading_of(row[0]))) << row[0];
}

class OnlyThisSubscriberTest : public testing::Test {
protected:
    std::string url_ = fresh_database();
};

// Two who share a phone are one profile; who asks to be erased alone leaves the other.
TEST_F(OnlyThisSubscriberTest, LeavesWhoSharesThePhone)
{
    const auto record = [this](const std::string& ids) {
        test::query(url_, "SELECT gateway.record_event('shop', 'page.viewed', '" +
                              std::string{eraser} + "', now(), '" + ids +
                              "', 'https://s.example.com/')");
    };
    record(R"({"attentive_external_id": "ANN-01", "phone": "+12065550123", "email": "ann@b.org"})");
    record(R"({"attentive_external_id": "BOB-01", "phone": "+12065550123", "email": "bob@b.org"})");
    record(R"({"phone": "+12065550123"})"); // either's
    record(R"({"email": "ann@b.org"})");    // hers alone
    apply_all(url_);
    project_all(url_);
    erase_request request{std::string{eraser}, "attentive_external_id", "ANN-01", true};
    const auto all = gateway::erase(url_, request);
    request.only_this_subscriber = true;
    const auto would = gateway::erase(url_, request);
    request.dry_run = false;

    const auto done = gateway::erase(url_, request);

    ASSERT_TRUE(all && would && done) << done.error().detail;
    EXPECT_EQ(all.value().subscribers, 4U);
    EXPECT_EQ(
        would.value().people,
        (std::vector<std::string>{"attentive_external_id ***, email a***@b.org, phone +1***23",
                                  "email a***@b.org"}));
    EXPECT_EQ(done.value().people, would.value().people);
    EXPECT_EQ(done.value().events, 2U);
    for (const auto& row : everything(url_))
        EXPECT_THAT(row, testing::Not(testing::ContainsRegex("ann-01|ann@b.org")));
    EXPECT_EQ(value(url_, "SELECT count(DISTINCT profile_id) || ' ' || count(*)"
                          " FROM gateway.identity WHERE identifiers -> 'phone' ? '+12065550123'"),
              "1 2");
    const auto rebuilt = rebuild({.database_url = url_});
    for (const auto& row : rebuilt.value().rows)
        EXPECT_EQ(row[2] + row[3], "00") << row[0];
}

// TCPA, 47 CFR 64.1200(a)(10): who revoked consent is not texted again, whoever of a household asks
// to be forgotten.
TEST_F(OnlyThisSubscriberTest, NobodyIsOptedInAgainBecauseWhoOptedOutIsErased)
{
    const auto decide = [this](int n, const char* action, const char* id, int minutes) {
        const auto body =
            R"({"type":"sms.)" + std::string{action} + R"(","timestamp":)" +
            std::to_string((now() - std::chrono::minutes{minutes}).time_since_epoch().count()) +
            R"(,"company":{"company_id":")" + std::string{eraser} +
            R"("},"subscriber":{"phone":"+12065550123","external_id":")" + id +
            R"("},"subscription":{"type":"MARKETING"},"n":)" + std::to_string(n) + "}";
        test::query(url_, "SELECT gateway.append('test', ARRAY[ROW('a', 'b', ARRAY[now()], ARRAY[" +
                              std::to_string(body.size()) + "], convert_to('" + body +
                              "', 'UTF8'))::gateway.intake_row])");
    };
    decide(1, "subscribed", "BOB-01", 30);
    decide(2, "subscribed", "ANN-01", 20);
    decide(3, "unsubscribed", "ANN-01", 10);
    apply_all(url_);
    project_all(url_);
    const erase_request request{std::string{eraser}, "attentive_external_id", "ANN-01", false,
                                true};

    const auto alone = gateway::erase(url_, request);

    ASSERT_TRUE(alone.has_error());
    EXPECT_THAT(alone.error().detail, testing::HasSubstr("opted in again"));
    EXPECT_EQ(value(url_, "SELECT string_agg(DISTINCT decision, ' ') FROM gateway.consent c"
                          " JOIN gateway.identity i USING (company_id, subscriber_id)"
                          " WHERE i.identifiers -> 'phone' ? '+12065550123'"),
              "revoked");
}

} // namespace
} // namespace gateway
