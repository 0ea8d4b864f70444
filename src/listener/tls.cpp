#include "gateway/listener/tls.hpp"

#include "listener/openssl.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace gateway {
namespace {

namespace ssl = boost::asio::ssl;

// Mozilla, "Server Side TLS" 5.8, intermediate. Its first curve, X25519MLKEM768, is not in
// OpenSSL 3.0.
constexpr const char* ciphers_tls_1_2 = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                        "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                        "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* ciphers_tls_1_3 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* curves = "X25519:prime256v1:secp384r1";

constexpr std::string_view session_id_context = "attentive-gateway";
constexpr std::size_t pem_bytes_max = 1U << 20U;

using x509 = owned<X509, X509_free>;
using evp_key = owned<EVP_PKEY, EVP_PKEY_free>;
using bio = owned<BIO, BIO_free_all>;
using extension = owned<X509_EXTENSION, X509_EXTENSION_free>;

void require(bool ok)
{
    if (!ok)
        std::abort(); // OpenSSL is out of memory or broken: not an outcome
}

error refused(const std::filesystem::path& file, const std::string& why)
{
    return fail(errc::config_invalid, file.string() + ": " + why);
}

result<std::string> read_pem(const std::filesystem::path& file)
{
    std::ifstream in{file, std::ios::binary};
    std::string text(pem_bytes_max + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (!in.eof() && text.size() == static_cast<std::size_t>(in.gcount()))
        return refused(file, "is too large for a PEM file");
    if (in.bad() || !in.eof())
        return refused(file, "cannot be read; check the path and who may read it");
    text.resize(static_cast<std::size_t>(in.gcount()));
    return text;
}

std::size_t occurrences(std::string_view text, std::string_view what)
{
    std::size_t n = 0;
    for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1))
        ++n;
    return n;
}

// OpenSSL takes the certificates it finds and ignores a cut one behind them.
bool is_whole_pem(std::string_view text)
{
    const std::size_t begins = occurrences(text, "-----BEGIN ");
    return begins > 0 && begins == occurrences(text, "-----END ") &&
           occurrences(text, "-----") == 4 * begins;
}

// Protocols, ciphers, and what is switched off: renegotiation, compression, early data.
void apply_profile(SSL_CTX* context)
{
    require(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
    require(SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1);
    require(SSL_CTX_set_cipher_list(context, ciphers_tls_1_2) == 1);
    require(SSL_CTX_set_ciphersuites(context, ciphers_tls_1_3) == 1);
    std::string groups{curves}; // the macro casts const away
    require(SSL_CTX_set1_groups_list(context, groups.data()) == 1);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    require(SSL_CTX_set_max_early_data(context, 0) == 1);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS); // an idle connection holds no buffers
}

// A resumed handshake needs no signature: tickets for most, the cache for TLS 1.2 without them.
void allow_resumption(SSL_CTX* context)
{
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER);
    const auto* id = reinterpret_cast<const unsigned char*>(session_id_context.data());
    require(SSL_CTX_set_session_id_context(context, id, session_id_context.size()) == 1);
}

