// The roles with real members: what each may do, and above all what it may not.
#include "support/cluster.hpp"
#include "support/gateway_process.hpp"
#include "support/servers.hpp"

#include "app/commands/told_story.hpp"
#include "gateway/store/migrations.hpp"
#include "gateway/store/read_models.hpp"
#include "support/story_store.hpp"
#include "support/waiting.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include <algorithm>
#include <sstream>

namespace gateway {
namespace {

using namespace test;
using testing::HasSubstr;
using testing::IsEmpty;

// `url` as a login that is a member of `role` and of nothing else.
std::string as_member(const std::string& url, const std::string& role)
{
    const std::string user = "member_of_" + role;
    test::query(url, "DO $$ BEGIN CREATE ROLE " + user + " LOGIN IN ROLE " + role +
                         "; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    return as_user(url, user);
}

bool refused(const std::string& url, const std::string& sql)
{
    try {
        test::query(url, sql);
        return false;
    } catch (const pqxx::insufficient_privilege&) {
        return true;
    }
}

std::vector<std::string> views_of(const std::string& url, const std::string& schema)
{
    std::vector<std::string> names;
    for (const auto& row :
         test::query(url, "SELECT viewname FROM pg_views WHERE schemaname = '" + schema + "'"))
        names.push_back(schema + "." + row[0]);
    return names;
}

bool is_in_step(const std::string& url)
{
    return becomes([&] {
        return value(url, "SELECT deliveries + events FROM gateway.projection_lag()") == "0";
    });
}

class RolesTest : public testing::Test {
protected:
    RolesTest()
    {
        story_settings s;
        s.people = 15;
        s.until = now();
        const auto story = tell(tell_story(s));
        gateway_options options;
        options.database_url = as_member(url_, "gateway_writer");
        options.migrate = false;
        gateway_.emplace(options);
        for (std::size_t i = 0; i < 40 && i < story.posted.size(); ++i)
            post(story.posted[i]);
        EXPECT_TRUE(record_events(as_member(url_, "gateway_source"), story.recorded));
        project_all(url_);
    }

    void post(const std::string& body)
    {
        const auto file = home_ / "body.json";
        write_file(file, body);
        const auto sent = run({GATEWAY_BINARY, "send", "--url", gateway_->url(), "--key-file",
                               gateway_->key_file().string(), "--ca",
                               gateway_->certificate().string(), "--body-file", file.string()});
        EXPECT_EQ(sent.exit_code, 0) << sent.output << sent.errors;
    }

    temporary_directory home_;
    std::string url_ = fresh_database();
    std::optional<gateway_process> gateway_;
};

TEST_F(RolesTest, HoldWhatTheyPromise)
{
    // The daemon stored everything as a member of gateway_writer, which owns nothing.
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.source_event WHERE source = 'attentive'"),
              "40");
    const std::string writer = as_member(url_, "gateway_writer");
    EXPECT_TRUE(refused(writer, "CREATE TABLE gateway.mine ()"));
    EXPECT_TRUE(refused(writer, "DELETE FROM gateway.source_event"));

    // Readers read every report, and find nobody's phone, e-mail, id or words in any.
    const std::string reader = as_member(url_, "gateway_reader");
    for (const auto& view : views_of(url_, "report")) {
        EXPECT_THAT(test::query(reader, "SELECT * FROM " + view +
                                            " v WHERE v::text ~ '\\+1206|shopper|9000000'"
                                            " OR v::text ILIKE '%from us to you%'"),
                    IsEmpty())
            << view;
        EXPECT_EQ(value(url_, "SELECT has_table_privilege('gateway_reader', '" + view +
                                  "', 'INSERT, UPDATE, DELETE, TRUNCATE')"),
                  "f")
            << view;
    }
    for (const auto& view : views_of(url_, "report_pii"))
        EXPECT_TRUE(refused(reader, "SELECT * FROM " + view)) << view;
    for (const char* table :
         {"source_event", "delivery", "quarantine", "identity", "intake", "step"})
        EXPECT_TRUE(refused(reader, std::string{"SELECT * FROM gateway."} + table)) << table;
    EXPECT_TRUE(refused(reader, "SELECT identifiers FROM gateway.source_event"));
    EXPECT_TRUE(refused(reader, "SELECT gateway.record_event('shop', 'page.viewed', 'C', now(),"
                                " '{}', 'https://a/')"));
    EXPECT_TRUE(refused(reader, "CREATE TABLE report.mine ()"));

    // Who may see people as well sees them, and no more of the log than that.
    test::query(url_, "DO $$ BEGIN CREATE ROLE seer LOGIN IN ROLE gateway_reader, gateway_pii;"
                      " EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    const std::string seer = as_user(url_, "seer");
    for (const auto& view : views_of(url_, "report_pii"))
        EXPECT_FALSE(refused(seer, "SELECT * FROM " + view)) << view;
    EXPECT_NE(value(seer, "SELECT count(*) FROM report_pii.subscriber WHERE phone LIKE '+1206%'"),
              "0");
    EXPECT_NE(value(seer, "SELECT count(*) FROM report_pii.subscriber s,"
                          " report_pii.timeline_of(s.company_id, 'phone', s.phone)"),
              "0");
    EXPECT_TRUE(refused(seer, "SELECT body FROM gateway.delivery"));
    EXPECT_TRUE(refused(seer, "SELECT extra FROM gateway.source_event"));

    // A shop's pipeline records, and sees nothing.
    const std::string source = as_member(url_, "gateway_source");
    EXPECT_TRUE(refused(source, "SELECT company_id FROM gateway.source_event"));
    EXPECT_TRUE(refused(source, "SELECT * FROM report.source_event"));
    EXPECT_TRUE(refused(source, "INSERT INTO gateway.intake_waiting VALUES (1)"));
}

// PostgreSQL manual, "Row Security Policies": what a policy does not let through is as if it were
// not there, for reading and writing.
TEST_F(RolesTest, AreKeptToTheirCompaniesAndOthersAreNot)
{
    const std::string company = story_company_id(0);
    test::query(url_, "SELECT gateway.record_event('shop', 'page.viewed', 'other company', now(),"
                      " '{\"email\": \"a@elsewhere.org\"}', 'https://shop.example.com/')");
    ASSERT_TRUE(is_in_step(url_));
    test::query(url_, "DO $$ BEGIN CREATE ROLE client LOGIN IN ROLE gateway_reader, gateway_pii,"
                      " gateway_source, gateway_privacy;"
                      " EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
                      "SELECT gateway.grant_company('client', '" +
                          company + "')");
    const std::string client = as_user(url_, "client");
    const std::string reader = as_member(url_, "gateway_reader");
    const std::string of_company = "SELECT count(*) FROM information_schema.columns WHERE"
                                   " table_schema || '.' || table_name = '";

    for (const std::string schema : {"report", "report_pii"}) {
        for (const auto& view : views_of(url_, schema)) {
            const bool by_company =
                value(url_, of_company + view + "' AND column_name = 'company_id'") == "1";
            EXPECT_THAT(
                test::query(client, "SELECT * FROM " + view +
                                        (by_company ? " WHERE company_id <> '" + company + "'"
                                                    : " v WHERE v::text ~ 'elsewhere'")),
                IsEmpty())
                << view;
        }
    }
    const std::string events = "SELECT count(*) FROM report.source_event WHERE company_id ";
    EXPECT_NE(value(client, events + "= '" + company + "'"), "0");
    EXPECT_EQ(value(reader, events + "<> '" + company + "'"), "1");
    EXPECT_TRUE(refused(client, "SELECT gateway.erase('other company', 'email', 'a@b.org', true)"));
    EXPECT_TRUE(refused(client,
                        "SELECT gateway.record_event('shop', 'page.viewed', 'other company',"
                        " now(), '{}', 'https://a/')"));

    // The daemon goes on, and so does whoever owns the schema.
    post(story_body({.at = now(), .kind = story_kind::sms_sent, .serial = 7, .message = 1'000}));
    ASSERT_TRUE(is_in_step(url_));
    EXPECT_TRUE(rebuild({.database_url = as_member(url_, "gateway_writer")}));
    EXPECT_TRUE(migrate(url_));

    test::query(url_, "SELECT gateway.revoke_company('client', '" + company + "')");
    EXPECT_EQ(value(client, events + "IS NOT NULL"), "0");
    test::query(url_, "DELETE FROM gateway.company_access");
}

TEST_F(RolesTest, ReportCommandPrintsWhatTheReaderMaySee)
{
    const auto command = [&](std::vector<std::string> words) {
        words.insert(words.begin(), {GATEWAY_BINARY, "report"});
        words.insert(words.end(), {"--config", (home_ / "reader.toml").string()});
        return run(words);
    };
    write_file(home_ / "reader.toml",
               "[listener]\naddress = '127.0.0.1:0'\n[[endpoint]]\nname = 'a'\npath = '/hook'\n"
               "signing_keys = [ { id = 'a', file = '/nowhere' } ]\n[database]\nurl = '" +
                   as_member(url_, "gateway_reader") + "'\n");

    const auto names = command({});
    EXPECT_EQ(names.exit_code, 0) << names.errors;
    EXPECT_THAT(names.output, HasSubstr("attributed_orders\n    Each order once"));

    const auto table = command({"source_event", "--limit", "3"});
    EXPECT_EQ(table.exit_code, 0) << table.errors;
    EXPECT_THAT(table.output, HasSubstr("page.viewed"));
    EXPECT_THAT(table.errors, HasSubstr("the newest 3 rows"));

    const auto csv = command({"report.source_event", "--format", "csv", "--limit", "1000"});
    EXPECT_THAT(csv.output, testing::StartsWith("company_id,occurred_at,day,"));
    const std::string rows = value(url_, "SELECT count(*) + 1 FROM gateway.source_event");
    EXPECT_EQ(std::to_string(std::count(csv.output.begin(), csv.output.end(), '\n')), rows);

    const auto json = command({"link_clicks_daily", "--format", "json", "--company", "nobody"});
    EXPECT_EQ(json.output, "[]\n") << json.errors;

    const auto past = command({"source_event", "--until", "2020-01-01"});
    EXPECT_EQ(past.output, "no rows\n");

    const auto by_url =
        run({GATEWAY_BINARY, "report", "source_event", "--columns", "event_name,day", "--format",
             "csv", "--limit", "2", "--url", as_member(url_, "gateway_reader")});
    EXPECT_EQ(by_url.exit_code, 0) << by_url.errors;
    EXPECT_THAT(by_url.output, testing::StartsWith("event_name,day\r\n"));
    const auto as_json = command({"source_event", "--columns", "day", "--format", "json"});
    EXPECT_THAT(as_json.output, testing::StartsWith("[\n  {\"day\":"));
    const auto no_column = command({"source_event", "--columns", "event_name,days"});
    EXPECT_EQ(no_column.exit_code, 2);
    EXPECT_THAT(no_column.errors, HasSubstr("source_event has no column days; it has company_id"));

    const auto unknown = command({"link_click"});
    EXPECT_EQ(unknown.exit_code, 2);
    EXPECT_THAT(unknown.errors, HasSubstr("did you mean link_clicks?"));

    const auto senseless = command({"quarantine", "--company", "C"});
    EXPECT_EQ(senseless.exit_code, 2);
    EXPECT_THAT(senseless.errors, HasSubstr("holds no company"));

    write_file(home_ / "reader.toml",
               "[listener]\naddress = '127.0.0.1:0'\n[[endpoint]]\nname = 'a'\npath = '/hook'\n"
               "signing_keys = [ { id = 'a', file = '/nowhere' } ]\n[database]\nurl = '" +
                   as_member(url_, "gateway_source") + "'\n");
    const auto denied = command({"source_event"});
    EXPECT_EQ(denied.exit_code, 1);
    EXPECT_THAT(denied.errors, HasSubstr("GRANT gateway_reader"));
}

TEST_F(RolesTest, EveryReportFitsATerminalAndIsWholeElsewhere)
{
    const auto reader = as_member(url_, "gateway_reader");
    const auto lines_of = [&](const std::string& name, const std::string& columns) {
        const auto printed = run({GATEWAY_BINARY, "report", name, "--url", reader},
                                 {.input = {}, .environment = {"COLUMNS=" + columns}});
        EXPECT_EQ(printed.exit_code, 0) << printed.errors;
        std::vector<std::string> lines;
        std::istringstream text{printed.output};
        for (std::string line; std::getline(text, line);)
            lines.push_back(line);
        return lines;
    };
    for (const auto& view : views_of(url_, "report")) {
        const auto name = view.substr(view.find('.') + 1);
        for (const std::size_t width : {80U, 160U}) {
            for (const auto& line : lines_of(name, std::to_string(width))) {
                const auto continued = std::count_if(line.begin(), line.end(), [](char c) {
                    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
                });
                EXPECT_LE(line.size(), width + static_cast<std::size_t>(continued)) << line;
            }
        }
    }
    const auto piped = run({"sh", "-c",
                            std::string{"env -u COLUMNS "} + GATEWAY_BINARY +
                                " report subscriber_timeline --url '" + reader + "'"});
    EXPECT_THAT(piped.output, HasSubstr("subscriber_id"));
    EXPECT_THAT(piped.output, testing::Not(HasSubstr("…")));
}

// Who runs which command, as README says it.
TEST_F(RolesTest, EachRunsItsOwnCommandsByUrlAlone)
{
    const auto as = [&](const std::string& role, std::vector<std::string> words) {
        words.insert(words.begin(), GATEWAY_BINARY);
        words.insert(words.end(), {"--url", as_member(url_, role)});
        return run(words, {.input = {}, .environment = {"ATTENTIVE_GATEWAY_CONFIG=/nowhere"}});
    };
    const auto company = value(url_, "SELECT company_id FROM gateway.identity LIMIT 1");
    const auto subscriber = value(url_, "SELECT subscriber_id FROM gateway.identity"
                                        " WHERE company_id = '" +
                                            company + "' LIMIT 1");
    const std::vector<std::string> erase = {"erase",   "--company",   company,
                                            "--email", "a@b.example", "--dry-run"};

    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"quarantine", "list"},
             {"quarantine", "replay", "--dry-run"},
             {"rebuild", "--model", "company"},
             {"explain-identity", "--company", company, "--subscriber", subscriber},
             {"identity", "split", "--company", company, "--subscriber", subscriber}}) {
        const auto done = as("gateway_writer", words);
        EXPECT_EQ(done.exit_code, 0) << testing::PrintToString(words) << done.errors;
    }
    const auto erased = as("gateway_privacy", erase);
    EXPECT_EQ(erased.exit_code, 0) << erased.errors;
    EXPECT_THAT(erased.errors, HasSubstr("no spool was looked into"));
    EXPECT_EQ(as("gateway_writer", erase).exit_code, 1);
    const auto listed = as("gateway_audience", {"audience"});
    EXPECT_THAT(listed.output, HasSubstr("never_engaged")) << listed.errors;
    const std::vector<std::string> audience = {"audience", "everybody", "--company",
                                               company,    "--channel", "sms"};
    const auto phones = as("gateway_audience", audience);
    EXPECT_THAT(phones.output, HasSubstr("Phone Number,consented_at,evidence_event_id"));
    EXPECT_THAT(phones.errors, HasSubstr("recorded in report.audience_exports"));
    EXPECT_EQ(as("gateway_reader", audience).exit_code, 1);
    EXPECT_EQ(as("gateway_reader", {"report", "steps"}).exit_code, 0);
    EXPECT_EQ(as("gateway_privacy", {"report", "steps"}).exit_code, 1);
    EXPECT_EQ(as("gateway_writer", {"retention"}).exit_code, 2); // what it may drop is configured
}

// README's four: an analyst, one who may see people, a client kept to one company; and where
// dashboards read, a hot standby, while either of two replicas applies.
TEST(RolesOfReplicasTest, HoldOnAStandbyWhileTwoReplicasApply)
{
    const postgres_server primary;
    test::query(primary.url("postgres"), "CREATE DATABASE gateway");
    const auto url = primary.url("gateway");
    ASSERT_TRUE(migrate(url));
    test::query(url, "CREATE ROLE daemon_user LOGIN IN ROLE gateway_writer;"
                     "CREATE ROLE ana LOGIN IN ROLE gateway_reader;"
                     "CREATE ROLE per LOGIN IN ROLE gateway_reader, gateway_pii;"
                     "CREATE ROLE cleo LOGIN IN ROLE gateway_reader, gateway_pii;"
                     "SELECT gateway.grant_company('cleo', '" +
                         story_company_id(0) + "')");
    const postgres_server standby{primary.directory()};
    const auto at = [&](const std::string& user) { return as_user(standby.url("gateway"), user); };
    gateway_options options;
    options.database_url = as_user(url, "daemon_user");
    options.migrate = false;
    const gateway_process one{options};
    const gateway_process other{options};
    const temporary_directory home;
    int posted = 0;
    for (std::uint64_t person = 0; person < 24; ++person, ++posted) {
        const auto& gateway = person % 3 == 0 ? one : other;
        write_file(home / "body.json", story_body({.at = now(),
                                                   .kind = story_kind::sms_subscribed,
                                                   .company = person % 2,
                                                   .person = person,
                                                   .serial = person,
                                                   .phone_of = person}));
        const auto sent = run({GATEWAY_BINARY, "send", "--url", gateway.url(), "--key-file",
                               gateway.key_file().string(), "--ca", gateway.certificate().string(),
                               "--body-file", (home / "body.json").string()});
        ASSERT_EQ(sent.exit_code, 0) << sent.errors;
    }
    ASSERT_TRUE(is_in_step(url));
    ASSERT_TRUE(becomes([&] {
        return value(at("ana"), "SELECT coalesce(sum(opt_ins), 0)"
                                " FROM report.consent_movement_daily") == std::to_string(posted);
    }));

    EXPECT_EQ(value(at("ana"), "SELECT count(*) FROM report.source_event"), "24");
    for (const auto& view : views_of(url, "report")) {
        EXPECT_FALSE(refused(at("ana"), "SELECT * FROM " + view + " LIMIT 100")) << view;
        EXPECT_THAT(test::query(at("cleo"), "SELECT * FROM " + view + " v WHERE v::text ~ '" +
                                                story_company_id(1) + "'"),
                    IsEmpty())
            << view;
    }
    for (const auto& view : views_of(url, "report_pii")) {
        EXPECT_TRUE(refused(at("ana"), "SELECT * FROM " + view)) << view;
        EXPECT_FALSE(refused(at("per"), "SELECT * FROM " + view)) << view;
    }
    const std::string people = "SELECT count(phone) FROM report_pii.subscriber";
    EXPECT_EQ(value(at("per"), people), "24");
    EXPECT_EQ(value(at("cleo"), people), "12");
}

} // namespace
} // namespace gateway
