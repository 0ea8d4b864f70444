// SHA-256, HMAC-SHA-256, digests in hex and constant-time comparison, on OpenSSL 3. The only file
// pair that calls OpenSSL's digests; a failure inside OpenSSL (out of memory) aborts, it is not an
// outcome.
#pragma once

#include "gateway/base/encoding.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace gateway {

using digest256 = std::array<std::uint8_t, 32>;

// SHA-256 (FIPS 180-4) of `bytes`. Any thread.
digest256 sha256(std::string_view bytes);

// HMAC-SHA-256 (RFC 2104) with a prepared key. Immutable after construction: share it freely.
// OpenSSL accepts an empty key; whoever loads keys has to refuse it.
class hmac_sha256 {
public:
    explicit hmac_sha256(std::string_view key);

    // The 32-byte code of `bytes`. Any thread, no locks: each thread works on copies of its own of
    // the prepared states.
    digest256 operator()(std::string_view bytes) const;

private:
    struct state;
    std::shared_ptr<const state> state_; // shared by copies: the prepared key never changes
};

// Equal or not, in time that depends on neither value.
bool constant_time_equal(const digest256& a, const digest256& b);

// 64 digits of lower-case hex.
std::string to_hex(const digest256& digest);

// Exactly 64 hex digits of either case, nothing before or after; otherwise nullopt.
std::optional<digest256> digest_from_hex(std::string_view text);

} // namespace gateway
