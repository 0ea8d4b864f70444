// A host where all is well, for tests that break one thing of it: a configuration, a certificate
// from an authority, a signing key, a database and a role that may write to it. No spool, so that
// whatever keeps the database from taking events is a 503.
#pragma once

#include "support/process.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gateway::test {

// Certificates as authorities make them, once for the whole test binary.
class certificate_authority {
public:
    static certificate_authority& instance();

    // PEM texts. What is issued by `issuer` carries these OpenSSL extensions.
    struct pair {
        std::string certificate;
        std::string private_key;
    };
    pair issue(const std::string& name, const pair& issuer,
               const std::vector<std::string>& extensions, const std::string& curve = "P-256",
               int days = 30);
    pair issue_for_localhost(const pair& issuer, const std::string& curve = "P-256");

    pair root;
    pair intermediate;
    pair expired_intermediate; // the same name and key
    pair server;               // issued by the intermediate
    std::filesystem::path root_file() const { return directory_ / "root.pem"; }

private:
    certificate_authority();
    std::string make(const std::vector<std::string>& words) const;

    temporary_directory directory_;
};

extern const std::vector<std::string> authority_extensions;
extern const std::vector<std::string> server_extensions;

class doctor_stage {
public:
    doctor_stage();
    doctor_stage(const doctor_stage&) = delete;
    doctor_stage& operator=(const doctor_stage&) = delete;

    // The configuration is made of these; change them, then write().
    std::string listener_address;
    std::string listener_lines;
    std::string database_lines; // all of [database]
    std::string admin_address;
    std::string admin_lines;
    std::string more; // further sections
    void write() const;

    std::filesystem::path config_file() const { return directory_ / "gateway.toml"; }
    std::filesystem::path key_file() const { return directory_ / "signing-key"; }
    std::filesystem::path certificate() const { return directory_ / "certificate.pem"; }
    std::filesystem::path private_key() const { return directory_ / "private-key.pem"; }
    std::filesystem::path directory() const { return directory_.path(); }

    // Runs SQL as the superuser of the database.
    void sql(const std::string& statements) const;
    // Another database, server or user.
    void use_url(const std::string& url);
    const std::string& role() const { return role_; }
    const std::string& superuser_url() const { return superuser_url_; }

    run_result doctor() const;
    // Empty when `serve` neither ended by itself nor refused what was posted: else what it did.
    std::string how_serve_fails();

    std::vector<std::shared_ptr<void>> kept;    // until the stage ends
    std::function<void()> before_serve = [] {}; // after the doctor's visit

private:
    temporary_directory directory_;
    std::string superuser_url_;
    std::string role_;
};

struct breakage {
    const char* name; // of the test
    std::function<void(doctor_stage&)> harm;
    const char* finding; // a regular expression on the line behind "FAIL "
};

// Well first, then harmed: the doctor says so with a remedy, and serve fails too.
void prove(const breakage& b);

// A port that nothing listens on just now.
std::string free_address();

} // namespace gateway::test
