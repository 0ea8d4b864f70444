// The operator's commands with the real binary: what they print, what they return, and that none
// of them shows personal data unless asked to.
#include "gateway/attentive/event_catalog.hpp"
#include "gateway/attentive/normalizer.hpp"
#include "gateway/base/digest.hpp"
#include "gateway/demo/samples.hpp"
#include "gateway/store/spool.hpp"
#include "gateway/store/stored_delivery.hpp"
#include "gateway/store/writer.hpp"
#include "store/write/pending.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace gateway {
namespace {

namespace fs = std::filesystem;
using namespace test;
using testing::HasSubstr;
using testing::Not;

class OperatorCommandsTest : public testing::Test {
protected:
    OperatorCommandsTest()
    {
        write_file(config_, "[listener]\naddress = '127.0.0.1:0'\n[[endpoint]]\n"
                            "name = 'attentive'\npath = '/hook'\n"
                            "signing_keys = [ { id = 'a', file = '/nowhere' } ]\n"
                            "[database]\nurl = '" +
                                url_ + "'\n[spool]\ndirectory = '" + spool_.string() +
                                "'\nany_file_system = true\n");
    }

    spool open_spool() const
    {
        spool_settings s;
        s.directory = spool_;
        s.any_file_system = true;
        return spool::open(s).value();
    }

    // Puts the documented sample of each of the 11 types into `s`.
    static void fill(spool& s)
    {
        for (const auto type : event_type_names()) {
            const auto d = delivery_of(std::string{documented_sample(type)});
            ASSERT_TRUE(s.append({&d}));
        }
    }

    // Puts `body` into quarantine, as a gateway did that could not map it; returns the id.
    std::string keep(const std::string& body) const
    {
        const given_event e = refused(body);
        answers all;
        writer w{settings_for(url_)};
        all.submit(w, e);
        EXPECT_EQ(all.count(disposition::quarantined), 1U);
        apply_all(url_);
        return to_string(quarantine_id(e.delivery));
    }

    run_result command(std::vector<std::string> words, bool by_config = true) const
    {
        words.insert(words.begin(), GATEWAY_BINARY);
        if (by_config)
            words.insert(words.end(), {"--config", config_.string()});
        return run(words);
    }

    temporary_directory home_;
    fs::path config_ = home_ / "gateway.toml";
    fs::path spool_ = home_ / "spool";
    std::string url_ = fresh_database();
};

TEST_F(OperatorCommandsTest, StatusSaysWhatWaitsAndWhoUsesIt)
{
    auto s = std::make_unique<spool>(open_spool());
    fill(*s);

    const auto beside = command({"spool", "status"});
    s.reset();
    const auto alone = command({"spool", "status", "--directory", spool_.string()}, false);

    EXPECT_EQ(beside.exit_code, 0) << beside.errors;
    EXPECT_THAT(beside.output, HasSubstr("used by    a running gateway\nevents     11\noldest"));
    EXPECT_THAT(beside.output, HasSubstr("files      1, 0.1 MiB of 2GiB\n"));
    EXPECT_EQ(alone.exit_code, 0) << alone.errors;
    EXPECT_THAT(alone.output, HasSubstr("used by    nobody\nevents     11\n"));
}

TEST_F(OperatorCommandsTest, StatusOfNoSpoolAndOfNoConfigurationFails)
{
    const auto missing = command({"spool", "status"});
    const auto unconfigured =
        command({"spool", "status", "--config", (home_ / "none.toml").string()}, false);

    EXPECT_EQ(missing.exit_code, 1);
    EXPECT_THAT(missing.errors, HasSubstr(spool_.string() + " does not exist: no gateway has "
                                                            "spooled there yet"));
    EXPECT_EQ(unconfigured.exit_code, 2);
}

// Whoever mistypes the directory after a host was lost must not read that nothing waits.
TEST_F(OperatorCommandsTest, ADirectoryThatIsNoSpoolIsNotAnEmptySpool)
{
    {
        auto s = open_spool();
        fill(s);
    }
    const auto parent = home_.path().string();
    const auto to = (home_ / "saved").string();

    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"spool", "status", "--directory", parent},
             {"spool", "verify", "--directory", parent},
             {"spool", "export", "--directory", parent, "--to", to}}) {
        const auto wrong = command(words, false);
        EXPECT_EQ(wrong.exit_code, 1) << words[1] << wrong.output;
        EXPECT_THAT(wrong.errors, HasSubstr(parent + " is no spool")) << words[1];
    }
    EXPECT_FALSE(fs::exists(to));
}

