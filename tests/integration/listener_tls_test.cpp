// TLS as a client meets it: versions, ciphers, resumption, ALPN, and certificates that are refused
// before they are used.
#include "listener_server.hpp"

#include <boost/asio/ssl/context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <openssl/ssl.h>

#include <fstream>
#include <set>

namespace gateway::test {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class ListenerTlsTest : public testing::Test {
protected:
    ~ListenerTlsTest() override { fs::remove_all(folder_); }

    void write(const std::string& certificate, const std::string& key) const
    {
        std::ofstream{folder_ / "c.pem"} << certificate;
        std::ofstream{folder_ / "k.pem"} << key;
    }

    void expect_refused(const std::string& file, const std::string& words) const
    {
        const auto loaded = load_tls_context(folder_ / "c.pem", folder_ / "k.pem");
        ASSERT_TRUE(loaded.has_error()) << words;
        EXPECT_EQ(loaded.error().code, errc::config_invalid);
        EXPECT_THAT(loaded.error().detail, HasSubstr(file));
        EXPECT_THAT(loaded.error().detail, HasSubstr(words));
    }

    const fs::path folder_ = make_folder();
    const self_signed pair_ = make_self_signed_certificate();
};

TEST_F(ListenerTlsTest, Tls12And13AreSpokenAndNothingOlder)
{
    listener_server server;
    client_options options = server.client();

    EXPECT_EQ(server.connect().tls_version(), "TLSv1.3");
    options.tls_version_max = TLS1_2_VERSION;
    EXPECT_EQ(tls_client{options}.tls_version(), "TLSv1.2");
    options.tls_version_max = TLS1_1_VERSION;
    EXPECT_THROW(tls_client{options}, std::runtime_error);
}

TEST_F(ListenerTlsTest, SessionsAreResumedInBothVersions)
{
    listener_server server;
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        client_options options = server.client();
        options.tls_version_max = version;
        tls_client first{options};
        first.send(post("{}"));
        first.read_reply(); // TLS 1.3 sends its tickets with the first data
        tls_client second{options, first};
        second.send(post("{}"));

        EXPECT_FALSE(first.resumed());
        EXPECT_TRUE(second.resumed()) << version;
        EXPECT_EQ(second.read_reply().value_or(reply{}).status, 200);
    }
}

TEST_F(ListenerTlsTest, WhatIsOfferedIsWithinMozillasIntermediateProfile)
{
    const fs::path guideline =
        fs::path{GATEWAY_SOURCE_DIR} / "../shared/corpora/mozilla-tls/5.8.json";
    if (!fs::exists(guideline))
        GTEST_SKIP() << "the corpora are not beside this clone";
    std::ifstream in{guideline};
    const auto profile = nlohmann::json::parse(in).at("configurations").at("intermediate");
    std::set<std::string> allowed = profile.at("ciphers").at("openssl");
    const std::set<std::string> suites = profile.at("ciphersuites");
    allowed.insert(suites.begin(), suites.end());
    const auto context = write_and_load(pair_, folder_);

    SSL* const ssl = SSL_new(context->native_handle());
    std::size_t offered = 0;
    for (int i = 0; SSL_get_cipher_list(ssl, i) != nullptr; ++i, ++offered)
        EXPECT_TRUE(allowed.count(SSL_get_cipher_list(ssl, i))) << SSL_get_cipher_list(ssl, i);
    EXPECT_EQ(offered, allowed.size());
    EXPECT_EQ(SSL_get_min_proto_version(ssl), TLS1_2_VERSION);
    EXPECT_EQ(SSL_get_max_early_data(ssl), 0U);
    EXPECT_NE(SSL_get_options(ssl) & SSL_OP_NO_RENEGOTIATION, 0U);
    EXPECT_NE(SSL_get_options(ssl) & SSL_OP_NO_COMPRESSION, 0U);
    SSL_free(ssl);
}

TEST_F(ListenerTlsTest, CiphersBeyondTheProfileAreNotAgreedOn)
{
    listener_server server;
    client_options options = server.client();
    options.tls_version_max = TLS1_2_VERSION;
    options.tls_ciphers = "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA:AES128-GCM-SHA256";

    EXPECT_THROW(tls_client{options}, std::runtime_error);
}

TEST_F(ListenerTlsTest, AlpnIsHttp11OrNothing)
{
    listener_server server;
    client_options options = server.client();

    options.alpn = "http/1.1";
    EXPECT_EQ(tls_client{options}.chosen_alpn(), "http/1.1");
    options.alpn = "http/1.0";
    EXPECT_EQ(tls_client{options}.chosen_alpn(), "http/1.0");
    options.alpn = "h2";
    EXPECT_THROW(tls_client{options}, std::runtime_error);
}

