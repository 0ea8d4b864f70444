// The sender against a real server over real TLS: what it puts on the wire, how it paces itself,
// and what it makes of trouble.
#include "gateway/attentive/event_catalog.hpp"
#include "gateway/attentive/verifier.hpp"
#include "gateway/client/sender.hpp"
#include "gateway/demo/samples.hpp"
#include "integration/sender_request.hpp"
#include "support/scripted_server.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <set>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using json = nlohmann::json;
using test::always_stored;
using test::key;
using test::request_to;
using what = scripted_answer::what;

TEST(SenderTest, PostsSignedSamplesOfEveryType)
{
    const scripted_server server{always_stored};
    send_request request = request_to(server, 11);
    request.types.assign(event_type_names().begin(), event_type_names().end());

    const auto report = send(request);

    ASSERT_TRUE(report) << report.error().detail;
    EXPECT_EQ(report.value().statuses, (std::map<int, std::uint64_t>{{200, 11}}));
    EXPECT_EQ(report.value().dispositions,
              (std::map<std::string, std::uint64_t>{{"accepted", 11}}));
    EXPECT_EQ(report.value().failures, 0U);
    const auto seen = server.requests();
    ASSERT_EQ(seen.size(), 11U);
    for (std::size_t i = 0; i < seen.size(); ++i) {
        EXPECT_EQ(seen[i].body, documented_sample(event_type_names()[i]));
        EXPECT_EQ(seen[i].signature, sign(key, seen[i].body));
        EXPECT_EQ(seen[i].target, "/webhooks/attentive");
        EXPECT_EQ(seen[i].host, "localhost:" + std::to_string(server.port()));
        EXPECT_EQ(seen[i].content_type, "application/json");
    }
}

TEST(SenderTest, KeepsItsConnectionsAndSaysGoodbye)
{
    const scripted_server server{always_stored};
    send_request request = request_to(server, 200);
    request.connections = 4;

    const auto report = send(request);

    ASSERT_TRUE(report) << report.error().detail;
    EXPECT_EQ(server.connections(), 4U);
    EXPECT_EQ(server.requests().size(), 200U);
    EXPECT_EQ(server.goodbyes(), 4U);
}

TEST(SenderTest, MakesTheSameBodiesFromTheSameSeedOnly)
{
    const scripted_server server{always_stored};
    send_request request = request_to(server, 50);
    request.types.assign(event_type_names().begin(), event_type_names().end());
    request.unique = true;
    request.connections = 3;
    const auto bodies_of = [&](std::uint64_t seed) {
        request.seed = seed;
        const std::size_t before = server.requests().size();
        EXPECT_TRUE(send(request));
        std::multiset<std::string> bodies;
        const auto seen = server.requests();
        for (std::size_t i = before; i < seen.size(); ++i)
            bodies.insert(seen[i].body);
        return bodies;
    };

    const auto first = bodies_of(7);
    const auto second = bodies_of(7);
    const auto other = bodies_of(8);

    EXPECT_EQ(first, second);
    EXPECT_NE(first, other);
    EXPECT_EQ(std::set<std::string>(first.begin(), first.end()).size(), 50U);
}

TEST(SenderTest, SendsTheGivenBytesUntouched)
{
    const scripted_server server{always_stored};
    send_request request = request_to(server, 2);
    request.types = {};
    request.body = std::string{"no \0 json\r\n", 11};

    const auto report = send(request);

    ASSERT_TRUE(report) << report.error().detail;
    ASSERT_EQ(server.requests().size(), 2U);
    EXPECT_EQ(server.requests()[1].body, *request.body);
    EXPECT_EQ(server.requests()[1].signature, sign(key, *request.body));
}

TEST(SenderTest, CountsStatusesThatAreNoSuccess)
{
    const scripted_server server{[](std::size_t n, const seen_request&) {
        scripted_answer a;
        a.status = n % 2 == 0 ? 503 : 202;
        a.body = n % 2 == 0 ? R"({"error":{"code":"overloaded"}})" : R"({"status":"quarantined"})";
        return a;
    }};

    const auto report = send(request_to(server, 10));

    ASSERT_TRUE(report) << report.error().detail;
    EXPECT_EQ(report.value().statuses, (std::map<int, std::uint64_t>{{202, 5}, {503, 5}}));
    EXPECT_EQ(report.value().dispositions,
              (std::map<std::string, std::uint64_t>{{"quarantined", 5}}));
    EXPECT_EQ(report.value().failures, 0U);
}

