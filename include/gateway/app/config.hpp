// The daemon's one TOML file: what may stand in it, its defaults and its ranges. Unknown keys and
// values out of range are refused with file, line, column, key and what would be allowed. Secrets
// are named here (file, systemd credential, environment variable), never written here.
#pragma once

#include "gateway/attentive/verifier.hpp"
#include "gateway/base/result.hpp"
#include "gateway/listener/listener.hpp"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gateway {

// Where a secret stands. Exactly one of the three is set.
struct secret_source {
    std::string file;        // path; one trailing newline is not part of the secret
    std::string credential;  // name below $CREDENTIALS_DIRECTORY (systemd LoadCredential)
    std::string environment; // variable
};

struct signing_key_config {
    std::string id;
    secret_source secret;
};

struct endpoint_config {
    std::string name;
    std::string path;
    std::vector<signing_key_config> signing_keys;
};

struct config {
    struct {
        std::string address = "0.0.0.0:8443";
        std::filesystem::path tls_certificate; // both empty: plain HTTP
        std::filesystem::path tls_private_key;
        bool behind_tls_proxy = false; // allows plain HTTP beyond loopback
        std::vector<std::string> trusted_proxies;
        std::size_t threads = 1;
        std::chrono::milliseconds drain_delay{5'000};    // not ready, still serving
        std::chrono::milliseconds drain_timeout{20'000}; // for requests under way
    } listener;
    std::vector<endpoint_config> endpoints;
    struct {
        std::string url;                // exactly one of the two
        std::filesystem::path embedded; // directory of a private cluster
        std::size_t writers = 2;
        std::chrono::milliseconds batch_deadline{2'000};
    } database;
    struct {
        std::string address = "127.0.0.1:9464";
    } admin;
    struct {
        std::string level = "info";  // trace, debug, info, warn, error
        std::string format = "json"; // or text
    } log;
    listener_limits limits;
    std::size_t inbox_events_max = 20'000;
    std::size_t inbox_bytes_max = 64U << 20U;
    std::size_t batch_events_max = 1'000;
    std::size_t batch_bytes_max = 8U << 20U;
};

// Reads and checks `file`. Fails with config_invalid, one line for each fault:
// "gateway.toml:12:9: listener.adress: unknown key (did you mean address?)".
result<config> load_config(const std::filesystem::path& file);

// The same from text; `name` stands where the file's name would.
result<config> parse_config(std::string_view text, const std::string& name);

// The secret itself. Fails with secret_invalid, saying which source and what to do; the value
// never enters the message. A file that others may read is a warning in `check-config`, not here.
result<std::string> read_secret(const secret_source& source);

} // namespace gateway
