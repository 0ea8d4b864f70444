// One request, one answer: whatever a request was refused for, and in whatever version and with
// whatever wish for the connection, all that comes back is counted until the peer says no more, and
// a good request behind it is served wherever the connection goes on. Balancers share connections
// between senders: a surplus answer would be another sender's.
#include "listener_server.hpp"

#include <gtest/gtest.h>

namespace gateway::test {
namespace {

struct refused_request {
    std::string start; // method and target
    std::string fields;
    std::string body;
    int status = 0;
    bool goes_on = true; // when the client wants it: what follows is beyond doubt
    bool in_http_1_0 = true;
};

std::string sized(const std::string& body)
{
    return "X-Signature: s\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
}

const std::vector<refused_request>& refused_requests()
{
    static const std::string chunked = "X-Signature: s\r\nTransfer-Encoding: chunked\r\n";
    static const std::string much = "Content-Length: 262145\r\n";
    static const std::vector<refused_request> all = {
        // By the head alone, without a body
        {"GET /", "", "", 404},
        {"HEAD /nothing", "", "", 404},
        {"POST /x", "", "", 404},
        {"POST /x", sized(""), "", 404},
        {"GET /hook", "", "", 405},
        {"HEAD /hook", "", "", 405},
        {"OPTIONS /hook", "", "", 405},
        {"TRACE /", "", "", 405},
        {"CONNECT a:443", "", "", 405},
        {"DELETE /healthz", "", "", 405},
        {"POST /hook", "", "", 411},
        {"POST /hook", "Expect: 100-continue\r\n", "", 411},
        {"POST /hook", "Content-Encoding: gzip\r\n", "", 415},
        {"POST /hook", sized("") + "Content-Encoding: gzip\r\n", "", 415},
        {"GET /healthz", "Expect: x\r\n", "", 417},
        {"BREW /hook", "", "", 501},
        // By the head alone, in front of a body that nobody reads
        {"POST /x", sized("{}"), "{}", 404, false},
        {"GET /hook", sized("{}"), "{}", 405, false},
        {"POST /hook", much, "", 413, false},
        {"POST /hook", sized("{}") + "Content-Encoding: gzip\r\n", "{}", 415, false},
        {"POST /hook", sized("{}") + "Expect: x\r\n", "{}", 417, false},
        {"POST /hook", "Content-Length: 2\r\nExpect: 100-continue\r\n", "", 401, false, false},
        {"POST /x", chunked, "2\r\n{}\r\n0\r\n\r\n", 404, false, false},
        // By what was read
        {"POST /hook", sized("401"), "401", 401},
        {"POST /hook", sized("503"), "503", 503},
        {"POST /hook", sized("202"), "202", 202},
        {"POST /hook", chunked, "3\r\n401\r\n0\r\nA: b\r\n\r\n", 401, true, false},
        {"GET /healthz", "", "", 200},
        // By its framing
        {"GET *", "", "", 400, false},
        {"GET /", "A: " + std::string(9'000, 'a') + "\r\n", "", 431, false},
        {"POST /hook", "Content-Length: x\r\n", "", 400, false},
        {"POST /hook", chunked, "x\r\n", 400, false, false},
        {"POST /hook", chunked, "fffffff\r\n", 413, false, false},
    };
    return all;
}

// Decides by the body what becomes of a delivery; signed and good otherwise.
void decide(delivery d, const completion& done)
{
    const uuid id = uuid_from_digest(sha256(d.body));
    if (d.body == "401" || d.signatures.empty())
        return done(fail(errc::signature_mismatch));
    if (d.body == "503")
        return done(fail(errc::overloaded));
    if (d.body == "202")
        return done(receipt{disposition::quarantined, id, quarantine_reason::type_unknown});
    done(receipt{disposition::accepted, id, std::nullopt});
}

std::vector<int> statuses_of(const std::string& bytes)
{
    std::vector<int> found;
    const std::string start = "HTTP/1.1 ";
    const std::string date = "\r\nDate: ";
    for (auto at = bytes.find(date); at != std::string::npos; at = bytes.find(date, at + 1)) {
        const auto line = bytes.rfind(start, at);
        found.push_back(std::stoi(bytes.substr(line + start.size(), 3)));
    }
    return found;
}

struct manner {
    bool http_1_0 = false;
    bool keep = true;
    bool pipelined = true; // the good request comes at once, not after the answer
};

std::string bytes_of(const refused_request& r, const manner& how)
{
    return r.start + (how.http_1_0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n") + "Host: localhost\r\n" +
           (how.keep ? "Connection: keep-alive\r\n" : "Connection: close\r\n") + r.fields + "\r\n" +
           r.body;
}

void expect_one_answer(listener_server& server, const refused_request& r, const manner& how)
{
    static int number = 0;
    const std::string good = "{\"good\":" + std::to_string(++number) + "}";
    const std::string behind = post(good, "Connection: close\r\n");
    const std::string refused = bytes_of(r, how);
    const bool goes_on = how.keep && r.goes_on;
    const auto was_stored = [&server, &good] {
        const auto handled = server.handled();
        return !handled.empty() && handled.back().body == good;
    };
    client_options patient = server.client();
    patient.timeout = 60s;
    tls_client client{patient};

    if (how.pipelined) {
        client.send(refused + behind);
    } else {
        client.send(refused);
        ASSERT_EQ(client.read_head().value_or(reply{}).status, r.status) << refused;
        client.send(behind); // in vain where the connection has ended
    }
    const std::string answers = client.read_all();

    std::vector<int> expected;
    if (how.pipelined)
        expected.push_back(r.status);
    if (goes_on)
        expected.push_back(200);
    EXPECT_EQ(statuses_of(answers), expected) << refused.substr(0, 300);
    EXPECT_EQ(was_stored(), goes_on) << refused.substr(0, 300);
}

TEST(ListenerOneAnswerTest, EveryRefusalIsAnsweredOnceAndTheNextRequestIsServed)
{
    server_options options;
    options.handler = decide;
    listener_server server{std::move(options)};

    for (const auto& r : refused_requests()) {
        for (const bool http_1_0 : {false, true}) {
            if (http_1_0 && !r.in_http_1_0)
                continue;
            for (const bool keep : {true, false}) {
                for (const bool pipelined : {true, false})
                    expect_one_answer(server, r, {http_1_0, keep, pipelined});
            }
        }
    }
}

TEST(ListenerOneAnswerTest, ManyRefusalsOnOneConnectionGetAsManyAnswers)
{
    listener_server server;
    tls_client client = server.connect();
    std::string requests;
    std::vector<int> expected;
    for (int i = 0; i < 20; ++i) {
        for (const auto& r : refused_requests()) {
            if (!r.goes_on || !r.body.empty())
                continue;
            requests += bytes_of(r, {});
            expected.push_back(r.status);
        }
    }
    expected.push_back(200);

    client.send(requests + post("{}", "Connection: close\r\n"));

    EXPECT_EQ(statuses_of(client.read_all()), expected);
    EXPECT_EQ(server.handled().size(), 1U);
}

} // namespace
} // namespace gateway::test
