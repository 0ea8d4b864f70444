// Attentive's management API from the client's side, against a server that does what its
// documentation says: over real TLS, with its quirks (creation is not idempotent, and its answer
// lacks the id), its limits and its faults.
#include "gateway/client/webhooks.hpp"
#include "support/process.hpp"
#include "support/scripted_server.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <deque>
#include <mutex>

namespace gateway {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string url = "https://gateway.example.com/webhooks/attentive";
const std::vector<std::string> events = {"sms.sent", "sms.subscribed"};

class WebhooksTest : public testing::Test {
protected:
    webhook_api api() const
    {
        webhook_api a;
        a.url = server_.url("/v1");
        a.token = "token-of-the-test";
        a.ca_file = server_.certificate_file();
        a.first_pause = std::chrono::milliseconds{1};
        return a;
    }

    // The commands are processes: nothing but this orders their requests and the test.
    mutable std::mutex mutex_;
    // Answers given first, whatever is asked; a status alone means "and carry it out nevertheless".
    std::deque<scripted_answer> first;
    bool carry_out = false; // what `first` answers is done all the same
    json kept = json::array();

    std::vector<std::string> calls() const
    {
        std::vector<std::string> out;
        for (const auto& r : server_.requests())
            out.push_back(r.method + " " + r.target);
        return out;
    }

    json stored() const
    {
        const std::lock_guard lock{mutex_};
        return kept;
    }

    scripted_server server_{
        [this](std::size_t, const seen_request& asked) { return answer(asked); }};

private:
    scripted_answer answer(const seen_request& asked)
    {
        const std::lock_guard lock{mutex_};
        if (!first.empty()) {
            const auto given = first.front();
            first.pop_front();
            if (carry_out)
                act(asked);
            return given;
        }
        return act(asked);
    }

    scripted_answer act(const seen_request& asked)
    {
        scripted_answer out;
        if (asked.authorization != "Bearer token-of-the-test") {
            out.status = 401;
            return out;
        }
        const auto given = json::parse(asked.body, nullptr, false);
        if (asked.method == "GET") {
            out.body = json{{"webhooks", kept}}.dump();
        } else if (asked.method == "POST") {
            kept.push_back({{"id", "id " + std::to_string(kept.size())},
                            {"url", given["url"]},
                            {"type", "SUBSCRIPTION"},
                            {"events", given["events"]},
                            {"companyId", "MDc6Q29tcGFueTI"}});
            out.status = 201;
            out.body = json{{"events", given["events"]}}.dump();
        } else {
            out.status = change(asked, given);
        }
        return out;
    }

    int change(const seen_request& asked, const json& given)
    {
        for (std::size_t i = 0; i < kept.size(); ++i) {
            if (asked.target != "/v1/webhooks/id%20" + std::to_string(i))
                continue;
            if (asked.method == "DELETE") {
                kept.erase(i);
                return 204;
            }
            kept[i]["events"] = given["events"];
            kept[i].erase("disabledAt");
            if (given["disabled"].get<bool>())
                kept[i]["disabledAt"] = "2026-11-21T10:00:00Z";
            return 200;
        }
        return 404;
    }
};

TEST_F(WebhooksTest, CreatesOnceAndLearnsTheId)
{
    const auto made = create_webhook(api(), url, events, false);
    const auto again = create_webhook(api(), url, {events.rbegin(), events.rend()}, false);

    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_TRUE(made.value().changed);
    EXPECT_EQ(made.value().then.id, "id 0");
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_FALSE(again.value().changed);
    EXPECT_EQ(kept.size(), 1U);
}

TEST_F(WebhooksTest, ACreationThatNobodyHeardOfIsNotRepeated)
{
    first = {{}, {}};
    first[0].body = R"({"webhooks":[]})";
    first[1].act = scripted_answer::what::cut;
    carry_out = true;

    const auto made = create_webhook(api(), url, events, false);

    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_TRUE(made.value().changed);
    EXPECT_EQ(kept.size(), 1U);
    EXPECT_THAT(calls(), ElementsAre("GET /v1/webhooks", "POST /v1/webhooks", "GET /v1/webhooks"));
}

TEST_F(WebhooksTest, ACreationThatFailedIsRepeated)
{
    first = {{}, {}};
    first[0].body = R"({"webhooks":[]})";
    first[1].status = 503;

    const auto made = create_webhook(api(), url, events, false);

    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_EQ(kept.size(), 1U);
}

TEST_F(WebhooksTest, WaitsWhenThereAreTooManyRequestsAndGivesUpInTheEnd)
{
    first.assign(2, {scripted_answer::what::reply, 429, {}, 0, "0"});
    std::vector<std::string> notices;
    auto patient = api();
    patient.notice = [&](const std::string& text) { notices.push_back(text); };
    const auto listed = list_webhooks(patient);
    first.assign(5, {scripted_answer::what::reply, 500, R"({"message":"no luck"})"});

    const auto failed = list_webhooks(api());

    ASSERT_TRUE(listed) << listed.error().detail;
    EXPECT_EQ(notices.size(), 2U);
    EXPECT_THAT(notices[0], HasSubstr("429"));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, errc::network_failed);
    EXPECT_THAT(failed.error().detail, HasSubstr("500: no luck"));
    EXPECT_EQ(calls().size(), 8U);
}