TEST_F(ListenerTlsTest, ProbesThatSayNothingAreNoTrouble)
{
    listener_server server;
    client_options plain = server.client();
    plain.tls = false;

    for (int i = 0; i < 20; ++i) {
        tls_client{plain};
        server.connect();
    }
    tls_client client = server.connect();
    client.send(post("{}"));

    EXPECT_EQ(client.read_reply().value_or(reply{}).status, 200);
    EXPECT_TRUE(server.wait_for_connections(1));
    EXPECT_EQ(server.handled().size(), 1U);
}

TEST_F(ListenerTlsTest, PlainHttpOnTheTlsPortEndsTheConnection)
{
    listener_server server;
    client_options plain = server.client();
    plain.tls = false;
    tls_client client{plain};

    client.send(post("{}"));

    EXPECT_TRUE(client.ends_within(1s));
    EXPECT_TRUE(server.handled().empty());
}

TEST_F(ListenerTlsTest, ANewCertificateServesNewConnectionsAndOldOnesGoOn)
{
    listener_server server;
    tls_client old = server.connect();
    const auto renewed = write_and_load(pair_, folder_);

    server.on_loop([&renewed](listener& l) { l.replace_tls(renewed); });
    tls_client fresh = server.connect();
    old.send(post("1"));
    fresh.send(post("2"));

    EXPECT_EQ(old.read_reply().value_or(reply{}).status, 200);
    EXPECT_EQ(fresh.read_reply().value_or(reply{}).status, 200);
}

TEST_F(ListenerTlsTest, AGoodPairLoads)
{
    write(pair_.certificate, pair_.private_key);

    EXPECT_TRUE(load_tls_context(folder_ / "c.pem", folder_ / "k.pem").has_value());
}

TEST_F(ListenerTlsTest, MissingFilesAreNamed)
{
    expect_refused("c.pem", "cannot be read");
    std::ofstream{folder_ / "c.pem"} << pair_.certificate;
    expect_refused("k.pem", "cannot be read");
}

TEST_F(ListenerTlsTest, AnExpiredCertificateIsRefused)
{
    const self_signed expired = make_self_signed_certificate(std::chrono::hours{-1});
    write(expired.certificate, expired.private_key);

    expect_refused("c.pem", "has expired");
}

TEST_F(ListenerTlsTest, AKeyOfAnotherCertificateIsRefused)
{
    write(pair_.certificate, make_self_signed_certificate().private_key);

    expect_refused("k.pem", "does not belong to");
}

TEST_F(ListenerTlsTest, HalfWrittenFilesAreRefusedWhereverTheyEnd)
{
    const std::string& whole = pair_.certificate;
    for (std::size_t size = 0; size + 2 < whole.size(); size += 31) {
        write(whole.substr(0, size), pair_.private_key);
        expect_refused("c.pem", "not a whole PEM certificate");
        write(whole + whole.substr(0, size), pair_.private_key);
        if (size > 0)
            expect_refused("c.pem", "not a whole PEM certificate");
    }
    for (std::size_t size = 0; size + 2 < pair_.private_key.size(); size += 31) {
        write(whole, pair_.private_key.substr(0, size));
        expect_refused("k.pem", "not a whole PEM private key");
    }
}

TEST_F(ListenerTlsTest, AnAddressIsReadOrRefusedInPlainWords)
{
    boost::asio::io_context io;

    EXPECT_TRUE(open_acceptor(io, "127.0.0.1:0").has_value());
    EXPECT_TRUE(open_acceptor(io, "[::1]:0").has_value());
    for (const char* address : {"", "8443", "localhost:1", "127.0.0.1", "127.0.0.1:x",
                                "127.0.0.1:70000", "::1:80", "[::1]", "127.0.0.1:", "[127.0.0.1"}) {
        const auto opened = open_acceptor(io, address);
        ASSERT_TRUE(opened.has_error()) << address;
        EXPECT_EQ(opened.error().code, errc::config_invalid);
    }
    const auto taken = open_acceptor(io, "127.0.0.1:0");
    const auto port = taken.value().local_endpoint().port();
    const auto again = open_acceptor(io, "127.0.0.1:" + std::to_string(port));
    ASSERT_TRUE(again.has_error());
    EXPECT_EQ(again.error().code, errc::network_failed);
}

} // namespace
} // namespace gateway::test