// RFC 7301: a client that offers protocols but none of HTTP/1 would not understand us.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_length,
                    const unsigned char* offered, unsigned offered_length, void*)
{
    static constexpr unsigned char ours[] = "\x08http/1.1\x08http/1.0";
    unsigned char* found = nullptr;
    const int outcome = SSL_select_next_proto(&found, chosen_length, ours, sizeof ours - 1, offered,
                                              offered_length);
    *chosen = found;
    return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// An encrypted key must fail, not ask at the terminal of a daemon.
int no_password(char*, int, int, void*)
{
    return 0;
}

result<void> use_certificate(ssl::context& context, const std::filesystem::path& file)
{
    BOOST_OUTCOME_TRY(const std::string pem, read_pem(file));
    boost::system::error_code ec;
    if (is_whole_pem(pem))
        context.use_certificate_chain(boost::asio::buffer(pem), ec);
    if (ec || !is_whole_pem(pem)) {
        const std::string reason = ec ? " (" + ec.message() + ")" : "";
        return refused(file, "is not a whole PEM certificate chain; write it again" + reason);
    }
    const X509* const leaf = SSL_CTX_get0_certificate(context.native_handle());
    if (X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0)
        return refused(file, "the certificate has expired; renew it");
    if (X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0)
        return refused(file, "the certificate is not valid yet; check the clock");
    return ok();
}

// Whether the key is of a certificate that stands behind the first.
bool belongs_to_a_later_one(SSL_CTX* context, const EVP_PKEY* key)
{
    STACK_OF(X509)* others = nullptr;
    SSL_CTX_get_extra_chain_certs(context, &others);
    for (int i = 0; i < sk_X509_num(others); ++i) {
        if (EVP_PKEY_eq(X509_get0_pubkey(sk_X509_value(others, i)), key) == 1)
            return true;
    }
    return false;
}

result<void> use_private_key(ssl::context& context, const std::filesystem::path& file,
                             const std::filesystem::path& certificate)
{
    BOOST_OUTCOME_TRY(const std::string pem, read_pem(file));
    const bio source{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
    const evp_key key{PEM_read_bio_PrivateKey(source.get(), nullptr, no_password, nullptr)};
    if (key == nullptr)
        return refused(file, "is not a whole PEM private key without a password (" +
                                 reason_of_openssl() + ")");
    const X509* const leaf = SSL_CTX_get0_certificate(context.native_handle());
    if (EVP_PKEY_eq(X509_get0_pubkey(leaf), key.get()) != 1) {
        ERR_clear_error();
        if (belongs_to_a_later_one(context.native_handle(), key.get()))
            return refused(certificate, "the certificates are out of order: the server's own has "
                                        "to come first, its issuers behind it");
        return refused(file, "does not belong to " + certificate.string() +
                                 "; install the pair that was made together");
    }
    if (SSL_CTX_use_PrivateKey(context.native_handle(), key.get()) != 1)
        return refused(file, "cannot be used (" + reason_of_openssl() + ")");
    return ok();
}

void add_extension(X509* certificate, int nid, const char* value)
{
    X509V3_CTX context{};
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    const extension e{X509V3_EXT_conf_nid(nullptr, &context, nid, value)};
    require(e != nullptr && X509_add_ext(certificate, e.get(), -1) == 1);
}

void set_random_serial(X509* certificate)
{
    std::uint64_t number = 0;
    require(RAND_bytes(reinterpret_cast<unsigned char*>(&number), sizeof number) == 1);
    require(ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), number | 1U) == 1);
}

std::string text_of(const bio& memory)
{
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

} // namespace

result<tls_context> load_tls_context(const std::filesystem::path& certificate,
                                     const std::filesystem::path& private_key)
{
    ERR_clear_error();
    auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
    apply_profile(context->native_handle());
    allow_resumption(context->native_handle());
    SSL_CTX_set_alpn_select_cb(context->native_handle(), choose_protocol, nullptr);
    BOOST_OUTCOME_TRY(use_certificate(*context, certificate));
    BOOST_OUTCOME_TRY(use_private_key(*context, private_key, certificate));
    return context;
}

timestamp expires_at(const tls_context& tls)
{
    const X509* const leaf = SSL_CTX_get0_certificate(tls->native_handle());
    std::tm broken_down{};
    require(leaf != nullptr && ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &broken_down) == 1);
    return timestamp{std::chrono::seconds{::timegm(&broken_down)}};
}

self_signed make_self_signed_certificate(std::chrono::seconds lifetime)
{
    const evp_key key{EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")};
    const x509 certificate{X509_new()};
    require(key != nullptr && certificate != nullptr);
    require(X509_set_version(certificate.get(), X509_VERSION_3) == 1);
    set_random_serial(certificate.get());
    const auto end = static_cast<long>(lifetime.count());
    constexpr long day = 24L * 60 * 60;
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), std::min(0L, end) - day);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), end);
    X509_NAME* const name = X509_get_subject_name(certificate.get());
    const auto* common_name = reinterpret_cast<const unsigned char*>("localhost");
    require(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0) == 1);
    require(X509_set_issuer_name(certificate.get(), name) == 1);
    require(X509_set_pubkey(certificate.get(), key.get()) == 1);
    add_extension(certificate.get(), NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1");
    add_extension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
    add_extension(certificate.get(), NID_key_usage, "critical,digitalSignature");
    add_extension(certificate.get(), NID_ext_key_usage, "serverAuth");
    require(X509_sign(certificate.get(), key.get(), EVP_sha256()) != 0);

    const bio certificate_pem{BIO_new(BIO_s_mem())};
    const bio key_pem{BIO_new(BIO_s_mem())};
    require(PEM_write_bio_X509(certificate_pem.get(), certificate.get()) == 1);
    require(PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                     nullptr) == 1);
    return {text_of(certificate_pem), text_of(key_pem)};
}

} // namespace gateway