TEST_F(OperatorCommandsTest, ErasesWhereNoGatewayHasSpooledYet)
{
    fs::create_directory(spool_);

    const auto done = command({"erase", "--company", "c", "--phone", "+12062000023"});

    EXPECT_EQ(done.exit_code, 0) << done.errors;
}

TEST_F(OperatorCommandsTest, WorkOnASpoolBelowASymlink)
{
    fs::create_directories(home_ / "private" / "gateway");
    fs::create_directory_symlink("private/gateway", spool_.string() + "-link");
    fs::create_directory_symlink(fs::path{spool_.string() + "-link"}, spool_);
    {
        auto s = open_spool();
        fill(s);
    }

    const auto status = command({"spool", "status"});
    const auto verified = command({"spool", "verify"});
    const auto exported = command({"spool", "export", "--to", (home_ / "saved").string()});
    const auto drained = command({"spool", "drain"});

    EXPECT_THAT(status.output, HasSubstr("events     11\n")) << status.errors;
    EXPECT_EQ(verified.exit_code, 0) << verified.errors;
    EXPECT_THAT(exported.output, HasSubstr("wrote 11 deliveries")) << exported.errors;
    EXPECT_THAT(drained.output, HasSubstr("drained 11 events")) << drained.errors;
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.source_event"), "11");
}

TEST_F(OperatorCommandsTest, VerifyExitsWith1ForADamagedFile)
{
    {
        auto s = open_spool();
        fill(s);
    }
    const auto whole = command({"spool", "verify"});
    const auto file = spool_ / "spool-000000000001.db";
    auto bytes = read_file(file);
    bytes[bytes.size() - 200] = static_cast<char>(bytes[bytes.size() - 200] ^ 1);
    write_file(file, bytes);

    const auto damaged = command({"spool", "verify"});

    EXPECT_EQ(whole.exit_code, 0) << whole.output << whole.errors;
    EXPECT_THAT(whole.output, HasSubstr("all files are whole"));
    EXPECT_EQ(damaged.exit_code, 1) << damaged.output;
    EXPECT_THAT(damaged.output, HasSubstr("1 broken rows"));
    EXPECT_THAT(damaged.output, HasSubstr("1 of 1 files are not whole"));
}

TEST_F(OperatorCommandsTest, DrainEmptiesTheSpoolIntoTheDatabase)
{
    {
        auto s = open_spool();
        fill(s);
        const auto unknown = delivery_of(R"({"type":"x.y"})");
        ASSERT_TRUE(s.append({&unknown}));
    }

    const auto drained = command({"spool", "drain"});
    const auto again = command({"spool", "drain"});

    EXPECT_EQ(drained.exit_code, 0) << drained.errors;
    EXPECT_EQ(drained.output, "drained 12 events into the database\n");
    EXPECT_EQ(again.output, "drained 0 events into the database\n");
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.source_event"), "11");
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.quarantine"), "1");
    EXPECT_THAT(command({"spool", "status"}).output, HasSubstr("events     0\n"));
}

TEST_F(OperatorCommandsTest, DrainLeavesTheSpoolToARunningGateway)
{
    auto s = open_spool();
    fill(s);

    const auto refused = command({"spool", "drain"});

    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_THAT(refused.errors, HasSubstr("stop that gateway first"));
    EXPECT_EQ(s.status().events, 11U);
}

