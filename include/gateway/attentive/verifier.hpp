// Decides whether a delivery was signed by Attentive. The signature covers the bytes as they
// arrived, so this runs before any parsing. No I/O, no clock.
// Source: Attentive documentation, "Webhook authentication": header x-attentive-hmac-sha256,
// lower-case hex of HMAC-SHA-256 over the raw body, keyed by the signing key's UTF-8 bytes.
#pragma once

#include "gateway/base/digest.hpp"
#include "gateway/base/result.hpp"
#include "gateway/base/wipe.hpp"
#include "gateway/model/delivery.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gateway {

inline constexpr std::string_view signature_header = "x-attentive-hmac-sha256";

// Shorter keys are refused: an empty one would let anybody sign.
inline constexpr std::size_t signing_key_bytes_min = 16;

struct signing_key {
    std::string id;     // ours, shown in logs and stored beside the event
    std::string secret; // as shown in Attentive's UI: not decoded

    ~signing_key() { wipe(secret); }
};

// The lower-case hex signature of `body`, as Attentive makes it.
std::string sign(std::string_view secret, std::string_view body);

// Safe to share between threads: immutable after construction.
class verifier {
public:
    // Fails with secret_invalid when `keys` is empty, an id is empty or repeated, or a secret is
    // shorter than signing_key_bytes_min.
    static result<verifier> make(const std::vector<signing_key>& keys);

    // Accepts `d` if any key signed it: two are live during a rotation. All keys are tried, with
    // no early exit. Fails with signature_missing (no header), signature_repeated (more than
    // one), signature_malformed (not exactly 64 hex digits; the detail names base64 or a prefix
    // when it looks like one) or signature_mismatch. Any thread.
    result<verified_delivery> verify(delivery d) const;

private:
    struct prepared_key {
        std::string id;
        hmac_sha256 mac;
    };
    explicit verifier(std::vector<prepared_key> keys) : keys_(std::move(keys)) {}

    std::vector<prepared_key> keys_;
};

} // namespace gateway
