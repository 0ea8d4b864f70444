// OpenSSL's own verification says only the first fault, in its own words and for one set of
// trusted authorities. Here each link is looked at, so that the remedy can name the certificate.
#include "gateway/listener/certificate_chain.hpp"

#include "listener/openssl.hpp"

#include <boost/asio/ssl/context.hpp>

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>

namespace gateway {
namespace {

constexpr int handshake_rounds_max = 10;
constexpr const char* fetch = "put it behind the server's certificate in the file of "
                              "listener.tls_certificate, as the authority's full chain has it";

using ssl_context = owned<SSL_CTX, SSL_CTX_free>;
using ssl_session = owned<SSL, SSL_free>;
using x509_store = owned<X509_STORE, X509_STORE_free>;
using x509_verification = owned<X509_STORE_CTX, X509_STORE_CTX_free>;

std::string quoted_name(const X509_NAME* name)
{
    std::array<char, 256> text{};
    if (X509_NAME_get_text_by_NID(name, NID_commonName, text.data(), text.size()) <= 0)
        X509_NAME_oneline(name, text.data(), text.size());
    return "\"" + std::string{text.data()} + "\"";
}

std::string subject_of(const X509* certificate)
{
    return quoted_name(X509_get_subject_name(certificate));
}

std::string issuer_of(const X509* certificate)
{
    return quoted_name(X509_get_issuer_name(certificate));
}

bool issued(X509* issuer, X509* certificate)
{
    const bool named =
        X509_NAME_cmp(X509_get_subject_name(issuer), X509_get_issuer_name(certificate)) == 0;
    const bool signed_by = X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
    ERR_clear_error();
    return named && signed_by;
}

std::vector<X509*> chain_of(SSL_CTX* context)
{
    std::vector<X509*> all = {SSL_CTX_get0_certificate(context)};
    STACK_OF(X509)* rest = nullptr;
    SSL_CTX_get_extra_chain_certs(context, &rest);
    for (int i = 0; i < sk_X509_num(rest); ++i)
        all.push_back(sk_X509_value(rest, i));
    return all;
}

// Whether this host trusts an authority that issued `last`.
bool host_trusts_issuer(X509* last)
{
    const x509_store store{X509_STORE_new()};
    const x509_verification context{X509_STORE_CTX_new()};
    const bool trusted = X509_STORE_set_default_paths(store.get()) == 1 &&
                         X509_STORE_CTX_init(context.get(), store.get(), last, nullptr) == 1 &&
                         X509_verify_cert(context.get()) == 1;
    ERR_clear_error();
    return trusted;
}

// What is wrong with `chain[i]`, an intermediate, by itself or as the issuer of the one before it.
std::vector<chain_finding> examine_link(const std::vector<X509*>& chain, std::size_t i)
{
    X509* const each = chain[i];
    const std::string name = "intermediate " + subject_of(each);
    if (!issued(each, chain[i - 1])) {
        for (std::size_t other = 1; other < chain.size(); ++other) {
            if (issued(chain[other], chain[i - 1]))
                return {{true,
                         "the certificates are out of order: " + name + " stands where " +
                             subject_of(chain[other]) + " belongs",
                         "each certificate in the file has to be followed by its issuer's"}};
        }
        return {
            {true,
             name + " did not issue " + subject_of(chain[i - 1]) + ", whose issuer is " +
                 issuer_of(chain[i - 1]),
             "take it out and get the certificate of " + issuer_of(chain[i - 1]) + "; " + fetch}};
    }
    std::vector<chain_finding> found;
    if (X509_cmp_current_time(X509_get0_notAfter(each)) < 0)
        found.push_back({true, name + " has expired",
                         "get the authority's current one; " + std::string{fetch}});
    if (X509_cmp_current_time(X509_get0_notBefore(each)) > 0)
        found.push_back({true, name + " is not valid yet", "check the clock"});
    if (X509_check_ca(each) == 0 ||
        (X509_get_key_usage(each) & static_cast<std::uint32_t>(KU_KEY_CERT_SIGN)) == 0)
        found.push_back({true, name + " is no authority and may not issue certificates",
                         "get a certificate from a real authority, with its full chain"});
    return found;
}

// What only the whole shows: lengths of paths, purposes, names that an authority may not vouch for.
std::vector<chain_finding> verify_whole(const std::vector<X509*>& chain)
{
    const x509_store store{X509_STORE_new()};
    const x509_verification context{X509_STORE_CTX_new()};
    STACK_OF(X509)* const others = sk_X509_new_null();
    for (std::size_t i = 1; i < chain.size(); ++i)
        sk_X509_push(others, chain[i]);
    X509_STORE_add_cert(store.get(), chain.back());
    X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
    std::vector<chain_finding> found;
    if (X509_STORE_CTX_init(context.get(), store.get(), chain.front(), others) == 1) {
        X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_SSL_SERVER);
        if (X509_verify_cert(context.get()) != 1)
            found.push_back(
                {true,
                 std::string{"senders would refuse the certificates: "} +
                     X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get())),
                 "get a certificate for a server (TLS Web Server Authentication), with its chain"});
    }
    sk_X509_free(others);
    ERR_clear_error();
    return found;
}