TEST(SenderTest, ConnectsAgainAfterACutAndCountsIt)
{
    const scripted_server server{[](std::size_t n, const seen_request&) {
        return n == 3 ? scripted_answer{.act = what::cut} : scripted_answer{};
    }};

    const auto report = send(request_to(server, 10));

    ASSERT_TRUE(report) << report.error().detail;
    EXPECT_EQ(report.value().failures, 1U);
    EXPECT_EQ(report.value().statuses.at(200), 9U);
    EXPECT_NE(report.value().first_failure.find("closed"), std::string::npos)
        << report.value().first_failure;
    EXPECT_EQ(server.connections(), 2U);
}

TEST(SenderTest, FollowsConnectionCloseWithoutCountingAFailure)
{
    const scripted_server server{[](std::size_t n, const seen_request&) {
        return n % 5 == 4 ? scripted_answer{.act = what::reply_and_close} : scripted_answer{};
    }};

    const auto report = send(request_to(server, 20));

    ASSERT_TRUE(report) << report.error().detail;
    EXPECT_EQ(report.value().failures, 0U) << report.value().first_failure;
    EXPECT_EQ(report.value().statuses.at(200), 20U);
    EXPECT_EQ(server.connections(), 4U);
}

TEST(SenderTest, ResumesItsTlsSession)
{
    const scripted_server server{[](std::size_t, const seen_request&) {
        return scripted_answer{.act = what::reply_and_close};
    }};

    const auto report = send(request_to(server, 5));

    ASSERT_TRUE(report) << report.error().detail;
    EXPECT_EQ(server.connections(), 5U);
    EXPECT_EQ(server.resumed(), 4U);
}

TEST(SenderTest, GivesUpOnAnAnswerThatNeverComes)
{
    const scripted_server server{[](std::size_t n, const seen_request&) {
        return n == 0 ? scripted_answer{.act = what::never} : scripted_answer{};
    }};
    send_request request = request_to(server, 3);
    request.timeout = 200ms;
    const auto started = std::chrono::steady_clock::now();

    const auto report = send(request);

    ASSERT_TRUE(report) << report.error().detail;
    EXPECT_EQ(report.value().failures, 1U);
    EXPECT_EQ(report.value().statuses.at(200), 2U);
    EXPECT_NE(report.value().first_failure.find("timed out"), std::string::npos)
        << report.value().first_failure;
    EXPECT_LT(std::chrono::steady_clock::now() - started, 5s);
}

TEST(SenderTest, KeepsToItsRate)
{
    const scripted_server server{always_stored};
    send_request request = request_to(server, 51);
    request.connections = 4;
    request.rate = 100;

    const auto report = send(request);

    ASSERT_TRUE(report) << report.error().detail;
    EXPECT_GE(report.value().elapsed, 495ms);
    EXPECT_LT(report.value().elapsed, 3s);
}

// One slow answer on one connection delays what was due meanwhile: closed-loop figures hide it.
TEST(SenderTest, MeasuresFromWhenARequestWasDue)
{
    const scripted_server server{[](std::size_t n, const seen_request&) {
        return n == 0 ? scripted_answer{.delay_ms = 500} : scripted_answer{};
    }};
    send_request request = request_to(server, 20);
    request.rate = 100;

    const auto report = send(request);

    ASSERT_TRUE(report) << report.error().detail;
    EXPECT_GE(report.value().p50, 200ms);
    EXPECT_GE(report.value().max, 500ms);
}

TEST(SenderTest, ShowsExactPercentiles)
{
    const scripted_server server{[](std::size_t n, const seen_request&) {
        return scripted_answer{.delay_ms = n < 9 ? 0 : 300};
    }};

    const auto report = send(request_to(server, 10));

    ASSERT_TRUE(report) << report.error().detail;
    EXPECT_LT(report.value().p90, 300ms);
    EXPECT_GE(report.value().p99, 300ms);
    EXPECT_EQ(report.value().p99, report.value().max);
}

TEST(SenderTest, DropsAnIdleConnectionThatTheServerHasClosed)
{
    const scripted_server server{[](std::size_t, const seen_request&) {
        return scripted_answer{.act = what::reply_and_hang_up};
    }};
    send_request request = request_to(server, 3);
    request.rate = 10;

    const auto report = send(request);

    ASSERT_TRUE(report) << report.error().detail;
    EXPECT_EQ(report.value().failures, 0U) << report.value().first_failure;
    EXPECT_EQ(server.connections(), 3U);
}

