// Attacks on framing over real TLS: each is answered 400 or 431 and ends the connection, and the
// request smuggled behind it is never handled.
#include "listener_server.hpp"

#include <gtest/gtest.h>

namespace gateway::test {
namespace {

const std::string smuggled = post("{\"smuggled\":true}");

listener_server& shared_server()
{
    static listener_server server;
    return server;
}

// What came back for `attack`, sent whole on a connection of its own.
std::string answers_to(const std::string& attack)
{
    tls_client client = shared_server().connect();
    client.send(attack);
    return client.read_all();
}

std::size_t count(const std::string& text, const std::string& what)
{
    std::size_t n = 0;
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
        ++n;
    return n;
}

void expect_refused(const std::string& attack, const std::string& status = "HTTP/1.1 400")
{
    const std::size_t before = shared_server().handled().size();

    const std::string answers = answers_to(attack);

    EXPECT_EQ(answers.rfind(status, 0), 0U) << attack.substr(0, 200) << "\n=> " << answers;
    EXPECT_EQ(count(answers, "\r\nDate: "), 1U) << attack.substr(0, 200) << "\n=> " << answers;
    EXPECT_EQ(count(answers, "Connection: close\r\n"), 1U);
    EXPECT_EQ(shared_server().handled().size(), before) << attack.substr(0, 200);
}

std::string hook(const std::string& fields, const std::string& body)
{
    return "POST /hook HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}

TEST(ListenerFramingTest, TransferCodingsOtherThanChunkedSmuggleNothing)
{
    for (const char* coding :
         {"identity", "xchunked", "gzip", "chunked, gzip", "gzip, chunked", ""})
        expect_refused(hook("Transfer-Encoding: " + std::string{coding} + "\r\n", smuggled));
}

TEST(ListenerFramingTest, TwoLengthsSmuggleNothing)
{
    const std::string chunked = "Transfer-Encoding: chunked\r\n";
    const std::string length = "Content-Length: 5\r\n";
    const std::string body = "0\r\n\r\n";

    expect_refused(hook(chunked + chunked, body + smuggled));
    expect_refused(hook(chunked + length, body + smuggled));
    expect_refused(hook(length + chunked, body + smuggled));
    expect_refused(hook("Content-Length: 0\r\n" + length, smuggled));
    expect_refused(hook(length + length, body + smuggled));
}

TEST(ListenerFramingTest, LengthsThatAreNoPlainNumbersSmuggleNothing)
{
    for (const char* length : {"3, 3", "003", "+3", "-3", "0x3", "3 ,3", ""})
        expect_refused(hook("Content-Length: " + std::string{length} + "\r\n", "{}x" + smuggled));
}

TEST(ListenerFramingTest, HostsAreCounted)
{
    expect_refused("GET /healthz HTTP/1.1\r\n\r\n" + smuggled);
    expect_refused("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + smuggled);
    expect_refused("GET /healthz HTTP/1.1\r\nHost:\r\n\r\n" + smuggled);
}

TEST(ListenerFramingTest, LineTricksSmuggleNothing)
{
    expect_refused(hook("X: a\r\n Content-Length: 5\r\n", smuggled));
    expect_refused(hook("X: a\rContent-Length: 5\r\n", smuggled));
    expect_refused(hook("X: a\nContent-Length: 5\r\n", smuggled));
    expect_refused(hook("X: a\x01\r\n", smuggled));
    expect_refused(hook(std::string("X: a\0\r\n", 7), smuggled));
    expect_refused(hook("Content-Length : 5\r\n", smuggled));
    expect_refused("POST /hook HTTP/1.1\nHost: a\n\n" + smuggled);
    expect_refused("\r\n\r\n" + smuggled);
}

TEST(ListenerFramingTest, VersionsAndExpectationsAreTheKnownOnes)
{
    expect_refused("POST /hook HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled);
    expect_refused("GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n" + smuggled);
    expect_refused("GET /healthz\r\n\r\n" + smuggled);
    expect_refused(hook("Content-Length: 2\r\nExpect: miracles\r\n", "{}" + smuggled),
                   "HTTP/1.1 417");
}

TEST(ListenerFramingTest, ChunkTricksSmuggleNothing)
{
    const std::string chunked = "Transfer-Encoding: chunked\r\n";

    expect_refused(hook(chunked, "2\r\n{}\n0\r\n\r\n" + smuggled));
    expect_refused(hook(chunked, "2\r\n{}xx0\r\n\r\n" + smuggled));
    expect_refused(hook(chunked, "0x2\r\n{}\r\n0\r\n\r\n" + smuggled));
    expect_refused(hook(chunked, "2;" + std::string(100'000, 'e') + "\r\n{}\r\n0\r\n\r\n"));
    expect_refused(hook(chunked, "fffffff\r\n" + smuggled), "HTTP/1.1 413");
    expect_refused(hook(chunked, "ffffffffffffffff\r\n" + smuggled));
    expect_refused(hook(chunked, "fffffffffffffffff\r\n" + smuggled));
    expect_refused(hook(chunked, "2;\r\n{}\r\n0\r\n\r\n" + smuggled));
    expect_refused(hook(chunked, "2;bad[=x\r\n{}\r\n0\r\n\r\n" + smuggled));
    expect_refused(hook(chunked, "2\r\n{}\r\n0\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"));
}

TEST(ListenerFramingTest, TargetsOfNoKnownFormSmuggleNothing)
{
    for (const char* line : {"GET /caf\xc3\xa9", "GET *", "POST *", "GET healthz",
                             "GET ://a/healthz", "POST hook?http://a/hook"})
        expect_refused(std::string{line} + " HTTP/1.1\r\nHost: a\r\n\r\n" + smuggled);
}

TEST(ListenerFramingTest, AHugeTrailerEndsItsConnectionAndNothingElse)
{
    const std::string attack = hook("Transfer-Encoding: chunked\r\n",
                                    "2\r\n{}\r\n0\r\nX: " + std::string(100'000, 't') + "\r\n\r\n");

    expect_refused(attack);

    EXPECT_EQ(answers_to(post("{}", "Connection: close\r\n")).rfind("HTTP/1.1 200", 0), 0U);
}

TEST(ListenerFramingTest, ASignatureInATrailerDoesNotCount)
{
    const std::string request = hook("Transfer-Encoding: chunked\r\nConnection: close\r\n",
                                     "2\r\n{}\r\n0\r\nX-Signature: trailer\r\n\r\n");

    const std::string answers = answers_to(request);

    EXPECT_EQ(answers.rfind("HTTP/1.1 200", 0), 0U);
    EXPECT_TRUE(shared_server().handled().back().signatures.empty());
}

TEST(ListenerFramingTest, ABodyNobodyReadsIsNotTheNextRequest)
{
    expect_refused("POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                       std::to_string(smuggled.size()) + "\r\n\r\n" + smuggled,
                   "HTTP/1.1 404");
    expect_refused("GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                       std::to_string(smuggled.size()) + "\r\n\r\n" + smuggled,
                   "HTTP/1.1 200");
    expect_refused("POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                       smuggled,
                   "HTTP/1.1 404");
}

TEST(ListenerFramingTest, ABodyCutOffIsDropped)
{
    const std::size_t before = shared_server().handled().size();
    const std::string cut = "POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{\"a\":";

    tls_client truncated = shared_server().connect();
    truncated.send(cut);
    truncated.truncate();
    tls_client closed = shared_server().connect();
    closed.send(cut);
    closed.half_close();

    EXPECT_EQ(truncated.read_all(), "");
    EXPECT_EQ(closed.read_all(), "");
    EXPECT_EQ(shared_server().handled().size(), before);
}

TEST(ListenerFramingTest, AHalfClosedClientStillGetsItsAnswer)
{
    server_options options;
    options.tls = false;
    listener_server server{std::move(options)};
    tls_client client = server.connect();

    client.send(post("{}"));
    client.half_close();

    EXPECT_EQ(client.read_reply().value_or(reply{}).status, 200);
}

} // namespace
} // namespace gateway::test