std::vector<chain_finding> examine_end(const std::vector<X509*>& chain)
{
    X509* const last = chain.back();
    if (chain.size() == 1 && X509_self_signed(last, 1) == 1)
        return {{false, "it is signed by itself: senders that do not know it refuse it",
                 "for the internet get one from an authority"}};
    if (X509_self_signed(last, 1) == 1 || host_trusts_issuer(last))
        return {};
    if (chain.size() == 1)
        return {{true,
                 "the file holds the server's certificate alone, and this host does not trust "
                 "its issuer " +
                     issuer_of(last) + ": senders cannot connect without the intermediate",
                 "get the certificate of " + issuer_of(last) + " and " + fetch +
                     "; for an authority of your own append its root"}};
    return {
        {false,
         "the chain ends at " + issuer_of(last) + ", an authority that this host does not trust",
         "right only when all senders know that authority"}};
}

bool step(SSL* side, bool& wants_more, std::string& reason)
{
    if (SSL_is_init_finished(side) == 1)
        return true;
    const int outcome = SSL_do_handshake(side);
    if (outcome == 1)
        return true;
    const int why = SSL_get_error(side, outcome);
    wants_more = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
    if (!wants_more)
        reason = reason_of_openssl();
    return false;
}

} // namespace

std::vector<chain_finding> examine_chain(const tls_context& tls)
{
    const auto chain = chain_of(tls->native_handle());
    std::vector<chain_finding> found;
    for (std::size_t i = 1; i < chain.size(); ++i) {
        for (auto& each : examine_link(chain, i))
            found.push_back(std::move(each));
        if (!found.empty())
            return found; // what stands behind is judged once this is right
    }
    for (auto& each : verify_whole(chain))
        found.push_back(std::move(each));
    for (auto& each : examine_end(chain))
        found.push_back(std::move(each));
    if (X509_get_ext_by_NID(chain.front(), NID_subject_alt_name, -1) < 0)
        found.push_back({true, "it names no host (subjectAltName): senders refuse it",
                         "get a certificate for the host's name"});
    return found;
}

result<void> try_handshake(const tls_context& tls, tls_version version)
{
    ERR_clear_error();
    const int number = version == tls_version::tls_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
    const ssl_context client_context{SSL_CTX_new(TLS_client_method())};
    SSL_CTX_set_min_proto_version(client_context.get(), number);
    SSL_CTX_set_max_proto_version(client_context.get(), number);
    const ssl_session client{SSL_new(client_context.get())};
    const ssl_session server{SSL_new(tls->native_handle())};
    BIO* ours = nullptr;
    BIO* theirs = nullptr;
    if (client == nullptr || server == nullptr || BIO_new_bio_pair(&ours, 0, &theirs, 0) != 1)
        return fail(errc::network_failed, reason_of_openssl());
    SSL_set_bio(client.get(), ours, ours);
    SSL_set_bio(server.get(), theirs, theirs);
    SSL_set_connect_state(client.get());
    SSL_set_accept_state(server.get());
    std::string reason = "it did not come to an end";
    for (int round = 0; round < handshake_rounds_max; ++round) {
        bool going_on = false;
        const bool asked = step(client.get(), going_on, reason);
        if (!asked && !going_on)
            break;
        const bool answered = step(server.get(), going_on, reason);
        if (asked && answered)
            return ok();
        if (!answered && !going_on)
            break;
    }
    return fail(errc::network_failed, reason);
}

} // namespace gateway
