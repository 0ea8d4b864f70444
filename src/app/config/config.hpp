// The daemon's one TOML file: what may stand in it, its defaults and its ranges. Unknown keys and
// values out of range are refused with file, line, column, key and what would be allowed. Secrets
// are named here (file, systemd credential, environment variable), never written here.
#pragma once

#include "gateway/attentive/verifier.hpp"
#include "gateway/base/result.hpp"
#include "gateway/listener/limits.hpp"
#include "gateway/store/privacy.hpp"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gateway {

// Where a secret stands. Exactly one of the three is set.
struct secret_source {
    std::string file = {};            // path; one trailing newline is not part of the secret
    std::string credential = {};      // name below $CREDENTIALS_DIRECTORY (systemd LoadCredential)
    std::string environment = {};     // variable
    std::string credential_file = {}; // what the credential is made of, for find_credentials()
    std::string at = {};              // "gateway.toml:12:40": who names it; not part of what it is
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

struct listener_section {
    std::string address = "0.0.0.0:8443";
    std::filesystem::path tls_certificate; // both empty: plain HTTP
    std::filesystem::path tls_private_key;
    std::string tls_certificate_at; // "gateway.toml:3:19": where the file names them
    std::string tls_private_key_at;
    bool behind_tls_proxy = false; // allows plain HTTP beyond loopback
    std::vector<std::string> trusted_proxies;
    bool proxy_protocol = false; // of these
    std::size_t threads = 1;
};

struct database_section {
    std::string url;                       // exactly one of the two; never with a password
    std::filesystem::path embedded;        // directory of a private cluster
    std::optional<secret_source> password; // joins the url in database_url()
    std::size_t writers = 2;
    bool accept_weak_durability = false; // a server with fsync = off, too
};

struct spool_section {
    std::filesystem::path directory; // empty: no spool, an outage answers 503
    std::size_t bytes_max = 2ULL << 30U;
    bool any_file_system = false;        // tmpfs and network file systems too
    std::size_t drain_rate_max = 20'000; // events per second
};

struct admin_section {
    std::string address = "127.0.0.1:9464";
    std::optional<secret_source> token; // for metrics and page
};

struct log_section {
    std::string level = "info";  // trace, debug, info, warn, error
    std::string format = "json"; // or text
};

struct subscribers_section {
    bool phones_of_north_america = true;          // a number without plus may be one
    std::vector<std::string> phones_of_elsewhere; // company_ids of whose customers none is
};

struct alarms_section {
    std::chrono::milliseconds wrong_key_after{std::chrono::minutes{5}};
    std::size_t wrong_key_failures = 10;
    std::chrono::milliseconds silence_grace{std::chrono::minutes{15}};
};

struct limits_section : listener_limits {
    std::size_t inbox_events_max = 20'000;
    std::size_t inbox_bytes_max = 64U << 20U;
    std::size_t batch_events_max = 1'000;
    std::size_t batch_bytes_max = 8U << 20U;
    std::chrono::milliseconds batch_deadline{2'000};
    std::chrono::milliseconds drain_delay{5'000};    // not ready, still serving
    std::chrono::milliseconds drain_timeout{20'000}; // for requests under way
};

struct config {
    listener_section listener;
    std::vector<endpoint_config> endpoints;
    database_section database;
    spool_section spool;
    retention_settings retention;
    subscribers_section subscribers;
    admin_section admin;
    log_section log;
    alarms_section alarms;
    limits_section limits;
};

// Reads and checks `file`. Fails with config_invalid, one line for each fault:
// "gateway.toml:12:1: listener.adress: unknown key, did you mean address?; allowed: …".
// Secrets are not read: see read_signing_keys() and database_url(). Outside the service its
// credentials are those beside the file: see find_credentials().
result<config> load_config(const std::filesystem::path& file);

// The same from text; `name` stands where the file's name would.
result<config> parse_config(std::string_view text, const std::string& name);

} // namespace gateway
