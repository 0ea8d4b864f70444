// The page on the admin port in a real Chromium: what it shows is what stands in the database,
// whatever the texts, on a phone and by keyboard, and it says so when the database goes.
// GATEWAY_SCREENSHOTS names a directory for pictures of it, for whoever wants to look.
#include "app/commands/told_story.hpp"
#include "gateway/client/sender.hpp"
#include "gateway/store/record.hpp"
#include "support/browser.hpp"
#include "support/cluster.hpp"
#include "support/gateway_process.hpp"
#include "support/servers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <thread>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using test::gateway_process;
using testing::HasSubstr;
using text_rows = std::vector<std::vector<std::string>>;

// Would run if any text went into the page as HTML.
constexpr const char* hostile = R"(<img src=x onerror="document.body.dataset.owned=1">)";

test::gateway_options with_spool(const test::temporary_directory& directory)
{
    test::gateway_options o;
    o.configuration =
        "[spool]\ndirectory = '" + (directory / "spool").string() + "'\nany_file_system = true\n";
    return o;
}

std::string shown(std::uint64_t n)
{
    std::string text = std::to_string(n);
    for (auto at = static_cast<int>(text.size()) - 3; at > 0; at -= 3)
        text.insert(static_cast<std::size_t>(at), ",");
    return text;
}

// Pairs of columns out of rows.
text_rows columns(const text_rows& rows, const std::vector<std::size_t>& wanted)
{
    text_rows out;
    for (const auto& row : rows) {
        out.emplace_back();
        for (const auto n : wanted)
            out.back().push_back(n < row.size() ? row[n] : "");
    }
    return out;
}

// Chromium, and a gateway that has met all there is to show.
class PageTest : public testing::Test {
protected:
    static void SetUpTestSuite()
    {
        if (!test::has_browser())
            return;
        directory_ = std::make_unique<test::temporary_directory>();
        gateway_ = std::make_unique<gateway_process>(with_spool(*directory_));
        story_settings settings;
        settings.people = 20;
        settings.days = 60;
        settings.until = now();
        const auto story = tell(tell_story(settings));
        post(story.posted);
        ASSERT_TRUE(record_events(gateway_->database_url(), story.recorded));
        post({story.posted.front()}); // a duplicate
        post({story.posted.front()}, "another-signing-key-0123456789");
        post({R"({"type":)", R"({"type":"sms.unheard_of","timestamp":1767225600000,)"
                             R"("company":{"company_id":"C"}})"});
        post({R"({"type":"sms.unsubscribed","timestamp":)" +
              std::to_string(now().time_since_epoch().count()) +
              R"(,"company":{"company_id":"C"},"subscriber":{"phone":"74881"}})"});
        post({hostile_event()});
        test::query(gateway_->database_url(),
                    "INSERT INTO gateway.quarantine SELECT gen_random_uuid(), 'attentive',"
                    " 'field_invalid', jsonb_build_array(jsonb_build_object('field', '" +
                        std::string{hostile} +
                        "', 'found', 'array', 'expected', 'string')), '', '', 'e2e', '0', 1, 0, 1,"
                        " now(), now(), 1, NULL");
        browser_ = std::make_unique<test::browser>();
    }
    static void TearDownTestSuite()
    {
        browser_.reset();
        gateway_.reset();
        directory_.reset();
    }

    void SetUp() override
    {
        if (!test::has_browser())
            GTEST_SKIP() << "no browser is installed (Debian: chromium, chromium-driver)";
        browser_->show_as(1300, "light");
        browser_->open(gateway_->admin_url() + "/");
        // Until every answer of the database is newer than the last event, and the read models
        // have caught up.
        ASSERT_TRUE(browser_->wait_for(
            "return document.body.dataset.shown && !document.body.innerText.includes('Reading')"
            " && document.querySelector('#tile-lag-note').textContent === '0 events to go'"
            " && document.querySelectorAll('#messages tbody tr').length > 1"));
    }

    static void post(std::vector<std::string> bodies,
                     const std::string& key = test::gateway_options{}.signing_key)
    {
        send_request request;
        request.url = gateway_->url();
        request.signing_key = key;
        request.ca_file = gateway_->certificate();
        request.count = bodies.size();
        request.bodies = std::move(bodies);
        const auto sent = send(request);
        ASSERT_TRUE(sent) << sent.error().detail;
        ASSERT_EQ(sent.value().failures, 0U) << sent.value().first_failure;
    }

    static std::string hostile_event()
    {
        nlohmann::json event = nlohmann::json::parse(
            test::read_file(GATEWAY_SOURCE_DIR "/tests/fixtures/attentive/sms.sent.json"));
        event["company"]["display_name"] = hostile;
        event["timestamp"] = std::to_string(now().time_since_epoch().count());
        return event.dump();
    }