TEST_F(OperatorCommandsTest, DrainKeepsEverythingWhenTheDatabaseRefuses)
{
    {
        auto s = open_spool();
        fill(s);
    }
    query(
        url_,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '53100'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON gateway.intake_waiting EXECUTE FUNCTION refuse()");

    const auto failed = command({"spool", "drain"});
    query(url_, "DROP TRIGGER refuse ON gateway.intake_waiting");
    const auto drained = command({"spool", "drain"});

    EXPECT_EQ(failed.exit_code, 1);
    EXPECT_THAT(failed.errors, HasSubstr("53100"));
    EXPECT_EQ(drained.output, "drained 11 events into the database\n");
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.source_event"), "11");
}

// Of everything below `directory`.
std::string all_bytes(const fs::path& directory)
{
    std::string all;
    for (const auto& entry : fs::recursive_directory_iterator{directory}) {
        if (entry.is_regular_file())
            all += read_file(entry.path());
    }
    return all;
}

TEST_F(OperatorCommandsTest, EraseReachesTheSpoolOfAStoppedGateway)
{
    const std::string phone = "+12062000023";
    {
        auto s = open_spool();
        fill(s);
        const auto theirs =
            delivery_of(R"({"type":"sms.subscribed","timestamp":1767225600000,"company":)"
                        R"({"company_id":"c"},"subscriber":{"phone":")" +
                        phone + R"("}})");
        ASSERT_TRUE(s.append({&theirs}));
    }
    ASSERT_THAT(all_bytes(spool_), HasSubstr(phone));
    const std::vector<std::string> erase = {"erase", "--company", "c", "--phone", phone};

    auto tried = erase;
    tried.emplace_back("--dry-run");
    const auto would = command(tried);
    const auto after_trying = all_bytes(spool_);
    const auto done = command(erase);

    EXPECT_EQ(would.exit_code, 0) << would.errors;
    EXPECT_THAT(after_trying, HasSubstr(phone));
    EXPECT_EQ(done.exit_code, 0) << done.errors;
    EXPECT_THAT(done.output, HasSubstr("events blanked         1\n"));
    EXPECT_THAT(all_bytes(spool_), Not(HasSubstr(phone)));
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.source_event"), "12");
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.source_event e"
                          " WHERE position('" +
                              phone + "' IN e::text) > 0"),
              "0");
}

TEST_F(OperatorCommandsTest, ExportLeavesTheSpoolAndOverwritesNothing)
{
    auto s = open_spool();
    fill(s);
    const auto to = (home_ / "saved").string();

    const auto written = command({"spool", "export", "--to", to});
    const auto again = command({"spool", "export", "--to", to});

    EXPECT_EQ(written.exit_code, 0) << written.errors;
    EXPECT_EQ(written.output, "wrote 11 deliveries to " + to + "/deliveries.jsonl\n");
    EXPECT_EQ(again.exit_code, 1);
    EXPECT_THAT(again.errors, HasSubstr("File exists"));
    EXPECT_EQ(s.status().events, 11U);
}

TEST_F(OperatorCommandsTest, ListAndShowPrintABodyOnlyWhenAsked)
{
    const std::string body = "{\"type\":\"x.y\",\"phone\":\"+12065550199\"}\x1b[2J";
    const auto id = keep(body);

    const auto listed = command({"quarantine", "list"});
    const auto shown = command({"quarantine", "show", id});
    const auto bytes = command({"quarantine", "show", id, "--body"});
    const auto unknown = command({"quarantine", "show", "00000000-0000-8000-8000-000000000000"});

    EXPECT_EQ(listed.exit_code, 0) << listed.errors;
    EXPECT_THAT(listed.output, HasSubstr(id + "  type_unknown  type   text   attentive"));
    EXPECT_THAT(listed.output, HasSubstr("\n1 of 1 waiting\n"));
    EXPECT_EQ(shown.exit_code, 0) << shown.errors;
    EXPECT_THAT(shown.output, HasSubstr("reason         type_unknown\n"));
    EXPECT_THAT(shown.output, HasSubstr("type   text   a type\n"));
    EXPECT_THAT(listed.output + shown.output, Not(HasSubstr("2065550199")));
    EXPECT_EQ(bytes.output, body);
    EXPECT_EQ(unknown.exit_code, 1);
}

