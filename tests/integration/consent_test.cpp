// Consent, decision by decision: whom an opt-in or opt-out reaches and what it ends, in any order
// of arrival.
#include "integration/projected_log.hpp"
#include "support/cluster.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <regex>

namespace gateway {
namespace {

using namespace test;
using rows = std::vector<std::vector<std::string>>;

TEST(ConsentTest, AllOrdersOfSixDecisionsGiveTheSameState)
{
    const std::string url = fresh_database();
    query(url,
          "CREATE TABLE six (k integer, at timestamptz, action text, creative text);"
          "INSERT INTO six VALUES (1, '2026-03-01 10:00Z', 'subscribed', 'first'),"
          " (2, '2026-03-02 10:00Z', 'subscribed', 'again'),"
          " (3, '2026-03-03 10:00Z', 'unsubscribed', NULL),"
          " (4, '2026-03-04 10:00Z', 'subscribed', 'back'),"
          " (5, '2026-03-05 10:00Z', 'unsubscribed', NULL),"
          " (6, '2026-03-05 10:00Z', 'subscribed', 'same moment');"
          "CREATE TABLE orders AS WITH RECURSIVE p AS (SELECT ARRAY[k] AS ks FROM six UNION ALL"
          " SELECT ks || k FROM p, six WHERE k <> ALL (ks)) SELECT ks, row_number() OVER () AS n"
          " FROM p WHERE cardinality(ks) = 6;"
          "INSERT INTO gateway.source_event (company_id, occurred_at, event_id, event_name,"
          " channel, action, source, source_event_type, subscriber_id, subscription_type,"
          " creative_name, received_at, position, mapping_version, quality_flags)"
          " SELECT 'C', at, (k || lpad(n::text, 31, '0'))::uuid, 'sms.' || action, 'sms', action,"
          " 'attentive', 'x', lpad(n::text, 32, '0')::uuid, 'MARKETING', creative, at,"
          " row_number() OVER (ORDER BY position, n), 1, '{}' FROM orders, unnest(ks) WITH "
          "ORDINALITY u (which, position) JOIN six"
          " ON k = which;"
          "UPDATE gateway.log_state SET position = 4320;"
          "INSERT INTO gateway.step SELECT n, n * 720, 720, 0, 0 FROM generate_series(1, 6) n");

    for (int i = 0; i < 6; ++i)
        query(url, "SELECT gateway.project(720)");
    const auto states =
        query(url, "SELECT decision, decided_at, left(decided_by::text, 1), first_granted_at,"
                   " last_granted_at, left(last_granted_by::text, 1), last_revoked_at,"
                   " creative_name, count(*) FROM gateway.consent GROUP BY 1, 2, 3, 4, 5, 6, 7, 8");
    const auto ledger =
        query(url, "SELECT left(event_id::text, 1), is_effective, creative_name, count(*) FROM"
                   " gateway.consent_decision GROUP BY 1, 2, 3 ORDER BY 1");

    ASSERT_EQ(count(url, "orders"), "720");
    ASSERT_EQ(states.size(), 1U);
    EXPECT_EQ(states[0][0], "revoked"); // an opt-out wins the tie
    EXPECT_EQ(states[0][2], "5");
    EXPECT_EQ(states[0][5], "6");
    EXPECT_EQ(states[0][7], "back"); // which subscribed; "same moment" repeated it
    EXPECT_EQ(states[0][8], "720");
    EXPECT_EQ(ledger, (rows{{"1", "t", "first", "720"},
                            {"2", "f", "again", "720"},
                            {"3", "t", "first", "720"},
                            {"4", "t", "back", "720"},
                            {"5", "t", "back", "720"},
                            {"6", "f", "same moment", "720"}}));
}

// What `select` says of these events, of company $ alone, whose every order is one: the same.
std::string of_all_orders(const std::vector<event>& events, const std::string& select)
{
    const std::string url = fresh_database();
    std::string told;
    std::vector<std::size_t> order(events.size());
    std::iota(order.begin(), order.end(), 0U);
    do {
        std::string company = "C";
        for (const auto i : order)
            company += std::to_string(i);
        for (const auto i : order) {
            event e = events[i];
            e.company = company;
            append_event(url, e);
            project_step_by_step(url);
        }
        const std::string answer =
            value(url, std::regex_replace(select, std::regex{"[$]"}, "'" + company + "'"));
        EXPECT_TRUE(told.empty() || told == answer) << answer;
        told = answer;
    } while (std::next_permutation(order.begin(), order.end()));
    return told;
}

// The state of each type of the SMS consent of subscriber 1, from decisions in any order.
std::string consent_after(const std::vector<event>& decisions)
{
    return of_all_orders(decisions, "SELECT string_agg(subscription_type || ' ' || is_subscribed,"
                                    " ', ' ORDER BY subscription_type)"
                                    " FROM report.subscriber_consent WHERE company_id = $");
}

// TCPA, 47 CFR 64.1200(a)(10): a revocation is honoured by any reasonable means; in doubt nobody is
// written to.
TEST(ConsentTest, AnOptOutWithoutTypeEndsWhatWasGrantedBeforeWhateverItsType)
{
    EXPECT_EQ(consent_after({decided("2026-01-01", "subscribed", "MARKETING"),
                             decided("2026-01-02", "subscribed", "TRANSACTIONAL"),
                             decided("2026-01-03", "unsubscribed", ""),
                             decided("2026-01-04", "subscribed", "TRANSACTIONAL")}),
              "MARKETING false, TRANSACTIONAL true, UNSPECIFIED false");
    EXPECT_EQ(consent_after({decided("2026-01-01", "subscribed", ""),
                             decided("2026-01-02", "subscribed", "TRANSACTIONAL"),
                             decided("2026-01-03", "unsubscribed", "MARKETING")}),
              "MARKETING false, TRANSACTIONAL true, UNSPECIFIED false");
}

event known_decision(const std::string& at, const std::string& channel, const std::string& action,
                     const std::string& who, const std::string& identifiers)
{
    return {.at = at,
            .action = action,
            .subscriber = who,
            .channel = channel,
            .more_columns = ", subscription_type, identifiers",
            .more_values = ", 'MARKETING', '" + identifiers + "'"};
}

// What is told of these events in any order: the state of each subscriber and address, who is
// counted as subscribed and not, and the segments.
std::string told_of_all_orders(const std::vector<event>& events)
{
    return of_all_orders(
        events,
        "SELECT (SELECT string_agg(channel || right(subscriber_id::text, 1) || '=' ||"
        " is_subscribed, ' ' ORDER BY channel, subscriber_id) FROM report.subscriber_consent"
        " WHERE company_id = $)"
        " || ' | ' || (SELECT string_agg(address || '=' || is_subscribed, ' '"
        "  ORDER BY channel, address) FROM report_pii.address_consent WHERE company_id = $)"
        " || ' | ' || (SELECT string_agg(concat_ws(' ', channel, subscribed, unsubscribed),"
        "  ', ' ORDER BY channel) FROM report.current_subscribers WHERE company_id = $)"
        " || ' | ' || (SELECT string_agg(channel || right(subscriber_id::text, 1) || ' ' ||"
        "  segment, ', ' ORDER BY channel, subscriber_id) FROM report.audience_quality"
        " WHERE company_id = $)");
}

// TCPA, 47 CFR 64.1200(a)(10), and CTIA, Messaging Principles 5.1.3: who opts out is a telephone
// number, however it is told; an opt-in is of the consumer who gave it.
TEST(ConsentTest, AnOptOutReachesWhoeverOfTheProfileHasTheAddress)
{
    const std::string ann = R"({"attentive_external_id": ["1"], "phone": ["+12065550111"]})";
    const std::string phone = R"({"phone": ["+12065550111"]})";
    const std::string bob = R"({"attentive_external_id": ["3"], "phone": ["+12065550111"]})";

    EXPECT_EQ(told_of_all_orders({known_decision("2026-01-01", "sms", "subscribed", "1", ann),
                                  known_decision("2026-01-02", "sms", "unsubscribed", "2", phone)}),
              "sms1=false sms2=false | +12065550111=false | sms 0 1 | sms1 opted_out");
    // Who comes to the phone later finds it opted out; who opts in again does so for nobody else.
    EXPECT_EQ(told_of_all_orders({known_decision("2026-01-01", "sms", "subscribed", "1", ann),
                                  known_decision("2026-01-02", "sms", "unsubscribed", "2", phone),
                                  identified("2026-01-03", "3", bob),
                                  known_decision("2026-01-04", "sms", "subscribed", "2", phone)}),
              "sms1=false sms2=true sms3=false | +12065550111=true | sms 1 0 | sms2 not_messaged");
}

// CTIA, Messaging Principles and Best Practices: an opt-in is one number's, neither transferable
// nor assignable.
TEST(ConsentTest, AnOptInWithASecondPhoneIsNoneOfTheFirst)
{
    const std::string old_phone = R"({"attentive_external_id": ["1"], "phone": ["+12065550111"]})";
    const std::string new_phone = R"({"attentive_external_id": ["1"], "phone": ["+12065550222"]})";
    const std::string no_phone = R"({"attentive_external_id": ["1"]})";

    EXPECT_EQ(
        told_of_all_orders({known_decision("2026-01-01", "sms", "subscribed", "1", old_phone),
                            known_decision("2026-01-02", "sms", "unsubscribed", "1", old_phone),
                            known_decision("2026-01-03", "sms", "subscribed", "1", new_phone)}),
        "sms1=true | +12065550111=false +12065550222=true | sms 1 0 | sms1 not_messaged");
    // Never decided on; and an opt-in that names no number is one of all.
    EXPECT_EQ(
        told_of_all_orders({identified("2026-01-01", "1", old_phone),
                            known_decision("2026-01-03", "sms", "subscribed", "1", new_phone)}),
        "sms1=true | +12065550222=true | sms 1 0 | sms1 not_messaged");
    EXPECT_EQ(told_of_all_orders({identified("2026-01-01", "1", old_phone),
                                  known_decision("2026-01-02", "sms", "subscribed", "1", no_phone),
                                  identified("2026-01-03", "1", new_phone)}),
              "sms1=true | +12065550111=true +12065550222=true | sms 1 0 | sms1 not_messaged");
    // An opt-out by the one number ends both.
    EXPECT_EQ(told_of_all_orders({known_decision("2026-01-01", "sms", "subscribed", "1", old_phone),
                                  known_decision("2026-01-02", "sms", "subscribed", "1", new_phone),
                                  known_decision("2026-01-03", "sms", "unsubscribed", "2",
                                                 R"({"phone": ["+12065550222"]})")}),
              "sms1=false sms2=false | +12065550111=false +12065550222=false | sms 0 1 |"
              " sms1 opted_out");
}

// As above; and what is opted out by e-mail is one address of the two.
TEST(ConsentTest, WhoSharesAPhoneKeepsAnEmailConsentOfTheirOwn)
{
    const std::string ann = R"({"phone": ["+12065550111"], "email": ["ann@mail.org"]})";
    const std::string bob = R"({"phone": ["+12065550111"], "email": ["bob@mail.org"]})";

    EXPECT_EQ(told_of_all_orders({known_decision("2026-01-01", "email", "subscribed", "1", ann),
                                  known_decision("2026-01-02", "email", "unsubscribed", "1", ann),
                                  known_decision("2026-01-03", "email", "subscribed", "2", bob),
                                  identified("2026-01-04", "1", ann)}),
              "email1=false email2=true | ann@mail.org=false bob@mail.org=true | email 1 1 |"
              " email1 opted_out, email2 not_messaged");
}

// Which of the two came last is not known when the opt-in's clock is not believed: TCPA, as above.
TEST(ConsentTest, AnOptInOfTheFutureLosesToAnOptOutWithinADayOfItsReceipt)
{
    const auto state_after_opt_out = [](const std::string& at) {
        const std::string url = fresh_database();
        append_event(url, decided("2098-01-01", "subscribed", "MARKETING"));
        query(url, "UPDATE gateway.source_event SET received_at = '2026-01-02 12:00+00'");
        append_event(url, decided(at, "unsubscribed", "MARKETING"));
        project_step_by_step(url);
        return query(url, "SELECT is_subscribed, first_granted_at AT TIME ZONE 'UTC'"
                          " FROM report.subscriber_consent");
    };

    EXPECT_EQ(state_after_opt_out("2026-01-02 12:01"), (rows{{"f", "2026-01-01 12:00:00"}}));
    EXPECT_EQ(state_after_opt_out("2026-01-01 12:00"), (rows{{"f", "2026-01-01 12:00:00"}}));
    EXPECT_EQ(state_after_opt_out("2026-01-01 11:59"), (rows{{"t", "2026-01-01 12:00:00"}}));
}

// Envoke, "Subscriber analytics": new and churned subscribers are those whose consent status
// changed; so what a source brought, less those who left, is who is left of it.
TEST(ConsentTest, TheNetGrowthOfASourceIsItsSubscribersWhoAreLeft)
{
    const std::string url = fresh_database();
    const auto opt_in = [&url](const std::string& at, const std::string& who,
                               const std::string& source) {
        append_event(url, {.at = at,
                           .action = "subscribed",
                           .subscriber = who,
                           .more_columns = ", subscription_type, creative_name",
                           .more_values = ", 'MARKETING', '" + source + "'"});
    };
    for (int n = 1; n <= 10; ++n) {
        const std::string who = std::to_string(n);
        opt_in("2026-01-01", who, "Pop-up");
        opt_in("2026-01-02", who, "Checkout");
        if (n <= 8)
            append_event(url, decided("2026-01-03", "unsubscribed", "MARKETING", who));
    }
    opt_in("2026-01-04", "1", "Checkout"); // comes back
    project_step_by_step(url);

    EXPECT_EQ(query(url, "SELECT creative_name, sum(opt_ins), sum(opt_outs), sum(net_change)"
                         " FROM report.consent_movement_daily GROUP BY 1 ORDER BY 1"),
              (rows{{"Checkout", "11", "0", "1"}, {"Pop-up", "10", "8", "2"}}));
    EXPECT_EQ(query(url, "SELECT creative_name, count(*) FROM report.subscriber_consent"
                         " WHERE is_subscribed GROUP BY 1 ORDER BY 1"),
              (rows{{"Checkout", "1"}, {"Pop-up", "2"}}));
}

} // namespace
} // namespace gateway