TEST(SenderTest, TellsProgress)
{
    const scripted_server server{always_stored};
    send_request request = request_to(server, 40);
    request.rate = 100;
    std::vector<std::uint64_t> told;
    request.progress = [&told](std::uint64_t done) { told.push_back(done); };

    const auto report = send(request);

    ASSERT_TRUE(report) << report.error().detail;
    ASSERT_GE(told.size(), 2U);
    EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
    EXPECT_EQ(told.back(), 40U);
}

TEST(SenderTest, RefusesACertificateNobodyVouchesFor)
{
    const scripted_server server{always_stored};
    send_request request = request_to(server, 1);
    request.ca_file.reset();

    const auto report = send(request);

    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, errc::network_failed);
    EXPECT_NE(report.error().detail.find("not trusted"), std::string::npos)
        << report.error().detail;
    EXPECT_NE(report.error().detail.find("--insecure"), std::string::npos);
    EXPECT_TRUE(server.requests().empty());
}

TEST(SenderTest, RefusesATrustedCertificateOfAnotherHost)
{
    const scripted_server server{always_stored};
    send_request request = request_to(server, 1);
    request.url = "https://127.0.0.2:" + std::to_string(server.port()) + "/";

    const auto report = send(request);

    ASSERT_FALSE(report);
    EXPECT_NE(report.error().detail.find("not trusted"), std::string::npos)
        << report.error().detail;
    EXPECT_TRUE(server.requests().empty());
}

TEST(SenderTest, TakesAnyCertificateWhenToldTo)
{
    const scripted_server server{always_stored};
    send_request request = request_to(server, 1);
    request.ca_file.reset();
    request.insecure = true;

    EXPECT_TRUE(send(request));
}

TEST(SenderTest, SpeaksPlainHttpToThisMachineOnly)
{
    const scripted_server server{always_stored, false};
    send_request local = request_to(server, 3);
    local.connections = 2;
    send_request remote = local;
    remote.url = "http://192.0.2.1/webhooks/attentive";

    const auto sent = send(local);
    const auto refused = send(remote);

    ASSERT_TRUE(sent) << sent.error().detail;
    EXPECT_EQ(sent.value().statuses.at(200), 3U);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::config_invalid);
}

TEST(SenderTest, FailsAtOnceWhenNobodyListens)
{
    send_request request;
    {
        const scripted_server server{always_stored};
        request = request_to(server, 1'000);
        request.ca_file.reset();
        request.insecure = true;
    }

    const auto report = send(request);

    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, errc::network_failed);
    EXPECT_NE(report.error().detail.find("refused"), std::string::npos) << report.error().detail;
}

TEST(SenderTest, RefusesWhatItCannotDo)
{
    const scripted_server server{always_stored};
    const auto code_of = [&server](auto change) {
        send_request request = request_to(server, 1);
        change(request);
        const auto report = send(request);
        return report ? std::string{"sent"} : std::string{name(report.error().code)};
    };

    EXPECT_EQ(code_of([](auto& r) { r.url = "localhost/x"; }), "config_invalid");
    EXPECT_EQ(code_of([](auto& r) { r.url = "ftp://localhost/x"; }), "config_invalid");
    EXPECT_EQ(code_of([](auto& r) { r.url = "https://u:p@localhost/x"; }), "config_invalid");
    EXPECT_EQ(code_of([](auto& r) { r.types = {"sms.snt"}; }), "config_invalid");
    EXPECT_EQ(code_of([](auto& r) { r.types = {}; }), "config_invalid");
    EXPECT_EQ(code_of([](auto& r) { r.count = 0; }), "config_invalid");
    EXPECT_EQ(code_of([](auto& r) { r.connections = 0; }), "config_invalid");
    EXPECT_EQ(code_of([](auto& r) { r.rate = -1; }), "config_invalid");
    EXPECT_EQ(code_of([](auto& r) { r.ca_file = "/nonexistent"; }), "config_invalid");
    EXPECT_EQ(code_of([](auto& r) { r.journal = "/nonexistent/j"; }), "io_failed");
    EXPECT_TRUE(server.requests().empty());
}

} // namespace
} // namespace gateway