TEST_F(WebhooksTest, UpdatesWhatIsNamedByUrlOrId)
{
    ASSERT_TRUE(create_webhook(api(), url, events, false));

    const auto off = update_webhook(api(), url, {std::nullopt, true}, false);
    const auto still_off = update_webhook(api(), "id 0", {std::nullopt, true}, false);
    const auto fewer = update_webhook(api(), "id 0", {{{"sms.sent"}}, std::nullopt}, false);

    ASSERT_TRUE(off && still_off && fewer);
    EXPECT_TRUE(off.value().changed);
    EXPECT_FALSE(still_off.value().changed);
    EXPECT_THAT(fewer.value().then.events, ElementsAre("sms.sent"));
    EXPECT_EQ(kept[0]["events"], json::array({"sms.sent"}));
    EXPECT_TRUE(kept[0].contains("disabledAt")); // the events changed, the state did not
}

TEST_F(WebhooksTest, DeletesWhatIsNamed)
{
    ASSERT_TRUE(create_webhook(api(), url, events, false));

    const auto gone = delete_webhook(api(), url, false);
    const auto unknown = delete_webhook(api(), url, false);

    EXPECT_TRUE(gone);
    EXPECT_THAT(kept, IsEmpty());
    ASSERT_FALSE(unknown);
    EXPECT_THAT(unknown.error().detail, HasSubstr("no webhook has this id or URL"));
}

TEST_F(WebhooksTest, ADryRunChangesNothing)
{
    const auto made = create_webhook(api(), url, events, true);
    ASSERT_TRUE(create_webhook(api(), url, events, false));
    const auto before = kept;

    const auto off = update_webhook(api(), url, {std::nullopt, true}, true);
    const auto gone = delete_webhook(api(), url, true);

    ASSERT_TRUE(made && off && gone);
    EXPECT_TRUE(made.value().changed);
    EXPECT_EQ(off.value().then.disabled_at, "now");
    EXPECT_EQ(kept, before);
}

TEST_F(WebhooksTest, AUrlThatTwoWebhooksHaveNamesNone)
{
    kept = {{{"id", "id 0"}, {"url", url}}, {{"id", "id 1"}, {"url", url}}};

    const auto off = update_webhook(api(), url, {std::nullopt, true}, false);

    ASSERT_FALSE(off);
    EXPECT_THAT(off.error().detail, HasSubstr("more than one"));
}

TEST_F(WebhooksTest, SaysWhatIsWrongWithTokenAnswerOrServer)
{
    auto wrong = api();
    wrong.token = "another";
    auto blank = api();
    blank.token = "a\r\nb";
    const auto refused = list_webhooks(wrong);
    const auto unusable = list_webhooks(blank);
    first = {{scripted_answer::what::reply, 200, "<html>"}};
    const auto html = list_webhooks(api());

    ASSERT_FALSE(refused || unusable || html);
    EXPECT_THAT(refused.error().detail, HasSubstr("401; check the token"));
    EXPECT_EQ(unusable.error().code, errc::config_invalid);
    EXPECT_THAT(html.error().detail, HasSubstr("no list of webhooks"));
}

TEST_F(WebhooksTest, TheCommandsDoAsTheyAreTold)
{
    const auto command = [this](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), GATEWAY_BINARY);
        for (const auto& more :
             {std::string{"--token-env"}, std::string{"API_TOKEN"}, std::string{"--api-url"},
              server_.url("/v1"), std::string{"--ca"}, server_.certificate_file()})
            arguments.push_back(more);
        return test::run(arguments, {{}, {"API_TOKEN=token-of-the-test"}});
    };

    const auto made = command({"webhooks", "create", url});
    const auto off = command({"webhooks", "disable", url, "--dry-run"});
    const auto listed = command({"webhooks", "list"});
    const auto gone = command({"webhooks", "delete", url});
    const auto misspelt = command({"webhooks", "create", url, "--event", "sms.snet"});

    EXPECT_THAT(made.output, HasSubstr("now: " + url + ", enabled, sms.subscribed sms.sent"));
    EXPECT_THAT(off.output, HasSubstr("would be: " + url + ", disabled"));
    EXPECT_THAT(listed.output, HasSubstr("webhooks: 1"));
    EXPECT_THAT(listed.output, HasSubstr("email.opened"));
    EXPECT_EQ(gone.exit_code, 0) << gone.errors;
    EXPECT_EQ(misspelt.exit_code, 2);
    EXPECT_THAT(stored(), IsEmpty());
}

} // namespace
} // namespace gateway