    static std::string outcome(const std::string& id)
    {
        return browser_->text("#outcomes tr[data-key=" + id + "] td:last-child");
    }

    static std::unique_ptr<test::temporary_directory> directory_;
    static std::unique_ptr<gateway_process> gateway_;
    static std::unique_ptr<test::browser> browser_;
};

std::unique_ptr<test::temporary_directory> PageTest::directory_;
std::unique_ptr<gateway_process> PageTest::gateway_;
std::unique_ptr<test::browser> PageTest::browser_;

TEST_F(PageTest, ShowsWhatStandsInTheDatabase)
{
    const auto stored = gateway_->value("SELECT count(*) FROM gateway.source_event"
                                        " WHERE source = 'attentive'");
    EXPECT_EQ(outcome("accepted"), shown(std::stoull(stored) + 1)); // and a duplicate
    EXPECT_EQ(outcome("quarantined"), gateway_->value("SELECT sum(deliveries)"
                                                      " FROM gateway.quarantine"
                                                      " WHERE reason <> 'field_invalid'"));
    EXPECT_EQ(outcome("refused"), "1");
    EXPECT_EQ(browser_->text("#tile-spool"), "0");
    EXPECT_EQ(browser_->text("#state"), "✓ Taking events");

    auto quarantine = columns(browser_->table("#quarantine"), {0, 1, 2, 5});
    for (auto& row : quarantine)
        row[0] = row[0].substr(row[0].rfind(' ') + 1); // the code behind the words
    EXPECT_THAT(quarantine,
                testing::UnorderedElementsAreArray(gateway_->rows(
                    "SELECT reason, detail->0->>'field', detail->0->>'found', count(*)"
                    " FROM gateway.quarantine WHERE replayed_at IS NULL GROUP BY 1, 2, 3")));

    EXPECT_EQ(browser_->table("#consent"),
              gateway_->rows(
                  "SELECT CASE channel WHEN 'sms' THEN 'SMS' ELSE 'E-mail' END, sum(opt_ins),"
                  " sum(opt_outs), CASE WHEN sum(net_change) > 0 THEN '+' WHEN sum(net_change) < 0"
                  " THEN '−' ELSE '' END || abs(sum(net_change))"
                  " FROM report.consent_movement_daily WHERE day > current_date - 30"
                  " GROUP BY channel ORDER BY channel DESC"));
    EXPECT_EQ(columns(browser_->table("#messages"), {0, 3, 6}),
              gateway_->rows("SELECT coalesce(message_name, message_subject, message_key),"
                             " recipients, unsubscribed_7d FROM report.message_performance"
                             " WHERE last_sent_at > now() - interval '30 days'"
                             " ORDER BY unique_clickers DESC, recipients DESC, company_id,"
                             " channel, message_key LIMIT 10"));
    EXPECT_EQ(browser_->text("#nobody"),
              "! 1 opt-out names nobody: see report.opt_outs_of_nobody.");
    EXPECT_EQ(std::to_string(browser_->table("#silence").size()),
              gateway_->value("SELECT count(*) FROM report.feed_silence"));
}

TEST_F(PageTest, TakesEveryTextAsText)
{
    EXPECT_EQ(browser_->table("#deliveries").front()[3], hostile);
    EXPECT_THAT(browser_->text("#quarantine"), HasSubstr(hostile));
    EXPECT_EQ(browser_->run("return document.images.length"), 0);
    EXPECT_TRUE(browser_->run("return document.body.dataset.owned === undefined"));

    // Nor does the policy have to save it: nothing was refused, nothing failed.
    EXPECT_THAT(browser_->console(), testing::IsEmpty());
}

// A bucket's share by a straight line, and differences of two samples, as Prometheus counts them.
TEST_F(PageTest, ReadsCountersAndQuantilesAsPrometheusDoes)
{
    const auto found = browser_->run(R"(return import('/metrics.js').then((m) => {
        const text = '# HELP a_total b\na_total{e="x\\"}y",outcome="accepted"} 3\nb 1e3\n';
        const families = m.parseMetrics(text);
        const to = [[1, 0], [2, 10], [4, 20], [Infinity, 20]];
        return [families.get('a_total')[0].labels.outcome, families.get('a_total')[0].value,
                families.get('b')[0].value, families.size, m.quantile(0.5, undefined, to),
                m.quantile(0.75, undefined, to), m.quantile(0.5, to, to),
                m.quantile(0.5, [[1, 0], [2, 10], [4, 10], [Infinity, 10]], to),
                m.quantile(0.5, undefined, [[1, 0], [Infinity, 5]])];
    }))");

    EXPECT_EQ(found.dump(), R"(["accepted",3,1000,2,2,3,null,3,1])");
}

