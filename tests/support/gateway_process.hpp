// The real daemon on a real PostgreSQL, for end-to-end tests: a cluster for the whole test binary,
// a database, a certificate, a key and a configuration for each gateway.
#pragma once

#include "gateway/store/query.hpp"
#include "support/cluster.hpp"
#include "support/process.hpp"

#include <memory>
#include <string>

namespace gateway::test {

struct gateway_options {
    std::string signing_key = "e2e-signing-key-0123456789";
    std::string configuration{}; // appended to the generated TOML
    std::string listener{};      // lines for its section [listener]
    std::string database{};      // lines for its section [database]
    std::string admin{};         // lines for its section [admin]
    std::string database_url{};  // empty: a fresh database on the shared cluster
    bool migrate = true;         // --migrate
    bool wait_until_up = true;
    int listening_socket = -1;              // handed over as systemd does it; -1: none
    std::vector<std::string> environment{}; // "NAME=value"
};

class gateway_process {
public:
    explicit gateway_process(const gateway_options& options = {});

    // "https://localhost:<port>/webhooks/attentive"
    const std::string& url() const { return url_; }
    std::filesystem::path private_key() const { return directory_ / "private-key.pem"; }
    const std::string& admin_url() const { return admin_url_; }
    const std::string& database_url() const { return database_url_; }
    std::filesystem::path certificate() const { return directory_ / "certificate.pem"; }
    std::filesystem::path key_file() const { return directory_ / "signing-key"; }
    std::filesystem::path config_file() const { return directory_ / "gateway.toml"; }
    process& child() { return *child_; }

    // Writes certificate and key anew, each in one step, as certbot does it.
    void renew_certificate() const;

    // Starts the daemon once more on the same configuration, after the last one has ended.
    void restart();

    // First column of the first row; aborts the test when the statement fails.
    std::string value(const std::string& sql) const;
    // The whole answer, likewise.
    std::vector<std::vector<std::string>> rows(const std::string& sql) const;

private:
    std::string configuration() const;
    void start();

    gateway_options options_;
    temporary_directory directory_;
    std::string database_url_;
    std::string url_;
    std::string admin_url_;
    std::unique_ptr<process> child_;
    const std::shared_ptr<void> counted_{nullptr, [](void*) { --gateways_running; }};
};

} // namespace gateway::test
