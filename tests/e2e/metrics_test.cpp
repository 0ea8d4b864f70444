// What the admin port shows of a real daemon: metrics that Prometheus' own tool accepts, counts
// that are those of the database, and alarms and dashboards that name no metric which is not there.
#include "support/gateway_process.hpp"
#include "support/servers.hpp"
#include "support/waiting.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <regex>
#include <set>
#include <thread>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using test::gateway_process;
using test::run;

const std::filesystem::path source_directory = GATEWAY_SOURCE_DIR;

bool has_promtool()
{
    return run({"sh", "-c", "command -v promtool"}).exit_code == 0;
}

std::string get(const std::string& url)
{
    return run({"curl", "-sS", "-m", "5", url}).output;
}

void send(const gateway_process& gateway, const std::vector<std::string>& more)
{
    std::vector<std::string> words = {GATEWAY_BINARY, "send", "--url",
                                      gateway.url(),  "--ca", gateway.certificate()};
    words.insert(words.end(), more.begin(), more.end());
    run(words);
}

// The value of the one line that begins with `series`; -1 without such a line.
double value_of(const std::string& metrics, const std::string& series)
{
    const auto at = metrics.find("\n" + series + " ");
    return at == std::string::npos ? -1 : std::stod(metrics.substr(at + series.size() + 2));
}

std::set<std::string> metrics_named_in(const std::string& text)
{
    static const std::regex name{"attentive_gateway_[a-z0-9_]+"};
    std::set<std::string> names;
    for (std::sregex_iterator i{text.begin(), text.end(), name}, end; i != end; ++i)
        names.insert(i->str());
    return names;
}

// One daemon that has met all it counts: a good key, a wrong one, an event twice, a refused one.
class MetricsTest : public testing::Test {
protected:
    static void SetUpTestSuite()
    {
        directory_ = std::make_unique<test::temporary_directory>();
        gateway_ = std::make_unique<gateway_process>(test::gateway_options{
            .configuration = "[spool]\ndirectory = '" + (*directory_ / "spool").string() +
                             "'\nany_file_system = true\n"});
        const std::string key = gateway_->key_file();
        const std::string wrong = *directory_ / "wrong-key";
        test::write_file(wrong, "not-the-signing-key-at-all\n");
        test::write_file(*directory_ / "body", R"({"type":"sms.unheard_of"})");
        send(*gateway_, {"--key-file", key});
        send(*gateway_, {"--key-file", key, "--type", "sms.sent"});
        send(*gateway_, {"--key-file", wrong, "--type", "sms.sent", "--count", "3"});
        send(*gateway_, {"--key-file", key, "--body-file", *directory_ / "body"});
        metrics_ = get(gateway_->admin_url() + "/metrics");
    }
    static void TearDownTestSuite()
    {
        gateway_.reset();
        directory_.reset();
    }

    static std::unique_ptr<test::temporary_directory> directory_;
    static std::unique_ptr<gateway_process> gateway_;
    static std::string metrics_;
};

std::unique_ptr<test::temporary_directory> MetricsTest::directory_;
std::unique_ptr<gateway_process> MetricsTest::gateway_;
std::string MetricsTest::metrics_;

TEST_F(MetricsTest, ArePrometheusMetricsByItsOwnTool)
{
    if (!has_promtool())
        GTEST_SKIP() << "promtool is not installed (Debian: prometheus)";

    const auto checked =
        run({"promtool", "check", "metrics"}, {.input = metrics_, .environment = {}});

    EXPECT_EQ(checked.exit_code, 0);
    EXPECT_EQ(checked.output + checked.errors, "");
}

TEST_F(MetricsTest, CountWhatStandsInTheDatabase)
{
    const std::string deliveries = R"(attentive_gateway_deliveries_total{endpoint="attentive",)";

    double stored = 0;
    const std::regex line{
        R"(deliveries_total\{endpoint="attentive",outcome="accepted",type="[^"]+"\} ([0-9]+))"};
    for (std::sregex_iterator i{metrics_.begin(), metrics_.end(), line}, end; i != end; ++i)
        stored += std::stod((*i)[1]);

    EXPECT_EQ(gateway_->value("SELECT (SELECT count(*) FROM gateway.source_event)"
                              " + (SELECT sum(duplicates) FROM gateway.step)"),
              std::to_string(static_cast<int>(stored)));
    EXPECT_EQ(value_of(metrics_, deliveries + R"(outcome="quarantined",type="unknown"})"), 1);
    EXPECT_EQ(value_of(metrics_, R"(attentive_gateway_signature_failures_total{)"
                                 R"(endpoint="attentive",reason="signature_mismatch"})"),
              3);
    EXPECT_EQ(value_of(metrics_, R"(attentive_gateway_http_responses_total{code="401"})"), 3);
    EXPECT_EQ(value_of(metrics_, "attentive_gateway_request_duration_seconds_count"),
              stored + 1 + 3);
    EXPECT_EQ(value_of(metrics_, "attentive_gateway_event_delay_seconds_count"), stored);
    EXPECT_EQ(value_of(metrics_, "attentive_gateway_database_up"), 1);
    EXPECT_GT(value_of(metrics_, "attentive_gateway_certificate_expiry_timestamp_seconds"),
              static_cast<double>(::time(nullptr)));
}