TEST_F(PageTest, FitsAPhoneAndGoesByKeyboardInBothSchemes)
{
    const char* pictures = std::getenv("GATEWAY_SCREENSHOTS"); // NOLINT(concurrency-mt-unsafe)
    const auto to = pictures != nullptr ? std::filesystem::path{pictures} : directory_->path();
    std::vector<std::string> grounds;
    for (const std::string scheme : {"light", "dark"}) {
        for (const int width : {1300, 768, 375}) {
            browser_->show_as(width, scheme);
            ASSERT_TRUE(browser_->wait_for("return innerWidth === " + std::to_string(width)));
            std::this_thread::sleep_for(500ms); // the charts follow
            EXPECT_TRUE(browser_->run("return document.documentElement.scrollWidth <= innerWidth"))
                << scheme << " " << width;
            browser_->screenshot(to / ("page-" + scheme + "-" + std::to_string(width) + ".png"));
        }
        grounds.push_back(
            browser_->run("return getComputedStyle(document.body).backgroundColor").dump());
    }
    EXPECT_NE(grounds[0], grounds[1]);

    std::string reached;
    for (int i = 0; i < 8; ++i) {
        browser_->press("\uE004"); // Tab
        reached += browser_
                       ->run("const e = document.activeElement; return e.id || "
                             "e.getAttribute('aria-labelledby') || e.localName")
                       .get<std::string>() +
                   " ";
        EXPECT_NE(browser_->run("return getComputedStyle(document.activeElement).outlineStyle"),
                  "none");
        if (i == 0) {
            browser_->press(" ");
            EXPECT_EQ(browser_->text("#pause"), "Resume");
            browser_->press(" ");
            EXPECT_EQ(browser_->text("#pause"), "Pause");
        }
        if (reached.find("summary") != std::string::npos)
            break;
    }
    EXPECT_EQ(reached, "pause deliveries-title silence-title summary ");
}

TEST(PageTokenTest, AsksForTheTokenAndTellsAWrongOne)
{
    if (!test::has_browser())
        GTEST_SKIP() << "no browser is installed (Debian: chromium, chromium-driver)";
    const test::temporary_directory directory;
    test::write_file(directory / "token", "sesame-0123456789\n");
    auto options = with_spool(directory);
    options.admin = "token = { file = '" + (directory / "token").string() + "' }\n";
    const gateway_process gateway{options};
    test::browser browser;
    const auto enter = [&](const std::string& token) {
        browser.run("document.querySelector('#token').value = '" + token +
                    "'; document.querySelector('#token-form button').click();");
    };

    browser.open(gateway.admin_url() + "/");
    EXPECT_TRUE(browser.wait_for("return !document.querySelector('#token-form').hidden"));
    EXPECT_TRUE(browser.run("return document.querySelector('#content').hidden"));
    enter("open-0123456789-x");
    EXPECT_TRUE(browser.wait_for("return document.querySelector('#token-message').textContent"
                                 ".includes('not the gateway')"));
    enter("sesame-0123456789");
    EXPECT_TRUE(browser.wait_for("return !document.querySelector('#content').hidden"));
    browser.open(gateway.admin_url() + "/"); // the tab keeps it
    EXPECT_TRUE(browser.wait_for("return !document.querySelector('#content').hidden"));
    EXPECT_THAT(browser.text("#deliveries"), HasSubstr("Nothing has come since"));
}

TEST(PageOutageTest, ADatabaseThatDiesIsOnThePageWithinFiveSeconds)
{
    if (!test::has_browser())
        GTEST_SKIP() << "no browser is installed (Debian: chromium, chromium-driver)";
    auto server = std::make_unique<test::postgres_server>();
    const test::temporary_directory directory;
    auto options = with_spool(directory);
    options.database_url = server->url("postgres");
    const gateway_process gateway{options};
    test::browser browser;
    browser.open(gateway.admin_url() + "/");
    ASSERT_TRUE(browser.wait_for("return document.querySelector('#silence-as-of').innerText"
                                 ".startsWith('As of')"));

    server.reset();

    EXPECT_TRUE(browser.wait_for("return document.querySelector('#trouble').innerText.includes("
                                 "'The database is out of reach since 2')",
                                 GATEWAY_SANITIZED ? 60s : 5s))
        << browser.text("main");
    EXPECT_EQ(browser.text("#state"), "! Taking events, needs attention");
    EXPECT_TRUE(browser.wait_for("return document.querySelector('#silence-as-of').innerText"
                                 ".startsWith('Old, as of')"));
    EXPECT_THAT(browser.text("#silence-as-of"), HasSubstr("the database does not answer"));
}

} // namespace
} // namespace gateway
