// What a sender is told: every status of the table, over real TLS, and what happens to the
// connection afterwards.
#include "integration/listener_replies.hpp"
#include "integration/listener_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace gateway::test {
namespace {

using testing::HasSubstr;

reply ask_handler(result<receipt> r)
{
    server_options options;
    options.handler = always(std::move(r));
    listener_server server{std::move(options)};
    return ask(server, post("{}"));
}

const uuid some_id = uuid_from_digest(sha256("an event"));

TEST(ListenerHttpTest, AcceptedIs200WithTheEventsId)
{
    const reply r = ask_handler(receipt{disposition::accepted, some_id, {}});

    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(r.body, R"({"status":"accepted","event_id":")" + to_string(some_id) + "\"}\n");
    EXPECT_EQ(r.fields.at("content-type"), "application/json");
    EXPECT_EQ(r.fields.count("server"), 0U);
}

TEST(ListenerHttpTest, QuarantinedIs202)
{
    const reply r =
        ask_handler(receipt{disposition::quarantined, some_id, quarantine_reason::type_unknown});

    EXPECT_EQ(r.status, 202);
    EXPECT_EQ(r.body, R"({"status":"quarantined","quarantine_id":")" + to_string(some_id) +
                          "\",\"reason\":\"type_unknown\"}\n");
}

TEST(ListenerHttpTest, EverySignatureFaultIs401WithItsReason)
{
    for (const errc code : {errc::signature_missing, errc::signature_repeated,
                            errc::signature_malformed, errc::signature_mismatch}) {
        const reply r = ask_handler(fail(code));

        EXPECT_EQ(r.status, 401);
        EXPECT_THAT(r.body, HasSubstr("\"code\":\"" + std::string{name(code)} + "\""));
    }
}

TEST(ListenerHttpTest, OurOwnTroubleIs503WithRetryAfterAndTellsNothingElse)
{
    for (const errc code : {errc::overloaded, errc::database_unavailable, errc::database_failed}) {
        const reply r = ask_handler(fail(code, "host 10.1.2.3 said 53100"));

        EXPECT_EQ(r.status, 503);
        EXPECT_EQ(r.fields.at("retry-after"), "5");
        EXPECT_THAT(r.body, testing::Not(HasSubstr("10.1.2.3")));
    }
}

TEST(ListenerHttpTest, AThrowingHandlerIs503AndTheConnectionGoesOn)
{
    server_options options;
    options.handler = [](delivery, const completion&) { throw std::runtime_error{"a fault"}; };
    listener_server server{std::move(options)};
    tls_client client = server.connect();

    client.send(post("{}"));
    EXPECT_EQ(client.read_reply().value_or(reply{}).status, 503);
    client.send(post("{}"));

    EXPECT_EQ(client.read_reply().value_or(reply{}).status, 503);
}

TEST(ListenerHttpTest, AnUnknownPathIs404)
{
    const reply r = ask(shared_server(), "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");

    EXPECT_EQ(r.status, 404);
    EXPECT_THAT(r.body, HasSubstr("target_unknown"));
}

TEST(ListenerHttpTest, AWrongMethodIs405WithAllow)
{
    const reply hook = ask(shared_server(), "GET /hook HTTP/1.1\r\nHost: a\r\n\r\n");
    const reply health = ask(shared_server(), "POST /healthz HTTP/1.1\r\nHost: a\r\n"
                                              "Content-Length: 0\r\n\r\n");

    const reply trace = ask(shared_server(), "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n");
    const reply tunnel = ask(shared_server(), "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n");

    EXPECT_EQ(hook.status, 405);
    EXPECT_EQ(hook.fields.at("allow"), "POST");
    EXPECT_EQ(trace.status, 405);
    EXPECT_EQ(tunnel.status, 405);
    EXPECT_EQ(health.status, 405);
    EXPECT_EQ(health.fields.at("allow"), "GET, HEAD");
}

TEST(ListenerHttpTest, AMethodThatNobodyKnowsIs501)
{
    EXPECT_EQ(ask(shared_server(), "BREW /hook HTTP/1.1\r\nHost: a\r\n\r\n").status, 501);
    EXPECT_EQ(ask(shared_server(), "get / HTTP/1.1\r\nHost: a\r\n\r\n").status, 501);
}

TEST(ListenerHttpTest, APostWithoutLengthIs411)
{
    EXPECT_EQ(ask(shared_server(), "POST /hook HTTP/1.1\r\nHost: a\r\n\r\n").status, 411);
}

TEST(ListenerHttpTest, AnyMediaTypeIsTakenBecauseTheSignatureDecides)
{
    const std::string begin = "POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n";

    for (const char* type :
         {"Application/JSON ; charset=utf-8", "application/json;charset=\"UTF-8\"", "text/plain",
          "application/vnd.attentive+json", "application/octet-stream", ""}) {
        const std::string field = "Content-Type: " + std::string{type} + "\r\n";
        EXPECT_EQ(ask(shared_server(), begin + field + "\r\n{}").status, 200) << type;
    }
    EXPECT_EQ(ask(shared_server(), begin + "\r\n{}").status, 200);
}

