// Signatures of deliveries; see gateway/attentive/verifier.hpp.
#include "gateway/attentive/verifier.hpp"

#include <algorithm>

namespace gateway {
namespace {

constexpr std::size_t signature_digits = 64;

// What a value that is not 64 hex digits looks like, without showing it: people who set up a
// sender of their own most often pick another encoding.
std::string fault_of(std::string_view value)
{
    const std::string expected = "expected 64 hex digits, ";
    if (value.empty())
        return expected + "the header is empty";
    if (value.starts_with("sha256="))
        return expected + "found the prefix \"sha256=\"";
    const bool padded_base64 = value.size() == 44 && value.back() == '=';
    if (padded_base64 || value.size() == 43)
        return expected + "found what looks like base64";
    if (value.size() != signature_digits)
        return expected + "found " + std::to_string(value.size()) + " characters";
    return expected + "found a character that is none";
}

} // namespace

std::string sign(std::string_view secret, std::string_view body)
{
    return to_hex(hmac_sha256{secret}(body));
}

result<verifier> verifier::make(const std::vector<signing_key>& keys)
{
    if (keys.empty())
        return fail(errc::secret_invalid, "no signing key: without one anybody could sign");
    std::vector<prepared_key> prepared;
    for (const auto& key : keys) {
        if (key.id.empty())
            return fail(errc::secret_invalid, "a signing key has no id");
        if (std::any_of(prepared.begin(), prepared.end(),
                        [&](const prepared_key& other) { return other.id == key.id; }))
            return fail(errc::secret_invalid, "two signing keys have the id \"" + key.id + "\"");
        if (key.secret.size() < signing_key_bytes_min)
            return fail(errc::secret_invalid,
                        "signing key \"" + key.id + "\" has " + std::to_string(key.secret.size()) +
                            " bytes; at least " + std::to_string(signing_key_bytes_min) +
                            " are needed");
        prepared.push_back({key.id, hmac_sha256{key.secret}});
    }
    return verifier{std::move(prepared)};
}

result<verified_delivery> verifier::verify(delivery d) const
{
    if (d.signatures.empty())
        return fail(errc::signature_missing,
                    "no header " + std::string{signature_header} + " in the request");
    if (d.signatures.size() > 1)
        return fail(errc::signature_repeated, std::to_string(d.signatures.size()) + " headers " +
                                                  std::string{signature_header} +
                                                  " in one request");
    const auto given = digest_from_hex(d.signatures.front());
    if (!given)
        return fail(errc::signature_malformed, fault_of(d.signatures.front()));
    const prepared_key* proof = nullptr;
    for (const auto& key : keys_) {
        if (constant_time_equal(key.mac(d.body), *given))
            proof = &key;
    }
    if (proof == nullptr)
        return fail(errc::signature_mismatch,
                    "signed by none of " + std::to_string(keys_.size()) + " signing keys");
    return verified_delivery{std::move(d), proof->id};
}

} // namespace gateway