TEST_F(OperatorCommandsTest, ReplayStoresWhatTodaysMappingTakes)
{
    keep(std::string{documented_sample("sms.sent")});
    keep(R"({"type":"x.y","timestamp":1767225600000,"company":{"company_id":"c"}})");

    const auto trial = command({"quarantine", "replay", "--dry-run"});
    const auto rows_before = value(url_, "SELECT count(*) FROM gateway.source_event");
    const auto done = command({"quarantine", "replay"});
    apply_all(url_, normalize_delivery);

    EXPECT_EQ(trial.exit_code, 0) << trial.errors;
    EXPECT_THAT(trial.output, HasSubstr("would be events      1\n"));
    EXPECT_THAT(trial.output, HasSubstr("nothing was written"));
    EXPECT_EQ(rows_before, "0");
    EXPECT_EQ(done.exit_code, 0) << done.errors;
    EXPECT_THAT(done.output, HasSubstr("2 rows tried"));
    EXPECT_THAT(done.output, HasSubstr("now events           1\n"));
    EXPECT_THAT(done.output, HasSubstr("type_unknown         1 still waiting\n"));
    EXPECT_EQ(value(url_, "SELECT event_name FROM gateway.source_event"), "sms.sent");
    EXPECT_THAT(command({"quarantine", "list"}).output, HasSubstr("1 of 1 waiting"));
}

// README: what waits in the spool of a stopped gateway is brought in first.
TEST_F(OperatorCommandsTest, AnErasureReachesTheSpool)
{
    const auto body = unique_sample("sms.sent", 7, 0);
    const auto event = std::get<source_event>(normalize(body));
    {
        auto s = open_spool();
        const auto d = delivery_of(body);
        ASSERT_TRUE(s.append({&d}));
    }

    const auto erased = command({"erase", "--company", event.company_id, "--external-id",
                                 event.identifiers.at("attentive_external_id")[0]});

    EXPECT_EQ(erased.exit_code, 0) << erased.errors;
    EXPECT_THAT(erased.output, HasSubstr("subscribers            1\n  attentive_external_id "));
    EXPECT_THAT(erased.output, HasSubstr(", phone +1***"));
    EXPECT_THAT(erased.output, HasSubstr("events blanked         1\nraw bodies deleted     1\n"));
    for (const auto& file : fs::directory_iterator{spool_})
        EXPECT_THAT(read_file(file.path()), Not(HasSubstr(event.identifiers.at("phone")[0])))
            << file.path();
}

// [subscribers] says how phone numbers without plus are taken.
TEST_F(OperatorCommandsTest, ExplainTakesPhonesAsTheGatewayDoes)
{
    const std::string body = R"({"type":"sms.subscribed","timestamp":1632945178104,)"
                             R"("company":{"company_id":"C"},"subscriber":{"phone":"2062010001"},)"
                             R"("subscription":{"type":"MARKETING"}})";
    const auto explained = [&] {
        return run({GATEWAY_BINARY, "explain", "--config", config_.string()},
                   {.input = body, .environment = {}})
            .output;
    };

    EXPECT_THAT(explained(), HasSubstr("+12062010001"));
    std::ofstream{config_, std::ios::app} << "[subscribers]\nphones_of_elsewhere = ['C']\n";
    EXPECT_THAT(explained(), Not(HasSubstr("+12062010001")));
}

} // namespace
} // namespace gateway
