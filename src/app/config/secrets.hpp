// Takes secrets from where the configuration says they stand. They live outside the file, and no
// message ever holds one.
#pragma once

#include "app/config/config.hpp"
#include "gateway/base/wipe.hpp"
#include "gateway/listener/tls.hpp"

namespace gateway {

inline constexpr std::size_t secret_bytes_max = 4U << 10U;
inline constexpr std::size_t admin_token_bytes_min = 16;

// The secret itself. Fails with secret_invalid, saying which source and what to do; the value
// never enters the message. A file that others may read is a warning in `check-config`, not here.
result<std::string> read_secret(const secret_source& source);

struct bare_signing_key {
    std::string key;
    std::string left_out; // around it, in words: "white space and quotes"; empty: nothing

    ~bare_signing_key() { wipe(key); }
};

// A signing key without what an editor or a shell left around it: white space, a byte order mark,
// quotes. Fails with secret_invalid for what read_secret() refuses, and for a key with blanks or
// other bytes inside that no key has.
result<bare_signing_key> read_signing_key(const secret_source& source);

// The keys of one endpoint, for verifier::make(). Fails with secret_invalid, naming endpoint and
// key; a key shorter than signing_key_bytes_min is refused here already.
result<std::vector<signing_key>> read_signing_keys(const endpoint_config& endpoint);

// database.url with database.password in it: for libpq only, never for a message or a log. As
// configured when there is no password. Fails with secret_invalid.
result<std::string> database_url(const config& c);

// The token that the admin port wants for metrics and page; empty when none is configured. Fails
// with secret_invalid, also for one that is short or cannot stand in an HTTP header.
result<std::string> read_admin_token(const config& c);

// The configured certificate and key. Fails as load_tls_context() does, with the line of the
// configuration that names the file. Not for a configuration without them.
result<tls_context> load_certificate(const config& c);

// A file with a secret that more users than its owner can read.
struct exposed_secret {
    std::string what; // "endpoint main, signing key current"
    std::filesystem::path file;
    std::string readers; // "everybody" or "its group"
};
std::vector<exposed_secret> exposed_secrets(const config& c);

// "…: everybody can read /path; chmod go-rwx /path"
std::string exposed_text(const exposed_secret& secret);

} // namespace gateway
