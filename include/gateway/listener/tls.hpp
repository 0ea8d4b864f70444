// The TLS side of the listener: TLS 1.2 and 1.3 with the intermediate profile of Mozilla's
// guideline 5.8, session resumption, and certificates that are checked before they are used.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/base/time.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

namespace boost::asio::ssl {
class context;
}

namespace gateway {

using tls_context = std::shared_ptr<boost::asio::ssl::context>; // shared: sessions outlive a reload

// Loads a PEM chain and key. Fails with config_invalid, naming the file and what to do, when one
// cannot be read or parsed (half-written, encrypted), they do not belong together, or the
// certificate has expired or is not valid yet. Any thread.
result<tls_context> load_tls_context(const std::filesystem::path& certificate,
                                     const std::filesystem::path& private_key);

// When the certificate of `tls` expires. Any thread.
timestamp expires_at(const tls_context& tls);

struct self_signed {
    std::string certificate; // PEM
    std::string private_key; // PEM
};

// An ECDSA P-256 certificate for localhost, 127.0.0.1 and ::1, for the demo and for tests. It is
// valid from a day ago for `lifetime` from now; a negative one has expired.
self_signed make_self_signed_certificate(std::chrono::seconds lifetime = std::chrono::days{365});

} // namespace gateway