TEST_F(MetricsTest, TellOfTheProcessWhatEveryExporterDoes)
{
    EXPECT_GT(value_of(metrics_, "process_resident_memory_bytes"), 1e6);
    EXPECT_GT(value_of(metrics_, "process_virtual_memory_bytes"),
              value_of(metrics_, "process_resident_memory_bytes"));
    EXPECT_GT(value_of(metrics_, "process_open_fds"), 5);
    EXPECT_GT(value_of(metrics_, "process_max_fds"), value_of(metrics_, "process_open_fds"));
    EXPECT_GT(value_of(metrics_, "process_cpu_seconds_total"), 0);
    const double now = static_cast<double>(::time(nullptr));
    EXPECT_GT(value_of(metrics_, "process_start_time_seconds"), now - 3'600);
    EXPECT_LE(value_of(metrics_, "process_start_time_seconds"), now + 1);
}

// One that appears with its first event hides that event from rate() and increase().
TEST_F(MetricsTest, CountersExistBeforeTheyCount)
{
    const std::string deliveries = R"(attentive_gateway_deliveries_total{endpoint="attentive",)";
    for (const std::string& never :
         {std::string{"attentive_gateway_spool_drained_total"},
          std::string{"attentive_gateway_companies_left_out_total"},
          std::string{R"(attentive_gateway_connections_refused_total{limit="connections"})"},
          std::string{R"(attentive_gateway_misdirected_requests_total{code="415"})"},
          deliveries + R"(outcome="refused",type="email.opened"})",
          deliveries + R"(outcome="spooled",type="unknown"})"})
        EXPECT_EQ(value_of(metrics_, never), 0) << never;
}

TEST_F(MetricsTest, AlertsAndDashboardNameOnlyWhatIsThere)
{
    std::string known = metrics_;
    for (const char* seen_later :
         {"attentive_gateway_feed_newest_timestamp_seconds", "attentive_gateway_feed_silent"})
        known += std::string{" "} + seen_later;
    const auto there = metrics_named_in(known);
    const auto dashboard =
        test::read_file(source_directory / "config/grafana/attentive-gateway.json");
    const auto alerts = test::read_file(source_directory / "config/prometheus/alerts.yml");

    const auto drawn = nlohmann::json::parse(dashboard);
    for (const auto& panel : drawn.at("panels"))
        EXPECT_FALSE(panel.at("description").get<std::string>().empty()) << panel.at("title");
    for (const auto& name : metrics_named_in(dashboard + alerts))
        EXPECT_TRUE(there.count(name)) << name;
}

TEST_F(MetricsTest, AlertsFireWhenTheyShould)
{
    if (!has_promtool())
        GTEST_SKIP() << "promtool is not installed (Debian: prometheus)";

    const auto checked =
        run({"promtool", "check", "rules", source_directory / "config/prometheus/alerts.yml"});
    const auto tested =
        run({"promtool", "test", "rules", source_directory / "tests/fixtures/alerts_test.yml"});

    EXPECT_EQ(checked.exit_code, 0) << checked.output << checked.errors;
    EXPECT_EQ(tested.exit_code, 0) << tested.output << tested.errors;
}

// Waits until `what` stands at the admin port's `path`.
bool shows(const gateway_process& gateway, const std::string& path, const std::string& what,
           std::chrono::milliseconds time)
{
    return test::becomes(
        [&] { return get(gateway.admin_url() + path).find(what) != std::string::npos; }, time);
}

TEST(HealthTest, ADatabaseThatDiesShowsWithinFiveSecondsWithoutAnyTraffic)
{
    auto server = std::make_unique<test::postgres_server>();
    const test::temporary_directory directory;
    gateway_process gateway{{.configuration = "[spool]\ndirectory = '" +
                                              (directory / "spool").string() +
                                              "'\nany_file_system = true\n",
                             .database_url = server->url("postgres")}};
    ASSERT_TRUE(shows(gateway, "/metrics", "\nattentive_gateway_database_up 1\n", 5s));

    server.reset();

    EXPECT_TRUE(shows(gateway, "/readyz", "the database is out of reach since 2", 5s))
        << get(gateway.admin_url() + "/readyz");
    EXPECT_TRUE(shows(gateway, "/metrics", "attentive_gateway_database_up 0", 1s));
    EXPECT_NE(get(gateway.admin_url() + "/readyz").find("\"status\":\"ready\""), std::string::npos);
}

} // namespace
} // namespace gateway