TEST(ListenerHttpTest, AnEncodedBodyIs415AndTheAnswerSaysWhy)
{
    const std::string begin = "POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n";

    const reply gzip = ask(shared_server(), begin + "Content-Encoding: gzip\r\n\r\n{}");

    EXPECT_EQ(gzip.status, 415);
    EXPECT_EQ(gzip.fields.at("accept-encoding"), "identity");
    EXPECT_THAT(gzip.body, HasSubstr("Content-Encoding"));
    EXPECT_EQ(ask(shared_server(), begin + "Content-Encoding: Identity\r\n\r\n{}").status, 200);
}

TEST(ListenerHttpTest, AnAnnouncedBodyThatIsTooLargeIs413BeforeItIsSent)
{
    const reply r = ask(shared_server(), "POST /hook HTTP/1.1\r\nHost: a\r\n"
                                         "Content-Length: 262145\r\n\r\n");

    EXPECT_EQ(r.status, 413);
    EXPECT_EQ(r.fields.at("connection"), "close");
}

TEST(ListenerHttpTest, TheLargestBodyIsTakenWhole)
{
    const std::string body(256U << 10U, 'x');
    tls_client client = shared_server().connect();

    client.send(post(body));

    EXPECT_EQ(client.read_reply().value_or(reply{}).status, 200);
    EXPECT_EQ(shared_server().handled().back().body, body);
}

TEST(ListenerHttpTest, AChunkedBodyThatIsTooLargeIs413)
{
    std::string request = "POST /hook HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < 5; ++i)
        request += "10000\r\n" + std::string(0x10000, 'x') + "\r\n";

    EXPECT_EQ(ask(shared_server(), request + "0\r\n\r\n").status, 413);
}

TEST(ListenerHttpTest, TooManyHeaderBytesOrFieldsAre431)
{
    std::string fields;
    for (int i = 0; i < 65; ++i)
        fields += "X-" + std::to_string(i) + ": 1\r\n";
    const std::string line = "GET /healthz HTTP/1.1\r\nHost: a\r\n";

    EXPECT_EQ(ask(shared_server(), line + fields + "\r\n").status, 431);
    EXPECT_EQ(ask(shared_server(), line + "X: " + std::string(9'000, 'x') + "\r\n\r\n").status,
              431);
}

TEST(ListenerHttpTest, TheHandlerGetsExactlyWhatWasSent)
{
    tls_client client = shared_server().connect();
    const std::string body("{\"a\":\"\0\xff\"}", 9);

    client.send(post(body, "x-signature: second\r\n"));
    client.read_reply();

    const delivery d = shared_server().handled().back();
    EXPECT_EQ(d.body, body);
    EXPECT_EQ(d.endpoint, "test");
    EXPECT_EQ(d.signatures, (std::vector<std::string>{"s", "second"}));
}

TEST(ListenerHttpTest, AQueryAndAnAbsoluteTargetMeanTheSamePath)
{
    const std::string rest = " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";

    EXPECT_EQ(ask(shared_server(), "POST /hook?a=b" + rest).status, 200);
    EXPECT_EQ(ask(shared_server(), "POST https://a/hook" + rest).status, 200);
    EXPECT_EQ(ask(shared_server(), "POST /hook/" + rest).status, 404);
}

TEST(ListenerHttpTest, HealthFollowsTheProcess)
{
    listener_server server;
    tls_client client = server.connect();
    const std::string get = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

    client.send(get);
    const auto well = client.read_reply();
    server.healthy = false;
    client.send(get);
    const auto ill = client.read_reply();
    server.announce_drain();
    client.send(get);
    const auto draining = client.read_reply();

    EXPECT_EQ(well->status, 200);
    EXPECT_EQ(well->body, "{\"status\":\"ok\"}\n");
    EXPECT_EQ(ill->status, 503);
    EXPECT_THAT(ill->body, HasSubstr("unavailable"));
    EXPECT_EQ(draining->status, 503);
    EXPECT_THAT(draining->body, HasSubstr("draining"));
    EXPECT_EQ(draining->fields.at("connection"), "close");
}

TEST(ListenerHttpTest, ExpectationsAreMetOnlyAfterTheHeaderWasAccepted)
{
    tls_client good = shared_server().connect();
    const std::string begin = "POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n";
    good.send(begin + "X-Signature: s\r\nExpect: 100-continue\r\n\r\n");
    const auto interim = good.read_reply();
    good.send("{}");
    const auto final_one = good.read_reply();

    EXPECT_EQ(interim.value_or(reply{}).status, 100);
    EXPECT_EQ(final_one.value_or(reply{}).status, 200);
    EXPECT_EQ(ask(shared_server(), begin + "Content-Encoding: br\r\nX-Signature: s\r\n"
                                           "Expect: 100-continue\r\n\r\n")
                  .status,
              415);
    EXPECT_EQ(ask(shared_server(), begin + "Expect: 100-continue\r\n\r\n").status, 401)
        << "nobody asks for a body that nobody signed";
    EXPECT_EQ(ask(shared_server(), begin + "Expect: miracles\r\n\r\n").status, 417);
}

TEST(ListenerHttpTest, PlainHttpSpeaksTheSame)
{
    server_options options;
    options.tls = false;
    listener_server server{std::move(options)};

    EXPECT_EQ(ask(server, post("{}")).status, 200);
}

} // namespace
} // namespace gateway::test
